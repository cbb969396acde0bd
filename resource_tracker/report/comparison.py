"""This attempt beside the earlier ones: a strip of columns and the usual value for each metric."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from resource_tracker.records import History, TaskRecord, TaskSummary
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import costs_of
from resource_tracker.report.gpu import has_gpu

MAX_BARS = 40
"""Earlier tasks drawn at most; the figures count all of them."""
_WORSE = 1.2
"""More than this many times the usual is coloured where more is worse: time, memory, money."""
_COUNTS = ("Duration", "Peak memory", "Peak GPU memory", "Cost")


class Bar(NamedTuple):
    """A column of the strip, in per cent of it: `x` of its middle, `y` of its top from above."""

    x: float
    y: float


class Metric(NamedTuple):
    """One line of the table; `bars` are the earlier tasks, oldest first, `this` is the attempt of the card."""

    name: str
    bars: tuple[Bar, ...]
    this: Bar | None
    bar_width: float
    now: str
    usual: str
    range: str
    change: str
    worse: bool


class Comparison(NamedTuple):
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
        ("Mean CPU", usage.cpu_mean_cores, lambda task: task.cpu_mean_cores, fmt.hundredths),
    ]
    if has_gpu(record):
        rows.append(("Mean GPU", usage.gpu_usage_mean, lambda task: task.gpu_usage_mean, fmt.hundredths))
        rows.append(("Peak GPU memory", usage.gpu_vram_max_mib, lambda task: task.gpu_vram_max_mib, fmt.memory_mib))
    costs = costs_of(pricing, *(task.run_cost_usd for task in history.tasks))
    name = "Cost" if costs.runs == 1 else f"Cost of {costs.label}"
    rows.append((name, pricing.run_cost_usd, lambda task: task.run_cost_usd, costs.text))
    running = record.outcome.status == "running"  # half an attempt compares with nothing
    metrics = [
        metric(name, None if running else now, [pick(task) for task in reversed(history.tasks)], text)
        for name, now, pick, text in rows
    ]
    summary = _counted(history) + ("; this one follows when it has ended" if running else "")
    return Comparison(summary=summary, metrics=tuple(found for found in metrics if found is not None))


def metric(
    name: str, now: float | None, earlier: list[float | None], text: Callable[[float | None], str], noise: float = 0.0
) -> Metric | None:
    """`now` beside `earlier` values, oldest first; ``None`` where no earlier one is known.

    A difference up to `noise` is none that anybody should be warned of.
    """
    before = [value for value in earlier if value is not None and math.isfinite(value)]
    if not before:
        return None
    now = now if now is not None and math.isfinite(now) else None
    drawn = before[-MAX_BARS:]
    top = max(*drawn, now or 0.0, 1e-12)
    usual = _median(before)
    slots = len(drawn) + 1
    return Metric(
        name=name,
        bars=tuple(_bar(i, slots, value / top) for i, value in enumerate(drawn)),
        this=None if now is None else _bar(slots - 1, slots, now / top),
        bar_width=round(min(64 / slots, 6.0), 2),
        now=text(now),
        usual=text(usual),
        range=_range(text(min(before)), text(max(before))),
        change=fmt.change(now, usual),
        worse=name.startswith(_COUNTS) and now is not None and now > max(usual * _WORSE, usual + noise) > 0,
    )


def _bar(index: int, slots: int, share: float) -> Bar:
    """Columns stand side by side and to the right, so that this run ends the strip however few there are."""
    width = min(100 / slots, 10.0)
    return Bar(x=round(100 - width * (slots - index - 0.5), 2), y=round(100 * (1 - max(share, 0.02)), 2))


def _median(values: list[float]) -> float:
    """As in :mod:`statistics`, whose import would cost the task 3 ms."""
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _range(lowest: str, highest: str) -> str:
    return lowest if lowest == highest else f"{lowest} to {highest}"


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
