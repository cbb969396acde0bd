"""Asks the metadata services from a process beside the task, which finds the answer in the cache when it needs it.

For tasks that a scheduler started on a machine of their own. Where a local runtime started the task, the runtime asks.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

from resource_tracker.ecs import VARIABLE as AGENT

_PROBE = "import sys; sys.path.append(sys.argv[1]); from resource_tracker.cloud_probe import main; main()"
_KEPT_VARIABLES = ("HOME", "XDG_CACHE_HOME", "TMPDIR", "LD_LIBRARY_PATH", AGENT)
"""Where the cache may stand, what some Pythons need to start, where ECS answers; nothing else of the environment."""
_LAUNCH_TIMEOUT_S = 2.0


def start_probe() -> None:
    """Begin to ask, and return at once: the process that asks is nobody's child and ends within about a second.

    Not for a task that orphans come back to (process 1, or a subreaper).

    Raises
    ------
    OSError, subprocess.SubprocessError
        No process could be started.
    """
    if not sys.executable:
        return
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", _PROBE, os.path.dirname(os.path.dirname(os.path.abspath(__file__)))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
        timeout=_LAUNCH_TIMEOUT_S,
        check=False,
    )


def main() -> None:
    """In the launched process: leave it, so that its child is nobody's, and ask there."""
    os.setsid()
    if os.fork():
        os._exit(0)
    with contextlib.suppress(Exception):  # nobody is there to tell; the card says that the cloud is not known
        os.nice(5)
        from resource_tracker.cloud_cache import cached_discover

        cached_discover()
    os._exit(0)
