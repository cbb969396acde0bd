"""Summaries of attempts in Metaflow's task metadata: written by each task, read back as history."""

from __future__ import annotations

from typing import Any

from resource_tracker.records import TaskSummary
from resource_tracker.summary import SUMMARY_FIELD, encode_summary

__all__ = ["SUMMARY_FIELD", "read_summaries", "write_summary"]

ENDING_FIELD = "resource-tracker-ending"
"""Under this name the metadata of a task that died say of what."""
MAX_TASKS_READ = 1000
MAX_RUNS_SCANNED = 50


def write_summary(provider: Any, summary: TaskSummary) -> None:
    """Append the summary of an attempt to its task's metadata."""
    from metaflow.metadata_provider import MetaDatum

    told = {SUMMARY_FIELD: encode_summary(summary)}
    if summary.ended_by is not None:  # for people who look at the metadata
        told[ENDING_FIELD] = f"{summary.ended_by}: {summary.ended_evidence or ''}".rstrip(": ")
    tags = [f"attempt_id:{summary.attempt}"]
    data = [MetaDatum(field=field, value=value, type="resource-tracker", tags=tags) for field, value in told.items()]
    provider.register_metadata(summary.run_id, summary.step, summary.task_id, data)


def read_summaries(
    provider: Any, flow_name: str, step: str, *, namespace: str | None, current_run_id: str, max_runs: int
) -> list[TaskSummary]:
    """Summaries of a step from earlier runs, newest run first, with stand-ins for attempts that died without a word.

    Parameters
    ----------
    provider : metaflow MetadataProvider
        Asked directly, not through the client, whose provider and namespace are global to the process.
    namespace : str or None
        Only runs with this tag, such as ``user:alice``; ``None`` for all.
    max_runs : int
        Stop after this many runs with a summary of the step.
    """
    from resource_tracker.flows.run_reading import read_step  # a task only writes its own
    from resource_tracker.run_attempts import with_models

    found = []
    measured = 0
    for run_id in _recent_runs(provider, flow_name, namespace, current_run_id):
        found.append(read_step(provider, flow_name, run_id, step, MAX_TASKS_READ))
        measured += bool(found[-1].summaries)
        if measured >= max_runs:
            break
    return [summary for run in with_models(found) for summary in run.known]


def _recent_runs(provider: Any, flow_name: str, namespace: str | None, current_run_id: str) -> list[str]:
    runs = provider.get_object("flow", "run", {}, None, flow_name) or []
    if namespace:
        runs = [run for run in runs if namespace in (*run.get("tags", ()), *run.get("system_tags", ()))]
    runs.sort(key=lambda run: run.get("ts_epoch") or 0, reverse=True)
    ids = [str(run.get("run_id") or run.get("run_number")) for run in runs]
    return [run_id for run_id in ids if run_id != current_run_id][:MAX_RUNS_SCANNED]
