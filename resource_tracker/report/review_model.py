"""What the page of a cost review shows, as text and geometry: no HTML in here, no numbers left for the template."""

from __future__ import annotations

from typing import NamedTuple

from resource_tracker.report import format as fmt
from resource_tracker.report.comparison import Metric, metric
from resource_tracker.report.costs import Costs
from resource_tracker.report.facts import Fact
from resource_tracker.report.headline import Badge
from resource_tracker.report.review_steps import Part, StepRow, parts_of, step_row
from resource_tracker.report.review_timeline import Tick, ticks
from resource_tracker.report.review_words import (
    SHOWN_CHANGES,
    assumed,
    changes_aside,
    changes_title,
    comparison_summary,
    no_changes,
    notes,
    sentences,
    verdict,
)
from resource_tracker.review_records import Change, RunReview
from resource_tracker.waste import Waste

_CENT, _MANY = 0.01, 1000
_LEAST_SHARE = 0.01
_NOISE_SHARE = 0.01
"""Of what the run cost: no step that became dearer by less is worth a warning."""
_BADGES = {
    "ok": Badge(text="Succeeded", tone="good"),
    "failed": Badge(text="Failed", tone="bad"),
    "running": Badge(text="Not finished", tone="live"),
    "unknown": Badge(text="Unknown", tone="neutral"),
}


class ChangeRow(NamedTuple):
    step: str
    asked: str
    code: str
    saving: str
    costs_more: bool
    per_month: str
    reason: str
    shortfall: str
    notes: tuple[str, ...]


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
        changes_aside=changes_aside(review, costs),
        no_changes=no_changes(review),
        needs=tuple(_change_row(change, costs) for change in review.needs),
        ticks=ticks(length),
        steps=tuple(step_row(step, began, length, costs) for step in review.steps),
        spending=_spending(review, costs),
        spending_aside="" if costs.runs == 1 else f"Of {costs.label} like this one.",
        legend=_legend(review.waste, costs, totals.usd),
        metrics=_metrics(review, costs),
        comparison=comparison_summary(review),
        notes=tuple(notes(review)),
    )


def costs_of_review(review: RunReview) -> Costs:
    """All amounts of a review alike: of this run, or of a thousand where it costs less than a cent."""
    usd = review.totals.usd or 0.0
    runs = _MANY if 0 < usd < _CENT else 1
    return Costs(runs=runs, decimals=min(fmt.usd_decimals([usd * runs]), 3))


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


def _change_row(change: Change, costs: Costs) -> ChangeRow:
    month = "" if change.per_month_usd is None else f"{fmt.usd(abs(change.per_month_usd))} a month"
    return ChangeRow(
        step=change.step,
        asked=change.asked,
        code=change.text,
        saving=fmt.usd(abs(change.saving_usd) * costs.runs),
        costs_more=change.saving_usd < 0,
        per_month=month,
        reason=change.reason,
        shortfall=change.shortfall,
        notes=change.notes,
    )


def _spending(review: RunReview, costs: Costs) -> tuple[SpendingRow, ...]:
    paid = sorted((s for s in review.steps if s.usd), key=lambda step: -(step.usd or 0.0))
    dearest = max((step.usd or 0.0 for step in paid), default=0.0)
    total = review.totals.usd or 0.0
    return tuple(
        SpendingRow(
            name=step.name,
            parts=parts_of(step.usd, step.waste, dearest),
            cost=costs.text(step.usd),
            share=_share((step.usd or 0.0) / total) if total else fmt.UNKNOWN,
            wasted=costs.text(step.waste.usd),
            summary=f"{step.name}: {costs.text(step.usd)}, of which {costs.text(step.waste.usd)} bought nothing",
        )
        for step in paid
    )


def _share(part: float) -> str:
    return f"<1{fmt.NBSP}%" if 0 < part < _LEAST_SHARE else fmt.percent(part)


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


def _metrics(review: RunReview, costs: Costs) -> tuple[Metric, ...]:
    """The whole run, then its dearest steps, beside the runs before it."""
    this, earlier = review.totals, list(reversed(review.earlier))
    noise = max(_NOISE_SHARE * (this.usd or 0.0), _CENT / _MANY)
    rows = [
        metric("Cost", this.usd, [run.usd for run in earlier], costs.text, noise),
        metric("Bought nothing", this.wasted_usd, [run.wasted_usd for run in earlier], costs.text, noise),
        metric("Duration", this.wall_s, [run.wall_s for run in earlier], fmt.duration),
        metric("Lost attempts", float(this.lost), [float(run.lost) for run in earlier], fmt.count),
    ]
    dearest = sorted((s for s in review.steps if s.usd), key=lambda step: -(step.usd or 0.0))[:5]
    for step in dearest:
        before = [run.steps[step.name][0] for run in earlier if step.name in run.steps]
        rows.append(metric(f"Cost of {step.name}", step.usd, before, costs.text, noise))
    return tuple(row for row in rows if row is not None)
