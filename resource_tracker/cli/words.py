"""Words of the terminal: the advice with its reasons, durations, and what is said of a command instead of a step."""

from __future__ import annotations

from collections.abc import Iterable

from resource_tracker.records import NoRecommendation, Recommendation, TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.facts import totals
from resource_tracker.report.findings import findings

_OF_A_COMMAND = (
    ("It is not known where the step ran", "The cloud is not known"),
    ("this step", "this command"),
    ("This step", "This command"),
    ("the step", "the command"),
    ("The step", "The command"),
)
_EXTRA = ("disk", "shared_memory")
_LABELLED = ("Bound by", "Policy")
_NOT_ZERO = {fmt.duration(0.0): fmt.elapsed(0.0)}
"""Nothing takes no time at all."""


def said_of(record: TaskRecord, text: str) -> str:
    """The text, which was written for a step, of what was measured: a command is no step."""
    if record.pathspec is None:
        for step, command in _OF_A_COMMAND:
            text = text.replace(step, command)
    return text


def advice_lines(record: TaskRecord) -> list[str]:
    """Each number of the advice with its reason, then how many runs it rests on; nothing where there is no advice."""
    advised = record.recommendation
    if isinstance(advised, NoRecommendation):
        return []
    parts = [
        (f"cpu={advised.cpu}", advised.reasons.get("cpu")),
        (f"memory={advised.memory_mb}", advised.reasons.get("memory")),
    ]
    if advised.gpu or record.request.gpu:
        parts.append((f"gpu={advised.gpu}", advised.reasons.get("gpu")))
    parts += [
        (f"{name}={amount}", advised.reasons.get(name))
        for name, amount in advised.arguments().items()
        if name in _EXTRA
    ]
    width = max(len(number) for number, _ in parts)
    earlier = advised.based_on_runs - 1
    basis = f"this and {fmt.plural(earlier, 'earlier run')}" if earlier > 0 else "this run alone"
    lines = [*(f"{number:{width}}  {reason}" for number, reason in parts if reason), f"Based on {basis}."]
    return lines + [f"{fact.label}: {fact.text}" if fact.label in _LABELLED else fact.text for fact in findings(record)]


def totals_line(record: TaskRecord) -> str:
    """Amounts without a request to compare with."""
    known = [fact for fact in totals(record) if fact.text != fmt.UNKNOWN]
    return ", ".join(f"{fact.label} {_NOT_ZERO.get(fact.text, fact.text)}" for fact in known)


def lines_to_paste(advice: Iterable[tuple[str, Recommendation]]) -> list[str]:
    """For each step the ``@resources`` line that is enough for all of its tasks.

    Parameters
    ----------
    advice : iterable of (str, Recommendation)
        A step's name and the advice for one of its tasks.
    """
    steps: dict[str, Recommendation] = {}
    for step, advised in advice:
        known = steps.get(step, advised)
        steps[step] = Recommendation(
            cpu=max(known.cpu, advised.cpu),
            memory_mb=max(known.memory_mb, advised.memory_mb),
            gpu=max(known.gpu, advised.gpu),
            disk_mb=_larger(known.disk_mb, advised.disk_mb),
            shared_memory_mb=_larger(known.shared_memory_mb, advised.shared_memory_mb),
            decorator=advised.decorator,
        )
    width = max((len(step) for step in steps), default=0)
    return [f"{step:{width}}  {advised.as_text()}" for step, advised in steps.items()]


def why_failed(pathspec: str) -> str:
    """Where it is told why attempts of a run failed."""
    return f"Why attempts failed: resource-tracker why {pathspec}"


def _larger(one: int | None, other: int | None) -> int | None:
    return max((amount for amount in (one, other) if amount is not None), default=None)
