"""Rows from collectors: the one place that knows which collectors there are, in the sampler and in the task."""

import os
import time

from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.cgroup import CgroupCollector
from resource_tracker.sampler.cgroup_totals import CgroupTotals
from resource_tracker.sampler.clock import Clock, Sleep
from resource_tracker.sampler.collector import NAN, Collector, Failures, Guard, Row
from resource_tracker.sampler.file_systems import file_systems
from resource_tracker.sampler.gpu.choose import gpu_collector
from resource_tracker.sampler.machine import CpuCollector, MemoryCollector
from resource_tracker.sampler.process import ProcessCollector
from resource_tracker.sampler.shared_memory import SharedMemoryCollector
from resource_tracker.sampler.space import SpaceCollector
from resource_tracker.sampler.traffic import DiskCollector, NetCollector
from resource_tracker.sampler.tree import Tree
from resource_tracker.sampler.waiting import RunWaitCollector, WaitingCollector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROC = "/proc"
SYS = "/sys"


def standard_collectors(
    pid: int,
    failures: Failures,
    *,
    budget: Budget,
    marker: tuple[str, str] | None = None,
    places: "Sequence[tuple[str, str]]" = (("directory", "/"),),
    pynvml_dir: str | None = None,
    spool: str | None = None,
    visible_gpus: tuple[str | None, str | None] = (None, None),
    threads: bool = True,
    proc: str = PROC,
    sys_root: str = SYS,
) -> list[Collector]:
    """The collectors of this machine, in the order in which they are read.

    Parameters
    ----------
    pid : int
    failures : Failures
        Where collectors of several sources note what failed.
    budget : Budget
    marker : tuple of str, optional
        Variable of the environment by which orphans are known.
    places : sequence of (str, str)
        Role and path of directories that the step writes to, its own first: on the file systems that are reported.
    pynvml_dir : str, optional
        Folder of ``pynvml``.
    spool : str, optional
        The attempt's spool, beside which those of other attempts are found.
    visible_gpus : tuple of str or None
        The step's ``CUDA_VISIBLE_DEVICES`` and ``CUDA_DEVICE_ORDER``.
    threads : bool
        Whether this process may have threads of ours: not the step's own.
    proc, sys_root : str
        Roots of fake machines.

    Raises
    ------
    OSError, ParseError
        There is no such process.
    """
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    tree = Tree(proc, pid, marker, spool)
    root = os.path.dirname(sys_root).rstrip("/")
    totals = CgroupTotals(tree, proc, root, ticks_per_s)
    return [
        CpuCollector(proc, ticks_per_s),  # first: the step's CPU time is told how much of it was stolen
        ProcessCollector(tree, proc, ticks_per_s, failures, totals, budget),
        CgroupCollector(totals, pid, proc, root, failures),
        RunWaitCollector(tree, proc),
        WaitingCollector(proc, failures, tree.load),
        MemoryCollector(proc),
        DiskCollector(proc, sys_root),
        NetCollector(proc, sys_root),
        SpaceCollector(file_systems(list(places), proc), failures, threads=threads),
        SharedMemoryCollector(),
        gpu_collector(pynvml_dir, tree.counted_pids, failures, visible_gpus, proc),
    ]


class RowMaker:
    """Runs collectors: `first`, then sub-samples and rows. A failing one leaves its columns nan."""

    def __init__(self, collectors: list[Collector], failures: Failures, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._guards = [Guard(collector, failures) for collector in collectors]
        self._sub_sampled = [guard for guard in self._guards if guard.is_sub_sampled]
        self._swept = [guard for guard in self._guards if guard.is_swept]
        self._with_apart = [guard for guard in self._guards if guard.has_apart]
        self.failures = failures
        self.first_cores: Callable[[], dict[int, tuple[float, float]]] | None = None
        self._figures: dict[str, str] = {}
        self._spent_before_s: dict[str, float] = {}
        self._sleep = Sleep(self._clock)
        self._row_began_s = self._clock.monotonic()
        self._read_at_s = dict.fromkeys(self._guards, self._row_began_s)

    def first(self) -> Row:
        """The reading at start: what later rows are compared with."""
        for guard in self._guards:
            guard.start()
        self._row_began_s = self._clock.monotonic()
        row = self._stamped(0.0)
        for guard in self._guards:
            self._read_at_s[guard] = self._clock.monotonic()
            guard.read(row, 0.0)
        self.first_cores = row.cores
        return row

    def begun(self) -> None:
        """The task goes on: now what would have kept it waiting. What was spent until then is the start's."""
        for guard in self._guards:
            guard.begun()
        self._spent_before_s = self._all_spent_s()

    def changed_figures(self) -> dict[str, str]:
        """Figures whose source is another than at the last call, and that source."""
        now = {figure: source for guard in self._guards for figure, source in guard.figures().items()}
        changed = {figure: source for figure, source in now.items() if self._figures.get(figure) != source}
        self._figures.update(changed)
        return changed

    def sub_sample(self) -> None:
        """What may peak within a row."""
        now_s, before_s = self._clock.monotonic(), time.thread_time()
        for guard in self._sub_sampled:
            guard.sub_sample(now_s)
            before_s = _charge(guard, before_s)

    def sweep(self) -> None:
        """What may peak within a long row, looked for in all processes."""
        now_s, before_s = self._clock.monotonic(), time.thread_time()
        for guard in self._swept:
            guard.sweep(now_s)
            before_s = _charge(guard, before_s)

    def row(self) -> Row:
        """All columns since the last row.

        Each collector is told how long it is since its own last reading: on an overloaded machine one may be read
        long after another, and what it counted meanwhile must not look like a higher rate.
        """
        now_s = self._clock.monotonic()
        interval_s, self._row_began_s = now_s - self._row_began_s, now_s
        row = self._stamped(interval_s)
        before_s = time.thread_time()
        for guard in self._guards:
            now_s = self._clock.monotonic()
            guard.read(row, now_s - self._read_at_s[guard])
            self._read_at_s[guard] = now_s
            before_s = _charge(guard, before_s)
        return row

    def _stamped(self, interval_s: float) -> Row:
        row = Row()
        for frame in (row.process, row.system):
            frame["timestamp"] = self._clock.wall()
            frame["interval_s"] = interval_s
        row.system["suspended_s"] = self._sleep.since_last()
        return row

    @property
    def memory_kib(self) -> float:
        """What the step uses, as last seen; nan before that, and where nobody knows."""
        return next((guard.memory_kib for guard in self._sub_sampled if guard.memory_kib == guard.memory_kib), NAN)

    @property
    def set_apart_s(self) -> float:
        """CPU time spent so far on what keeps to a budget of its own."""
        return sum(sum(guard.set_apart_s().values()) for guard in self._with_apart)

    def spent_s(self) -> dict[str, float]:
        """CPU time spent since :meth:`begun`, by source."""
        before = self._spent_before_s
        return {source: max(0.0, spent_s - before.get(source, 0.0)) for source, spent_s in self._all_spent_s().items()}

    def _all_spent_s(self) -> dict[str, float]:
        spent: dict[str, float] = {}
        for guard in self._guards:
            apart = guard.set_apart_s()
            for source, cost_s in [(guard.source, guard.spent_s - sum(apart.values())), *apart.items()]:
                spent[source] = spent.get(source, 0.0) + cost_s
        return spent


def _charge(guard: Guard, before_s: float) -> float:
    """Notes what was spent on it since `before_s`; the CPU time now, so that each call asks the kernel once."""
    now_s = time.thread_time()
    guard.spent_s += now_s - before_s
    return now_s
