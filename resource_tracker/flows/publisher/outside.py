"""What was measured of an attempt, for who is not the task: from its spool, by the clock that all processes share."""

from __future__ import annotations

import math

from resource_tracker.dataclass import replace
from resource_tracker.endings import STOPS_WITHIN_S
from resource_tracker.flows.order import Order
from resource_tracker.frame import TinyDataFrame
from resource_tracker.measured import last_seen_at, measurements_of
from resource_tracker.records import Measurements
from resource_tracker.sampler.control import STEP_END, STOPPING
from resource_tracker.sampler.cores import CORES_PREFIX
from resource_tracker.sampler.gpu.find import GPU_PREFIX
from resource_tracker.sampler.spool_read import Spool, read_spool_beside
from resource_tracker.timeline import Moment, Timeline

LEAST_MEMORY_KIB = 4096.0
"""Python alone needs more: a lower peak was read while the kernel was taking a task down that had just begun."""

AT_ONCE_S = 2.0
"""A row, and the time that it takes to see that a task has ended: what ended that short before ended with the task."""


def measured_outside(
    order: Order, spool: Spool, spool_dir: str, *, ended: bool, died_at: float | None = None
) -> Measurements:
    """All that the spool holds. Of an attempt that `ended` the last row is the end.

    Where the sampler was killed before, that is `died_at`, the Unix time of the end if somebody else knows it. Where
    nobody does, and there is no row, the attempt is of no length: that is how one of unknown length is told.
    """
    timeline = timeline_of(order, spool)
    ended_early = None
    if ended:
        # The reading at start, which may be the only one, is as old as the attempt, or older.
        last_s = last_seen_at(spool) if spool.phases else None
        end = max(last_s or 0.0, order.started_at)
        if not any(event.text.startswith("end\t") for event in spool.events):
            ended_early = _why_early(spool, end - order.started_at, (died_at or end) - end)
            end = max(end, died_at or 0.0)
        timeline.end = timeline.at(end)
    found = measurements_of(
        spool,
        timeline,
        mode="sampler",
        interval_s=order.interval_s,
        overhead_budget=order.overhead_budget,
        ended_early=ended_early,
        gpu_spool=read_spool_beside(spool_dir, GPU_PREFIX),
        core_spool=read_spool_beside(spool_dir, CORES_PREFIX),
    )
    if ended and (found.memory_peak_kib or 0.0) < LEAST_MEMORY_KIB:
        process = _without_less(found.process, ("memory", "memory_peak_kib"), LEAST_MEMORY_KIB)
        return replace(found, memory_peak_kib=None, memory_peak_source="", process=process)
    return found


def _why_early(spool: Spool, measured_s: float, more_s: float) -> str:
    """What is to be said of the time without measurements: `more_s` seconds, if it is known."""
    if more_s >= AT_ONCE_S:
        return f"what measured it was killed after {measured_s:.1f} s, {more_s:.1f} s before its end"
    early = "" if spool.phases else ", before its first row"
    return f"what measured it was killed with it{early}"


def _without_less(frame: TinyDataFrame, names: tuple[str, ...], least: float) -> TinyDataFrame:
    """The frame, in some of its columns without what is below `least`: not known."""
    cells = {name: frame[name] for name in frame.columns}
    for name in set(names) & set(cells):
        cells[name] = [value if value >= least else math.nan for value in cells[name]]
    return TinyDataFrame(cells)


def stopping_since(spool: Spool) -> float | None:
    """Unix time at which the sampler got SIGTERM, as everybody does before a machine or a container goes.

    ``None`` where all went on for long after it.
    """
    last_s = last_seen_at(spool) or 0.0
    found = (event.time_s for event in spool.events if event.text == STOPPING)
    return next((at for at in found if last_s <= at + STOPS_WITHIN_S), None)


def timeline_of(order: Order, spool: Spool) -> Timeline:
    """When the attempt began, and where its code has ended, when that was."""
    timeline = Timeline(order.pid, Moment(order.pid, order.started_at, order.started_monotonic_s))
    ended = next((event for event in spool.events if event.text == f"mark\t{STEP_END}"), None)
    if ended is not None:
        timeline.step_end = timeline.at(ended.time_s)
    return timeline
