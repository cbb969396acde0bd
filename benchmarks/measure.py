"""Runs commands and takes their time: alternately, so that a busy moment of the machine hits every variant."""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
LEFT_BEHIND_AT_MOST_S = 5.0
"""How long to wait for what a command leaves behind. Its CPU time counts, the wait does not."""
QUIET_AWAITED_S = 0.3
"""How long a command waits for a moment in which nothing else runs on the machine; then it runs all the same."""


class BenchmarkError(Exception):
    """A command that is measured failed; the message holds what it said."""


@dataclass(frozen=True)
class Cost:
    """What a command took. ``cpu_s`` is that of all its processes, also of those that outlived it."""

    wall_s: float
    cpu_s: float
    output: str = ""


def collect_orphans() -> None:
    """Become the parent of what measured commands leave behind: a sampler is nobody's child, and must be counted."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> Cost:
    """Run a command to its end. Raises BenchmarkError where it fails."""
    _await_quiet()
    with tempfile.TemporaryFile() as out:
        begun_s = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun_s
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu_s = usage.ru_utime + usage.ru_stime + _orphans_cpu_s()
        out.seek(0)
        output = out.read().decode("utf-8", "replace")
    if process.returncode:
        words = " ".join(map(str, command[:4]))
        raise BenchmarkError(f"{words} ... ended with {process.returncode}:\n{output[-2000:]}")
    return Cost(wall_s, cpu_s, output)


def _await_quiet() -> None:
    deadline_s = time.monotonic() + QUIET_AWAITED_S
    while time.monotonic() < deadline_s:
        lines = Path("/proc/stat").read_text().splitlines()
        if any(line == "procs_running 1" for line in lines):
            return
        time.sleep(0.02)


def _orphans_cpu_s() -> float:
    total_s, deadline_s = 0.0, time.monotonic() + LEFT_BEHIND_AT_MOST_S
    while time.monotonic() < deadline_s:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid:
            total_s += usage.ru_utime + usage.ru_stime
        else:
            time.sleep(0.001)
    return total_s


Variant = Callable[[], Cost]


def alternate(title: str, variants: Mapping[str, Variant], rounds: int) -> dict[str, list[Cost]]:
    """Run every variant once a round, in turning order: A B C, C B A, ... A first round warms up and does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        say(f"{title}: " + (f"round {number} of {rounds}" if number else "warming up"))
        names = list(variants)[:: 1 if number % 2 else -1]
        for name in names:
            cost = variants[name]()
            if number:
                costs[name].append(cost)
    return costs


Clock = Callable[[Cost], float]


def wall(cost: Cost) -> float:
    """Wall time in ms."""
    return cost.wall_s * 1000


def cpu(cost: Cost) -> float:
    """CPU time in ms."""
    return cost.cpu_s * 1000


def median(clock: Clock, costs: Sequence[Cost]) -> float:
    """The middle one."""
    return statistics.median(map(clock, costs))


def added(clock: Clock, costs: Sequence[Cost], bare: Sequence[Cost]) -> float:
    """Median of the differences within each round."""
    return statistics.median(clock(one) - clock(other) for one, other in zip(costs, bare, strict=True))


def least_added(clock: Clock, costs: Sequence[Cost], bare: Sequence[Cost]) -> float:
    """Difference of the two best rounds: others on the machine only ever make a round slower."""
    return min(map(clock, costs)) - min(map(clock, bare))


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """The variables of a measured command: nothing of this shell's Python or Metaflow settings.

    ``PYTHONDONTWRITEBYTECODE``, for one, would make every process compile all that it imports.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return {**kept, "HOME": str(home), "METAFLOW_USER": "bench", **more}


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def loop_ms() -> float:
    """CPU time of a million rounds of a plain loop, the best of five: how fast the machine is just now.

    A shared machine may be half as fast an hour later, and then all figures in milliseconds are twice as large.
    """

    def once() -> float:
        begun_s, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number * number % 7
        return 1000 * (time.process_time() - begun_s)

    return min(once() for _ in range(5))
