"""From a spool's rows and the task's own record to :class:`~resource_tracker.records.Measurements`."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resource_tracker.columns import PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.frame import TinyDataFrame
from resource_tracker.measured_cost import cost_of, failed_of, highest_of
from resource_tracker.records import FileSystemUse, Measurements, Tracking, TrackingMode
from resource_tracker.sampler.control import STEP_END
from resource_tracker.sampler.cpu_total import PSUTIL_TREE, TREE
from resource_tracker.sampler.file_systems import MAX_FILE_SYSTEMS
from resource_tracker.sampler.spool_read import Spool
from resource_tracker.spans import spans_of
from resource_tracker.timeline import Moment, Timeline
from resource_tracker.units import ticks_to_seconds

if TYPE_CHECKING:
    from resource_tracker.measured_gpus import MeasuredGpus

CPU_OF_TASK = "getrusage"
ROUNDING_TICKS, ROUNDING_SHARE = 2, 0.02
PEAK_OF_SAMPLES = "sub-samples"
PEAK_OF_KERNEL = "VmHWM"


def measurements_of(
    spool: Spool,
    timeline: Timeline,
    *,
    mode: TrackingMode,
    interval_s: float,
    overhead_budget: float | None = None,
    reason: str | None = None,
    ended_early: str | None = None,
    gpu_spool: Spool | None = None,
    core_spool: Spool | None = None,
) -> Measurements:
    """All that is known now of an attempt that may still be running.

    Rows after the mark of the step's end go into the persist peak only. Where the sampler did not get the mark, the
    rows' time tells on which side they are.
    """
    end = timeline.end or timeline.now()
    step_end = timeline.step_end
    phases = _phases(spool, step_end)
    step = [index for index, phase in enumerate(phases) if phase == 0]
    persist = [index for index, phase in enumerate(phases) if phase > 0]
    duration_s = max(0.0, (step_end or end).monotonic_s - timeline.start.monotonic_s)  # by a clock that may be set
    alone = not highest_of(spool.columns["internal", "attempts_left_out"], list(range(len(spool.phases))))
    used = (step_end or end).usage
    peak, source = _peak(spool, step, used.peaks_since(timeline.start.usage, with_children=alone))
    persist_peak = None
    if step_end is not None and timeline.end is not None:  # sooner, saving has hardly begun
        persist_peak, _ = _peak(spool, persist, end.usage.peaks_since(step_end.usage, with_children=alone))
    childless = alone and highest_of(spool.columns["process", "children"], step) == 0
    of_task_s = used.cpu_since(timeline.start.usage) if alone else None
    exact = _only_source(spool, "cpu", (TREE, PSUTIL_TREE))
    # What runs between readings at start and end, or once the sampler is dead, shows nowhere.
    watched = ended_early is None and (mode == "sampler" or exact is not None)
    cpu_s, cpu_source = _cpu(spool, step, of_task_s, childless, exact)
    gpus = None if gpu_spool is None else _gpus(gpu_spool, step_end, marked=_is_marked(spool))
    return Measurements(
        process=_frame(spool, "process", PROCESS_NAMES, step, timeline, duration_s),
        system=_frame(spool, "system", SYSTEM_NAMES, step, timeline, duration_s),
        started_at=timeline.start.unix_s,
        ended_at=end.unix_s,
        duration_s=duration_s,
        step_ended_at=None if step_end is None else step_end.unix_s,
        memory_peak_kib=peak,
        memory_peak_source=source,
        persist_memory_peak_kib=persist_peak,
        cpu_seconds=cpu_s,
        cpu_source=cpu_source,
        cpu_is_lower_bound=cpu_s is not None and not (watched and (childless or exact is not None)),
        cpu_cgroup_shared=_flag(spool, "cpu_cgroup_shared"),
        memory_cgroup_shared=_flag(spool, "memory_cgroup_shared"),
        shared_memory_peak_kib=_growth(spool, "system", "shm_used_kib"),
        disk_growth_gb=_growth(spool, "system", "disk_space_used_peak_gb"),
        file_systems=_file_systems(spool),
        gpu_frames=() if gpus is None else gpus.frames,
        gpu_facts=() if gpus is None else gpus.facts,
        gpu_source="" if gpus is None else gpus.source,
        gpu_driver=None if gpus is None else gpus.driver,
        core_frame=TinyDataFrame() if core_spool is None else _cores(core_spool, step_end, marked=_is_marked(spool)),
        spans=spans_of(spool.span_lines, timeline.start.monotonic_s),
        tracking=Tracking(
            mode=mode,
            interval_s=interval_s,
            overhead_budget=overhead_budget,
            reason=reason,
            ended_early=ended_early,
            cost=cost_of(spool),
            failed_sources=failed_of(spool),
        ),
    )


def last_seen_at(spool: Spool) -> float | None:
    """Unix time of the last row, or of the reading at start."""
    stamps = spool.columns["system", "timestamp"]
    return stamps[-1] if stamps else spool.first.get(("system", "timestamp"))


def _phases(spool: Spool, step_end: Moment | None) -> list[int]:
    if _is_marked(spool) or step_end is None:
        return spool.phases
    return [int(stamp > step_end.unix_s) for stamp in spool.columns["system", "timestamp"]]


def _is_marked(spool: Spool) -> bool:
    return any(event.text == f"mark\t{STEP_END}" for event in spool.events)


def _gpus(spool: Spool, step_end: Moment | None, *, marked: bool) -> MeasuredGpus:
    from resource_tracker.measured_gpus import gpus_of  # most tasks have none

    return gpus_of(spool, None if step_end is None else step_end.unix_s, marked=marked)


def _cores(spool: Spool, step_end: Moment | None, *, marked: bool) -> TinyDataFrame:
    from resource_tracker.measured_cores import cores_of  # nobody needs it while the step runs

    return cores_of(spool, None if step_end is None else step_end.unix_s, marked=marked)


def _frame(
    spool: Spool, frame: str, names: tuple[str, ...], rows: list[int], timeline: Timeline, duration_s: float
) -> TinyDataFrame:
    """The rows of one frame; where there is none, what else is known, as one row."""
    if rows:
        return TinyDataFrame({name: _cells(spool, frame, name, rows) for name in names})
    cells = {name: spool.first.get((frame, name), math.nan) for name in names}
    if not spool.first:
        cells.update(_cells_of_task(frame, timeline, duration_s))
    return TinyDataFrame({name: [value] for name, value in cells.items()})


def _cells(spool: Spool, frame: str, name: str, rows: list[int]) -> Sequence[float]:
    column = spool.columns.get((frame, name))  # the sampler may be of an earlier version than we
    if column is None:
        return [math.nan] * len(rows)
    return column if len(column) == len(rows) else [column[index] for index in rows]


def _cells_of_task(frame: str, timeline: Timeline, duration_s: float) -> dict[str, float]:
    """What the task knows without any sampler."""
    end = timeline.step_end or timeline.end or timeline.now()
    cells = {"timestamp": end.unix_s, "interval_s": duration_s}
    if frame == "process":
        cells["pid"] = timeline.pid
        cells["samples"] = 2
        peaks = end.usage.peaks_since(timeline.start.usage)
        if peaks:
            cells["memory_peak_kib"] = max(peaks.values())
        cpu_s = end.usage.cpu_since(timeline.start.usage)
        if cpu_s is not None and duration_s > 0:
            cells["cpu_usage"] = cells["cpu_peak_cores"] = cpu_s / duration_s
    return cells


def _peak(spool: Spool, rows: list[int], of_task: dict[str, float]) -> tuple[float | None, str]:
    """The highest of all sources, and its name: samples first, where several agree."""
    of_cgroup = _only_source(spool, "memory", (TREE,))
    of_samples = f"{PEAK_OF_SAMPLES} of {of_cgroup}" if of_cgroup else PEAK_OF_SAMPLES
    candidates = {
        of_samples: highest_of(spool.columns["internal", "memory_sampled_kib"], rows),
        PEAK_OF_KERNEL: highest_of(spool.columns["process", "memory_peak_kib"], rows),
        **of_task,
    }
    best, source = None, ""
    for name, value in candidates.items():
        if value is not None and (best is None or value > best):
            best, source = value, name
    return best, source


def _only_source(spool: Spool, figure: str, without: tuple[str, ...]) -> str | None:
    """The source that a figure had all the time; ``None`` where it ever was one of `without`, or is unknown."""
    sources = _sources(spool, figure)
    return sources.pop() if len(sources) == 1 and sources.isdisjoint(without) else None


def _sources(spool: Spool, figure: str) -> set[str]:
    """All that a figure ever had."""
    named = [event.text.split("\t", 2) for event in spool.events if event.text.startswith(f"source\t{figure}\t")]
    return {fields[2] for fields in named}


def _cpu(
    spool: Spool, rows: list[int], of_task_s: float | None, childless: bool, exact: str | None
) -> tuple[float | None, str]:
    """CPU seconds: of the rows, or of the task where it knows more, or had no children: it does not count in ticks."""
    ticks = [spool.columns["process", name][index] for name in ("utime", "stime") for index in rows]
    known = [value for value in ticks if value == value]
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    of_rows_s = ticks_to_seconds(math.fsum(known), ticks_per_s) if known else None
    if of_task_s is not None:
        # Nobody else was there, unless the clock counted more than ticks of rows that are rounded.
        rounding_s = max(ticks_to_seconds(ROUNDING_TICKS, ticks_per_s), ROUNDING_SHARE * of_task_s)
        alone = childless and (exact is None or of_rows_s is None or of_rows_s - of_task_s <= rounding_s)
        if of_rows_s is None or alone or of_task_s > of_rows_s:
            return of_task_s, CPU_OF_TASK
    of_tree = PSUTIL_TREE if PSUTIL_TREE in _sources(spool, "cpu") else TREE
    return of_rows_s, "" if of_rows_s is None else exact or of_tree


def _file_systems(spool: Spool) -> tuple[FileSystemUse, ...]:
    """The step's own first; empty where the sampler did not tell."""
    found = []
    for index in range(MAX_FILE_SYSTEMS):
        kind, _, rest = spool.meta.get(f"file_system_{index}", "").partition(" ")
        fields = rest.split(" ")
        if len(fields) != 3:
            continue
        where = ("internal", f"space_{index}_used_gb") if index else ("system", "disk_space_used_peak_gb")
        column = spool.columns.get(where, array("d"))
        found.append(
            FileSystemUse(
                roles=tuple(fields[2].split(",")),
                kind=kind,
                type=fields[0],
                size_gb=float(fields[1]),
                used_peak_gb=highest_of(column, list(range(len(column)))),
                growth_gb=_growth(spool, *where),
            )
        )
    return tuple(found)


def _growth(spool: Spool, frame: str, name: str) -> float | None:
    """How far a column went above the reading at start; also while the artifacts were saved."""
    column = spool.columns.get((frame, name), array("d"))
    at_start = spool.first.get((frame, name), math.nan)
    highest = highest_of(column, list(range(len(column))))
    if highest is None or at_start != at_start:
        return None
    return round(max(0.0, highest - at_start), 9)  # to the byte of a GB: the rest is no growth, but arithmetic


def _flag(spool: Spool, name: str) -> bool | None:
    """Whether it was so in any row; an earlier version's sampler does not tell."""
    column = spool.columns.get(("internal", name), array("d"))
    highest = highest_of(column, list(range(len(column))))
    return None if highest is None else highest > 0
