"""Attempts that ended without a trace, and what they mean for the advice. Pure; explained in ``docs/sizing.md``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from resource_tracker.dataclass import replace
from resource_tracker.endings import UNSEEN
from resource_tracker.memory_need import last_successes, peak_kib
from resource_tracker.needs import known
from resource_tracker.records import EarlierAttempt, Recommendation, ResourceRequest, TaskSummary
from resource_tracker.units import kib_to_mb

MAX_ATTEMPTS = 6
"""Metaflow makes no more of a task."""
ANSWERED_BY = 3
"""Later runs that got through with no more, or that show the need, until an attempt without a trace counts no longer.

A need that half of the runs have is then missed once in eight times; one such kill in the past does not keep an
advice from saving for ever.
"""

Key = tuple[str, str, int]


def lost_attempts(tasks: Sequence[TaskSummary]) -> frozenset[Key]:
    """Run, task and number of attempts whose end nobody saw: killed from outside, often for memory.

    Without those that later runs have answered. To be asked about all attempts of the step, failed ones too.
    """
    lost = dict(_lost(tasks))
    runs = _runs_that_went_well(tasks, {run_id for run_id, _, _ in lost}) if lost else []
    return frozenset(key for key, task in lost.items() if not _is_answered(task, runs))


def without_trace(lost: int) -> str:
    """How many there were, in a sentence; empty without any."""
    if not lost:
        return ""
    return (
        f"{_attempts(lost)} ended unseen, as a task does that is killed from outside. If that was for lack of memory, "
        "it needs more than the advice knows."
    )


def without_cut(
    estimate: Recommendation, request: ResourceRequest, lost: int, *, ran_out: bool = False
) -> Recommendation:
    """The estimate, not below the memory asked for where nobody knows how much would have been enough.

    That is so where so many attempts ended without a trace (then there is no failure rate, either), and where memory
    ran out in all that did not fail otherwise (`ran_out`), perhaps at a limit below what was asked for.
    """
    if lost:
        why = f"{_attempts(lost)} ended unseen, perhaps for lack of memory."
        estimate = replace(estimate, expected_failure_rate=None)
    elif ran_out:
        why = "memory ran out, and no attempt shows how much is enough."
    else:
        return estimate
    asked = request.memory_mb if request.decorators else None
    if not asked or not math.isfinite(asked) or asked <= estimate.memory_mb:
        return estimate
    reason = f"{estimate.reasons.get('memory', '')} Not below the {asked:,.0f} MB asked for: {why}".strip()
    return replace(estimate, memory_mb=math.ceil(asked), reasons={**estimate.reasons, "memory": reason})


def not_below_before(estimate: Recommendation, before: EarlierAttempt | None) -> Recommendation:
    """The estimate, not below what an attempt before this one showed to be needed, where one ran out of memory.

    How likely that is too little is not known then: that attempt may have needed more than it got to.
    """
    if before is None or before.memory_mb is None or before.memory_mb <= estimate.memory_mb:
        return estimate
    number = before.attempt if before.memory_attempt is None else before.memory_attempt
    why = f"At least {before.memory_mb:,} MB, as attempt {number} of this task ran out of memory."
    reason = f"{estimate.reasons.get('memory', '')} {why}".strip()
    reasons = {**estimate.reasons, "memory": reason}
    return replace(estimate, memory_mb=before.memory_mb, reasons=reasons, expected_failure_rate=None)


def _lost(tasks: Sequence[TaskSummary]) -> Iterator[tuple[Key, TaskSummary]]:
    """Attempts that were not measured, each with the summary that tells of it: its own stand-in, or a later attempt."""
    measured = {
        (task.run_id, task.task_id, task.attempt)
        for task in tasks
        if peak_kib(task) > 0 and task.ended_by not in UNSEEN
    }
    for task in sorted(tasks, key=lambda task: task.attempt, reverse=True):  # its own comes last, and stays
        if not task.run_id:
            continue
        for number in range(min(task.attempt + (task.status == "failed"), MAX_ATTEMPTS)):
            if (task.run_id, task.task_id, number) not in measured:
                yield (task.run_id, task.task_id, number), task


def _runs_that_went_well(tasks: Sequence[TaskSummary], not_these: set[str]) -> list[list[TaskSummary]]:
    """Of each run whose every task was measured and succeeded in the end, those successes."""
    runs: dict[str, list[TaskSummary]] = {}
    for task in tasks:
        if task.run_id and task.run_id not in not_these:
            runs.setdefault(task.run_id, []).append(task)
    found = []
    for run in runs.values():
        succeeded = [task for task in last_successes(run) if peak_kib(task) > 0]
        if len(succeeded) == len({task.task_id for task in run}):
            found.append(succeeded)
    return found


def _is_answered(lost: TaskSummary, runs: Sequence[Sequence[TaskSummary]]) -> bool:
    """Whether enough later runs got through with no more memory than it had, or used more and so show the need."""
    had_mb = next(known(lost.request_memory_mb), math.inf)
    answers = 0
    for run in runs:
        if lost.finished_at is None or any((task.finished_at or 0.0) <= lost.finished_at for task in run):
            continue
        given_mb = max(next(known(task.request_memory_mb), math.inf) for task in run)
        used_mb = max(kib_to_mb(peak_kib(task)) for task in run)
        answers += given_mb <= had_mb or used_mb > had_mb
    return answers >= ANSWERED_BY


def _attempts(count: int) -> str:
    return "1 attempt" if count == 1 else f"{count} attempts"
