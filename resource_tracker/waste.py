"""What was allocated and not used, in money. Pure; the rules are explained in ``docs/card.md``.

An attempt that was lost wastes all it cost. Of any other the price is split between its CPUs, memory and GPUs in the
proportion of their list prices, and of each part the share that stood idle is waste.
"""

from __future__ import annotations

from resource_tracker.dataclass import dataclass
from resource_tracker.history import overall_peak_kib
from resource_tracker.records import TaskSummary
from resource_tracker.units import kib_to_mib, mib_to_gib, seconds_to_hours

USD_PER_CPU_HOUR = 0.031611
USD_PER_GIB_HOUR = 0.004237
USD_PER_GPU_HOUR = 0.95
"""Only their proportions count: machines have one price for everything in them.

Source: defaults of OpenCost (opencost.io, ``default.json``), which are list prices of Google's custom machines.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What was set aside for an attempt, whether it used it or not. ``None`` is unknown."""

    cpus: float | None = None
    memory_mib: float | None = None
    gpus: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """Dollars that bought nothing, and how much of what stood idle for how long."""

    lost_usd: float = 0.0
    cpu_usd: float = 0.0
    memory_usd: float = 0.0
    gpu_usd: float = 0.0
    core_hours: float = 0.0
    gib_hours: float = 0.0
    gpu_hours: float = 0.0

    @property
    def usd(self) -> float:
        """All of it."""
        return self.lost_usd + self.idle_usd

    @property
    def idle_usd(self) -> float:
        """Of attempts that were of use."""
        return self.cpu_usd + self.memory_usd + self.gpu_usd

    def __add__(self, other: Waste) -> Waste:
        return Waste(
            lost_usd=self.lost_usd + other.lost_usd,
            cpu_usd=self.cpu_usd + other.cpu_usd,
            memory_usd=self.memory_usd + other.memory_usd,
            gpu_usd=self.gpu_usd + other.gpu_usd,
            core_hours=self.core_hours + other.core_hours,
            gib_hours=self.gib_hours + other.gib_hours,
            gpu_hours=self.gpu_hours + other.gpu_hours,
        )


def waste_of(task: TaskSummary, usd: float | None, allocation: Allocation, *, lost: bool) -> Waste:
    """What an attempt wasted. What was not measured counts as used; where the cost is unknown, there is no money.

    Parameters
    ----------
    usd : float or None
        What the attempt cost.
    lost : bool
        Nothing came of the attempt: then all of it is waste.
    """
    hours = seconds_to_hours(task.duration_s)
    cpus, gib, gpus = (
        allocation.cpus or 0.0,
        mib_to_gib(allocation.memory_mib or 0.0),
        allocation.gpus or 0.0,
    )
    if lost:
        return Waste(lost_usd=usd or 0.0, core_hours=cpus * hours, gib_hours=gib * hours, gpu_hours=gpus * hours)
    peak_kib = overall_peak_kib(task)
    idle_cpus = _idle(cpus, task.cpu_mean_cores)
    idle_gib = _idle(gib, None if peak_kib is None else mib_to_gib(kib_to_mib(peak_kib)))
    idle_gpus = _idle(gpus, task.gpu_usage_mean)
    prices = (cpus * USD_PER_CPU_HOUR, gib * USD_PER_GIB_HOUR, gpus * USD_PER_GPU_HOUR)
    whole = sum(prices)
    cpu_usd, memory_usd, gpu_usd = (
        (usd or 0.0) * (price / whole) * (idle / allocated) if allocated > 0 and whole > 0 else 0.0
        for price, idle, allocated in zip(prices, (idle_cpus, idle_gib, idle_gpus), (cpus, gib, gpus), strict=True)
    )
    return Waste(
        cpu_usd=cpu_usd,
        memory_usd=memory_usd,
        gpu_usd=gpu_usd,
        core_hours=idle_cpus * hours,
        gib_hours=idle_gib * hours,
        gpu_hours=idle_gpus * hours,
    )


def _idle(allocated: float, used: float | None) -> float:
    return 0.0 if used is None else max(0.0, allocated - used)
