"""What to change in the steps of a run, and what that saves in a run like it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from resource_tracker.catalog_model import Catalog
from resource_tracker.damping import advised_for, asked_for
from resource_tracker.machines import with_gpus
from resource_tracker.records import NoRecommendation, Recommendation, TaskSummary, decorator_text
from resource_tracker.review_costs import AttemptPricer
from resource_tracker.review_records import AttemptReview, Change, StepReview
from resource_tracker.run_attempts import RunAttempts
from resource_tracker.sizing import Policy
from resource_tracker.step_advice import StepAdvice, advise_step
from resource_tracker.units import kib_to_whole_mb

_NAMES = {"cpu": "CPUs", "gpu": "GPUs", "shared_memory": "shared memory"}


def advice_for(
    run: RunAttempts, earlier: Sequence[RunAttempts], policy: Policy | None, catalog: Catalog
) -> dict[str, StepAdvice]:
    """What each tracked step of the run should ask for, by this run and the earlier ones."""
    tasks: dict[str, list[TaskSummary]] = {}
    for one in (run, *earlier):
        for summary in one.known:
            tasks.setdefault(summary.step, []).append(summary)
    here = {summary.step for summary in run.summaries}
    return {step: _advised(found, policy, catalog) for step, found in tasks.items() if step in here}


def _advised(tasks: Sequence[TaskSummary], policy: Policy | None, catalog: Catalog) -> StepAdvice:
    smaller_gpus = with_gpus(catalog) if any(task.request_gpu for task in tasks) else ()
    return advise_step(tasks, policy=policy, instances=smaller_gpus)


def change_of(
    step: StepReview, found: StepAdvice | None, pricer: AttemptPricer, per_month: float | None
) -> Change | None:
    """What to change in a step; ``None`` where it had better stay as it is, or nothing is known."""
    if found is None or isinstance(found.advice, NoRecommendation):
        return None
    advice, asked = found.advice, asked_for(found.request)
    differing = {
        name: amount for name, amount in advised_for(advice, found.request).items() if amount != asked.get(name)
    }
    shortfall = _shortfall(found, asked, {name for name in differing if differing[name] > asked.get(name, 0)})
    saving = sum(_saving(one, pricer) for one in step.attempts) if differing else 0.0
    if saving <= 0 and not shortfall:
        return None
    return Change(
        step=step.name,
        text=advice.as_text(),
        asked=_asked_text(advice, asked),
        saving_usd=saving,
        per_month_usd=None if per_month is None else saving * per_month,
        reason=" ".join(advice.reasons[name] for name in differing if advice.reasons.get(name)),
        shortfall=shortfall,
        notes=found.notes,
    )


def _shortfall(found: StepAdvice, asked: Mapping[str, float], raised: Collection[str]) -> str:
    """That the step asks for too little, of what, and by which peak where memory went above the request."""
    if not asked or not raised:
        return ""
    peak_kib, memory_mb = found.used.memory_peak_kib, asked.get("memory")
    if "memory" in raised and memory_mb and peak_kib and kib_to_whole_mb(peak_kib) > memory_mb:
        peak = f"its peak, {kib_to_whole_mb(peak_kib):,} MB, is above the {memory_mb:,.0f} MB asked for"
        return f"Asks for too little memory: {peak}."
    return f"Asks for too little: {', '.join(_NAMES.get(name, name) for name in sorted(raised))}."


def _asked_text(advice: Recommendation, asked: Mapping[str, float]) -> str:
    """What the step asks for now, in the words of the advice; empty where it asks for nothing."""
    there = {name: asked[name] for name in ("cpu", "memory", "gpu", *advice.arguments()) if name in asked}
    return decorator_text(advice.decorator, there) if there else ""


def _saving(one: AttemptReview, pricer: AttemptPricer) -> float:
    """Of one attempt; nothing where a price is not known."""
    if one.attempt.summary is None or one.usd is None:
        return 0.0
    advised_usd = pricer.advised_usd(one.attempt.summary)
    return 0.0 if advised_usd is None else one.usd - advised_usd
