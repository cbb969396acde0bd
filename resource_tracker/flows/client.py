"""Tracked tasks as Metaflow's client sees them, for ``resource-tracker show``."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import dropwhile, islice
from typing import Any

from resource_tracker.artifact import from_artifact
from resource_tracker.build import gpu_machines
from resource_tracker.catalog import load_bundled
from resource_tracker.errors import ArtifactError, CatalogError, ResourceTrackerError
from resource_tracker.flows.runs import (
    RUNS_LOOKED_AT,
    LatestRun,
    child,
    every_namespace,
    latest_tracked_run,
    newest_runs,
    oldest_first,
    parts_of,
    run_of,
)
from resource_tracker.flows.summaries import SUMMARY_FIELD
from resource_tracker.options import DEFAULT_ARTIFACT_NAME
from resource_tracker.pricing import Catalog, price
from resource_tracker.recommend import policy_of, recommend
from resource_tracker.records import TaskRecord, TaskSummary
from resource_tracker.summary import decode_summary

_FORMS = "FLOW, FLOW/RUN, FLOW/RUN/STEP or FLOW/RUN/STEP/TASK"
_TASKS_LOOKED_AT = 3
"""Of each step of a run, to find out whether it was tracked."""
_OUR_KEYS = frozenset({"process_metrics", "schema_version"})
_CANNOT_UNPICKLE = (pickle.UnpicklingError, ImportError, AttributeError, EOFError, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a pathspec leads to: the run, and the tasks meant, in the order in which they began.

    ``latest`` is set where the pathspec left open which run.
    """

    pathspec: str
    run: Any
    tasks: tuple[Any, ...]
    latest: LatestRun | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedTask:
    """A tracked task: its record, or ``None`` and the reason why there is none."""

    pathspec: str
    record: TaskRecord | None
    problem: str | None = None


def resolve(pathspec: str, artifact_name: str = DEFAULT_ARTIFACT_NAME) -> Target:
    """Find the tasks of a flow's latest tracked run, a run, a step or a task, in every namespace.

    A flow's latest run is looked for in the user's own namespace first.

    Raises
    ------
    NotTrackedError
        The pathspec is malformed, or Metaflow knows no such thing; the message says what there is.
    """
    parts = parts_of(pathspec, _FORMS)
    latest = None
    if len(parts) == 1:
        latest = latest_tracked_run(parts[0], lambda run: _is_tracked_run(run, artifact_name))
    run = latest.run if latest else run_of(parts[0], parts[1])
    with every_namespace():
        steps = [child(run, parts[2], "step")] if len(parts) > 2 else reversed(list(run))
        if len(parts) > 3:
            tasks = [child(step, parts[3], "task") for step in steps]
        else:
            tasks = [task for step in steps for task in oldest_first(step)]
    return Target(pathspec=pathspec, run=run, tasks=tuple(tasks), latest=latest)


def tracked_tasks(target: Target, artifact_name: str = DEFAULT_ARTIFACT_NAME) -> Iterator[TrackedTask]:
    """The tracked ones among the tasks, one at a time: a record may hold 2048 rows.

    The figures are the final ones: those of the artifact, and from the task's metadata what only showed after the
    artifact had been stored.
    """
    for task in target.tasks:
        with every_namespace():
            found = _tracked(task, artifact_name)
        if found is not None:
            yield found


def readable_run_before(target: Target, artifact_name: str = DEFAULT_ARTIFACT_NAME) -> str | None:
    """The newest of the runs before the target's that has a record which can be read; ``None`` for none of the latest.

    Where all of a run was killed there is none: artifacts are stored by tasks that end by themselves.
    """
    runs, _ = newest_runs(target.pathspec.strip("/").split("/")[0])
    before = islice(dropwhile(lambda run: run.id != target.run.id, runs), 1, 1 + RUNS_LOOKED_AT)
    with every_namespace():
        for run in before:
            tasks = (task for step in reversed(list(run)) for task in islice(step, _TASKS_LOOKED_AT))
            if any(found is not None and found.record for found in (_tracked(task, artifact_name) for task in tasks)):
                return str(run.pathspec)
    return None


def tracked_steps(run: Any) -> tuple[str, ...]:
    """Names of the run's steps with a tracked task, in the order in which they began."""
    with every_namespace():
        return tuple(step.id for step in reversed(list(run)) if any(_summary(task) for task in step))


def _is_tracked_run(run: Any, artifact_name: str) -> bool:
    """Whether a step's first tasks were tracked; a step is tracked in all of its tasks or in none."""
    tasks = (task for step in reversed(list(run)) for task in islice(step, _TASKS_LOOKED_AT))
    return any(_summary(task) or _tracked(task, artifact_name) for task in tasks)


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
        if summary.status != "ok":
            problem = (
                f"tracked, but without an artifact {artifact_name!r}, as where Ctrl-C came before it was stored: see "
                f"`resource-tracker why {task.pathspec}` or its card, or try --artifact-name"
            )
        if summary.ended_by is not None:
            problem = (
                f"it died before its artifact was stored ({summary.ended_by}): see `resource-tracker why "
                f"{task.pathspec}`, or its card"
            )
        return TrackedTask(pathspec=task.pathspec, record=None, problem=problem)
    try:
        data = stored.data
        if not (isinstance(data, dict) and _OUR_KEYS & data.keys()):
            return _hidden_by_the_flows_own(task, artifact_name) if summary else None
        record = from_artifact(data)
    except (ResourceTrackerError, MetaflowException, *_CANNOT_UNPICKLE) as error:
        return TrackedTask(pathspec=task.pathspec, record=None, problem=f"{artifact_name!r} cannot be read: {error}")
    if record.pathspec is None or record.pathspec not in (task.pathspec, task.origin_pathspec):
        return None
    return TrackedTask(pathspec=task.pathspec, record=_final(record, summary) if summary else record)


def _hidden_by_the_flows_own(task: Any, artifact_name: str) -> TrackedTask:
    path = "/".join(task.pathspec.split("/")[1:])
    problem = (
        f"its artifact {artifact_name!r} is the flow's own, not ours; the measurements are in the task's card: "
        f"`python flow.py card view {path} --type resource_tracker`"
    )
    return TrackedTask(pathspec=task.pathspec, record=None, problem=problem)


def _summary(task: Any) -> TaskSummary | None:
    """The newest summary of the task that this version can read."""
    for datum in sorted(task.metadata, key=lambda datum: datum.created_at or 0, reverse=True):
        if datum.name == SUMMARY_FIELD:
            try:
                return decode_summary(datum.value)
            except ArtifactError:
                continue
    return None


def _catalog() -> Catalog | None:
    try:
        return load_bundled()
    except CatalogError:
        return None


def _final(record: TaskRecord, summary: TaskSummary) -> TaskRecord:
    """The record with what came after its artifact: how it ended, and the memory while artifacts were saved."""
    outcome = replace(record.outcome, status=summary.status)
    if summary.attempt != record.attempt or summary.persist_memory_peak_kib is None:
        return replace(record, outcome=outcome)
    usage = replace(record.usage, persist_memory_peak_kib=summary.persist_memory_peak_kib)
    catalog = _catalog()
    advice = recommend(
        usage,
        record.history,
        record.request,
        outcome,
        record.limits,
        server=record.server,
        policy=policy_of(record.recommendation),
        instances=gpu_machines(catalog, record.server, record.cloud),
        before=record.attempt_before,
    )
    if advice == record.recommendation or catalog is None:
        return replace(record, outcome=outcome, usage=usage, recommendation=advice)
    try:
        pricing = price(catalog, advice, usage, record.cloud, record.server)
    except CatalogError:
        pricing = record.pricing
    return replace(record, outcome=outcome, usage=usage, recommendation=advice, pricing=pricing)
