"""Rows from collectors: the one place that knows which collectors there are, in the sampler and in the task."""

import os
import time

from resource_tracker.sampler.collector import Collector, Failures, Guard, Row
from resource_tracker.sampler.gpu.choose import gpu_collector
from resource_tracker.sampler.machine import CpuCollector, MemoryCollector, SpaceCollector
from resource_tracker.sampler.process import ProcessCollector
from resource_tracker.sampler.shared_memory import SharedMemoryCollector
from resource_tracker.sampler.traffic import DiskCollector, NetCollector
from resource_tracker.sampler.tree import Tree

PROC = "/proc"
SYS = "/sys"


def standard_collectors(
    pid: int,
    failures: Failures,
    *,
    marker: tuple[str, str] | None = None,
    directory: str = "/",
    pynvml_dir: str | None = None,
    spool: str | None = None,
    visible_gpus: tuple[str | None, str | None] = (None, None),
    proc: str = PROC,
    sys_root: str = SYS,
) -> list[Collector]:
    """The collectors of this machine, the step's own first. Raises OSError, ParseError where there is no such process.

    Parameters
    ----------
    pid : int
    failures : Failures
        Where collectors of several sources note what failed.
    marker : tuple of str, optional
        Variable of the environment by which orphans are known.
    directory : str
        On the file system whose space is reported.
    pynvml_dir : str, optional
        Folder of ``pynvml``.
    spool : str, optional
        The attempt's spool, beside which those of other attempts are found.
    visible_gpus : tuple of str or None
        The step's ``CUDA_VISIBLE_DEVICES`` and ``CUDA_DEVICE_ORDER``.
    proc, sys_root : str
        Roots of fake machines.
    """
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    tree = Tree(proc, pid, marker, spool)
    return [
        ProcessCollector(tree, proc, ticks_per_s, failures),
        CpuCollector(proc, ticks_per_s),
        MemoryCollector(proc),
        DiskCollector(proc, sys_root),
        NetCollector(proc, sys_root),
        SpaceCollector(directory),
        SharedMemoryCollector(),
        gpu_collector(pynvml_dir, tree.counted_pids, failures, visible_gpus, proc),
    ]


class RowMaker:
    """Runs collectors: `first`, then sub-samples and rows. A failing one leaves its columns nan."""

    def __init__(self, collectors: list[Collector], failures: Failures) -> None:
        self._guards = [Guard(collector, failures) for collector in collectors]
        self.failures = failures
        self._row_began_s = time.monotonic()

    def first(self) -> Row:
        """The reading at start: what later rows are compared with."""
        for guard in self._guards:
            guard.start()
        self._row_began_s = time.monotonic()
        return self._row(0.0)

    def sub_sample(self) -> None:
        """What may peak within a row."""
        now_s = time.monotonic()
        for guard in self._guards:
            guard.sub_sample(now_s)

    def sweep(self) -> None:
        """What may peak within a long row, looked for in all processes."""
        now_s = time.monotonic()
        for guard in self._guards:
            guard.sweep(now_s)

    def row(self) -> Row:
        """All columns since the last row."""
        now_s = time.monotonic()
        interval_s, self._row_began_s = now_s - self._row_began_s, now_s
        return self._row(interval_s)

    def _row(self, interval_s: float) -> Row:
        row = Row()
        for frame in (row.process, row.system):
            frame["timestamp"] = time.time()
            frame["interval_s"] = interval_s
        for guard in self._guards:
            guard.read(row, interval_s)
        return row
