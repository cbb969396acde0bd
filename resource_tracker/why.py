"""Why an attempt ended as it did, from its summary: for lack of something, or for nothing to do with resources.

Pure. What decides, in which order, is explained in ``docs/post-mortem.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resource_tracker.dataclass import replace
from resource_tracker.endings import (
    BEING_STOPPED,
    INTERRUPTED,
    RUNTIME_RECORD,
    STOPPED,
    STOPPED_EVIDENCE,
    UNKNOWN,
)
from resource_tracker.explanation import FOR_LACK, Explanation, what_it_used
from resource_tracker.history import overall_peak_kib
from resource_tracker.records import EarlierAttempt, Ending, Recommendation, TaskSummary
from resource_tracker.run_attempts import Attempt
from resource_tracker.shortages import SHORTAGES, Finder, advice_for, remedy_for
from resource_tracker.units import kib_to_whole_mb

INTERRUPTED_BY_USER = "It was interrupted by the user (Ctrl-C)"


def explain(attempt: Attempt, others: Sequence[TaskSummary] = ()) -> Explanation:
    """Why the attempt ended so; `others` are of its step, and make the advice better."""
    summary = attempt.summary
    if attempt.status == "running":
        so_far = tuple(what_it_used(summary)) if summary is not None and summary.status == "running" else ()
        return Explanation("running", "It is still running, as far as is known", so_far)
    if summary is None or not attempt.measured:
        return _without_measurements(attempt)
    if summary.status == "ok":
        kills = (
            f"For lack of memory the kernel killed {summary.oom_kills} of its processes." if summary.oom_kills else ""
        )
        return Explanation("ok", "It succeeded", tuple(text for text in (kills, *what_it_used(summary)) if text))
    if attempt.stopped and summary.ended_by != STOPPED:  # Metaflow's word came after whoever told of its end
        summary = replace(
            summary,
            ended_by=STOPPED,
            ended_evidence=STOPPED_EVIDENCE,
            ended_source=RUNTIME_RECORD,
            ran_out_of_memory=False,
        )
    advice = advice_for(summary, others)
    for found in _in_turn(summary, advice):
        sentences = (*found.sentences, *what_it_used(summary))
        return found._replace(sentences=tuple(text for text in sentences if text))
    raise AssertionError("the last explanation always holds")


def _without_measurements(attempt: Attempt) -> Explanation:
    if attempt.status == "ok":
        return Explanation("ok", "It succeeded", ("It was not tracked.",))
    if attempt.stopped:
        return Explanation("stopped", "It was stopped with the run", (STOPPED_EVIDENCE,), None, RUNTIME_RECORD)
    if attempt.died:
        said = "Neither the attempt nor what watched it could leave a word: the container or the machine went at once, "
        return Explanation(
            "unknown",
            "It was killed from outside, and nothing was measured",
            (f"{said}or its step is not tracked.",),
            "See what the scheduler or the machine's log says of it; if that was for lack of memory, ask for more.",
        )
    return Explanation("unknown", "It failed, and was not tracked", ("What it used is not known.",))


def _in_turn(summary: TaskSummary, advice: Recommendation | None) -> Iterator[Explanation]:
    """What it was short of first, then how it was ended, then what it said itself."""
    for find in _FINDERS:
        found = find(summary, advice)
        if found is not None:
            yield found


def _interrupted(summary: TaskSummary, advice: Recommendation | None) -> Explanation | None:
    if summary.exception_type != "KeyboardInterrupt":
        return None
    said = "It ended with KeyboardInterrupt, as Python makes it of Ctrl-C (SIGINT)."
    return Explanation("stopped", INTERRUPTED_BY_USER, (said,))


def _ended(summary: TaskSummary, advice: Recommendation | None) -> Explanation | None:
    cause = summary.ended_by
    if cause is None:
        return None
    ending = Ending(cause=cause, evidence=summary.ended_evidence or "")
    kind, headline = next(
        ((kind, text) for begins, kind, text in _ENDINGS if cause.startswith(begins)),
        ("unknown", "It ended without a word"),
    )
    if BEING_STOPPED in ending.evidence:
        headline = f"It was {cause}: its machine, container or job was being stopped"
    remedy = remedy_for(ending, summary, advice) or (
        "Look into its log: resources are not why." if kind == "exit" else None
    )
    held = summary.bound_evidence if summary.bound in ("waiting", "quota") and kind not in ("crash", "exit") else None
    return Explanation(kind, headline.format(cause=cause), (ending.evidence, held or ""), remedy, summary.ended_source)


_ENDINGS = (
    (STOPPED, "stopped", "It was stopped with the run"),
    ("killed by SIGINT", "stopped", INTERRUPTED_BY_USER),
    (INTERRUPTED, "interrupted", "It was interrupted: its container or machine went at once"),
    (UNKNOWN, "unknown", "It ended without a word"),
    ("exit code", "exit", "It left by itself ({cause})"),
    *((f"killed by {name}", "crash", "It crashed ({cause})") for name in ("SIGSEGV", "SIGABRT", "SIGBUS")),
    *((f"killed by {name}", "crash", "It crashed ({cause})") for name in ("SIGILL", "SIGFPE", "SIGSYS")),
    ("killed by", "killed", "It was {cause}"),
)


def _exception(summary: TaskSummary, advice: Recommendation | None) -> Explanation:
    """The last one: nothing that was measured explains it."""
    what = summary.exception_type or "an error before its end"
    waited = summary.bound_evidence if summary.bound == "waiting" else None
    return Explanation(
        "exception",
        f"It failed with {what}: nothing to do with resources, as far as was measured",
        (waited or "",),
        "Look into its log: other resources would not have helped.",
    )


_FINDERS: tuple[Finder, ...] = (*SHORTAGES, _interrupted, _ended, _exception)


def earlier_attempt(attempt: Attempt) -> EarlierAttempt:
    """What the next attempt says of the one before it."""
    why = explain(attempt)
    shown = [text for text in why.sentences if text]
    summary = attempt.summary
    advice = advice_for(summary, ()) if summary is not None and why.kind == "memory" else None
    peak = overall_peak_kib(summary) if summary is not None else None
    return EarlierAttempt(
        attempt=attempt.attempt,
        text=" ".join([f"{why.headline}.", *shown]),
        remedy=why.remedy,
        headline=why.headline,
        resources=why.kind in FOR_LACK,
        memory_mb=advice.memory_mb if advice else None,
        died=summary is not None and summary.ended_by is not None,
        source=why.source or "",
        memory_peak_mb=None if peak is None else kib_to_whole_mb(peak),
    )
