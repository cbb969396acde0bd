"""``resource-tracker record``: the kernel files of this machine as a scene, so that a report becomes a test."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from resource_tracker.cli.amounts import whole_number
from resource_tracker.errors import ParseError, SettingError
from resource_tracker.scene import record

MOST_SECONDS = 60
NOT_RECORDED = (
    "names of processes, users, machines, disks and interfaces of your own, control groups and folders; command lines; "
    "environments; addresses; serial numbers; the date"
)


def main(options: argparse.Namespace) -> int:
    """Record, and say what is in the file; returns the exit code."""
    seconds = whole_number(options.seconds, "--seconds", 1, MOST_SECONDS)
    pid = os.getpid() if options.pid is None else whole_number(options.pid, "--pid", 1, 1 << 22)
    if not os.path.isdir("/proc/self"):
        raise SettingError("record needs /proc: it works on Linux only")
    target: Path = options.output
    # Made before anything is recorded, so that nothing is recorded in vain; never one that is there.
    try:
        file = target.open("xb")
    except FileExistsError:
        raise SettingError(f"{target} exists and is not overwritten: give another name with --output") from None
    done = False
    try:
        archive, camera, files = record(pid, seconds)
        file.write(archive)
        done = True
    except (ParseError, FileNotFoundError, ProcessLookupError):
        raise SettingError(f"--pid {pid}: no such process, or it cannot be read") from None
    finally:
        file.close()
        if not done:
            target.unlink()
    print(f"{target}: {files} files of {seconds + 1} instants, {len(archive) / 1000:.0f} kB")
    print("Recorded: numbers of the machine, of the process and its descendants, of their control groups; process ids.")
    print(f"Not recorded: {NOT_RECORDED}.")
    for name, reason in sorted(camera.left_out.items()):
        print(f"Could not be read: {name} ({reason})")
    print(f"Look at it with: tar tzf {target}", file=sys.stderr)
    return 0
