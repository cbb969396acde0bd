"""What watching itself uses: CPU and memory of our sampler, of the package of PyPI and of psrecord."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import environments
from benchmarks.measure import BenchmarkError, clean_environment, say
from benchmarks.tables import Table, against, times

PROGRAMS = Path(__file__).parent / "programs"
OURS, PSRECORD = "ours", "psrecord"
MIB, GIB_MIB = 1 << 20, 1024
PAGES_GIB = 4
SETTLED_AFTER_S = 3.0
SEEN_FOR_S, SEEN_QUICKLY_FOR_S = 10.0, 5.0
MEMORY_TARGET_MB = 12.0


@dataclass(frozen=True)
class Workload:
    """What is watched, and how much of a core we may use for it, in percent."""

    name: str
    words: Sequence[str]
    target: float
    usual: bool = True
    """Its memory is compared with the target."""


@dataclass(frozen=True)
class Use:
    """Of one watcher: share of a core in percent; memory in MB, once shared pages divided, once whole."""

    cpu: float
    memory_mb: float
    resident_mb: float


def measure(folder: Path, quick: bool) -> list[Table]:
    """All watchers on the same workload at the same time, a row a second."""
    watchers, notes = _watchers()
    found = Table("Watching, at a row a second", ("", "watcher", "CPU", "x ours", "memory", "x ours", "target"))
    most_mb = 0.0
    for workload in _workloads(quick):
        say(f"watching: {workload.name}")
        used = _watch(workload, watchers, folder, SEEN_QUICKLY_FOR_S if quick else SEEN_FOR_S)
        ours = used[OURS]
        if workload.usual:
            most_mb = max(most_mb, ours.resident_mb)
        for name, use in used.items():
            found.add(
                workload.name if name == OURS else "",
                name,
                f"{use.cpu:.2f} %",
                times(use.cpu, ours.cpu),
                f"{use.memory_mb:.1f} MB",
                times(use.memory_mb, ours.memory_mb),
                against(use.cpu, workload.target, f"<= {workload.target:g} %") if name == OURS else "",
            )
    found.notes.append("CPU: share of a core. Memory: proportional set size, which divides what processes share.")
    target = against(most_mb, MEMORY_TARGET_MB, f"<= {MEMORY_TARGET_MB:.0f} MB")
    found.notes.append(f"Ours with all that it shares (resident set size), 5000 aside: {most_mb:.1f} MB, {target}.")
    found.notes.append("Ours sees memory ten times a second where its budget allows, the others once a second.")
    found.notes += notes
    return [found]


def _workloads(quick: bool) -> list[Workload]:
    pages_mib = min(PAGES_GIB * GIB_MIB, _available_mib() // 3)
    return [
        Workload("idle process and child", ["idle"], 0.3),
        *([] if quick else [Workload("busy, short children", ["busy"], 1.0)]),
        Workload("200 idle children", ["children", "200"], 1.0),
        Workload(f"{pages_mib / GIB_MIB:.1f} GiB in pages of 4 KiB", ["pages", str(pages_mib)], 0.4),
        *([] if quick else [Workload("5000 idle children", ["children", "5000"], 3.0, usual=False)]),
    ]


def _available_mib() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return 0


def _watchers() -> tuple[dict[str, list[str | Path]], list[str]]:
    """What to put before the pid on a command line; and why something is left out."""
    watch = PROGRAMS / "watch.py"
    found: dict[str, list[str | Path]] = {OURS: [environments.ours(), watch, "ours"]}
    notes = []
    try:
        found["peer"] = [environments.peer(), watch, "peer"]
        notes.append(f"peer: {environments.PEER}, its two trackers.")
    except environments.MissingError as error:
        notes.append(f"{environments.PEER} is left out: {error}")
    try:
        psrecord = environments.psrecord().parent / "psrecord"
        found[PSRECORD] = [psrecord, "--include-children", "--interval", "1", "--log", "/dev/null"]
    except environments.MissingError as error:
        notes.append(f"psrecord is left out: {error}")
    return found, notes


def _watch(
    workload: Workload, watchers: dict[str, list[str | Path]], folder: Path, seen_for_s: float
) -> dict[str, Use]:
    environment = clean_environment(folder)
    with ExitStack() as stack:
        watched = _started([sys.executable, PROGRAMS / "workload.py", *workload.words], environment, folder, stack)
        _line(watched)
        pids = {}
        for name, words in watchers.items():
            process = _started([*words, str(watched.pid)], environment, folder, stack)
            pids[name] = [process.pid] if name == PSRECORD else [int(pid) for pid in _line(process).split()]
        time.sleep(SETTLED_AFTER_S)
        before, begun_s = {name: _cpu_s(own) for name, own in pids.items()}, time.monotonic()
        time.sleep(seen_for_s)
        passed_s = time.monotonic() - begun_s
        return {
            name: Use(100 * (_cpu_s(own) - before[name]) / passed_s, _memory_mb(own, "Pss"), _memory_mb(own, "Rss"))
            for name, own in pids.items()
        }


def _started(
    words: Sequence[str | Path], environment: dict[str, str], folder: Path, stack: ExitStack
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [str(word) for word in words],
        env=environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BenchmarkError(f"a watcher or its workload said nothing and ended with {process.wait()}")
    return line


def _cpu_s(pids: Sequence[int]) -> float:
    """CPU time to the nanosecond: ``schedstat`` of every thread. The ticks of ``stat`` are too coarse."""
    paths = [path for pid in pids for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(path.read_text().split()[0]) for path in paths) / 1e9


def _memory_mb(pids: Sequence[int], kind: str) -> float:
    total_kib = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                total_kib += int(line.split()[1])
    return total_kib * 1024 / 1e6
