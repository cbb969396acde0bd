"""One request for all tasks of a step, from the summaries of its attempts.

Pure. Rules and thresholds are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from resource_tracker.bounds import Bound, bound_of_step
from resource_tracker.damping import damped
from resource_tracker.dataclass import dataclass, replace
from resource_tracker.lost_attempts import lost_attempts, without_cut, without_trace
from resource_tracker.memory_need import has_only_run_out, last_successes, peak_kib
from resource_tracker.needs import busy_cores, known
from resource_tracker.notes import notes_for
from resource_tracker.recommend import estimate, policy_called
from resource_tracker.records import InstanceType, NoRecommendation, Recommendation, ResourceRequest, TaskSummary
from resource_tracker.sizing import Policy
from resource_tracker.summary import request_of


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUse:
    """The most that any attempt used; ``None`` where it was not measured.

    ``cpu_p95_cores`` is what the busiest attempt used for 95 % of its time, ``cpu_max_cores`` the busiest row of all.
    """

    memory_peak_kib: float | None = None
    cpu_p95_cores: float | None = None
    cpu_max_cores: float | None = None
    gpu_utilized_max: float | None = None
    gpu_vram_max_mib: float | None = None
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAdvice:
    """What to ask for in a step, and what that is based on.

    Parameters
    ----------
    runs, tasks : int
        Runs and tasks with a measured attempt.
    request : ResourceRequest
        What the newest attempt asked for.
    estimate : Recommendation or NoRecommendation
        The pure estimate; no less memory than asked for where an attempt ended without a trace.
    advice : Recommendation or NoRecommendation
        What to print: the estimate, but never less than half of the request, and the request itself where that suffices
        within 10 %.
    bound : Bound or None
        What bound most of the time of the step's attempts.
    notes : tuple of str
        What one line cannot say: outliers, splitting, GPUs, attempts that left no trace.
    lost_attempts : int
        How many left none, and no later run has shown what they needed.
    """

    step: str
    runs: int
    tasks: int
    request: ResourceRequest
    used: StepUse
    estimate: Recommendation | NoRecommendation
    advice: Recommendation | NoRecommendation
    bound: Bound | None = None
    notes: tuple[str, ...] = ()
    lost_attempts: int = 0


def advise_step(
    tasks: Sequence[TaskSummary],
    *,
    policy: Policy | None = None,
    input_bytes: float | None = None,
    instances: Iterable[InstanceType] = (),
    damp: bool = True,
) -> StepAdvice:
    """Advise one request for all tasks of a step.

    Parameters
    ----------
    tasks : sequence of TaskSummary
        All (recent) attempts of one step, in any order: several runs, siblings of a foreach, failures, retries.
    policy : Policy, optional
        What to optimise; by default what the newest attempt was tracked with.
    input_bytes : float, optional
        Size of the next run's largest input, where known.
    instances : iterable of InstanceType
        Machines among which to look for a smaller GPU.
    damp : bool
        False: the advice is the estimate, however much less that is than the request.

    Raises
    ------
    ValueError
        The attempts are of several steps.
    """
    steps = sorted({task.step for task in tasks})
    if len(steps) > 1:
        raise ValueError(f"attempts of several steps: {', '.join(steps)}")
    attempts = newest_first(tasks)
    measured = [task for task in attempts if is_measured(task)]
    policy = policy or policy_called(next((task.policy for task in attempts if task.policy), None))
    request = request_of(attempts[0]) if attempts else ResourceRequest()
    lost = len(lost_attempts(attempts))
    pure = estimate(measured or attempts, request, policy=policy, input_bytes=input_bytes)
    advice = pure
    if isinstance(pure, Recommendation):
        pure = without_cut(pure, request, lost, ran_out=has_only_run_out(attempts))
        printed = damped(pure, request) if damp else pure
        advice = replace(printed, notes=(*printed.notes, *notes_for(attempts, request, printed, instances)))
    return StepAdvice(
        step=steps[0] if steps else "",
        runs=len({task.run_id for task in measured}),
        tasks=len({(task.run_id, task.task_id) for task in measured}),
        request=request,
        used=_use(tasks),
        estimate=pure,
        advice=advice,
        bound=bound_of_step(tasks),
        notes=tuple(note for note in (*_notes(advice), without_trace(lost)) if note),
        lost_attempts=lost,
    )


def newest_first(tasks: Iterable[TaskSummary]) -> list[TaskSummary]:
    """Attempts that were measured before those of which only the times are known; each of these the newest first."""
    return sorted(tasks, key=lambda task: (is_measured(task), _finished_at(task)), reverse=True)


def _notes(advice: Recommendation | NoRecommendation) -> tuple[str, ...]:
    return advice.notes if isinstance(advice, Recommendation) else ()


def is_measured(task: TaskSummary) -> bool:
    """Whether more is known of an attempt than how long it ran."""
    return any(True for _ in known(task.memory_peak_kib, task.cpu_max_cores))


def _finished_at(task: TaskSummary) -> float:
    return -math.inf if task.finished_at is None else task.finished_at


def _use(tasks: Sequence[TaskSummary]) -> StepUse:
    return StepUse(
        memory_peak_kib=max((peak_kib(task) for task in tasks if task.memory_peak_kib is not None), default=None),
        cpu_p95_cores=max((cores for task in tasks for cores in known(busy_cores(task))), default=None),
        cpu_max_cores=max((cores for task in tasks for cores in known(task.cpu_max_cores)), default=None),
        gpu_utilized_max=max((count for task in tasks for count in known(task.gpu_utilized_max)), default=None),
        gpu_vram_max_mib=max((mib for task in tasks for mib in known(task.gpu_vram_max_mib)), default=None),
        duration_s=max((task.duration_s for task in last_successes(tasks) or tasks), default=0.0),
    )
