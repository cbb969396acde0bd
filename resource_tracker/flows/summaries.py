"""Summaries of attempts in Metaflow's task metadata: written by each task, read back as history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from resource_tracker.errors import ArtifactError
from resource_tracker.records import TaskSummary
from resource_tracker.summary import decode_summary, encode_summary

SUMMARY_FIELD = "resource-tracker-summary"
MAX_TASKS_READ = 1000
MAX_RUNS_SCANNED = 50


def write_summary(provider: Any, summary: TaskSummary) -> None:
    """Append the summary of an attempt to its task's metadata."""
    from metaflow.metadata_provider import MetaDatum

    datum = MetaDatum(
        field=SUMMARY_FIELD,
        value=encode_summary(summary),
        type="resource-tracker",
        tags=[f"attempt_id:{summary.attempt}"],
    )
    provider.register_metadata(summary.run_id, summary.step, summary.task_id, [datum])


def read_summaries(
    provider: Any, flow_name: str, step: str, *, namespace: str | None, current_run_id: str, max_runs: int
) -> list[TaskSummary]:
    """Summaries of a step from earlier runs, newest run first.

    Parameters
    ----------
    provider : metaflow MetadataProvider
        Asked directly, not through the client, whose provider and namespace are global to the process.
    namespace : str or None
        Only runs with this tag, such as ``user:alice``; ``None`` for all.
    max_runs : int
        Stop after this many runs with a summary of the step.
    """
    found: list[TaskSummary] = []
    runs_found = 0
    for run_id in _recent_runs(provider, flow_name, namespace, current_run_id):
        summaries = list(_summaries_of_run(provider, flow_name, run_id, step))
        if summaries:
            found.extend(summaries)
            runs_found += 1
            if runs_found >= max_runs:
                break
    return found


def _recent_runs(provider: Any, flow_name: str, namespace: str | None, current_run_id: str) -> list[str]:
    runs = provider.get_object("flow", "run", {}, None, flow_name) or []
    if namespace:
        runs = [run for run in runs if namespace in (*run.get("tags", ()), *run.get("system_tags", ()))]
    runs.sort(key=lambda run: run.get("ts_epoch") or 0, reverse=True)
    ids = [str(run.get("run_id") or run.get("run_number")) for run in runs]
    return [run_id for run_id in ids if run_id != current_run_id][:MAX_RUNS_SCANNED]


def _summaries_of_run(provider: Any, flow_name: str, run_id: str, step: str) -> Iterator[TaskSummary]:
    """The newest summary of each attempt of the step's tasks in a run."""
    newest: dict[tuple[str, int], TaskSummary] = {}
    for datum in sorted(_metadata_of_step(provider, flow_name, run_id, step), key=lambda d: d.get("ts_epoch") or 0):
        if datum.get("field_name") != SUMMARY_FIELD:
            continue
        try:
            summary = decode_summary(str(datum.get("value")))
        except ArtifactError:
            continue  # written by a later version, or damaged: one task less to compare with
        if summary.step == step and summary.run_id == run_id:
            newest[summary.task_id, summary.attempt] = summary
    yield from newest.values()


def _metadata_of_step(provider: Any, flow_name: str, run_id: str, step: str) -> Iterable[dict[str, Any]]:
    if getattr(provider, "TYPE", "") == "service":
        whole_run = _metadata_of_run(provider, flow_name, run_id)
        if whole_run is not None:
            return [datum for datum in whole_run if datum.get("step_name") == step]
    tasks = provider.get_object("step", "task", {}, None, flow_name, run_id, step) or []
    ids = [str(task.get("task_id")) for task in tasks]
    spread = max(1, -(-len(ids) // MAX_TASKS_READ))
    return [
        datum
        for task_id in ids[::spread]
        for datum in provider.get_object("task", "metadata", {}, None, flow_name, run_id, step, task_id) or []
    ]


def _metadata_of_run(provider: Any, flow_name: str, run_id: str) -> list[dict[str, Any]] | None:
    """All metadata of a run in one request, which the service offers and ``get_object`` refuses.

    Source: Metaflow metadata service, ``GET /flows/{flow}/runs/{run}/metadata``.
    """
    try:
        found = provider._get_object_internal("run", 2, "metadata", 6, {}, None, flow_name, run_id)
    except Exception:  # noqa: BLE001 - a private door: where it is gone, ask task by task
        return None
    return found if isinstance(found, list) else None
