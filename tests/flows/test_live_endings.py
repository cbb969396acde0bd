"""Live cards of steps that end in other ways, or are repeated: each attempt keeps its own card, and nobody else's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from flows.harness import FlowFolder, FlowRun, wait_until_clean
from flows.test_live import SOON, WAITING

pytestmark = pytest.mark.flow

FLOW = (
    WAITING
    + """
    from metaflow import FlowSpec, catch, current, parallel, step, timeout, track_resources

    def be_live():
        wait_until(lambda: status().get("updates", 0) >= 2)

    class EndingsFlow(FlowSpec):
        @step
        def start(self):
            self.next(self.many, num_parallel=2)

        @track_resources(interval=0.5)
        @parallel
        @step
        def many(self):
            be_live()
            self.node = current.parallel.node_index
            self.next(self.join)

        @step
        def join(self, inputs):
            self.nodes = sorted(one.node for one in inputs)
            self.next(self.caught)

        @catch(var="problem", print_exception=False)
        @track_resources(interval=0.5)
        @step
        def caught(self):
            be_live()
            self.rest = 1 / 0
            self.next(self.late)

        @catch(var="lateness", print_exception=False)
        @timeout(seconds=25)
        @track_resources(interval=0.5)
        @step
        def late(self):
            be_live()
            time.sleep(120)
            self.next(self.end)

        @step
        def end(self):
            if os.environ.get("FAILS"):
                raise ValueError("the first time")
            print("nodes", self.nodes, type(self.problem).__name__, self.lateness is not None)

    if __name__ == "__main__":
        EndingsFlow()
"""
)


def cards(run: FlowRun) -> dict[str, list[str]]:
    """Pages by step, of all runs."""
    found: dict[str, list[str]] = {}
    for path in run.cards():
        found.setdefault(re.findall("/steps/([a-z]+)/", str(path))[0], []).append(path.read_text())
    return found


@pytest.mark.slow
def test_live_cards_of_parallel_caught_late_and_resumed_steps(tmp_path: Path) -> None:
    """Each worker has its card, which ends as its task did; tasks that are cloned get none, and change no other."""
    folder = FlowFolder(tmp_path)
    folder.write(FLOW)
    run = folder.call("run", **SOON, FAILS="1")
    assert run.returncode == 1 and "the first time" in run.output, run.output
    assert "could not" not in run.output
    assert wait_until_clean(run) == []
    first = cards(run)
    assert {step: len(found) for step, found in first.items()} == {"many": 2, "caught": 1, "late": 1}
    assert all('METAFLOW_RELOAD_TOKEN="final"' in page for found in first.values() for page in found)
    assert all("Succeeded" in page for page in first["many"])
    assert "ZeroDivisionError" in first["caught"][0]
    assert "TimeoutException" in first["late"][0]
    data = [json.loads(path.read_text()) for path in (run.folder / ".metaflow" / "mf.cards").rglob("*.data.json")]
    assert [one["reload_token"] for one in data] == ["final"] * 4
    tasks = {task.pathspec: task["resource_tracker_data"].data for task in run.run()["many"]}
    assert len(tasks) == 2 and all(record["pathspec"] == pathspec for pathspec, record in tasks.items())
    resumed = folder.call("resume", **SOON)
    assert resumed.returncode == 0, resumed.output
    assert "nodes [0, 1]" in resumed.output
    assert wait_until_clean(resumed) == []
    assert cards(resumed) == first
