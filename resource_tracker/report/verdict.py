"""The card's headline: what this attempt, or an earlier one, shows of the request, in a few words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from resource_tracker.records import Recommendation, TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.summary import ran_out_of_memory
from resource_tracker.units import kib_to_mb

_CLOSE = 1.25
"""Use and request, or request and advice, within this factor of each other are close."""
_CORES_MORE = 0.1
"""Cores above the request that are within what measuring is exact to."""
_USE = {"memory": "memory", "CPUs": "CPU use", "GPUs": "GPU use"}


class _Resource(NamedTuple):
    """What was asked for, what is needed, and the most that this attempt and earlier ones used, where known."""

    name: str
    asked: float
    need: float
    used: float | None
    earlier: float | None

    @property
    def kind(self) -> str:
        """How a request that is too little shows."""
        more = 0.0 if self.name == "memory" else _CORES_MORE
        if self.used is not None and self.used > self.asked + more:
            return "beyond"
        if self.used is not None and self.used * _CLOSE >= self.asked:
            return "close"
        return "earlier" if self.earlier is not None and self.earlier * _CLOSE >= self.asked else "perhaps"


def verdict(record: TaskRecord, recommendation: Recommendation) -> str:
    """The advice against what was asked for.

    That it is too little is said by what shows it: the end of this attempt, its peak, or that of earlier runs.
    """
    asked = [resource for resource in _resources(record, recommendation) if resource.asked]
    if not asked:
        return "What to request next time"
    if ran_out_of_memory(record.usage, record.outcome, record.limits):
        if record.ending is None:
            return "It ran out of memory"
        if recommendation.memory_mb > (record.request.memory_mb or 0.0):
            return "Request more memory"  # what happened is said above, with what ended it
    succeeded = record.outcome.status == "ok"
    short = [one for one in asked if one.need > one.asked or (one.name == "memory" and one.kind == "beyond")]
    if short and (succeeded or short[0].kind != "perhaps"):
        return _too_little([one for one in short if one.kind == short[0].kind])
    if not succeeded:
        return "Request at least"
    over = [(one.name, one.asked / one.need if one.need else None) for one in asked if one.asked > one.need * _CLOSE]
    if not over:
        return "The request fits"
    return f"Requested {_joined(_times(name, ratio) for name, ratio in over)} it needs"


def _resources(record: TaskRecord, recommendation: Recommendation) -> tuple[_Resource, ...]:
    request, usage, history = record.request, record.usage, record.history
    needs = {"memory": recommendation.memory_mb, "cpu": recommendation.cpu, "gpu": recommendation.gpu}
    needs |= {name: need for name, need in recommendation.estimate.items() if name in needs}
    cores = usage.cpu_p95_cores if usage.cpu_p95_cores is not None else usage.cpu_max_cores
    before = (task.cpu_p95_cores if task.cpu_p95_cores is not None else task.cpu_max_cores for task in history.tasks)
    peak = usage.overall_memory_peak_kib
    return (
        _Resource("memory", request.memory_mb or 0.0, needs["memory"], _mb(peak), _mb(history.max_memory_max)),
        _Resource("CPUs", request.cpu or 0.0, needs["cpu"], cores, _highest(before)),
        _Resource("GPUs", request.gpu or 0.0, needs["gpu"], usage.gpu_utilized_max, history.max_gpu_count),
    )


def _too_little(short: list[_Resource]) -> str:
    """Resources of one kind, the first of which is named where only one can be."""
    first, names = short[0], _joined(_USE[resource.name] for resource in short)
    names = f"{names[:1].upper()}{names[1:]}"
    if first.kind == "beyond":
        return f"{names} went beyond the request"
    if first.kind == "close":
        return f"{names} came close to the request"
    if first.kind == "perhaps" or first.earlier is None:
        return "The request may be too little"
    than = "more than you ask for" if first.earlier > first.asked else "close to what you ask for"
    if first.name == "memory":
        return f"Earlier runs needed up to {fmt.memory_mb(first.earlier)}: {than}"
    return f"Earlier runs used up to {fmt.cores(first.earlier)} {first.name}: {than}"


def _mb(kib: float | None) -> float | None:
    return None if kib is None else kib_to_mb(kib)


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _times(name: str, ratio: float | None) -> str:
    return f"{name} that" if ratio is None else f"{fmt.trimmed(ratio, 2)}× the {name}"


def _joined(found: Iterable[str]) -> str:
    words = list(found)
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
