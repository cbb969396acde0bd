"""The comparison with earlier runs of a step, from their summaries."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from resource_tracker.plain import to_plain
from resource_tracker.records import History, TaskSummary

DECIMALS = 4
PUBLISHED_KEYS = (
    "available",
    "runs_analyzed",
    "avg_cpu_mean",
    "max_memory_max",
    "avg_gpu_mean",
    "max_vram_max",
    "max_gpu_count",
    "avg_duration",
)
FIRST_RUN = "first tracked run of this step: nothing to compare with yet"
SWITCHED_OFF = "the comparison with earlier runs is switched off (history=0)"


def build_history(summaries: Iterable[TaskSummary], *, max_runs: int = 5, max_tasks_per_run: int = 200) -> History:
    """The last `max_runs` runs in which the step's own code succeeded, newest first.

    Every such task counts, all siblings of a foreach: averages are over tasks, maxima over all. Of several
    attempts of one task the last that succeeded counts. Of a run with more than `max_tasks_per_run` tasks
    those with the most memory are listed, and ``tasks_left_out`` says how many are not; the figures are those of all.
    """
    if max_runs <= 0:
        return History(available=False, reason=SWITCHED_OFF)
    known = list(summaries)
    if not known:
        return History(available=False, reason=FIRST_RUN)
    runs = _newest_first(_succeeded(known))[:max_runs]
    if not runs:
        return History(available=False, reason=f"no earlier attempt of this step succeeded ({len(known)} did not)")
    tasks = [task for run in runs for task in run]
    listed = [task for run in runs for task in _listed(run, max_tasks_per_run)]
    return History(
        available=True,
        runs_analyzed=len(runs),
        tasks_analyzed=len(tasks),
        tasks_left_out=len(tasks) - len(listed),
        avg_cpu_mean=_mean(task.cpu_mean_cores for task in tasks),
        max_cpu_max=_max(task.cpu_max_cores for task in tasks),
        max_memory_max=_max(overall_peak_kib(task) for task in tasks),
        max_persist_growth_kib=_max(task.persist_growth_kib for task in tasks),
        avg_gpu_mean=_mean(task.gpu_usage_mean for task in tasks),
        max_vram_max=_max(task.gpu_vram_max_mib for task in tasks),
        max_gpu_count=_max(task.gpu_utilized_max for task in tasks),
        avg_duration=_mean(task.duration_s for task in tasks),
        tasks=tuple(listed),
    )


def published_history(history: History) -> dict[str, Any]:
    """The artifact's ``historical_stats``, published keys first; ``tasks`` are stored beside it.

    Where there is nothing to compare with: ``{"available": False, "reason": ...}``.
    """
    if not history.available:
        lost = {"lost_attempts": history.lost_attempts} if history.lost_attempts else {}
        return {"available": False, "reason": history.reason, **lost}
    figures = to_plain(history)
    del figures["tasks"]
    return {**{key: figures[key] for key in PUBLISHED_KEYS}, **figures}


def overall_peak_kib(task: TaskSummary) -> float | None:
    """Highest memory of an attempt, the saving of its artifacts included."""
    if task.memory_peak_kib is None:
        return None
    return task.memory_peak_kib + (task.persist_growth_kib or 0.0)


def _succeeded(summaries: list[TaskSummary]) -> list[TaskSummary]:
    """The last successful attempt of each task."""
    last: dict[tuple[str, str, str], TaskSummary] = {}
    for summary in summaries:
        task = (summary.run_id, summary.step, summary.task_id)
        if summary.status == "ok" and (task not in last or summary.attempt >= last[task].attempt):
            last[task] = summary
    return list(last.values())


def _newest_first(tasks: list[TaskSummary]) -> list[list[TaskSummary]]:
    """Tasks by run, newest run and newest task first; where no time is known, in the order given."""
    runs: dict[str, list[TaskSummary]] = {}
    for task in sorted(tasks, key=_finished_at, reverse=True):
        runs.setdefault(task.run_id, []).append(task)
    return list(runs.values())


def _finished_at(task: TaskSummary) -> float:
    return -math.inf if task.finished_at is None else task.finished_at


def _listed(run: list[TaskSummary], most: int) -> list[TaskSummary]:
    """The tasks of a run with the most memory, in the run's own order."""
    if len(run) <= most:
        return run
    peaks = [-math.inf if (peak := overall_peak_kib(task)) is None else peak for task in run]
    largest = sorted(range(len(run)), key=peaks.__getitem__, reverse=True)[:most]
    return [run[index] for index in sorted(largest)]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), DECIMALS) if known else None


def _max(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
