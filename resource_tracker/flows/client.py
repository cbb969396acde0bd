"""Tracked tasks as Metaflow's client sees them, for ``resource-tracker show``."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from resource_tracker.artifact import from_artifact
from resource_tracker.catalog import load_bundled
from resource_tracker.errors import ArtifactError, CatalogError, NotTrackedError, ResourceTrackerError
from resource_tracker.flows.summaries import SUMMARY_FIELD
from resource_tracker.options import DEFAULT_ARTIFACT_NAME
from resource_tracker.pricing import price
from resource_tracker.recommend import recommend
from resource_tracker.records import TaskRecord, TaskSummary
from resource_tracker.summary import decode_summary

_FORMS = "FLOW, FLOW/RUN, FLOW/RUN/STEP or FLOW/RUN/STEP/TASK"
_CANNOT_UNPICKLE = (pickle.UnpicklingError, ImportError, AttributeError, EOFError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a pathspec leads to: the run, and the tasks meant, in the order in which they began.

    ``note`` says what was chosen where the pathspec left it open.
    """

    pathspec: str
    run: Any
    tasks: tuple[Any, ...]
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedTask:
    """A tracked task: its record, or ``None`` and the reason why there is none."""

    pathspec: str
    record: TaskRecord | None
    problem: str | None = None


def resolve(pathspec: str) -> Target:
    """Find the tasks of a flow's latest run, a run, a step or a task, in every namespace.

    A flow's latest run is looked for in the user's own namespace first.

    Raises
    ------
    NotTrackedError
        The pathspec is malformed, or Metaflow knows no such thing; the message says what there is.
    """
    parts = pathspec.strip("/").split("/")
    if not 1 <= len(parts) <= 4 or not all(parts):
        raise NotTrackedError(f"{pathspec!r} is no pathspec: give {_FORMS}")
    run, note = _latest_run(parts[0]) if len(parts) == 1 else (_run(parts), None)
    with _every_namespace():
        steps = [_child(run, parts[2], "step")] if len(parts) > 2 else reversed(list(run))
        if len(parts) > 3:
            tasks = [_child(step, parts[3], "task") for step in steps]
        else:
            tasks = [task for step in steps for task in _oldest_first(step)]
    return Target(pathspec=pathspec, run=run, tasks=tuple(tasks), note=note)


def tracked_tasks(target: Target, artifact_name: str = DEFAULT_ARTIFACT_NAME) -> Iterator[TrackedTask]:
    """The tracked ones among the tasks, one at a time: a record may hold 2048 rows.

    The figures are the final ones: those of the artifact, and from the task's metadata what only showed after the
    artifact had been stored.
    """
    for task in target.tasks:
        with _every_namespace():
            found = _tracked(task, artifact_name)
        if found is not None:
            yield found


def tracked_steps(run: Any) -> tuple[str, ...]:
    """Names of the run's steps with a tracked task, in the order in which they began."""
    with _every_namespace():
        return tuple(step.id for step in reversed(list(run)) if any(_summary(task) for task in step))


def _latest_run(flow_name: str) -> tuple[Any, str]:
    import metaflow
    from metaflow.exception import MetaflowNamespaceMismatch

    with _not_found_as_ours(flow_name):
        try:
            run = metaflow.Flow(flow_name).latest_run
            where = f"in namespace {metaflow.get_namespace()}" if metaflow.get_namespace() else "in any namespace"
        except MetaflowNamespaceMismatch:
            with _every_namespace():
                run = metaflow.Flow(flow_name).latest_run
            where = f"in any namespace, as there is none in {metaflow.get_namespace()}"
    if run is None:
        raise NotTrackedError(f"{flow_name} has no runs")
    return run, f"{run.pathspec} is the latest run {where}"


def _run(parts: list[str]) -> Any:
    import metaflow

    with _not_found_as_ours("/".join(parts[:2])), _every_namespace():
        return metaflow.Run("/".join(parts[:2]))


def _child(parent: Any, name: str, kind: str) -> Any:
    try:
        return parent[name]
    except KeyError:
        known = ", ".join(child.id for child in _oldest_first(parent)[:20]) or "none"
        raise NotTrackedError(f"{parent.pathspec} has no {kind} {name!r}; there are: {known}") from None


def _oldest_first(parent: Any) -> list[Any]:
    return list(reversed(list(parent)))


@contextmanager
def _every_namespace() -> Iterator[None]:
    """Metaflow's namespace is global to the process: without one for a moment, then as it was."""
    import metaflow

    before = metaflow.get_namespace()
    metaflow.namespace(None)
    try:
        yield
    finally:
        metaflow.namespace(before)


@contextmanager
def _not_found_as_ours(what: str) -> Iterator[None]:
    import metaflow
    from metaflow.exception import MetaflowException

    try:
        yield
    except MetaflowException as error:
        raise NotTrackedError(
            f"{what} was not found in Metaflow's metadata {metaflow.get_metadata()}: {error}. With local metadata, "
            "run this in the folder in which the flow ran"
        ) from error


def _tracked(task: Any, artifact_name: str) -> TrackedTask | None:
    """The task's own record; ``None`` where it was not tracked, or only inherited another task's artifact."""
    from metaflow.exception import MetaflowException

    summary = _summary(task)
    try:
        stored = task[artifact_name]
    except KeyError:
        if summary is None:
            return None
        problem = f"tracked, but without an artifact {artifact_name!r}: try --artifact-name, or look at its card"
        return TrackedTask(pathspec=task.pathspec, record=None, problem=problem)
    try:
        record = from_artifact(stored.data)
    except (ResourceTrackerError, MetaflowException, *_CANNOT_UNPICKLE) as error:
        return TrackedTask(pathspec=task.pathspec, record=None, problem=f"{artifact_name!r} cannot be read: {error}")
    if record.pathspec not in (task.pathspec, task.origin_pathspec):
        return None
    return TrackedTask(pathspec=task.pathspec, record=_final(record, summary) if summary else record)


def _summary(task: Any) -> TaskSummary | None:
    """The newest summary of the task that this version can read."""
    for datum in sorted(task.metadata, key=lambda datum: datum.created_at or 0, reverse=True):
        if datum.name == SUMMARY_FIELD:
            try:
                return decode_summary(datum.value)
            except ArtifactError:
                continue
    return None


def _final(record: TaskRecord, summary: TaskSummary) -> TaskRecord:
    """The record with what came after its artifact: how it ended, and the memory while artifacts were saved."""
    outcome = replace(record.outcome, status=summary.status)
    if summary.attempt != record.attempt or summary.memory_peak_kib is None or summary.persist_growth_kib is None:
        return replace(record, outcome=outcome)
    peak_kib = summary.memory_peak_kib + summary.persist_growth_kib
    usage = replace(record.usage, persist_memory_peak_kib=peak_kib)
    advice = recommend(usage, record.history, record.request, outcome, record.limits)
    if advice == record.recommendation:
        return replace(record, outcome=outcome, usage=usage)
    try:
        pricing = price(load_bundled(), advice, usage, record.cloud, record.server)
    except CatalogError:
        pricing = record.pricing
    return replace(record, outcome=outcome, usage=usage, recommendation=advice, pricing=pricing)
