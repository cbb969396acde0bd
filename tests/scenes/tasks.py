"""Real processes for tests: a Python task that measures itself, and waiting for something with a deadline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0
"""For what takes a fraction of a second on a machine that is not busy."""

PRELUDE = """
import json, os, subprocess, sys, time
sys.path.insert(0, {root!r})
from resource_tracker.errors import TrackerError
from resource_tracker.start_end import StartEndReadings
from resource_tracker.tracker import SamplerProcess, start_measuring

def say(**facts):
    print(json.dumps(facts), flush=True)

def start(**given):
    return SamplerProcess.start(pid=os.getpid(), spool_parents=[{spools!r}], start_timeout_s=10, **given)

def facts_of(m):
    t = m.tracking
    return dict(
        peak=m.memory_peak_kib, source=m.memory_peak_source, persist=m.persist_memory_peak_kib,
        cpu=m.cpu_seconds, cpu_source=m.cpu_source, lower_bound=m.cpu_is_lower_bound,
        duration=m.duration_s, step_ended_at=m.step_ended_at, mode=t.mode, reason=t.reason,
        shm=m.shared_memory_peak_kib, disk=m.disk_growth_gb,
        ended_early=t.ended_early, failed=[f.source for f in t.failed_sources], rows=t.cost.rows,
        gpus=[dict(name=f.name, memory_mib=f.memory_mib, may_use=f.may_use) for f in m.gpu_facts],
        gpu_source=m.gpu_source, **dict(("gpu%d" % i, f.to_dict("records")) for i, f in enumerate(m.gpu_frames)),
        process=m.process.to_dict("records"), system=m.system.to_dict("records"),
    )

def finish(s):
    s.mark("step_end", 10)
    s.stop(10)
    facts = facts_of(s.measurements())
    s.remove()
    say(**facts)
"""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Polls until `condition` holds. Fails with `what` after a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.005)


def command(code: str, spools: Path) -> list[str]:
    """The command line of a task; `code` follows the prelude."""
    prelude = PRELUDE.format(root=str(ROOT), spools=str(spools))
    return [sys.executable, "-c", prelude + textwrap.dedent(code)]


def run_task(code: str, spools: Path, **given: Any) -> dict[str, Any]:
    """What a task said last, once it ended well."""
    # Through a shell that forks: a program inherits the memory peak of whatever executed it, and pytest is large.
    small_parent = ["sh", "-c", '"$@"; exit $?', "sh"]
    done = subprocess.run(
        [*small_parent, *command(code, spools)],
        capture_output=True,
        text=True,
        timeout=120,
        **{"env": environment(), **given},
    )
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment(**variables: str) -> dict[str, str]:
    """The environment of a task."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables}


class Task:
    """A task that runs beside the test; `said` is what it said first. Killed at the end of the ``with``."""

    def __init__(self, code: str, spools: Path, **given: Any) -> None:
        self.process = subprocess.Popen(
            command(code, spools), stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, **given
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the task said nothing"
        self.said: dict[str, Any] = json.loads(line)

    def __enter__(self) -> Task:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state not in (b"Z", b"X")
