"""What held an attempt back: its CPU quota, waiting for CPU, memory or storage, kills for lack of memory.

Pure. From the frames' counters; ``None`` where the kernel does not count.
"""

from __future__ import annotations

import math

from resource_tracker.dataclass import dataclass
from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import row_weights, total

QUOTA_PERIOD_S = 0.1
"""The kernel's own, and Docker's and Kubernetes'. Source: kernel, Documentation/scheduler/sched-bwc.rst."""
CGROUP, MACHINE = "cgroup", "machine"
"""Whose pressure it is: what else runs there waits, too."""
NEAR_LIMIT = 0.9
"""Share of the limit on memory from which on the kernel looks for what it could swap out."""
LEAST_SWAPPED_KIB = 64 * 1024.0
"""Less is what lies in swap on any machine: pages that nobody asks for."""
PRESSURES = ("cpu_pressure_s", "memory_pressure_s", "io_pressure_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """Fields of :class:`~resource_tracker.records.UsageSummary` of these names."""

    throttled_s: float | None
    throttled_share: float | None
    run_wait_s: float | None
    oom_kills: int | None
    cpu_pressure_s: float | None
    memory_pressure_s: float | None
    io_pressure_s: float | None
    pressure_of: str | None


def held_back(process: TinyDataFrame, system: TinyDataFrame, duration_s: float, period_s: float | None) -> HeldBack:
    """The sums of an attempt. `period_s` is the period of its CPU quota, where that is known."""
    kills = _sum(process, "oom_kills")
    pressure_of = _pressure_of(process, system)
    frame = process if pressure_of == CGROUP else system
    cpu, memory, io = (_sum(frame, name) if pressure_of else None for name in PRESSURES)
    return HeldBack(
        throttled_s=_sum(process, "throttled_s"),
        throttled_share=throttled_share(_sum(process, "throttled_periods"), duration_s, period_s),
        run_wait_s=_sum(process, "run_wait_s"),
        oom_kills=None if kills is None else round(kills),
        cpu_pressure_s=cpu,
        memory_pressure_s=memory,
        io_pressure_s=io,
        pressure_of=pressure_of,
    )


def throttled_share(periods: float | None, duration_s: float, period_s: float | None) -> float | None:
    """Share of the time in which the CPU quota was used up: the kernel counts periods in which it was."""
    if periods is None or not duration_s > 0:
        return None
    return min(1.0, periods * (period_s or QUOTA_PERIOD_S) / duration_s)


def wanted_cores(process: TinyDataFrame) -> list[float]:
    """Cores in use in each row, and those that threads were kept from by the quota; nan where either is not known.

    The kernel counts each CPU on which something was held back: with more CPUs it would have used no more than this.
    """
    if "cpu_usage" not in process or "throttled_s" not in process:
        return []
    return [
        cores + held_back_s / length if length > 0 else cores
        for cores, held_back_s, length in zip(
            process["cpu_usage"], process["throttled_s"], row_weights(process), strict=True
        )
    ]


def swapped_kib(process: TinyDataFrame, system: TinyDataFrame, limit_kib: float | None) -> float | None:
    """How much more lay in swap than in the first row, at most, while the step was close to its limit on memory.

    What is swapped out is in no figure of resident memory: the step needed at least so much more than its peak. The
    machine's swap is what is counted, so where the step was far from its limit it was others'. ``None`` where there
    was nothing of the kind, or it cannot be told.
    """
    if not limit_kib or "swap_used_kib" not in system or "memory_peak_kib" not in process:
        return None
    swap, peaks = system["swap_used_kib"], process["memory_peak_kib"]
    if len(swap) != len(peaks) or not len(swap):
        return None
    near = [used - swap[0] for used, peak in zip(swap, peaks, strict=True) if peak >= NEAR_LIMIT * limit_kib]
    most = max((grown for grown in near if grown == grown), default=0.0)
    return most if most >= LEAST_SWAPPED_KIB else None


def _pressure_of(process: TinyDataFrame, system: TinyDataFrame) -> str | None:
    if any(_sum(process, name) is not None for name in PRESSURES):
        return CGROUP
    return MACHINE if any(_sum(system, name) is not None for name in PRESSURES) else None


def _sum(frame: TinyDataFrame, name: str) -> float | None:
    found = total(frame[name]) if name in frame else math.nan
    return found if math.isfinite(found) else None
