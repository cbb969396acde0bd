"""What goes with the advice: what bound the step, how sure the advice is, and what one line cannot say."""

from __future__ import annotations

from resource_tracker.bounds import WORDS
from resource_tracker.records import Recommendation, TaskRecord
from resource_tracker.report.facts import Fact
from resource_tracker.report.format import percent

_LEAST_SHOWN = 0.001


def findings(record: TaskRecord) -> tuple[Fact, ...]:
    """Nothing of an attempt that was not measured or has not ended."""
    if record.tracking.mode == "untracked" or record.outcome.status == "running":
        return ()
    facts = []
    usage, advice = record.usage, record.recommendation
    if usage.bound in WORDS:
        word = WORDS[usage.bound]
        facts.append(Fact(label="Bound by", text=f"{word[:1].upper()}{word[1:]}. {usage.bound_evidence or ''}".strip()))
    if isinstance(advice, Recommendation):
        if advice.expected_failure_rate is not None and record.outcome.status == "ok":
            facts.append(Fact(label="Policy", text=policy_text(advice, advice.expected_failure_rate)))
        facts += [Fact(label="" if index else "To know", text=note) for index, note in enumerate(advice.notes)]
    return tuple(facts)


def policy_text(advice: Recommendation, rate: float) -> str:
    """By which policy the advice is, and how likely it is to be too little."""
    chance = chance_text(advice, rate)
    return f"{advice.policy.capitalize()}. The chance that the next run needs more memory than that is {chance}."


def chance_text(advice: Recommendation, rate: float) -> str:
    """The chance is the estimate's: where the advice stops short of it, there is more memory, and less of a chance."""
    if rate < _LEAST_SHOWN:
        return f"less than {percent(_LEAST_SHOWN)}"
    return f"{'less than' if 'memory' in advice.estimate else 'about'} {percent(rate)}"
