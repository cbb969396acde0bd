"""Why attempts of a run, a step or a task ended as they did, read from task metadata."""

from __future__ import annotations

from typing import Any, NamedTuple

from resource_tracker.errors import NotTrackedError
from resource_tracker.explanation import Explanation
from resource_tracker.flows.left_record import attempts_left, with_left_record
from resource_tracker.flows.run_reading import read_run
from resource_tracker.flows.runs import child, client_provider, every_namespace, newest_runs, parts_of, run_of
from resource_tracker.flows.untold import have_told
from resource_tracker.run_attempts import Attempt, RunAttempts
from resource_tracker.why import explain
from resource_tracker.why_stopped import with_what_stopped

_MOST_LOOKED_AT = 20
"""Running attempts of a run whose last records are read: each costs a request to the datastore."""
_FORMS = "FLOW/RUN/STEP/TASK, or FLOW, FLOW/RUN or FLOW/RUN/STEP"


class Explained(NamedTuple):
    """Why one attempt ended so; ``several`` are there of its task."""

    pathspec: str
    attempt: int
    why: Explanation
    several: bool = False

    @property
    def name(self) -> str:
        return f"{self.pathspec}, attempt {self.attempt}" if self.several or self.attempt else self.pathspec


class Found(NamedTuple):
    """The explanations by the time the attempts began; ``note`` is for people."""

    attempts: tuple[Explained, ...]
    note: str | None = None


def explained(pathspec: str) -> Found:
    """Every attempt of a task; of a step, a run, or the latest run of a flow those that did not end well.

    Raises
    ------
    NotTrackedError
        The pathspec is malformed, or there is no such thing; the message says what there is.
    """
    parts = parts_of(pathspec, _FORMS)
    note = None
    if len(parts) == 1:
        run, where = _latest(parts[0])
        note = f"{run.pathspec} is the latest run {where}"
    else:
        run = run_of(parts[0], parts[1])
    with every_namespace():
        step = child(run, parts[2], "step") if len(parts) > 2 else None
        if len(parts) > 3:
            child(step, parts[3], "task")
    flow, run_id = str(run.pathspec).split("/")
    have_told("/".join([flow, run_id, *parts[2:]]))
    attempts = read_run(client_provider(), flow, run_id)
    wanted = parts[2:]
    chosen = [one for one in attempts.attempts if wanted == [one.step, one.task_id][: len(wanted)]]
    if not chosen and len(parts) == 4:
        chosen = attempts_left(wanted[0], wanted[1], "/".join([flow, run_id, *wanted]))
    if not chosen:
        raise NotTrackedError(f"{'/'.join([flow, run_id, *parts[2:]])}: nothing has run there yet, or it was cloned")
    if len(parts) < 4:
        lost = [one for one in _with_the_silent(chosen, f"{flow}/{run_id}") if one.lost]
        if not lost:
            what = "/".join([flow, run_id, *parts[2:]])
            text = f"no attempt of {what} failed" + (", and some are still running" if attempts.running else "")
            return Found((), text)
        chosen = lost
    return Found(tuple(_explained(attempts, one) for one in chosen), note)


def _with_the_silent(attempts: list[Attempt], run: str) -> list[Attempt]:
    """Some of those that seem to run may have gone with their machine, of which their last records tell."""
    running = [one for one in attempts if one.status == "running"][:_MOST_LOOKED_AT]
    return [with_left_record(one, f"{run}/{one.step}/{one.task_id}") if one in running else one for one in attempts]


def _latest(flow_name: str) -> tuple[Any, str]:
    runs, where = newest_runs(flow_name)
    newest = next(runs, None)
    if newest is None:
        raise NotTrackedError(f"{flow_name} has no runs")
    return newest, where


def _explained(run: RunAttempts, attempt: Attempt) -> Explained:
    attempt = with_left_record(attempt, f"{run.flow}/{run.run_id}/{attempt.step}/{attempt.task_id}")
    beside = [
        other
        for other in run.attempts
        if other.step == attempt.step and (other.task_id, other.attempt) != (attempt.task_id, attempt.attempt)
    ]
    others = [other.summary for other in beside if other.summary is not None and other.measured]
    return Explained(
        pathspec=f"{run.flow}/{run.run_id}/{attempt.step}/{attempt.task_id}",
        attempt=attempt.attempt,
        why=with_what_stopped(explain(attempt, others), attempt, run),
        several=any(other.task_id == attempt.task_id for other in beside),
    )
