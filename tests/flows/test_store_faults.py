"""Stores that fail when a step ends or its task has died: the run ends as without us, and what can be told is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flows.harness import FlowFolder, FlowRun, wait_until_clean
from gate import EXPIRED, HANGS, SLOW, gate_before
from metadata_server import MetadataServer, metadata_server
from s3_server import S3Server, s3_server

from resource_tracker.flows.summaries import SUMMARY_FIELD
from resource_tracker.records import TaskSummary
from resource_tracker.summary import decode_summary

pytestmark = pytest.mark.flow
GIVES_UP_S = 180.0
"""Where a store never answers, who tells of a step stays for a minute and a half at most."""

FLOW = """
import os, signal
from metaflow import FlowSpec, retry, step, track_resources

class StoreFlow(FlowSpec):
    @track_resources
    @step
    def start(self):
        self.result = 1
        self.next(self.work)

    @track_resources
    @step
    def work(self):
        if os.environ.get("DIES"):
            os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.end)

    @step
    def end(self):
        print("result", self.result)

if __name__ == "__main__":
    StoreFlow()
"""


def run_flow(root: Path, **variables: str) -> FlowRun:
    folder = FlowFolder(root)
    folder.write(FLOW)
    return folder.call("run", **variables)


def only_first_times(times: int, found: int | str, concerns: Callable[..., str | None]) -> Callable[..., int | None]:
    """A fault for the first requests of each kind that `concerns` names; later ones pass."""
    met: dict[str, int] = {}

    def fault(*request: str) -> int | None:
        kind = concerns(*request)
        if kind is None:
            return None
        met[kind] = met.get(kind, 0) + 1
        return found if met[kind] <= times else None  # type: ignore[return-value]

    return fault


def step_of_summary(_: str, path: str, body: str) -> str | None:
    """Whose summary a request to the metadata service brings."""
    return re.findall("/steps/([a-z]+)/", path)[0] if SUMMARY_FIELD in body else None


def summaries(server: MetadataServer) -> dict[str, TaskSummary]:
    return {found.step: found for found in map(decode_summary, server.values(SUMMARY_FIELD))}


def pages(run: FlowRun) -> dict[str, str]:
    return {re.findall("/steps/([a-z]+)/", str(path))[0]: path.read_text() for path in run.cards()}


def left_in_folder(run: FlowRun) -> list[str]:
    """What Metaflow's clients of clouds write on the way to a store."""
    return [path.name for path in run.folder.iterdir() if path.name.startswith("metaflow.")]


def test_metadata_service_that_hangs_or_refuses_when_a_step_ends(tmp_path: Path) -> None:
    """The run does not wait for it: a process beside the step stores the summary later, and the card says so."""
    hangs = only_first_times(1, "hangs", step_of_summary)
    refuses = only_first_times(1, 503, step_of_summary)  # Metaflow itself tries that again for half a minute

    def fault(method: str, path: str, body: str) -> int | str | None:
        return (hangs if "/start/" in path else refuses)(method, path, body)

    with metadata_server() as server:
        server.fault = fault
        run = run_flow(tmp_path, **server.environment())
        assert run.returncode == 0, run.output
        assert "result 1" in run.output
        assert wait_until_clean(run, GIVES_UP_S) == []
        found = summaries(server)
    assert {step: summary.status for step, summary in found.items()} == {"start": "ok", "work": "ok"}
    assert "could not store the summary of the attempt" in run.output
    assert "tried again" in run.output
    page = pages(run)["start"]
    assert "Succeeded" in page and "did not take the summary" in page


REPEATED = """
from metaflow import FlowSpec, current, retry, step, track_resources

class StoreFlow(FlowSpec):
    @retry(times=1, minutes_between_retries=0)
    @track_resources
    @step
    def start(self):
        assert current.retry_count
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    StoreFlow()
"""


@pytest.mark.slow
def test_a_repeated_attempt_waits_for_a_service_that_hangs_once(tmp_path: Path) -> None:
    """What does not answer when the attempt looks back is not asked for anything more: others store the summary."""
    folder = FlowFolder(tmp_path)
    folder.write(REPEATED)
    with metadata_server() as server:
        server.fault = lambda method, path, _: "hangs" if method == "GET" and "/metadata" in path else None
        run = folder.call("run", **server.environment())
        assert run.returncode == 0, run.output
        assert wait_until_clean(run, GIVES_UP_S) == []
        found = [decode_summary(text) for text in server.values(SUMMARY_FIELD)]
    assert sorted((summary.attempt, summary.status) for summary in found) == [(0, "failed"), (1, "ok")]
    said = [line for line in run.our_lines if "could not" in line]
    assert len(said) == 2, said
    assert "could not look at the attempt before: no answer" in said[0]
    assert "tried again" in said[1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hangs", 500])
def test_metadata_service_that_never_comes_back(tmp_path: Path, kind: int | str) -> None:
    """Of a step that ended well and of a task that died the card is complete all the same; then all is given up."""
    with metadata_server() as server:
        server.fault = lambda *request: kind if step_of_summary(*request) else None
        run = run_flow(tmp_path, DIES="1", **server.environment())
        assert run.returncode == 1, run.output
        assert wait_until_clean(run, GIVES_UP_S) == []
        assert summaries(server) == {}
    found = pages(run)
    assert "Succeeded" in found["start"] and "did not take the summary" in found["start"]
    assert "illed by SIGKILL" in found["work"] and "did not take the summary" in found["work"]


def final_page(method: str, path: str) -> str | None:
    """Whose card a request to the datastore brings."""
    found = re.findall(r"/mf\.cards/.*/steps/([a-z]+)/.*\.html", path)
    return found[0] if found and method == "PUT" else None


def cards_of(run: FlowRun, server: S3Server) -> dict[str, str]:
    keys = [key for key in server.keys(f"metaflow/mf.cards/StoreFlow/runs/{run.run_id}/") if key.endswith(".html")]
    return {re.findall("/steps/([a-z]+)/", key)[0]: server.read(key).decode() for key in keys}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "times"), [(HANGS, 1), (EXPIRED, 2), (SLOW, 9)], ids=["hangs", "credentials have expired", "slow"]
)
def test_datastore_that_fails_for_a_while_when_a_step_ends(tmp_path: Path, kind: int, times: int) -> None:
    """The run does not wait for it: a process beside the step writes the last card."""
    with s3_server() as server, gate_before(server.url, only_first_times(times, kind, final_page)) as url:
        run = run_flow(tmp_path, **server.environment() | {"METAFLOW_S3_ENDPOINT_URL": url})
        assert run.returncode == 0, run.output
        assert wait_until_clean(run, GIVES_UP_S) == []
        found = cards_of(run, server)
    assert sorted(found) == ["start", "work"], run.output
    assert all("Succeeded" in page for page in found.values())
    assert left_in_folder(run) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [HANGS, EXPIRED], ids=["hangs", "credentials have expired"])
def test_datastore_that_never_comes_back(tmp_path: Path, kind: int) -> None:
    """What ended the task stands in the metadata all the same; then all is given up, and nothing is left behind."""
    with (
        s3_server() as server,
        gate_before(server.url, lambda *request: kind if final_page(*request) else None) as url,
    ):
        run = run_flow(tmp_path, DIES="1", **server.environment() | {"METAFLOW_S3_ENDPOINT_URL": url})
        assert run.returncode == 1, run.output
        assert wait_until_clean(run, GIVES_UP_S) == []
        assert cards_of(run, server) == {}
    stored = [json.loads(path.read_text())["value"] for path in run.folder.rglob(f"sysmeta_{SUMMARY_FIELD}_*.json")]
    found = {summary.step: summary for summary in map(decode_summary, stored)}
    assert found["start"].status == "ok"
    assert found["work"].ended_by == "killed by SIGKILL"
    assert left_in_folder(run) == []
