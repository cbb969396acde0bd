"""History from task metadata: what providers give, damaged entries, and the handing over by file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest

from resource_tracker.build import history_of
from resource_tracker.flows.attempt import HANDOVER_VARIABLE, MARKER_VARIABLE
from resource_tracker.flows.handover import (
    RuntimeHandover,
    read_handover,
    read_runs,
    sweep_dead_handovers,
)
from resource_tracker.flows.run_reading import read_run
from resource_tracker.flows.summaries import SUMMARY_FIELD, read_summaries
from resource_tracker.records import CloudInfo, TaskSummary
from resource_tracker.summary import encode_summary

SUMMARY = TaskSummary(
    run_id="1",
    step="train",
    task_id="7",
    attempt=0,
    status="ok",
    finished_at=100.0,
    duration_s=5.0,
    memory_peak_kib=1e6,
)


class Provider:
    """A metadata provider in the shape of Metaflow's, over a dictionary: {run: {task: [values]}}. Synthetic."""

    TYPE = "local"

    def __init__(self, runs: dict[str, dict[str, list[str]]], tags: dict[str, list[str]] | None = None) -> None:
        self.runs = runs
        self.tags = tags or {}

    def get_object(self, obj_type: str, sub_type: str, filters: Any, attempt: Any, *path: str) -> Any:
        if (obj_type, sub_type) == ("flow", "run"):
            return [
                {"run_number": run, "ts_epoch": int(run), "tags": [], "system_tags": self.tags.get(run, ["user:me"])}
                for run in self.runs
            ]
        if (obj_type, sub_type) == ("step", "task"):
            return [{"task_id": task} for task in self.runs[path[1]]] if path[2] == "train" else None
        values = self.runs[path[1]][path[3]]
        return [{"field_name": SUMMARY_FIELD, "value": v, "ts_epoch": i} for i, v in enumerate(values)]


def stored(run: str, task: str = "7", **changes: Any) -> str:
    return encode_summary(replace(SUMMARY, run_id=run, task_id=task, **changes))


def read(provider: Any, **options: Any) -> list[TaskSummary]:
    given = {"namespace": "user:me", "current_run_id": "9", "max_runs": 5} | options
    return read_summaries(provider, "Flow", "train", **given)


def test_newest_runs_first_and_no_more_than_asked() -> None:
    """Of four earlier runs the newest two are read."""
    provider = Provider({str(run): {"7": [stored(str(run))]} for run in (1, 2, 3, 4)})
    assert [summary.run_id for summary in read(provider, max_runs=2)] == ["4", "3"]


def test_the_current_run_and_other_namespaces_are_left_out() -> None:
    """Only this namespace's earlier runs count."""
    provider = Provider({str(run): {"7": [stored(str(run))]} for run in (1, 2, 9)}, {"2": ["user:other"]})
    assert [summary.run_id for summary in read(provider)] == ["1"]
    assert [summary.run_id for summary in read(provider, namespace=None)] == ["2", "1"]


def test_runs_without_the_step_do_not_count() -> None:
    """A run that stopped before the step, or was a clone without summaries, does not use up the five."""
    runs = {str(run): {"7": [stored(str(run))] if run == 1 else []} for run in range(1, 8)}
    assert [summary.run_id for summary in read(Provider(runs), max_runs=1)] == ["1"]


def test_a_damaged_or_later_summary_is_skipped() -> None:
    """One task less to compare with; the others count."""
    later = json.dumps({"v": 999})
    provider = Provider({"1": {"7": ["{not json", later, stored("1")], "8": ["[]"]}})
    assert [summary.task_id for summary in read(provider)] == ["7"]


def test_the_newest_of_several_summaries_of_an_attempt_counts() -> None:
    """An attempt may have written an early and a final one."""
    provider = Provider({"1": {"7": [stored("1", duration_s=1.0), stored("1", duration_s=2.0)]}})
    assert [summary.duration_s for summary in read(provider)] == [2.0]


def test_a_summary_of_another_task_is_refused() -> None:
    """What names another run or step is not this step's."""
    provider = Provider({"1": {"7": [stored("2"), stored("1", step="other")]}})
    assert read(provider) == []


def test_a_large_foreach_is_read_evenly() -> None:
    """Of 5000 siblings at most 1000 are read, spread over all of them."""
    provider = Provider({"1": {str(task): [stored("1", str(task))] for task in range(5000)}})
    tasks = sorted(int(summary.task_id) for summary in read(provider))
    assert len(tasks) == 1000
    assert tasks[0] < 10 and tasks[-1] > 4990


class ServiceHandler(BaseHTTPRequestHandler):
    """Three routes of the metadata service, in the shape of its documentation. Synthetic."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        routes: dict[str, Any] = {
            "/flows/Flow/runs": [{"run_number": 1, "ts_epoch": 1, "tags": [], "system_tags": ["user:me"]}],
            "/flows/Flow/runs/1/metadata": [
                self.datum("train", str(task), stored("1", str(task))) for task in range(300)
            ]
            + [self.datum("other", "7", stored("1", step="other"))],
        }
        found = routes.get(self.path)
        body = json.dumps(found).encode()
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def datum(step: str, task: str, value: str) -> dict[str, Any]:
        return {"step_name": step, "task_id": task, "field_name": SUMMARY_FIELD, "value": value, "ts_epoch": 1}

    def log_message(self, *_: object) -> None:
        pass


def test_the_service_is_asked_once_for_a_whole_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """300 siblings on a metadata service: one request for the runs, one for the run, by Metaflow's own provider."""
    from metaflow.plugins.metadata_providers import service

    with ThreadingHTTPServer(("127.0.0.1", 0), ServiceHandler) as server:
        server.asked = []  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(service.ServiceMetadataProvider, "_INFO", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(service, "SERVICE_RETRY_COUNT", 1)
        found = read(service.ServiceMetadataProvider)
        server.shutdown()
    assert len(found) == 300
    assert server.asked == ["/flows/Flow/runs", "/flows/Flow/runs/1/metadata"]  # type: ignore[attr-defined]


@pytest.fixture
def private_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_history_and_cloud_are_handed_over_by_file(private_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the runtime's thread writes is what a task reads; the folder is private and goes with the run."""
    monkeypatch.setattr(
        "resource_tracker.cloud_cache.cached_discover", lambda: CloudInfo(vendor="aws", region="eu-west-1")
    )
    monkeypatch.setattr("metaflow.util.resolve_identity", lambda: "user:me")
    handover = RuntimeHandover("Flow", "9", Provider({"1": {"7": [stored("1")]}}))
    handover.add("train", 5)
    folder = handover._folder
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    before = read_handover(folder, "train")
    assert before.summaries is None and "not been read yet" in (before.reason or "")
    assert HANDOVER_VARIABLE in handover.begin()
    handover._thread.join(20)  # type: ignore[union-attr]
    handed = read_handover(folder, "train")
    assert handed.summaries == (replace(SUMMARY, run_id="1"),)
    assert handed.cloud == CloudInfo(vendor="aws", region="eu-west-1")
    handover.close()
    assert not Path(folder).exists()


def test_a_metadata_service_that_fails_is_a_reason(private_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on, and the card says why there is no history."""
    monkeypatch.setattr("resource_tracker.cloud_cache.cached_discover", CloudInfo)
    handover = RuntimeHandover("Flow", "9", object())
    handover.add("train", 5)
    assert HANDOVER_VARIABLE in handover.begin()
    handover._thread.join(20)  # type: ignore[union-attr]
    handed = read_handover(handover.begin()[HANDOVER_VARIABLE], "train")
    handover.close()
    assert handed.summaries is None
    assert "could not be read: AttributeError" in (handed.reason or "")


def test_no_room_for_the_folder(private_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full temporary directory: the run goes on, its tasks get the marker and no history."""
    monkeypatch.setattr("tempfile.tempdir", str(private_tmp / "gone"))
    assert set(RuntimeHandover("Flow", "9", Provider({})).begin()) == {MARKER_VARIABLE}


def test_each_attempt_gets_a_marker_of_its_own(private_tmp: Path) -> None:
    """Two attempts never share one."""
    handover = RuntimeHandover("Flow", "9", Provider({}))
    assert handover.begin()[MARKER_VARIABLE] != handover.begin()[MARKER_VARIABLE]
    handover.close()


def test_a_runtime_that_starts_no_task_leaves_no_folder(private_tmp: Path) -> None:
    """The command that prepares a run in a container has a runtime, too, whose end no hook tells."""
    handover = RuntimeHandover("Flow", "9", Provider({}))
    handover.add("train", 5)
    assert list(private_tmp.glob("metaflow-resource-tracker-*")) == []
    handover.close()
    assert list(private_tmp.glob("metaflow-resource-tracker-*")) == []


def test_without_a_handover_the_reason_is_plain() -> None:
    """A task that a scheduler started elsewhere says so."""
    assert "did not start this task" in (read_handover(None, "train").reason or "")


def test_a_folder_that_others_can_write_to_is_not_read(tmp_path: Path) -> None:
    """Nobody else may tell a task what its history is."""
    (tmp_path / "history-train.json").write_text(json.dumps({"summaries": [stored("1")]}))
    tmp_path.chmod(0o777)
    assert read_handover(str(tmp_path), "train").summaries is None
    tmp_path.chmod(0o700)
    assert read_handover(str(tmp_path), "train").summaries is not None


def test_the_folder_of_a_killed_runtime_is_swept(private_tmp: Path) -> None:
    """A runtime that is killed cannot delete its folder: the next one does, and leaves those in use alone.

    Also where nobody has waited for the dead one yet, as under a process 1 that is slow to.
    """
    program = (
        "import os, signal, sys\nfrom resource_tracker.flows.handover import RuntimeHandover\n"
        "RuntimeHandover('Flow', '1', None).begin()\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"TMPDIR": str(private_tmp)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment) as dead:
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
        (left,) = private_tmp.glob("metaflow-resource-tracker-handover-*")
        handover = RuntimeHandover("Flow", "2", None)
        handover.begin()
        assert not left.exists()
    sweep_dead_handovers()
    assert len(list(private_tmp.glob("metaflow-resource-tracker-handover-*"))) == 1
    handover.close()


def test_a_whole_run_is_one_request_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps, by Metaflow's own provider; a service that refuses is asked task by task."""
    from metaflow.plugins.metadata_providers import service

    with ThreadingHTTPServer(("127.0.0.1", 0), ServiceHandler) as server:
        server.asked = []  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(service.ServiceMetadataProvider, "_INFO", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(service, "SERVICE_RETRY_COUNT", 1)
        run = read_run(service.ServiceMetadataProvider, "Flow", "1")
        server.shutdown()
    assert len(run.summaries) == 301 and {a.step for a in run.attempts} == {"train", "other"}
    assert server.asked == ["/flows/Flow/runs/1/metadata"]  # type: ignore[attr-defined]


def test_a_local_store_reads_only_files_that_count(tmp_path: Path) -> None:
    """Files of Metaflow's own, half-written ones and folders of no task neither disturb nor are opened."""
    meta = tmp_path / "1" / "train" / "7" / "_meta"
    meta.mkdir(parents=True)
    (tmp_path / "1" / "_parameters" / "1" / "_meta").mkdir(parents=True)
    (tmp_path / "1" / "train" / "8").mkdir()
    for name, value in (("5", stored("1")), ("9", stored("1", duration_s=7.0))):
        datum = {"field_name": SUMMARY_FIELD, "value": value, "ts_epoch": int(name), "tags": ["attempt_id:0"]}
        (meta / f"sysmeta_{SUMMARY_FIELD}_{name}.json").write_text(json.dumps(datum))
    (meta / f"sysmeta_{SUMMARY_FIELD}_11.json").write_text('{"field_name"')
    (meta / "sysmeta_runtime_1.json").mkdir()

    class Local(Provider):
        @staticmethod
        def _make_path(flow: str, run: str, create_on_absent: bool) -> str:
            return str(tmp_path / run)

    run = read_run(Local({}), "Flow", "1")
    assert [(a.task_id, a.summary and a.summary.duration_s) for a in run.attempts] == [("7", 7.0)]
    for attempt in (0, 1):  # two files of the first attempt do not stand for the second
        datum = {"field_name": "attempt", "value": str(attempt), "ts_epoch": 3000, "tags": [f"attempt_id:{attempt}"]}
        (meta / f"sysmeta_attempt_{attempt}.json").write_text(json.dumps(datum))
    run = read_run(Local({}), "Flow", "1")
    assert sorted((a.attempt, a.measured) for a in run.attempts) == [(0, True), (1, False)]


@pytest.mark.parametrize(("silent_s", "died"), [(3600, [("2", None)]), (10, [])])
def test_a_run_without_a_heartbeat_has_died(silent_s: float, died: list[object]) -> None:
    """Its task may need more than it had; one that was seen a moment ago may still be running."""

    class Remote(Provider):
        TYPE = "other"

        def get_object(self, obj_type: str, sub_type: str, filters: Any, attempt: Any, *path: str) -> Any:
            if (obj_type, sub_type) == ("run", "self"):
                return {"last_heartbeat_ts": time.time() - silent_s}
            if (obj_type, sub_type) == ("task", "metadata") and path[1] == "2":
                return [{"field_name": "attempt", "value": "0", "ts_epoch": 1000, "tags": ["attempt_id:0"]}]
            return super().get_object(obj_type, sub_type, filters, attempt, *path)

    found = read(Remote({"1": {"7": [stored("1")]}, "2": {"7": []}}))
    assert [(s.run_id, s.memory_peak_kib) for s in found if s.run_id == "2"] == died
    assert any(s.run_id == "1" for s in found)
    history = history_of(found, max_runs=5, reason=None)
    assert history.lost_attempts == (len(died) or None) and history.runs_analyzed == 1


class Blocked(Provider):
    """A provider that does not answer until it is let go. Synthetic."""

    def __init__(self) -> None:
        super().__init__({})
        self.let_go = Event()

    def get_object(self, *_: Any) -> Any:
        self.let_go.wait(60)
        return None


def test_the_last_step_does_not_wait_for_slow_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card then says why there is no review, and how to make it later."""
    from resource_tracker.flows import review_card

    monkeypatch.setattr(review_card, "TIME_LIMIT_S", 0.05)
    provider = Blocked()
    context = SimpleNamespace(flow=SimpleNamespace(name="Flow"), run_id="1", metadata=provider)
    settings = SimpleNamespace(history=5, policy="safe")
    page = review_card.page_of_run(context, settings, None)  # type: ignore[arg-type]
    provider.let_go.set()
    assert "has no cost review yet" in page and "resource-tracker review Flow/1 --html" in page


def test_what_would_end_the_process_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    """A library that exits does not end the step, is not taken for slow, and writes nothing of its own."""
    from resource_tracker.flows.patience import within

    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        within(60.0, lambda: sys.exit(3))
    assert capfd.readouterr().err == ""


def test_what_goes_wrong_in_time_is_raised() -> None:
    """So that the step's log says what it was."""
    from resource_tracker.flows.patience import within

    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 / 0)
    assert within(60, lambda: 7) == 7


def test_earlier_runs_are_handed_over_by_file(private_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that the last step compares with: of the same owner, older, newest first; only where they are asked for."""
    monkeypatch.setattr("resource_tracker.cloud_cache.cached_discover", lambda: CloudInfo())
    monkeypatch.setattr("metaflow.util.resolve_identity", lambda: "user:me")
    runs: dict[str, dict[str, list[str]]] = {str(run): {} for run in (1000, 2000, 3000, 9000)}
    for asked in (False, True):
        handover = RuntimeHandover("Flow", "3000", Provider(runs, {"1000": ["user:other"]}))
        if asked:
            handover.review_the_run()
        handover.begin()
        handover._thread.join(20)  # type: ignore[union-attr]
        assert read_runs(handover._folder) == ([("2000", 2.0)] if asked else None)
        handover.close()
    assert read_runs(None) is None
