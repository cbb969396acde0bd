"""The cost review of a whole run: what each attempt cost and wasted, and which changes save most. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from resource_tracker.catalog_model import Catalog
from resource_tracker.cost_model import runs_per_month
from resource_tracker.costs import Costing
from resource_tracker.records import Status
from resource_tracker.review_changes import advice_for, change_of
from resource_tracker.review_costs import AttemptPricer
from resource_tracker.review_records import AttemptReview, RunReview, RunTotals, StepReview
from resource_tracker.run_attempts import RunAttempts
from resource_tracker.savings import total
from resource_tracker.sizing import Policy
from resource_tracker.waste import Waste


def build_review(
    run: RunAttempts,
    *,
    catalog: Catalog,
    earlier: Sequence[RunAttempts] = (),
    run_starts: Sequence[float] = (),
    policy: Policy | None = None,
    vendor: str | None = None,
    region: str | None = None,
) -> RunReview:
    """The review of a run from its attempts.

    Parameters
    ----------
    earlier : sequence of RunAttempts
        Runs to base the advice on, newest first, and those of them to compare with that were measured.
    run_starts : sequence of float
        Unix seconds at which the flow's runs began, for its runs a month.
    policy : Policy, optional
        Of the advice; by default each step's own.
    vendor, region : str, optional
        Where to look for cheaper machines, rather than where the steps ran.
    """
    advice = advice_for(run, earlier, policy, catalog)
    pricer = AttemptPricer(Costing(catalog, vendor=vendor, region=region), advice)
    per_month = runs_per_month(run_starts)
    steps = _steps(run, pricer)
    changes = [change for step in steps if (change := change_of(step, advice.get(step.name), pricer, per_month))]
    return RunReview(
        flow=run.flow,
        run_id=run.run_id,
        totals=_totals(run.run_id, steps),
        waste=sum((step.waste for step in steps), Waste()),
        steps=steps,
        changes=tuple(sorted((c for c in changes if c.is_worth_it), key=lambda c: -c.saving_usd)),
        needs=tuple(change for change in changes if change.shortfall and not change.is_worth_it),
        earlier=tuple(_totals(other.run_id, _steps(other, pricer)) for other in earlier if other.summaries),
        runs_per_month=per_month,
        uncosted=sum(one.usd is None for step in steps if step.tracked for one in step.attempts),
        cloned=run.cloned,
        prices=_prices(catalog, steps),
        notes=tuple(pricer.notes),
        killed={name: found.lost_attempts for name, found in advice.items() if found.lost_attempts},
    )


def _prices(catalog: Catalog, steps: Sequence[StepReview]) -> str:
    """Where the prices of the run's machines come from, and when they were collected."""
    machines = {one.machine for step in steps for one in step.attempts if one.machine is not None}
    found = (catalog.find(offer.instance.vendor, offer.region, offer.instance.name) for offer in machines)
    dates = sorted({entry[1].date for entry in found if entry is not None})
    return f"{catalog.origin}, collected {' and '.join(dates)}" if dates else catalog.origin


def _steps(run: RunAttempts, pricer: AttemptPricer) -> tuple[StepReview, ...]:
    """The run's steps, in the order in which they began."""
    found: dict[str, list[AttemptReview]] = {}
    for attempt in run.attempts:
        found.setdefault(attempt.step, []).append(pricer.review(attempt))
    return tuple(_step(name, attempts) for name, attempts in found.items())


def _step(name: str, attempts: list[AttemptReview]) -> StepReview:
    return StepReview(
        name=name,
        attempts=tuple(attempts),
        tasks=len({one.attempt.task_id for one in attempts}),
        tracked=any(one.attempt.summary is not None for one in attempts),
        started_at=min(
            (one.attempt.started_at for one in attempts if one.attempt.started_at is not None), default=None
        ),
        ended_at=max((one.attempt.ended_at for one in attempts if one.attempt.ended_at is not None), default=None),
        busy_s=sum(one.duration_s or 0.0 for one in attempts),
        usd=total(one.usd for one in attempts),
        waste=sum((one.waste for one in attempts), Waste()),
    )


def _totals(run_id: str, steps: Sequence[StepReview]) -> RunTotals:
    started_at = min((step.started_at for step in steps if step.started_at is not None), default=None)
    ended_at = max((step.ended_at for step in steps if step.ended_at is not None), default=None)
    return RunTotals(
        run_id=run_id,
        status=_status(steps),
        started_at=started_at,
        wall_s=None if started_at is None or ended_at is None else ended_at - started_at,
        usd=total(step.usd for step in steps),
        wasted_usd=sum((step.waste for step in steps), Waste()).usd,
        lost=sum(step.lost for step in steps),
        steps={step.name: (step.usd, step.busy_s) for step in steps},
    )


def _status(steps: Sequence[StepReview]) -> Status:
    """Of the run: ``ok`` once its last step is, which is called ``end`` or stands alone at the end of all."""
    last: dict[tuple[str, str], Status] = {}
    for step in steps:
        for one in sorted(step.attempts, key=lambda one: one.attempt.attempt):
            last[step.name, one.attempt.task_id] = one.attempt.status
    if any(status == "ok" for (name, _), status in last.items() if name == "end"):
        return "ok"
    return "failed" if "failed" in last.values() else "running" if last else "unknown"
