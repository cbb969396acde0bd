"""How an attempt was measured: the small print's part on the sources of its figures, and on what measuring cost."""

from __future__ import annotations

import math

from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import row_weights, weighted_mean
from resource_tracker.records import ARTIFACTS, TaskRecord, Tracking, UsageSummary
from resource_tracker.report import format as fmt
from resource_tracker.report.facts import Fact, input_fact
from resource_tracker.sampler.shared_memory import SHARED_MEMORY

_DECORATORS = 3
_SPENT_ON = {
    "start": "the start",
    "/proc/PID/stat": "finding and reading processes",
    "/proc/PID/smaps_rollup": "memory read in full",
    f"statvfs of {SHARED_MEMORY}": SHARED_MEMORY,
    "statvfs": "disk space",
}
"""Sources of the sampler's costs, where their name says little."""
_SPENT_ON_PARTS = 3
_LONGER_ROWS = 1.5
"""Rows so many times as long as was asked for are worth a word."""
_NEARLY_ALL = 0.995
_SHARE_FROM_S = 10.0
"""Of a shorter step the cost is the sampler's start, before the step's code: no share of its time."""


def method(record: TaskRecord) -> tuple[Fact, ...]:
    tracking, usage = record.tracking, record.usage
    facts = [Fact(label="Measured by", text=_mode(tracking))]
    if tracking.mode == "sampler":
        facts.append(Fact(label="Readings", text=_readings(record), key="readings"))
    if tracking.mode != "untracked":
        bound = ", a lower bound: processes that left the tree may be missing" if usage.cpu_is_lower_bound else ""
        facts.append(Fact(label="CPU from", text=(usage.cpu_source or fmt.UNKNOWN) + bound))
        exact = _exactness(record.process_metrics)
        facts.append(Fact(label="Memory peak from", text=(usage.memory_peak_source or fmt.UNKNOWN) + exact))
        if usage.gpu_source:
            facts.append(Fact(label="GPU use from", text=usage.gpu_source))
        if input_fact(usage):
            facts.append(Fact(label="Input size from", text=_input_source(usage)))
        facts.append(Fact(label="The tracker's own cost", text=_cost(record), key="own_cost"))
        if tracking.cost.by_source and tracking.cost.cpu_s:
            spent_on = _spent_on(tracking.cost.by_source, tracking.cost.cpu_s)
            facts.append(Fact(label="Spent on", text=spent_on, key="spent_on"))
        if tracking.overhead_budget is not None:
            allowed = f"{fmt.percent(tracking.overhead_budget)} of one core, the start aside"
            facts.append(Fact(label="Allowed for tracking", text=allowed))
    if record.pathspec:
        facts.append(request_fact(record))
    if record.versions:
        versions = [f"{name} {version}" for name, version in sorted(record.versions.items())]
        facts.append(Fact(label="Versions", text=", ".join(versions)))
    return tuple(facts)


def _input_source(usage: UsageSummary) -> str:
    return "the artifacts that the step began with" if usage.input_source == ARTIFACTS else f"{usage.input_source}"


def _exactness(process: TinyDataFrame) -> str:
    """How much of the memory is exact, not estimated, where that is known."""
    if "memory_exact" not in process.columns:
        return ""
    share = weighted_mean(process["memory_exact"], row_weights(process))
    if share != share:
        return ""
    return f"; {'all' if share >= _NEARLY_ALL else fmt.percent(share)} of memory exact"


def request_fact(record: TaskRecord) -> Fact:
    request = record.request
    if not request.decorators:
        return Fact(label="Request", text="none: the step has no @resources")
    names = " ".join(f"@{name}" for name in request.decorators[:_DECORATORS])
    values = [
        ("cpu", "cpu", None if request.cpu is None else fmt.whole(request.cpu)),
        ("memory", "memory", None if request.memory_mb is None else fmt.whole(request.memory_mb).replace(",", "")),
        ("gpu", "gpu", None if request.gpu is None else str(request.gpu)),
    ]
    parts = [f"{name}={text}" + ("" if key in request.chosen else " (default)") for key, name, text in values if text]
    return Fact(label="Request", text=f"{names}: {', '.join(parts)}" if parts else names)


def _mode(tracking: Tracking) -> str:
    if tracking.mode == "sampler":
        return f"a process beside the step, a row every {fmt.duration(tracking.interval_s)}"
    return "readings at start and end" if tracking.mode == "start_end" else "nothing"


def _readings(record: TaskRecord) -> str:
    """How many, and the length of a row where they got longer so that tracking kept to its budget."""
    tracking, cost = record.tracking, record.tracking.cost
    text = f"{fmt.count(cost.samples)} in {fmt.plural(cost.rows, 'row')}"
    if tracking.overhead_budget is None or not cost.rows or "interval_s" not in record.process_metrics.columns:
        return text
    row_s = math.fsum(cell for cell in record.process_metrics["interval_s"] if cell == cell) / cost.rows
    if row_s < _LONGER_ROWS * tracking.interval_s:
        return text
    return f"{text}, {fmt.duration(row_s)} each: more of them would cost more than is allowed"


def _cost(record: TaskRecord) -> str:
    cost, parts = record.tracking.cost, []
    if cost.cpu_s is not None:
        share, duration_s = "", record.usage.duration_s
        if duration_s is not None and duration_s >= _SHARE_FROM_S:
            share = f" ({fmt.percent(cost.cpu_s / duration_s)} of one core)"
        parts.append(f"{fmt.duration(cost.cpu_s)} of CPU time{share}")
    if cost.memory_kib is not None:
        parts.append(fmt.memory_kib(cost.memory_kib))
    if cost.publisher_cpu_s is not None:
        parts[-1:] = [f"{parts[-1]}; the live card {fmt.duration(cost.publisher_cpu_s)}"] if parts else []
        parts.append(fmt.memory_kib(cost.publisher_memory_kib))
    return f"{', '.join(parts)}; not counted above" if parts else fmt.UNKNOWN


def _spent_on(by_source: dict[str, float], cpu_s: float) -> str:
    """What most of the CPU time went into."""
    parts = {_SPENT_ON.get(source, source): spent_s for source, spent_s in by_source.items()}
    parts["waking up and writing"] = max(0.0, cpu_s - sum(parts.values()))
    largest = sorted(parts.items(), key=lambda part: -part[1])[:_SPENT_ON_PARTS]
    return ", ".join(f"{name} {fmt.percent(spent_s / cpu_s)}" for name, spent_s in largest if spent_s > 0)
