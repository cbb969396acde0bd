"""Every attempt of a run, from what its tasks' metadata tell: also those that died before they could say anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from resource_tracker.dataclass import dataclass, replace
from resource_tracker.records import Status, TaskSummary

_SHARED_BY_SIBLINGS = (
    "request_cpu",
    "request_memory_mb",
    "request_gpu",
    "request_disk_mb",
    "request_shared_memory_mb",
    "request_chosen",
    "request_decorators",
    "request_written_in",
    "memory_limit_mib",
    "vendor",
    "region",
    "instance_type",
    "architecture",
    "allocation",
    "policy",
)
"""What an attempt asked for and what machine it had: nothing of what it used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What the metadata of one task hold, by attempt. Times are Unix seconds.

    ``started`` and ``ended`` are Metaflow's own; an end comes with whether the attempt went well. Where every attempt
    has a summary they may be left out. ``died`` is when attempts ended that could not even tell Metaflow so, as one
    that the kernel killed; ``stopped`` are those that Metaflow itself killed. ``cloned``: ``resume`` copied the task,
    nothing ran.
    """

    step: str
    task_id: str
    started: Mapping[int, float]
    ended: Mapping[int, tuple[float, bool]]
    summaries: Mapping[int, TaskSummary]
    died: Mapping[int, float] = field(default_factory=dict)
    stopped: frozenset[int] = frozenset()
    cloned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a task.

    Parameters
    ----------
    status : {"ok", "failed", "running", "unknown"}
        How its own code ended.
    lost : bool
        It ran for nothing: it failed, or another attempt had to follow.
    summary : TaskSummary or None
        What it used. ``None`` where its step is not tracked, or the attempt is still running.
    measured : bool
        Whether `summary` comes from the attempt itself. Of an attempt that was killed only its times are known, and
        what it had asked for is taken from its siblings.
    ended_at_latest : bool
        ``ended_at`` is when the next attempt began, which may have waited for a while.
    died : bool
        It ended without a word: killed, often for lack of memory.
    stopped : bool
        Metaflow killed it, with the rest of the run.
    """

    step: str
    task_id: str
    attempt: int
    status: Status
    lost: bool
    started_at: float | None
    ended_at: float | None
    summary: TaskSummary | None
    measured: bool = True
    ended_at_latest: bool = False
    died: bool = False
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAttempts:
    """All attempts of a run, by the time they began. ``cloned`` tasks are not among them."""

    flow: str
    run_id: str
    attempts: tuple[Attempt, ...]
    cloned: int = 0

    @property
    def summaries(self) -> tuple[TaskSummary, ...]:
        """Those that the attempts wrote themselves."""
        return tuple(a.summary for a in self.attempts if a.summary is not None and a.measured)

    @property
    def known(self) -> tuple[TaskSummary, ...]:
        """Those, and what stands in for attempts that could not write any."""
        return tuple(a.summary for a in self.attempts if a.summary is not None)

    @property
    def has_died(self) -> bool:
        """Whether an attempt ended without a word, be its step tracked or not."""
        return any(a.died for a in self.attempts)

    @property
    def running(self) -> bool:
        """Whether an attempt has begun and, as far as is known, not ended."""
        return any(a.status == "running" for a in self.attempts)


def attempts_of(flow: str, run_id: str, tasks: Iterable[TaskFacts]) -> RunAttempts:
    """The attempts of a run's tasks; those that died without a word are filled in from their siblings."""
    known = [task for task in tasks if not task.step.startswith("_")]  # Metaflow's own, such as _parameters
    ran = [task for task in known if not task.cloned]
    models = _models(ran)
    found = [attempt for task in ran for attempt in _attempts_of_task(task, models.get(task.step), run_id)]
    found.sort(key=lambda a: (a.started_at is None, a.started_at or 0.0))
    return RunAttempts(flow=flow, run_id=run_id, attempts=tuple(found), cloned=len(known) - len(ran))


def with_models(runs: Sequence[RunAttempts]) -> list[RunAttempts]:
    """The runs, newest first, with stand-ins for attempts that died in steps that another of the runs measured.

    What such a step asked for is taken from the run before it, as people change it after a death; where there is none
    before, from the next one after it.
    """
    before = _modelled_in_turn(reversed(runs))
    return _modelled_in_turn(reversed(before))


def _modelled_in_turn(runs: Iterable[RunAttempts]) -> list[RunAttempts]:
    models: dict[str, TaskSummary] = {}
    found = []
    for run in runs:
        models.update((summary.step, summary) for summary in run.summaries)
        found.append(_modelled_run(run, models))
    return found


def _modelled_run(run: RunAttempts, models: Mapping[str, TaskSummary]) -> RunAttempts:
    return replace(run, attempts=tuple(_modelled(one, models.get(one.step), run.run_id) for one in run.attempts))


def _modelled(attempt: Attempt, model: TaskSummary | None, run_id: str) -> Attempt:
    if attempt.summary is not None or not attempt.died or model is None:
        return attempt
    return replace(attempt, summary=_stand_in(model, run_id, attempt))


def _models(tasks: list[TaskFacts]) -> dict[str, TaskSummary]:
    """For each tracked step a summary to take the request and the machine from."""
    return {task.step: summary for task in tasks for summary in task.summaries.values()}


def _attempts_of_task(task: TaskFacts, model: TaskSummary | None, run_id: str) -> Iterable[Attempt]:
    numbers = sorted({*task.started, *task.ended, *task.summaries, *task.died})
    own = next(iter(task.summaries.values()), model)
    for number in numbers:
        superseded = number != numbers[-1]
        summary = task.summaries.get(number)
        if summary is not None:
            began = None if summary.finished_at is None else summary.finished_at - summary.duration_s
            yield Attempt(
                step=task.step,
                task_id=task.task_id,
                attempt=number,
                status=summary.status,
                lost=superseded or summary.status == "failed",
                started_at=task.started.get(number) if began is None else began,
                ended_at=summary.finished_at,
                summary=summary,
                stopped=number in task.stopped,
            )
        else:
            yield _without_summary(task, number, superseded, own, run_id)


def _without_summary(task: TaskFacts, number: int, superseded: bool, model: TaskSummary | None, run_id: str) -> Attempt:
    """An attempt that was killed, has not ended yet, or was never tracked."""
    began = task.started.get(number)
    ended_at, went_well = task.ended.get(number, (task.died.get(number), False))
    guessed = ended_at is None and superseded
    if guessed:
        ended_at = min((at for later, at in _begins(task).items() if later > number), default=None)
    status: Status = "ok" if went_well else "failed" if superseded or ended_at is not None else "running"
    found = Attempt(
        step=task.step,
        task_id=task.task_id,
        attempt=number,
        status=status,
        lost=superseded or status == "failed",
        started_at=began,
        ended_at=ended_at,
        summary=None,
        measured=False,
        ended_at_latest=guessed,
        died=number not in task.ended and status == "failed",
        stopped=number in task.stopped,
    )
    return found if model is None else replace(found, summary=_stand_in(model, run_id, found))


def _begins(task: TaskFacts) -> dict[int, float]:
    """When each attempt began, by Metaflow or by the attempt itself."""
    own = {n: s.finished_at - s.duration_s for n, s in task.summaries.items() if s.finished_at is not None}
    return {**own, **task.started}


def _stand_in(model: TaskSummary, run_id: str, attempt: Attempt) -> TaskSummary | None:
    """What an attempt without a summary asked for and where it ran, as its siblings did; nothing of what they used.

    ``None`` where it is not known how long it ran.
    """
    if attempt.started_at is None or attempt.ended_at is None:
        return None
    return TaskSummary(
        run_id=run_id,
        step=attempt.step,
        task_id=attempt.task_id,
        attempt=attempt.attempt,
        status=attempt.status,
        finished_at=attempt.ended_at,
        duration_s=max(0.0, attempt.ended_at - attempt.started_at),
        **{name: getattr(model, name) for name in _SHARED_BY_SIBLINGS},
    )
