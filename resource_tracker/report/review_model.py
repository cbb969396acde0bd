"""What the page of a cost review shows, as text and geometry: no HTML in here, no numbers left for the template."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from resource_tracker.report import format as fmt
from resource_tracker.report.comparison import Metric, metric
from resource_tracker.report.costs import Costs, vendor_name, with_vendor_names
from resource_tracker.report.facts import Fact
from resource_tracker.report.headline import Badge
from resource_tracker.report.review_timeline import Lane, Tick, kind_of, lane, ticks
from resource_tracker.review import AttemptReview, Change, RunReview, StepReview
from resource_tracker.waste import Waste

SHOWN_CHANGES = 3
LISTED_TASKS = 12
SHOWN_MACHINES = 4
_CENT, _MANY = 0.01, 1000
_LEAST_SHARE = 0.01
_BADGES = {
    "ok": Badge(text="Succeeded", tone="good"),
    "failed": Badge(text="Failed", tone="bad"),
    "running": Badge(text="Not finished", tone="live"),
    "unknown": Badge(text="Unknown", tone="neutral"),
}
_ENDED = {"ok": "ok", "failed": "failed", "running": "not finished", "unknown": "unknown"}


class Part(NamedTuple):
    """A piece of a stacked bar, in per cent of its row: ``used``, ``cpu``, ``memory``, ``gpu`` or ``lost``."""

    kind: str
    share: float


class ChangeRow(NamedTuple):
    step: str
    asked: str
    code: str
    saving: str
    per_month: str
    reason: str
    notes: tuple[str, ...]


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


class SpendingRow(NamedTuple):
    """A step among those that the money went to."""

    name: str
    parts: tuple[Part, ...]
    cost: str
    share: str
    wasted: str
    summary: str


class ReviewPage(NamedTuple):
    title: str
    flow: str
    pathspec: str
    badge: Badge
    duration: str
    started: str
    started_iso: str
    verdict: str
    sentences: tuple[str, ...]
    money: tuple[Fact, ...]
    assumed: str
    changes_title: str
    changes: tuple[ChangeRow, ...]
    changes_aside: str
    no_changes: str
    needs: tuple[ChangeRow, ...]
    ticks: tuple[Tick, ...]
    steps: tuple[StepRow, ...]
    spending: tuple[SpendingRow, ...]
    spending_aside: str
    legend: tuple[Fact, ...]
    metrics: tuple[Metric, ...]
    comparison: str
    notes: tuple[Fact, ...]


def build_page(review: RunReview) -> ReviewPage:
    totals = review.totals
    costs = costs_of_review(review)
    began, length = totals.started_at or 0.0, totals.wall_s or 0.0
    saving = sum(change.saving_usd for change in review.changes[:SHOWN_CHANGES])
    return ReviewPage(
        title=f"Run {review.run_id}",
        flow=review.flow,
        pathspec=f"{review.flow}/{review.run_id}",
        badge=_BADGES[totals.status],
        duration=fmt.duration(totals.wall_s),
        started=fmt.moment(totals.started_at),
        started_iso=fmt.iso_moment(totals.started_at),
        verdict=verdict(review, costs),
        sentences=sentences(review, costs),
        money=_money(review, costs, saving),
        assumed=assumed(review),
        changes_title=changes_title(len(review.changes)),
        changes=tuple(_change_row(change, costs) for change in review.changes[:SHOWN_CHANGES]),
        changes_aside=_changes_aside(review, costs),
        no_changes=no_changes(review),
        needs=tuple(_change_row(change, costs) for change in review.needs),
        ticks=ticks(length),
        steps=tuple(_step_row(step, began, length, costs) for step in review.steps),
        spending=_spending(review, costs),
        spending_aside="" if costs.runs == 1 else f"Of {costs.label} like this one.",
        legend=_legend(review.waste, costs, totals.usd),
        metrics=_metrics(review, costs),
        comparison=comparison_summary(review),
        notes=tuple(_notes(review)),
    )


def costs_of_review(review: RunReview) -> Costs:
    """All amounts of a review alike: of this run, or of a thousand where it costs less than a cent."""
    usd = review.totals.usd or 0.0
    runs = _MANY if 0 < usd < _CENT else 1
    return Costs(runs=runs, decimals=min(fmt.usd_decimals([usd * runs]), 3))


# --- the head --------------------------------------------------------------------------------------


def verdict(review: RunReview, costs: Costs) -> str:
    """How much of the money bought nothing."""
    usd, wasted = review.totals.usd, review.waste.usd
    if usd is None:
        return "What this run cost is not known"
    about = "This run cost" if costs.runs == 1 else f"{costs.label} like this one cost"
    about = f"{about} {costs.text(usd)}"
    if not usd > 0 or wasted / usd < 0.01:
        return about
    return f"{about}, and {fmt.percent(min(1.0, wasted / usd))} of it bought nothing"


def sentences(review: RunReview, costs: Costs) -> tuple[str, ...]:
    """What was wasted, in its parts."""
    waste = review.waste
    parts = []
    if waste.lost_usd > 0:
        parts.append(f"{costs.text(waste.lost_usd)} went to {lost_attempts(review.totals.lost)}")
    if waste.cpu_usd > 0:
        parts.append(f"{costs.text(waste.cpu_usd)} to CPUs that stood idle ({_hours(waste.core_hours, 'core')})")
    if waste.memory_usd > 0:
        parts.append(f"{costs.text(waste.memory_usd)} to memory that was never used ({_hours(waste.gib_hours, 'GiB')})")
    if waste.gpu_usd > 0:
        parts.append(f"{costs.text(waste.gpu_usd)} to idle GPUs ({_hours(waste.gpu_hours, 'GPU')})")
    if not parts:
        return ()
    text = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    return (f"{text}.",)


def lost_attempts(count: int) -> str:
    return fmt.plural(count, "attempt") + (
        " that failed or was retried" if count == 1 else " that failed or were retried"
    )


def _hours(amount: float, unit: str) -> str:
    return f"{fmt.trimmed(amount, 2)}{fmt.NBSP}{unit}-hours"


def _money(review: RunReview, costs: Costs, saving: float) -> tuple[Fact, ...]:
    totals = review.totals
    found = [
        Fact(label="This run" if costs.runs == 1 else costs.label, text=costs.text(totals.usd), key="cost"),
        Fact(label="Bought nothing", text=costs.text(review.waste.usd), key="waste"),
    ]
    if saving > 0:
        found.append(Fact(label="The changes below save", text=costs.text(saving), key="saving"))
    if review.runs_per_month is not None and totals.usd:
        label = f"A month of {fmt.plural(max(1, round(review.runs_per_month)), 'run')}"
        found.append(Fact(label=label, text=fmt.usd(totals.usd * review.runs_per_month), key="month"))
    return tuple(found)


def assumed(review: RunReview) -> str:
    """Where costs are those of machines that nobody has seen: which, and why; else empty."""
    offers = review.assumed
    if not offers:
        return ""
    names = ", ".join(offer.instance.name for offer in offers[:SHOWN_MACHINES])
    if len(offers) > SHOWN_MACHINES:
        names += f" and {len(offers) - SHOWN_MACHINES} more"
    places = sorted({f"{vendor_name(offer.instance.vendor)} {offer.region}" for offer in offers})
    return (
        "Assumed machines: it is not known where the steps ran, so each is counted on the cheapest of "
        f"{', '.join(places)} that fits what it asks for, or needs where it asks for nothing ({names})."
    )


# --- changes ---------------------------------------------------------------------------------------


def changes_title(count: int) -> str:
    if count == 0:
        return "Changes"
    shown = min(count, SHOWN_CHANGES)
    if shown == 1:
        return "The change that saves most"
    return f"The {('two', 'three')[shown - 2]} changes that save most"


def _changes_aside(review: RunReview, costs: Costs) -> str:
    others = review.changes[SHOWN_CHANGES:]
    if not others:
        return ""
    rest = costs.text(sum(change.saving_usd for change in others))
    return f"{fmt.plural(len(others), 'more step')} could save {rest} together."


def no_changes(review: RunReview) -> str:
    if review.totals.usd is None:
        return "Without prices it is not known what would save money."
    return "No step asks for so much more than it needs that changing it would save money."


def _change_row(change: Change, costs: Costs) -> ChangeRow:
    month = "" if change.per_month_usd is None else f"{fmt.usd(abs(change.per_month_usd))} a month"
    return ChangeRow(
        step=change.step,
        asked=change.asked,
        code=change.text,
        saving=fmt.usd(abs(change.saving_usd) * costs.runs),
        per_month=month,
        reason=change.reason,
        notes=change.notes,
    )


# --- steps -----------------------------------------------------------------------------------------


def _step_row(step: StepReview, began: float, length: float, costs: Costs) -> StepRow:
    by_cost = sorted(step.attempts, key=lambda one: (-(one.usd or 0.0), -(one.duration_s or 0.0)))
    listed = sorted(by_cost[:LISTED_TASKS], key=lambda one: one.attempt.started_at or 0.0)
    dearest = max((one.usd or 0.0 for one in listed), default=0.0)
    finer = costs._replace(decimals=fmt.usd_decimals((one.usd or 0.0) * costs.runs for one in listed))
    return StepRow(
        name=step.name,
        note=step_note(step),
        lane=lane(step, began, length),
        duration=duration(_span(step)),
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
    if not step.tracked:
        parts.append("not tracked")
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
        duration=about + duration(one.duration_s) if one.duration_s is not None else fmt.UNKNOWN,
        memory=fmt.memory_kib(peak),
        cost=about + costs.text(one.usd) if one.usd is not None else fmt.UNKNOWN,
        wasted=costs.text(one.waste.usd) if one.usd is not None else fmt.UNKNOWN,
        parts=_parts(one.usd, one.waste, dearest),
    )


def _outcome(one: AttemptReview) -> str:
    attempt = one.attempt
    if not attempt.measured and attempt.summary is not None and attempt.status != "ok":
        return "killed"
    if attempt.lost and attempt.status == "ok":
        return "repeated"
    return _ENDED[attempt.status]


def duration(seconds: float | None) -> str:
    """As everywhere, but never zero: nothing takes no time at all."""
    return "<1\u00a0ms" if seconds is not None and seconds < 0.0005 else fmt.duration(seconds)


def _span(step: StepReview) -> float | None:
    return None if step.started_at is None or step.ended_at is None else step.ended_at - step.started_at


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in order: the smallest that at least this share of them do not exceed."""
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


# --- money -----------------------------------------------------------------------------------------


def _spending(review: RunReview, costs: Costs) -> tuple[SpendingRow, ...]:
    paid = sorted((s for s in review.steps if s.usd), key=lambda step: -(step.usd or 0.0))
    dearest = max((step.usd or 0.0 for step in paid), default=0.0)
    total = review.totals.usd or 0.0
    return tuple(
        SpendingRow(
            name=step.name,
            parts=_parts(step.usd, step.waste, dearest),
            cost=costs.text(step.usd),
            share=_share((step.usd or 0.0) / total) if total else fmt.UNKNOWN,
            wasted=costs.text(step.waste.usd),
            summary=f"{step.name}: {costs.text(step.usd)}, of which {costs.text(step.waste.usd)} bought nothing",
        )
        for step in paid
    )


def _share(part: float) -> str:
    return f"<1{fmt.NBSP}%" if 0 < part < _LEAST_SHARE else fmt.percent(part)


def _parts(usd: float | None, waste: Waste, whole: float) -> tuple[Part, ...]:
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


def _legend(waste: Waste, costs: Costs, usd: float | None) -> tuple[Fact, ...]:
    """Names of the parts of the bars, with what all of them come to."""
    amounts = (
        ("used", "of use", max(0.0, (usd or 0.0) - waste.usd)),
        ("cpu", "idle CPUs", waste.cpu_usd),
        ("memory", "unused memory", waste.memory_usd),
        ("gpu", "idle GPUs", waste.gpu_usd),
        ("lost", "lost attempts", waste.lost_usd),
    )
    return tuple(Fact(label=label, text=costs.text(amount), key=key) for key, label, amount in amounts if amount > 0)


# --- against earlier runs --------------------------------------------------------------------------


def _metrics(review: RunReview, costs: Costs) -> tuple[Metric, ...]:
    """The whole run, then its dearest steps, beside the runs before it."""
    this, earlier = review.totals, list(reversed(review.earlier))
    rows = [
        metric("Cost", this.usd, [run.usd for run in earlier], costs.text),
        metric("Bought nothing", this.wasted_usd, [run.wasted_usd for run in earlier], costs.text),
        metric("Duration", this.wall_s, [run.wall_s for run in earlier], fmt.duration),
        metric("Lost attempts", float(this.lost), [float(run.lost) for run in earlier], fmt.count),
    ]
    dearest = sorted((s for s in review.steps if s.usd), key=lambda step: -(step.usd or 0.0))[:5]
    for step in dearest:
        before = [run.steps[step.name][0] for run in earlier if step.name in run.steps]
        rows.append(metric(f"Cost of {step.name}", step.usd, before, costs.text))
    return tuple(row for row in rows if row is not None)


def comparison_summary(review: RunReview) -> str:
    if not review.earlier:
        return "The first tracked run of this flow: nothing to compare with yet."
    return fmt.plural(len(review.earlier), "earlier run")


# --- small print -----------------------------------------------------------------------------------


def _notes(review: RunReview) -> Iterable[Fact]:
    yield Fact(label="Attempts", text=_attempts(review))
    notes = [with_vendor_names(note) or "" for note in review.notes]
    yield Fact(label="Prices", text=" ".join([f"On-demand, {review.prices}.", *notes]))
    yield Fact(
        label="Bought nothing",
        text="All of an attempt that failed or was retried. Of the others the CPUs and GPUs that stood idle on "
        "average, and the memory above the peak, each at its part of the price.",
    )
    yield Fact(label="Left out", text="Storage, network traffic, and machines that wait for tasks or start up.")


def _attempts(review: RunReview) -> str:
    parts = [f"{fmt.plural(review.attempts, 'attempt')} of {fmt.plural(review.tasks, 'task')}"]
    untracked = [step.name for step in review.steps if not step.tracked]
    if untracked:
        parts.append(f"not tracked, and not counted in the costs: {', '.join(untracked)}")
    if review.uncosted:
        parts.append(f"{fmt.plural(review.uncosted, 'attempt')} without a known cost")
    if review.cloned:
        parts.append(f"{fmt.plural(review.cloned, 'task')} cloned from another run cost nothing here")
    return "; ".join(parts) + "."
