"""A whole run's attempts from task metadata: in one request from a service, from few files of a local store.

Never an artifact: those would have to be unpickled, and a foreach of a thousand has a thousand.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from resource_tracker.dataclass import replace
from resource_tracker.errors import ArtifactError
from resource_tracker.records import TaskSummary
from resource_tracker.run_attempts import RunAttempts, TaskFacts, attempts_of
from resource_tracker.summary import SUMMARY_FIELD, decode_summary

_BEGAN, _ENDED, _CLONED = "attempt", "attempt_ok", "origin-task-id"
_FIELDS = frozenset({SUMMARY_FIELD, _BEGAN, _ENDED, _CLONED})
_FILE_PREFIX = "sysmeta_"
_SILENT_S = 360.0
"""A run beats its heart every few seconds; from here on Metaflow's own UI takes it for dead, too."""
_ATTEMPT_TAG = "attempt_id:"

Datum = Mapping[str, Any]


def read_run(provider: Any, flow_name: str, run_id: str) -> RunAttempts:
    """All attempts of a run; without any where there is no such run.

    Parameters
    ----------
    provider : metaflow MetadataProvider
        Asked directly, not through the client, whose provider and namespace are global to the process.
    """
    return attempts_of(flow_name, run_id, _tasks_of_run(provider, flow_name, run_id))


def read_step(provider: Any, flow_name: str, run_id: str, step: str, most_tasks: int) -> RunAttempts:
    """The attempts of a step's tasks in a run, of at most so many tasks, evenly chosen."""
    folder = _local_folder(provider, flow_name, run_id)
    if folder is not None:
        tasks = _spread(_folders(os.path.join(folder, step)), most_tasks)
        facts = [_facts_of_folder(path, step) for path in tasks]
    else:
        facts = _facts(_data_of_step(provider, flow_name, run_id, step, most_tasks))
        facts = _without_a_heartbeat(provider, flow_name, run_id, [task for task in facts if task.step == step])
    own = [replace(task, summaries=_of_run(run_id, task.summaries)) for task in facts]
    return attempts_of(flow_name, run_id, own)


def read_task(provider: Any, flow_name: str, run_id: str, step: str, task_id: str) -> RunAttempts:
    """The attempts of one task, in at most two requests."""
    folder = _local_folder(provider, flow_name, run_id)
    if folder is not None:
        found = [_facts_of_folder(os.path.join(folder, step, task_id), step)]
    else:
        data = provider.get_object("task", "metadata", {}, None, flow_name, run_id, step, task_id) or []
        found = _facts({**datum, "step_name": step, "task_id": task_id} for datum in data)
    own = [replace(task, summaries=_of_run(run_id, task.summaries)) for task in found]
    return attempts_of(flow_name, run_id, own)


def _of_run(run_id: str, summaries: Mapping[int, TaskSummary]) -> dict[int, TaskSummary]:
    return {number: summary for number, summary in summaries.items() if summary.run_id == run_id}


def _tasks_of_run(provider: Any, flow_name: str, run_id: str) -> Iterable[TaskFacts]:
    folder = _local_folder(provider, flow_name, run_id)
    if folder is not None:
        return [_facts_of_folder(task, os.path.basename(step)) for step in _folders(folder) for task in _folders(step)]
    if getattr(provider, "TYPE", "") == "service":
        whole_run = _metadata_of_run(provider, flow_name, run_id)
        if whole_run is not None:
            return _without_a_heartbeat(provider, flow_name, run_id, _facts(whole_run))
    return _without_a_heartbeat(provider, flow_name, run_id, _facts(_data_task_by_task(provider, flow_name, run_id)))


# --- local: a folder for each task, a file for each datum ------------------------------------------


def _local_folder(provider: Any, flow_name: str, run_id: str) -> str | None:
    """The run's folder in a local store; ``None`` where it is another provider, or one of another build."""
    if getattr(provider, "TYPE", "") != "local":
        return None
    try:
        folder = provider._make_path(flow_name, run_id, create_on_absent=False)
    except Exception:  # noqa: BLE001 - a private door: where it is gone, ask as everybody does
        return None
    return folder if isinstance(folder, str) and os.path.isdir(folder) else None


def _folders(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.path for entry in entries if entry.name[0] not in "_." and entry.is_dir()]
    except OSError:
        return []


def _facts_of_folder(path: str, step: str) -> TaskFacts:
    """Looks at the names of the files first: of a task's dozen, one or two are ours."""
    files = defaultdict(list)
    meta = os.path.join(path, "_meta")
    try:
        names = os.listdir(meta)
    except OSError:
        names = []
    for name in names:
        field = name.removeprefix(_FILE_PREFIX).rpartition("_")[0]  # sysmeta_FIELD_MILLISECONDS.json
        if field in _FIELDS:
            files[field].append(f"{meta}/{name}")
    data = [datum for file in files[SUMMARY_FIELD] for datum in _datum(file)]
    task_id, cloned = os.path.basename(path), bool(files[_CLONED])
    found = _facts_of_task(step, task_id, data, cloned=cloned)
    if len(files[_BEGAN]) > len(found.summaries):  # an attempt without its own, be it that it cannot be read
        data += [datum for file in files[_BEGAN] + files[_ENDED] for datum in _datum(file)]
        found = _facts_of_task(step, task_id, data, cloned=cloned)
    died = {number: at for number in _open(found) for at in _ended_by_runtime(path, number)}
    killed = [number for number, one in found.summaries.items() if (one.ended_by or "").startswith("killed by")]
    stopped = frozenset(number for number in (*killed, *died) if _was_stopped(path, number))
    return replace(found, died=died, stopped=stopped) if died or stopped else found


def _ended_by_runtime(path: str, number: int) -> Iterator[float]:
    """When Metaflow's scheduler saw an attempt's process end: it then writes a file into the task's folder."""
    try:
        yield os.stat(f"{path}/{number}.runtime").st_mtime
    except OSError:
        return


def _was_stopped(path: str, number: int) -> bool:
    """Whether that file says that Metaflow killed it: ``{"return_code", "killed", "success"}``."""
    return any(note.get("killed") is True for note in _datum(f"{path}/{number}.runtime"))


def _datum(path: str) -> Iterator[Datum]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):  # being written at this moment, or damaged
        return
    if isinstance(found, dict):
        yield found


def _spread(tasks: list[str], most: int) -> list[str]:
    return tasks[:: max(1, -(-len(tasks) // most))]


# --- services and others: lists of data ------------------------------------------------------------


def _without_a_heartbeat(provider: Any, flow_name: str, run_id: str, tasks: list[TaskFacts]) -> list[TaskFacts]:
    """The tasks; where the run's heart stopped, so did what had not ended by then."""
    if not any(_open(task) for task in tasks):
        return tasks
    run = provider.get_object("run", "self", {}, None, flow_name, run_id) or {}
    beat = run.get("last_heartbeat_ts") if isinstance(run, dict) else None
    if not isinstance(beat, int | float) or isinstance(beat, bool) or time.time() - beat < _SILENT_S:
        return tasks
    return [replace(task, died={number: float(beat) for number in _open(task)}) for task in tasks]


def _metadata_of_run(provider: Any, flow_name: str, run_id: str) -> list[Datum] | None:
    """All metadata of a run in one request, which the service offers and ``get_object`` refuses.

    Source: Metaflow metadata service, ``GET /flows/{flow}/runs/{run}/metadata``.
    """
    try:
        found = provider._get_object_internal("run", 2, "metadata", 6, {}, None, flow_name, run_id)
    except Exception:  # noqa: BLE001 - a private door: where it is gone, ask task by task
        return None
    return found if isinstance(found, list) else None


def _data_of_step(provider: Any, flow_name: str, run_id: str, step: str, most_tasks: int) -> Iterable[Datum]:
    if getattr(provider, "TYPE", "") == "service":
        whole_run = _metadata_of_run(provider, flow_name, run_id)
        if whole_run is not None:
            return [datum for datum in whole_run if datum.get("step_name") == step]
    return _data_of_tasks(provider, flow_name, run_id, step, most_tasks)


def _data_task_by_task(provider: Any, flow_name: str, run_id: str) -> Iterator[Datum]:
    for step in provider.get_object("run", "step", {}, None, flow_name, run_id) or []:
        yield from _data_of_tasks(provider, flow_name, run_id, str(step.get("step_name")))


def _data_of_tasks(
    provider: Any, flow_name: str, run_id: str, step: str, most_tasks: int | None = None
) -> Iterator[Datum]:
    tasks = provider.get_object("step", "task", {}, None, flow_name, run_id, step) or []
    ids = [str(task.get("task_id")) for task in tasks]
    for task_id in ids if most_tasks is None else _spread(ids, most_tasks):
        for datum in provider.get_object("task", "metadata", {}, None, flow_name, run_id, step, task_id) or []:
            yield {**datum, "step_name": step, "task_id": task_id}


def _facts(data: Iterable[Datum]) -> list[TaskFacts]:
    tasks: dict[tuple[str, str], list[Datum]] = defaultdict(list)
    for datum in data:
        if datum.get("field_name") in _FIELDS:
            tasks[str(datum.get("step_name")), str(datum.get("task_id"))].append(datum)
    return [
        _facts_of_task(step, task_id, found, cloned=any(datum.get("field_name") == _CLONED for datum in found))
        for (step, task_id), found in tasks.items()
    ]


# --- both ------------------------------------------------------------------------------------------


def _open(task: TaskFacts) -> list[int]:
    """The last attempt, where it began and nothing tells that it has ended."""
    last = max(task.started, default=None)
    known = {*task.ended, *task.summaries}
    return [] if last is None or any(number >= last for number in known) else [last]


def _facts_of_task(step: str, task_id: str, data: list[Datum], *, cloned: bool) -> TaskFacts:
    """Of several data of one attempt the newest counts."""
    started: dict[int, float] = {}
    ended: dict[int, tuple[float, bool]] = {}
    summaries: dict[int, TaskSummary] = {}
    for datum in sorted(data, key=lambda datum: datum.get("ts_epoch") or 0):
        field, value, at = datum.get("field_name"), str(datum.get("value")), (datum.get("ts_epoch") or 0) / 1000
        number = _attempt_of(datum)
        if field == SUMMARY_FIELD:
            try:
                summary = decode_summary(value)
            except ArtifactError:
                continue  # written by a later version, or damaged: one task less to count
            if summary.step == step:
                summaries[summary.attempt] = summary
        elif field == _BEGAN and number is not None:
            started[number] = at
        elif field == _ENDED and number is not None:
            ended[number] = (at, value == "True")
    return TaskFacts(step=step, task_id=task_id, started=started, ended=ended, summaries=summaries, cloned=cloned)


def _attempt_of(datum: Datum) -> int | None:
    for tag in datum.get("tags") or ():
        number = str(tag).removeprefix(_ATTEMPT_TAG)
        if number != tag and number.isdecimal():
            return int(number)
    return None
