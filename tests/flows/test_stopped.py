"""Processes that are stopped for a while, or for good, and a disk that fills up: the step ends as without us."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from flows.harness import FlowFolder, wait_until_clean
from flows.test_live import SOON, WAITING

pytestmark = pytest.mark.flow

STOPPED = (
    WAITING
    + """
    import signal, subprocess, sys
    from metaflow import FlowSpec, step, track_resources

    STOP_S = float(os.environ["STOP_S"])

    def tell(name, number):
        sent = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = open(f"/proc/{pid}/cmdline").read()
            except OSError:
                continue
            if spool() in command and name in command:
                os.kill(int(pid), number)
                sent += 1
        return sent

    def stopped_for_a_while(pid):
        waker = "import os, signal, sys, time; time.sleep(%r); os.kill(%d, signal.SIGCONT)" % (STOP_S, pid)
        subprocess.Popen([sys.executable, "-c", waker])

    class StoppedFlow(FlowSpec):
        @step
        def start(self):
            self.who = ["task", "sampler", "sampler.main", "flows.publisher.main"]
            self.next(self.hit, foreach="who")

        @track_resources(interval=0.2)
        @step
        def hit(self):
            wait_until(lambda: status().get("updates", 0) >= 1)
            if self.input == "task":
                stopped_for_a_while(os.getpid())
                os.kill(os.getpid(), signal.SIGSTOP)
            elif self.input == "sampler":  # and goes on
                assert tell("sampler.main", signal.SIGSTOP) == 1
                time.sleep(STOP_S)
                assert tell("sampler.main", signal.SIGCONT) == 1
            else:  # and the step ends meanwhile
                assert tell(self.input, signal.SIGSTOP) == 1
            self.stopped = self.input
            if self.input in ("task", "sampler"):
                updates = status()["updates"]
                wait_until(lambda: status().get("updates", 0) > updates)
            self.next(self.join)

        @step
        def join(self, inputs):
            self.hits = [one.stopped for one in inputs]
            self.next(self.end)

        @step
        def end(self):
            print(self.hits)

    if __name__ == "__main__":
        StoppedFlow()
"""
)


@pytest.mark.parametrize("stop_s", [2.0, pytest.param(20.0, marks=pytest.mark.slow)])
def test_whoever_is_stopped_the_step_and_its_last_card_are_as_ever(tmp_path: Path, stop_s: float) -> None:
    """Task, sampler or publisher: what wakes up goes on, and what does not is ended; the gap stands in the record."""
    folder = FlowFolder(tmp_path)
    folder.write(STOPPED)
    run = folder.call("run", "--max-workers", "4", **SOON, STOP_S=str(stop_s))
    assert run.returncode == 0, run.output
    assert "could not" not in run.output
    assert wait_until_clean(run) == []
    pages = [page.read_text() for page in run.cards()]
    assert len(pages) == 4
    assert all('METAFLOW_RELOAD_TOKEN="final"' in page and "Succeeded" in page for page in pages)
    records = {task["stopped"].data: task["resource_tracker_data"].data for task in run.run()["hit"]}
    assert sorted(records) == sorted(["task", "sampler", "sampler.main", "flows.publisher.main"])
    assert all(record["outcome"]["status"] == "ok" for record in records.values())
    assert records["task"]["tracking"]["ended_early"] is None
    assert sum(records["sampler"]["system_metrics"]["unwatched_s"]) > stop_s / 2


FULL = (
    WAITING
    + """
    from metaflow import FlowSpec, step, track_resources

    class FullFlow(FlowSpec):
        @track_resources(interval=0.2)
        @step
        def start(self):
            wait_until(lambda: status().get("updates", 0) >= 1)
            temporary = os.environ["TMPDIR"]
            try:
                with open(temporary + "/filler", "wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
            except OSError:
                pass
            time.sleep(3)  # rows, updates and the like meet a full disk
            self.result = os.path.getsize(temporary + "/filler") > 0
            self.next(self.end)

        @step
        def end(self):
            print("result", self.result)

    if __name__ == "__main__":
        FullFlow()
"""
)


def test_the_temporary_disk_is_full_while_the_card_is_live(tmp_path: Path) -> None:
    """Measurements end where there is no room for them; the step, its card and what is left behind are as ever."""
    script = 'mount -t tmpfs -o size=2m none "$TMPDIR"; "$@"; code=$?; rm "$TMPDIR/filler"; ls -A "$TMPDIR"; exit $code'
    prefix = ("unshare", "-m", "sh", "-c", script, "sh")
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"not permitted here: {tried.stderr.strip()}")
    folder = FlowFolder(tmp_path)
    folder.write(FULL)
    run = folder.call("run", prefix=prefix, **SOON)
    assert run.returncode == 0, run.output
    assert "result True" in run.output
    assert run.output.splitlines()[-1].endswith("Done!"), run.output  # nothing is left in the full folder
    assert wait_until_clean(run) == []
    (page,) = run.cards()
    assert "Succeeded" in page.read_text()
    assert run.record("start")["outcome"]["status"] == "ok"
