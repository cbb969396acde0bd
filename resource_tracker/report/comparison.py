"""This attempt beside the earlier ones: a strip of dots and the usual value for each metric."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from resource_tracker.records import History, TaskRecord, TaskSummary
from resource_tracker.report import format as fmt
from resource_tracker.report.gpu import has_gpu

MAX_DOTS = 40
"""Earlier tasks drawn at most; the figures count all of them."""
_LARGE = 1.5
"""A change by this factor is set in bold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """Place in per cent of the strip: `x` from oldest to newest, `y` from the top."""

    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    name: str
    dots: tuple[Dot, ...]
    this: Dot | None
    usual_y: float
    now: str
    usual: str
    lowest: str
    highest: str
    change: str
    large: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`metrics` is empty where there is nothing to compare with, and `summary` says why."""

    summary: str
    metrics: tuple[Metric, ...]


def comparison(record: TaskRecord) -> Comparison:
    history = record.history
    if not history.available:
        return Comparison(summary=_plain(history.reason or "no reason was recorded"), metrics=())
    usage, pricing = record.usage, record.pricing
    rows: list[tuple[str, float | None, Callable[[TaskSummary], float | None], Callable[[float | None], str]]] = [
        ("Duration", usage.duration_s, lambda task: task.duration_s, fmt.duration),
        ("Peak memory", usage.memory_peak_kib, lambda task: task.memory_peak_kib, fmt.memory_kib),
        ("Mean CPU", usage.cpu_mean_cores, lambda task: task.cpu_mean_cores, _with_cores),
    ]
    if has_gpu(record):
        rows.append(("Mean GPU", usage.gpu_usage_mean, lambda task: task.gpu_usage_mean, fmt.cores))
        rows.append(("Peak GPU memory", usage.gpu_vram_max_mib, lambda task: task.gpu_vram_max_mib, fmt.memory_mib))
    rows.append(("Cost", pricing.run_cost_usd, lambda task: task.run_cost_usd, fmt.usd))
    metrics = [
        _metric(name, now, [pick(task) for task in reversed(history.tasks)], text) for name, now, pick, text in rows
    ]
    return Comparison(summary=_counted(history), metrics=tuple(metric for metric in metrics if metric is not None))


def _metric(
    name: str, now: float | None, earlier: list[float | None], text: Callable[[float | None], str]
) -> Metric | None:
    before = [value for value in earlier if value is not None and math.isfinite(value)]
    if not before:
        return None
    now = now if now is not None and math.isfinite(now) else None
    drawn = before[-MAX_DOTS:]
    top = max(*drawn, now or 0.0, 1e-12)
    usual = median(before)
    slots = len(drawn) + 1
    dots = [Dot(x=_place(i, slots), y=_height(value, top)) for i, value in enumerate(drawn)]
    return Metric(
        name=name,
        dots=tuple(dots),
        this=None if now is None else Dot(x=_place(slots - 1, slots), y=_height(now, top)),
        usual_y=_height(min(usual, top), top),
        now=text(now),
        usual=text(usual),
        lowest=text(min(before)),
        highest=text(max(before)),
        change=fmt.change(now, usual),
        large=now is not None and usual > 0 and not 1 / _LARGE < now / usual < _LARGE,
    )


def _place(index: int, slots: int) -> float:
    return round(100 * (index + 0.5) / slots, 2)


def _height(value: float, top: float) -> float:
    return round(90 - 80 * value / top, 2)


def _with_cores(value: float | None) -> str:
    return fmt.cores(value)


def _counted(history: History) -> str:
    text = fmt.plural(history.runs_analyzed, "earlier run")
    if history.tasks_analyzed > history.runs_analyzed:
        text += f", {fmt.plural(history.tasks_analyzed, 'task')}"
    if history.tasks_left_out:
        text += f"; {fmt.plural(history.tasks_left_out, 'more task')} not read"
    return text


def _plain(reason: str) -> str:
    reason = reason.strip()
    return reason[:1].upper() + reason[1:] + ("" if reason.endswith((".", "!", "?")) else ".")
