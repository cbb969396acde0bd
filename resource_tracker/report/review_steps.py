"""The rows of a review's timeline: a step with its drawing, and the attempts of it that cost most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from resource_tracker.report import format as fmt
from resource_tracker.report.costs import Costs
from resource_tracker.report.review_timeline import Lane, kind_of, lane
from resource_tracker.review_records import AttemptReview, StepReview
from resource_tracker.waste import Waste

LISTED_TASKS = 12
_ENDED = {"ok": "ok", "failed": "failed", "running": "not finished", "unknown": "unknown"}


class Part(NamedTuple):
    """A piece of a stacked bar, in per cent of its row: ``used``, ``cpu``, ``memory``, ``gpu`` or ``lost``."""

    kind: str
    share: float


class TaskRow(NamedTuple):
    """An attempt in the list of its step."""

    task: str
    outcome: str
    kind: str
    left: float
    width: float
    duration: str
    memory: str
    cost: str
    wasted: str
    parts: tuple[Part, ...]


class StepRow(NamedTuple):
    """A step in the timeline, with the attempts that cost most below."""

    name: str
    note: str
    lane: Lane
    duration: str
    cost: str
    tasks: tuple[TaskRow, ...]
    more: str


def step_row(step: StepReview, began: float, length: float, costs: Costs) -> StepRow:
    by_cost = sorted(step.attempts, key=lambda one: (-(one.usd or 0.0), -(one.duration_s or 0.0)))
    listed = sorted(by_cost[:LISTED_TASKS], key=lambda one: one.attempt.started_at or 0.0)
    dearest = max((one.usd or 0.0 for one in listed), default=0.0)
    finer = costs._replace(decimals=fmt.usd_decimals((one.usd or 0.0) * costs.runs for one in listed))
    return StepRow(
        name=step.name,
        note=step_note(step),
        lane=lane(step, began, length),
        duration=fmt.elapsed(_span(step)),
        cost=costs.text(step.usd) if step.tracked else fmt.UNKNOWN,
        tasks=tuple(_task_row(one, step.tracked, began, length, dearest, finer) for one in listed),
        more=_more(step, len(by_cost) - len(listed)),
    )


def step_note(step: StepReview) -> str:
    """Its tasks, if more than one, what was lost, and how long its siblings took."""
    parts = []
    if step.tasks > 1:
        parts.append(fmt.plural(step.tasks, "task"))
    if step.lost:
        parts.append(f"{step.lost:,} lost")
    if step.aside:
        parts.append(step.aside)
    return ", ".join(parts)


def distribution(step: StepReview) -> str:
    """How long a step's siblings took, and how much memory they needed, in words; empty for a single one."""
    durations = step.durations_s
    if len(durations) < 2:
        return ""
    middle, high = _quantile(durations, 0.5), _quantile(durations, 0.95)
    text = f"Half took up to {fmt.duration(middle)}, 95 % up to {fmt.duration(high)}"
    text += f", the longest {fmt.duration(durations[-1])}"
    peaks = sorted(
        one.attempt.summary.memory_peak_kib
        for one in step.attempts
        if one.attempt.summary is not None and one.attempt.summary.memory_peak_kib is not None
    )
    if len(peaks) > 1:
        text += f"; memory peaked at up to {fmt.memory_kib(_quantile(peaks, 0.5))} in half of them"
        text += f", {fmt.memory_kib(peaks[-1])} at most"
    return text + "."


def _more(step: StepReview, left_out: int) -> str:
    text = distribution(step)
    if left_out > 0:
        text = f"Those that cost most; {fmt.plural(left_out, 'more attempt')} not listed. {text}"
    return text.strip()


def _task_row(one: AttemptReview, tracked: bool, began: float, length: float, dearest: float, costs: Costs) -> TaskRow:
    attempt, summary = one.attempt, one.attempt.summary
    begin = 0.0 if attempt.started_at is None or not length else (attempt.started_at - began) / length
    width = 0.0 if not length else (one.duration_s or 0.0) / length
    about = "≤ " if attempt.ended_at_latest else ""
    peak = summary.memory_peak_kib if summary is not None else None
    return TaskRow(
        task=attempt.task_id + (f", attempt {attempt.attempt}" if attempt.attempt else ""),
        outcome=_outcome(one),
        kind=kind_of(one, tracked),
        left=round(100 * min(begin, 0.995), 2),
        width=round(100 * max(width, 0.004), 2),
        duration=about + fmt.elapsed(one.duration_s) if one.duration_s is not None else fmt.UNKNOWN,
        memory=fmt.memory_kib(peak),
        cost=about + costs.text(one.usd) if one.usd is not None else fmt.UNKNOWN,
        wasted=costs.text(one.waste.usd) if one.usd is not None else fmt.UNKNOWN,
        parts=parts_of(one.usd, one.waste, dearest),
    )


def _outcome(one: AttemptReview) -> str:
    attempt = one.attempt
    if not attempt.measured and attempt.summary is not None and attempt.status != "ok":
        return "killed"
    if attempt.lost and attempt.status == "ok":
        return "repeated"
    return _ENDED[attempt.status]


def _span(step: StepReview) -> float | None:
    return None if step.started_at is None or step.ended_at is None else step.ended_at - step.started_at


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in order: the smallest that at least this share of them do not exceed."""
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def parts_of(usd: float | None, waste: Waste, whole: float) -> tuple[Part, ...]:
    if not usd or not whole:
        return ()
    amounts = (
        ("used", max(0.0, usd - waste.usd)),
        ("cpu", waste.cpu_usd),
        ("memory", waste.memory_usd),
        ("gpu", waste.gpu_usd),
        ("lost", waste.lost_usd),
    )
    return tuple(Part(kind, round(100 * amount / whole, 2)) for kind, amount in amounts if amount > 0)
