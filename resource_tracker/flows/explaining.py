"""Why attempts of a run, a step or a task ended as they did, read from task metadata."""

from __future__ import annotations

from typing import Any, NamedTuple

from resource_tracker.dataclass import replace
from resource_tracker.endings import interrupted
from resource_tracker.errors import NotTrackedError
from resource_tracker.flows.run_reading import read_run
from resource_tracker.flows.runs import child, client_provider, every_namespace, newest_runs, parts_of, run_of
from resource_tracker.records import TaskSummary
from resource_tracker.run_attempts import Attempt, RunAttempts
from resource_tracker.summary import decode_summary
from resource_tracker.why import Explanation, explain

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
    attempts = read_run(client_provider(), flow, run_id)
    wanted = parts[2:]
    chosen = [one for one in attempts.attempts if wanted == [one.step, one.task_id][: len(wanted)]]
    if not chosen:
        raise NotTrackedError(f"{'/'.join([flow, run_id, *parts[2:]])}: nothing has run there yet, or it was cloned")
    if len(parts) < 4:
        lost = [one for one in chosen if one.lost]
        if not lost:
            what = "/".join([flow, run_id, *parts[2:]])
            text = f"no attempt of {what} failed" + (", and some are still running" if attempts.running else "")
            return Found((), text)
        chosen = lost
    return Found(tuple(_explained(attempts, one) for one in chosen), note)


def _latest(flow_name: str) -> tuple[Any, str]:
    runs, where = newest_runs(flow_name)
    newest = next(runs, None)
    if newest is None:
        raise NotTrackedError(f"{flow_name} has no runs")
    return newest, where


def _explained(run: RunAttempts, attempt: Attempt) -> Explained:
    if attempt.died and not attempt.measured:
        left = _last_record(f"{run.flow}/{run.run_id}/{attempt.step}/{attempt.task_id}", attempt.attempt)
        attempt = attempt if left is None else replace(attempt, summary=left, measured=True)
    beside = [other for other in run.attempts if other.step == attempt.step and other is not attempt]
    others = [other.summary for other in beside if other.summary is not None and other.measured]
    return Explained(
        pathspec=f"{run.flow}/{run.run_id}/{attempt.step}/{attempt.task_id}",
        attempt=attempt.attempt,
        why=explain(attempt, others),
        several=any(other.task_id == attempt.task_id for other in beside),
    )


def _last_record(pathspec: str, attempt: int) -> TaskSummary | None:
    """Of an attempt that went with its container, what stands beside its live card; ``None`` where that is nothing."""
    import metaflow
    from metaflow.plugins import DATASTORES
    from metaflow.plugins.cards.card_datastore import CardDatastore

    from resource_tracker.flows.cards import CardStore

    try:
        with every_namespace():
            kind = metaflow.Task(pathspec).metadata_dict.get("ds-type")
        storage = next(storage for storage in DATASTORES if kind == storage.TYPE)
        cards = CardStore(storage, str(CardDatastore.get_storage_root(kind)), pathspec, attempt)
        text = cards.early_record()
        return None if text is None else interrupted(decode_summary(text))
    except Exception:  # noqa: BLE001 - a store may fail in any way; then it is as if there were nothing
        return None
