"""A cost review as builtins, for programs."""

from __future__ import annotations

from typing import Any

from resource_tracker.plain import to_plain
from resource_tracker.review_records import AttemptReview, RunReview, StepReview
from resource_tracker.waste import Waste


def review_data(review: RunReview) -> dict[str, Any]:
    """Every figure of the review; dollars are of this run, times are Unix seconds, unknown is ``None``."""
    totals = review.totals
    return {
        "flow": review.flow,
        "run_id": review.run_id,
        "status": totals.status,
        "started_at": totals.started_at,
        "ended_at": review.ended_at,
        "duration_s": totals.wall_s,
        "tasks": review.tasks,
        "attempts": review.attempts,
        "lost_attempts": totals.lost,
        "attempts_without_cost": review.uncosted,
        "cloned_tasks": review.cloned,
        "usd": totals.usd,
        "wasted": _waste(review.waste),
        "runs_per_month": review.runs_per_month,
        "steps": [_step(step) for step in review.steps],
        "changes": to_plain(review.changes),
        "needs": to_plain(review.needs),
        "attempts_without_measurement": dict(review.killed),
        "earlier_runs": [_earlier(to_plain(run)) for run in review.earlier],
        "prices": review.prices,
        "assumed_machines": [_machine(offer) for offer in review.assumed],
        "notes": list(review.notes),
    }


def _step(step: StepReview) -> dict[str, Any]:
    return {
        "name": step.name,
        "tracked": step.tracked,
        "tasks": step.tasks,
        "lost_attempts": step.lost,
        "started_at": step.started_at,
        "ended_at": step.ended_at,
        "busy_s": step.busy_s,
        "usd": step.usd,
        "wasted": _waste(step.waste),
        "attempts": [_attempt(one) for one in step.attempts],
    }


def _attempt(one: AttemptReview) -> dict[str, Any]:
    attempt, summary = one.attempt, one.attempt.summary
    return {
        "task_id": attempt.task_id,
        "attempt": attempt.attempt,
        "status": attempt.status,
        "lost": attempt.lost,
        "measured": attempt.measured and summary is not None,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "ended_at_latest": attempt.ended_at_latest,
        "duration_s": one.duration_s,
        "memory_peak_kib": summary.memory_peak_kib if summary else None,
        "cpu_mean_cores": summary.cpu_mean_cores if summary else None,
        "usd": one.usd,
        "wasted": _waste(one.waste),
        "machine": _machine(one.machine) if one.machine else None,
        "machine_assumed": one.assumed,
    }


def _waste(waste: Waste) -> dict[str, float]:
    return {"usd": waste.usd, **to_plain(waste)}


def _earlier(run: dict[str, Any]) -> dict[str, Any]:
    steps = {name: {"usd": usd, "busy_s": busy_s} for name, (usd, busy_s) in run["steps"].items()}
    return {**run, "steps": steps}


def _machine(offer: Any) -> dict[str, Any]:
    return {
        "vendor": offer.instance.vendor,
        "region": offer.region,
        "instance_type": offer.instance.name,
        "price_usd_per_hour": offer.price_usd_per_hour,
    }
