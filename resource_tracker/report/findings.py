"""What goes with the advice: what bound the step, how sure the advice is, and what one line cannot say."""

from __future__ import annotations

from resource_tracker.bounds import WORDS
from resource_tracker.core_use import core_note
from resource_tracker.needs import THROTTLED
from resource_tracker.records import Recommendation, TaskRecord
from resource_tracker.report.facts import Fact
from resource_tracker.report.format import memory_kib, memory_mib, percent

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
    notes = [note for note in (_killed(record), _swapped(record), _held_back(record), core_note(record)) if note]
    if isinstance(advice, Recommendation):
        if advice.expected_failure_rate is not None and record.outcome.status == "ok":
            facts.append(Fact(label="Policy", text=policy_text(advice, advice.expected_failure_rate)))
        notes += advice.notes
    facts += [Fact(label="" if index else "To know", text=note) for index, note in enumerate(notes)]
    return tuple(facts)


def _killed(record: TaskRecord) -> str:
    """What the kernel killed while the step itself went on: it may have lost work without knowing."""
    usage, limit = record.usage, record.limits.memory_mib
    if not usage.oom_kills:
        return ""
    killed = "a process" if usage.oom_kills == 1 else f"{usage.oom_kills:,} processes"
    if usage.memory_cgroup_shared is not False:
        return f"For lack of memory the kernel killed {killed} of its cgroup, in which others run, too."
    most = f" (the step's limit is {memory_mib(limit)})" if limit else ""
    went_on = ", and the step went on: its result may be incomplete" if record.outcome.status == "ok" else ""
    return f"For lack of memory{most} the kernel killed {killed} of the step{went_on}."


def _swapped(record: TaskRecord) -> str:
    """What it needed beyond its peak."""
    swapped = record.usage.swapped_kib
    if not swapped:
        return ""
    return f"Close to its limit, {memory_kib(swapped)} more lay in swap than at the start: it needs that much more."


def _held_back(record: TaskRecord) -> str:
    """That the quota held it back for part of the time, where that is not the bound already."""
    usage = record.usage
    if usage.throttled_share is None or usage.throttled_share < THROTTLED or usage.bound == "quota":
        return ""
    return f"Its CPU quota was used up in {percent(usage.throttled_share)} of the time, and held it back."


def policy_text(advice: Recommendation, rate: float) -> str:
    """By which policy the advice is, and how likely it is to be too little."""
    chance = chance_text(advice, rate)
    return f"{advice.policy.capitalize()}. The chance that the next run needs more memory than that is {chance}."


def chance_text(advice: Recommendation, rate: float) -> str:
    """The chance is the estimate's: where the advice stops short of it, there is more memory, and less of a chance."""
    if rate < _LEAST_SHOWN:
        return f"less than {percent(_LEAST_SHOWN)}"
    return f"{'less than' if 'memory' in advice.estimate else 'about'} {percent(rate)}"
