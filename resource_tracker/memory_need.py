"""How much memory a step's attempts show that it needs, as one request for all tasks of the next run.

Pure. The estimate itself is :func:`resource_tracker.sizing.recommend_memory`; this makes its observations. Rules
are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from resource_tracker.dataclass import replace
from resource_tracker.history import overall_peak_kib
from resource_tracker.lower_bound import FAR_BELOW
from resource_tracker.needs import Amount, known
from resource_tracker.records import NoRecommendation, TaskSummary
from resource_tracker.sizing import NO_SUCCESS, AttemptOutcome, Observation, Policy, is_measurement, recommend_memory
from resource_tracker.summary import AT_LIMIT
from resource_tracker.units import kib_to_mb, kib_to_mib, kib_to_whole_mb, mb_to_mib, mib_to_kib

KILLED = "Whenever the step succeeded, processes of it were killed for lack of memory."
LEAST_MB = 256
"""Never advise less: unpacking the code package and starting Python in a container is not part of the step."""
LEAST_TOLD = f"{LEAST_MB} MB is the least that is advised"
UNLISTED_RUN = "*"
"""Stands for earlier runs of which only the figures are known."""
SAVING_SHARE = 0.05
SAVING_LEAST_MIB = 8
"""Saving the artifacts is named as the peak only if it went above the step's own by more than both."""
_STEPS_MB = ((1024, 64), (4096, 128), (16384, 256))
_AMOUNT_MIB = re.compile(r"([0-9][0-9,]*(?:\.[0-9]+)?) MiB")


def round_up_mb(memory_mb: int) -> int:
    """Next friendly number: multiples of 64 up to 1024, of 128 up to 4096, of 256 up to 16384, then of 512."""
    step = next((step for below, step in _STEPS_MB if memory_mb <= below), 512)
    return -(-memory_mb // step) * step


def memory_need(
    tasks: Sequence[TaskSummary], policy: Policy, input_bytes: float | None = None, requested_mb: float | None = None
) -> tuple[Amount, float] | None:
    """Memory in MB with its reason, and the chance that the next run needs more; ``None`` where none was measured.

    ``SAFE`` is never below the highest peak of any attempt. Rounding does not go beyond a request that suffices.
    """
    observations = observations_of(_of_one_input_source(tasks))
    asked = next(known(requested_mb), None)
    # an attempt that ran out at its limit stands in for it already: the present request was not what was too small
    at_limit = any(_outcome(task) == "oom" and not _is_far_below_limit(task) for task in tasks)
    requested_mib = mb_to_mib(asked) if asked and not at_limit else None
    # Metaflow's @retry repeats an attempt with the same request: what is left to the retry fails again
    advice = recommend_memory(observations, input_bytes, requested_mib, policy, bear_outliers=False)
    if isinstance(advice, NoRecommendation):
        return None
    highest_kib = max(peak_kib(task) for task in tasks)
    needed_kib = mib_to_kib(advice.memory_mib)
    if policy is Policy.SAFE:
        needed_kib = max(needed_kib, highest_kib)
    exact = math.ceil(round(kib_to_mb(needed_kib), 6))
    amount = round_up_mb(exact)
    if asked and asked == int(asked) and exact <= asked < amount:
        amount = int(asked)
    told = _in_mb(advice.reason, highest_kib)
    if any(task.status == "ok" for task in tasks):  # as far as it could: without what was killed
        told = told.replace(NO_SUCCESS, KILLED)
    if amount < LEAST_MB:
        amount, told = LEAST_MB, f"{LEAST_TOLD}, as starting the container takes that."
    elif amount == round_up_mb(exact) > exact:
        told = f"{told.removesuffix('.')}; rounded up."
    reason = _with_whose(told, f"{kib_to_whole_mb(highest_kib):,} MB", _whose_peak(tasks))
    if amount > LEAST_MB and len({task.task_id for task in tasks}) > len(observations) > 0:
        reason += " Of a run with several tasks the largest counts, as one request is for all."
    return Amount(amount, highest_kib, reason), advice.expected_failure_rate


def _with_whose(reason: str, highest: str, whose: str) -> str:
    """The reason, which mostly names the highest peak, and whose that was."""
    if highest in reason:
        return reason.replace(highest, f"{highest} ({whose})", 1)
    return f"{reason} The highest peak was {highest} ({whose})."


def _whose_peak(tasks: Sequence[TaskSummary]) -> str:
    """Where the highest peak was; the attempt that has no run yet is the one that asks."""
    highest = max(tasks, key=peak_kib)
    growth, own = next(known(highest.persist_growth_kib), 0.0), next(known(highest.memory_peak_kib), 0.0)
    measured = bool(highest.run_id) or highest.persist_memory_peak_kib is not None
    saving = (
        ", while artifacts were saved"
        if measured and growth > max(SAVING_SHARE * own, mib_to_kib(SAVING_LEAST_MIB))
        else ""
    )
    if not highest.run_id:
        return f"this attempt{saving}"
    if highest.run_id == UNLISTED_RUN:
        return f"an earlier attempt{saving}"
    several = len({task.task_id for task in tasks}) > 1 and highest.task_id
    return f"run {highest.run_id}{f', task {highest.task_id}' if several else ''}{saving}"


def observations_of(tasks: Sequence[TaskSummary]) -> list[Observation]:
    """What each run shows: the largest of its tasks that succeeded, and attempts that did not and got further.

    A request holds for all tasks of the step, and Metaflow's ``@retry`` repeats an attempt with the same request: a
    run gets by only with what its largest task needs. So the largest is the run's observation; the others are
    no sign that the next run's largest will be smaller. Its duration is that of all tasks: so long the request is held.
    """
    runs: dict[str, list[TaskSummary]] = {}
    for task in tasks:
        if is_measurement(overall_peak_kib(task)):
            runs.setdefault(task.run_id, []).append(task)
    return [seen for run in runs.values() for seen in _of_run(run)]


def has_only_run_out(tasks: Iterable[TaskSummary]) -> bool:
    """Whether memory ran out, and no attempt got through without: nobody knows how much is enough."""
    outcomes = {_outcome(task) for task in tasks}
    return "oom" in outcomes and "ok" not in outcomes


def _of_one_input_source(tasks: Sequence[TaskSummary]) -> list[TaskSummary]:
    """Sizes told in another way than the newest do not compare with it: those attempts count without a size."""
    source = next((task.input_source for task in tasks if task.input_bytes is not None), None)
    return [task if task.input_source == source else replace(task, input_bytes=None) for task in tasks]


def last_successes(tasks: Iterable[TaskSummary]) -> list[TaskSummary]:
    """Of each task the last attempt that succeeded."""
    last: dict[tuple[str, str], TaskSummary] = {}
    for task in tasks:
        key = (task.run_id, task.task_id)
        if task.status == "ok" and (key not in last or task.attempt >= last[key].attempt):
            last[key] = task
    return list(last.values())


def _of_run(run: Sequence[TaskSummary]) -> Iterator[Observation]:
    succeeded = last_successes(run)
    largest: TaskSummary | None = None
    reached = 0.0
    if succeeded:
        largest = max(succeeded, key=peak_kib)
        reached = peak_kib(largest)
        yield _observation(largest, sum(task.duration_s for task in succeeded))
    for task in run:
        if task is not largest and (_outcome(task) == "oom" or (task.status != "ok" and peak_kib(task) > reached)):
            yield _observation(task, task.duration_s)


def _observation(task: TaskSummary, duration_s: float) -> Observation:
    reached = kib_to_mib(peak_kib(task))
    if _outcome(task) == "oom" and not _is_far_below_limit(task):
        reached = max([reached, *known(_allowed_mib(task))])  # it may have gone up to its limit between two readings
    return Observation(
        peak_mib=reached,
        duration_s=duration_s if is_measurement(duration_s) else 0.0,
        input_bytes=task.input_bytes,
        outcome=_outcome(task),
        finished_at=task.finished_at,
    )


def peak_kib(task: TaskSummary) -> float:
    """Highest memory, the saving of artifacts and what was swapped out included; 0 where it is not known."""
    return next(known(overall_peak_kib(task)), 0.0) + next(known(task.swapped_kib), 0.0)


def _outcome(task: TaskSummary) -> AttemptOutcome:
    if task.oom_kills:
        return "oom"  # even if the step itself went on: one of its processes needed more than there was
    if task.status == "ok":
        return "ok"
    if task.ran_out_of_memory is not None:
        return "oom" if task.ran_out_of_memory else "failed"
    limit = next(known(task.memory_limit_mib), None)
    return "oom" if limit and peak_kib(task) >= AT_LIMIT * mib_to_kib(limit) else "failed"


def _is_far_below_limit(task: TaskSummary) -> bool:
    """Whether an attempt that ran out of memory was far from its limit: it wanted too much at once, or by mistake.

    Where the kernel killed something it was not: that had just taken it to the limit, perhaps between two readings.
    """
    if task.oom_kills and any(known(task.memory_limit_mib)):
        return False
    return any(kib_to_mib(peak_kib(task)) < FAR_BELOW * allowed for allowed in known(_allowed_mib(task)))


def _allowed_mib(task: TaskSummary) -> float | None:
    """What was not enough: the kernel's limit, or what was asked for where that is less or no limit is known."""
    allowed = [*known(task.memory_limit_mib)]
    if not allowed:
        allowed = [mb_to_mib(mb) for mb in known(task.request_memory_mb)]
    return min(allowed, default=None)


def _in_mb(reason: str, highest_kib: float) -> str:
    """A reason in the unit of ``memory=``, which is what people compare it with; the highest peak as elsewhere."""

    def converted(found: re.Match[str]) -> str:
        mib = float(found[1].replace(",", ""))
        is_highest = abs(mib - kib_to_mib(highest_kib)) <= 1
        return f"{kib_to_whole_mb(highest_kib if is_highest else mib_to_kib(mib)):,} MB"

    return _AMOUNT_MIB.sub(converted, reason)


def as_asked(request_mb: float | None) -> Amount | None:
    """The request itself, where memory was not measured."""
    asked = next(known(request_mb), None)
    return Amount(math.ceil(asked), None, "Memory was not measured: as asked for.") if asked else None
