"""Many tracked tasks on one machine, and signals to all of a run: everything is complete, and nothing is left."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from flows.harness import FlowFolder, FlowRun, wait_until_clean
from flows.test_live import SOON
from scenes.tasks import wait_until

pytestmark = [pytest.mark.flow, pytest.mark.slow]
TASKS = 50

MANY = """
import time
from metaflow import FlowSpec, step, track_resources

class ManyFlow(FlowSpec):
    @step
    def start(self):
        self.items = list(range(50))
        self.next(self.work, foreach="items")

    @track_resources
    @step
    def work(self):
        time.sleep(12)
        self.out = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.out for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("total", self.total)

if __name__ == "__main__":
    ManyFlow()
"""


def places_taken(folder: FlowFolder) -> int:
    """Publishers that keep a card of this run live at this moment."""
    whose = hashlib.sha256(f"{os.geteuid()} {folder.home / 'tmp'}".encode()).hexdigest()[:16]
    return Path("/proc/net/unix").read_text().count(f"@metaflow-resource-tracker-publisher-{whose}-")


def test_fifty_tasks_at_once(tmp_path: Path) -> None:
    """All artifacts and cards are there and final, at most four cards are live at a time, and nothing is left."""
    folder = FlowFolder(tmp_path)
    folder.write(MANY)
    over, most = threading.Event(), [0]

    def watch() -> None:
        while not over.wait(0.2):
            most[0] = max(most[0], places_taken(folder))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run = folder.call("run", "--max-workers", str(TASKS), timeout=900, METAFLOW_RESOURCE_TRACKER_LIVE_AFTER="2")
    finally:
        over.set()
        watcher.join()
    assert run.returncode == 0, run.output
    assert "total 1225" in run.output
    assert "could not" not in run.output
    assert wait_until_clean(run) == []
    assert 1 <= most[0] <= 4
    pages = [page.read_text() for page in run.cards()]
    assert len(pages) == TASKS
    assert all('METAFLOW_RELOAD_TOKEN="final"' in page and "Succeeded" in page for page in pages)
    records = {task.pathspec: task["resource_tracker_data"].data for task in run.run()["work"]}
    assert len(records) == TASKS
    assert all(record["pathspec"] == pathspec for pathspec, record in records.items())
    data = [path.read_text() for path in (run.folder / ".metaflow" / "mf.cards").rglob("*.data.json")]
    assert all('"reload_token": "final"' in one for one in data)


WAITS = """
import os, time
from metaflow import FlowSpec, step, track_resources

class WaitingFlow(FlowSpec):
    {track}
    @step
    def start(self):
        open("begun", "w").close()
        time.sleep(120)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    WaitingFlow()
"""


def ended_by(number: signal.Signals, root: Path, track: str) -> FlowRun:
    """A run whose whole process group gets a signal in mid-step, when its card is live where it has one."""
    folder = FlowFolder(root)
    folder.write(WAITS.replace("{track}", track))
    command = [sys.executable, "flow.py", "run"]
    with subprocess.Popen(
        command,
        cwd=folder.folder,
        env=folder.environment(**SOON),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as runtime:
        wait_until(lambda: (folder.folder / "begun").exists(), "a step that has begun")
        if track.startswith("@"):
            wait_until(lambda: [*folder.folder.rglob("*.data.json")], "a live card")
        os.killpg(runtime.pid, number)
        output, _ = runtime.communicate(timeout=120)
    return FlowRun(returncode=runtime.returncode, output=output, folder=folder.folder, home=folder.home)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_whole_process_group(tmp_path: Path, number: signal.Signals) -> None:
    """The run ends as without us; who watches is in a group of its own, tells of the end, and goes."""
    bare = ended_by(number, tmp_path / "bare", "# bare")
    tracked = ended_by(number, tmp_path / "tracked", "@track_resources")
    assert tracked.returncode == bare.returncode, tracked.output
    assert wait_until_clean(tracked) == []
    (page,) = tracked.cards()
    assert 'METAFLOW_RELOAD_TOKEN="final"' in page.read_text()
