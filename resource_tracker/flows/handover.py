"""What the runtime process finds out once per run and hands to its local tasks by file.

Earlier runs and the cloud are read in a thread of the *runtime*, so that no task waits for them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
import threading
import uuid
from pathlib import Path
from typing import Any

from resource_tracker.dataclass import dataclass, field_names
from resource_tracker.errors import ArtifactError
from resource_tracker.flows.attempt import HANDOVER_VARIABLE, MARKER_VARIABLE
from resource_tracker.records import CloudInfo, TaskSummary
from resource_tracker.summary import decode_summary, encode_summary

_PREFIX = "metaflow-resource-tracker-handover-"
_RUNS_FILE = "runs.json"
_RUNS_LISTED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What a task found: ``summaries`` is ``None`` where nothing arrived, and ``reason`` says why."""

    summaries: tuple[TaskSummary, ...] | None
    reason: str | None
    cloud: CloudInfo | None


class RuntimeHandover:
    """The runtime's side: reads in the background, writes into a private folder.

    Parameters
    ----------
    flow_name, run_id : str
        The run that is starting.
    provider : metaflow MetadataProvider
        Of this run.
    """

    def __init__(self, flow_name: str, run_id: str, provider: Any) -> None:
        self.run_id = run_id
        self._flow_name = flow_name
        self._provider = provider
        self._history_runs: dict[str, int] = {}
        self._lists_runs = False
        self._thread: threading.Thread | None = None
        self._made: str | None = None

    @property
    def _folder(self) -> str:
        """Made when first needed: a container's ``init`` command has a runtime as well, which never ends by a hook."""
        if self._made is None:
            sweep_dead_handovers()
            self._made = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-{_start_time(os.getpid())}-")
        return self._made

    def add(self, step: str, history_runs: int) -> None:
        """Ask for the history of a step; before :meth:`begin`."""
        self._history_runs[step] = history_runs

    def review_the_run(self) -> None:
        """Ask for the list of earlier runs, which the review of this one is compared with; before :meth:`begin`."""
        self._lists_runs = True

    def begin(self) -> dict[str, str]:
        """Begin reading, once, and return variables for a task's environment.

        The marker lets the task's sampler find orphans; it differs per attempt and needs no folder.
        """
        variables = {MARKER_VARIABLE: uuid.uuid4().hex}
        with contextlib.suppress(OSError, RuntimeError):  # no room, no thread: the card says that nothing arrived
            variables[HANDOVER_VARIABLE] = self._folder
            self._start()
        return variables

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._gather, args=(self._folder,), name="resource-tracker-handover", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Delete the folder; what the thread still finds out is then dropped."""
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)

    def _gather(self, folder: str) -> None:
        for step, runs in self._history_runs.items():
            leave_history(folder, self._provider, self._flow_name, self.run_id, step, runs)
        if self._lists_runs:
            with contextlib.suppress(Exception):  # without it the last step asks itself
                _write_json(folder, _RUNS_FILE, {"runs": self._earlier_runs()})
        with contextlib.suppress(Exception):  # without it the card says that the cloud is not known
            _write_json(folder, "cloud.json", _cloud_fields())

    def _earlier_runs(self) -> list[tuple[str, float | None]]:
        from resource_tracker.flows.earlier_runs import runs_before

        return runs_before(self._provider, self._flow_name, self.run_id)[:_RUNS_LISTED]


def leave_history(folder: str, provider: Any, flow_name: str, run_id: str, step: str, runs: int) -> None:
    """Read a step's earlier runs, and leave them in a folder; where they cannot be read, the reason."""
    from metaflow.util import resolve_identity

    from resource_tracker.flows.summaries import read_summaries

    try:
        summaries = read_summaries(
            provider, flow_name, step, namespace=resolve_identity(), current_run_id=run_id, max_runs=runs
        )
        content: dict[str, Any] = {"summaries": [encode_summary(summary) for summary in summaries]}
    except Exception as error:  # noqa: BLE001 - a metadata service may fail in any way; the run goes on
        content = {"reason": f"earlier runs could not be read: {type(error).__name__}"}
    _write_json(folder, _history_file(step), content)


def read_handover(folder: str | None, step: str, spool_dir: str | None = None) -> Handed:
    """What has arrived for a step by now.

    Parameters
    ----------
    folder : str or None
        Value of :data:`HANDOVER_VARIABLE`; ``None`` in tasks that a scheduler started elsewhere.
    spool_dir : str, optional
        Where the publisher of such a task leaves them.
    """
    folder = folder or spool_dir
    if not folder:
        reason = "earlier runs are read by the local runtime, which did not start this task"
        return Handed(summaries=None, reason=reason, cloud=None)
    history = _read_json(folder, _history_file(step))
    cloud = _read_json(folder, "cloud.json")
    summaries: tuple[TaskSummary, ...] | None = None
    reason = "earlier runs had not been read yet when the step ended"
    if history is not None and isinstance(history.get("summaries"), list):
        summaries = tuple(_decoded(history["summaries"]))
    elif history is not None:
        reason = str(history.get("reason", "earlier runs could not be read"))
    return Handed(summaries=summaries, reason=reason, cloud=_cloud_from(cloud))


def read_runs(folder: str | None) -> list[tuple[str, float | None]] | None:
    """Ids of earlier runs and when they began, newest first; ``None`` where no list has arrived."""
    found = (_read_json(folder, _RUNS_FILE) or {}).get("runs") if folder else None
    if not isinstance(found, list):
        return None
    return [(str(run_id), at) for run_id, at in found]


def drop_handover(folder: str) -> None:
    """Delete the folder of a runtime that died; whoever comes later finds nothing there."""
    if _is_ours(Path(folder)) and Path(folder).name.startswith(_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def sweep_dead_handovers(parent: str | None = None) -> None:
    """Delete folders whose runtime was killed before it could; by default among the temporary files."""
    for path in Path(parent or tempfile.gettempdir()).glob(f"{_PREFIX}*-*-*"):
        pid, start_time = path.name.removeprefix(_PREFIX).split("-")[:2]
        if pid.isdigit() and _is_ours(path) and _start_time(int(pid)) != start_time:
            shutil.rmtree(path, ignore_errors=True)


def _decoded(texts: list[Any]) -> list[TaskSummary]:
    summaries = []
    for text in texts:
        try:
            summaries.append(decode_summary(str(text)))
        except ArtifactError:
            continue
    return summaries


def _cloud_fields() -> dict[str, Any]:
    from resource_tracker.cloud_cache import cached_discover

    cloud = cached_discover()
    return {name: getattr(cloud, name) for name in field_names(CloudInfo) or ()}


def _cloud_from(fields: dict[str, Any] | None) -> CloudInfo | None:
    if fields is None:
        return None
    try:
        return CloudInfo(**fields)
    except TypeError:
        return None


def _history_file(step: str) -> str:
    return f"history-{step}.json"


def _write_json(folder: str, name: str, content: dict[str, Any]) -> None:
    """Write beside and rename, so that a task never reads half a file; dropped when the run is over."""
    try:
        partial = Path(folder, f".{name}.partial")
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(Path(folder, name))
    except OSError:
        return


def _read_json(folder: str, name: str) -> dict[str, Any] | None:
    path = Path(folder)
    if not _is_ours(path):
        return None
    try:
        content = json.loads((path / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _is_ours(path: Path) -> bool:
    """A folder of this user that nobody else can write to."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


def _start_time(pid: int) -> str:
    """Start time of a process in ticks since boot, ``"0"`` where none is alive or no procfs."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return "0"
    fields = text.rpartition(b")")[2].split()
    return "0" if fields[0] in (b"Z", b"X") else fields[19].decode()  # nobody waited for it yet
