"""``resource-tracker show`` on real runs: tables, files, and what it says where there is nothing to show."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import FlowFolder, FlowRun, wait_until_clean

from resource_tracker import ResourceTracker

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("show")]  # one run serves all of them

SOURCE = """\
import sys, time
from metaflow import FlowSpec, Parameter, resources, step, track_resources

class ShowFlow(FlowSpec):
    fail = Parameter("fail", default=False)

    @track_resources(interval=0.2)
    @step
    def start(self):
        self.next(self.middle)

    @step
    def middle(self):
        self.items = [1, 2]
        self.next(self.work, foreach="items")

    @resources(cpu=2, memory=3000)
    @track_resources(interval=0.2)
    @step
    def work(self):
        time.sleep(0.5)
        self.text = "x" * 80_000_000 if self.input == 1 else "x"
        self.next(self.join)

    @track_resources(artifact_name="mine")
    @step
    def join(self, inputs):
        self.next(self.end)

    @track_resources
    @step
    def end(self):
        if self.fail:
            raise ValueError("secret")

if __name__ == "__main__":
    ShowFlow()
"""


class Shown:
    """A finished run, and the command line in the folder in which it ran."""

    def __init__(self, folder: FlowFolder, run: FlowRun) -> None:
        self.folder = folder
        self.run = run
        self.pathspec = f"ShowFlow/{run.run_id}"

    def __call__(self, *arguments: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "resource_tracker.cli", "show", *arguments]
        return subprocess.run(
            command,
            cwd=cwd or self.folder.folder,
            env=self.folder.environment(PYTHONPATH=str(Path(__file__).parents[2]), **env),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def tasks(self, step: str) -> list[str]:
        """Pathspecs of a step's tasks, in order."""
        return sorted((str(task.pathspec) for task in self.run.run()[step]), key=lambda p: int(p.split("/")[-1]))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """One run for all tests of this file."""
    folder = FlowFolder(tmp_path_factory.mktemp("show"))
    folder.write(SOURCE)
    run = folder.call("run")
    assert run.returncode == 0, run.output
    yield Shown(folder, run)


def test_latest_run(shown: Shown) -> None:
    """A flow's name alone is its latest run, which is said; each tracked task has a row, inherited artifacts none."""
    done = shown("ShowFlow")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{shown.pathspec}, the latest run in namespace user:tester"
    assert shown.pathspec not in done.stderr.replace(f"{shown.pathspec}/join", "")
    tasks = [line.split()[0] for line in lines[4:8]]
    assert [task.split("/")[0] for task in tasks] == ["start", "work", "work", "end"]
    assert all("Succeeded" in line for line in lines[4:8])
    assert lines[8:10] == ["", "What to request next time"]
    assert [line.split(maxsplit=1)[0] for line in lines[10:]] == ["start", "work", "end"]
    assert all("@resources(cpu=" in line for line in lines[10:])
    assert "\x1b" not in done.stdout


def test_columns_of_the_table(shown: Shown) -> None:
    """The table names what was asked for, used and advised; the numbers are those of the artifact."""
    done = shown(f"{shown.pathspec}/work")
    above, below, *rows = done.stdout.splitlines()[2:6]
    assert above.split() == ["CPU"] * 3 + ["memory"] * 3
    assert below.split() == ["task", "outcome", "duration", *("asked", "peak", "advised") * 2]
    record = ResourceTracker.from_snapshot(shown.run.record("work")).record
    assert len(rows) == 2
    for row in rows:
        assert "3.00 GB" in row
    assert f"{record.usage.cpu_max_cores:.2f}".rstrip("0").rstrip(".") in rows[1] + rows[0]


def test_one_task(shown: Shown) -> None:
    """A task is shown in full: asked, used, advised, advice to paste, earlier runs, machines."""
    task = shown.tasks("work")[1]
    done = shown(task)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{task}: Succeeded after ")
    for text in (
        "asked",
        "peak",
        "advised",
        "@resources(cpu=1, memory=",
        "CPU time",
        "Cheapest machines that would do",
    ):
        assert text in done.stdout
    assert re.search(r"^ *cpu=1 +The attempt used ", done.stdout, re.MULTILINE), done.stdout


def test_memory_while_artifacts_were_saved(shown: Shown) -> None:
    """The peak while artifacts were saved, which the artifact cannot hold, is shown, and covered by the advice."""
    task = shown.tasks("work")[0]
    found = json.loads(shown(task, "--json").stdout)
    stored = shown.run.task_data("/".join(task.split("/")[1:]))["resource_tracker_data"]
    assert stored["usage"]["persist_memory_peak_kib"] is None
    saving_kib = found["usage"]["persist_memory_peak_kib"]
    assert saving_kib > found["usage"]["memory_peak_kib"] + 60_000
    assert found["recommendation"]["memory_mb"] * 1e6 > saving_kib * 1024
    assert "saving artifacts" in shown(task).stdout


def test_json(shown: Shown) -> None:
    """A task's pathspec gives an object that reads back, anything else a list."""
    task = shown.tasks("work")[1]
    tracker = ResourceTracker.from_snapshot(shown(task, "--json").stdout)
    assert tracker.record.pathspec == task
    several = json.loads(shown(f"{shown.pathspec}/work", "--json").stdout)
    assert [found["pathspec"] for found in several] == shown.tasks("work")
    (one,) = json.loads(shown(f"{shown.pathspec}/end", "--json").stdout)
    assert one["pathspec"] == shown.tasks("end")[0]


def test_csv_has_every_stored_row(shown: Shown) -> None:
    """Every row of every task's artifact, after its pathspec and attempt."""
    text = shown(f"{shown.pathspec}/work", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    stored = {
        task: shown.run.task_data("/".join(task.split("/")[1:]))["resource_tracker_data"]["process_metrics"]
        for task in shown.tasks("work")
    }
    assert {task: sum(row["pathspec"] == task for row in rows) for task in stored} == {
        task: len(frame) for task, frame in stored.items()
    }
    first = next(iter(stored))
    assert [float(row["process_memory"]) for row in rows if row["pathspec"] == first] == stored[first]["memory"]


def test_cores(shown: Shown) -> None:
    """How busy each core was, a line for each core and stored row of each task; old artifacts without it are told."""
    text = shown(f"{shown.pathspec}/work", "--cores").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    data = shown.run.task_data("/".join(shown.tasks("work")[0].split("/")[1:]))["resource_tracker_data"]
    frame = data["core_metrics"]
    cores = [name for name in frame.columns if name.startswith("core")]
    assert cores, data["tracking"]
    mine = [row for row in rows if row["pathspec"] == shown.tasks("work")[0]]
    assert len(mine) == len(cores) * len(frame)
    assert all(row["usage"] == "" or 0 <= float(row["usage"]) <= 1 for row in rows)


def test_html(shown: Shown, tmp_path: Path) -> None:
    """The card of one task is written; of several it is refused, with one to choose."""
    task = shown.tasks("start")[0]
    done = shown(task, "--html", str(tmp_path / "card.html"))
    assert (done.returncode, done.stderr) == (0, f"resource-tracker: wrote {tmp_path / 'card.html'}\n")
    assert "ShowFlow" in (tmp_path / "card.html").read_text()
    done = shown(f"{shown.pathspec}/work", "--html", str(tmp_path / "no.html"))
    assert done.returncode == 2
    assert f"give its pathspec, such as {shown.tasks('work')[0]}" in done.stderr
    done = shown(task, "--html", str(tmp_path / "card.txt"))
    assert done.returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["card.html"]


def test_artifact_name(shown: Shown) -> None:
    """A step with an artifact of another name is shown where that is given, and else says so."""
    step = f"{shown.pathspec}/join"
    assert shown(step, "--artifact-name", "mine").stdout.startswith(shown.tasks("join")[0])
    done = shown(step)
    assert done.returncode == 2
    assert "without an artifact 'resource_tracker_data': try --artifact-name" in done.stderr


def test_not_tracked(shown: Shown) -> None:
    """A step that only inherited an artifact was not tracked; the line names the steps that were."""
    done = shown(f"{shown.pathspec}/middle")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("was not tracked; tracked steps of " + shown.pathspec + ": start, work, join, end\n")


@pytest.mark.parametrize(
    ("pathspec", "said"),
    [
        ("NoFlow", "there is no flow 'NoFlow' in Metaflow's metadata local@"),
        ("ShowFlow/1", "ShowFlow has no run '1'; its latest runs are: {id}\n"),
        ("ShowFlow/latest_run", "ShowFlow has no run 'latest_run'; its latest runs are: {id}\n"),
        ("ShowFlow/work", "its latest runs are: {id}. It is a step: give {run}/work\n"),
        ("{run}/nostep", "has no step 'nostep': there are start, middle, work, join, end"),
        ("{run}/work/99999", "has no task '99999': there "),
        ("ShowFlow//work", "is no pathspec: give FLOW, FLOW/RUN, FLOW/RUN/STEP or FLOW/RUN/STEP/TASK"),
        ("a/b/c/d/e", "is no pathspec"),
        ("", "is no pathspec"),
    ],
)
def test_not_found(shown: Shown, pathspec: str, said: str) -> None:
    """What is not there is told in one line that says what is, with exit code 2."""
    done = shown(pathspec.format(run=shown.pathspec))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said.format(run=shown.pathspec, id=shown.run.run_id) in done.stderr


def test_elsewhere(shown: Shown, tmp_path: Path) -> None:
    """In another folder local runs are not found, and the line says why that may be."""
    done = shown(shown.pathspec, cwd=tmp_path)
    assert done.returncode == 2
    assert "Local metadata is found only in the folder in which the flow ran" in done.stderr


def test_another_users_run(shown: Shown) -> None:
    """Runs of others are found, and for the latest one it is said that it is not one's own."""
    done = shown(f"{shown.pathspec}/start", METAFLOW_USER="somebody")
    assert done.returncode == 0, done.stderr
    done = shown("ShowFlow", METAFLOW_USER="somebody")
    assert "the latest run in any namespace, as there is none in user:somebody" in done.stdout.splitlines()[0]
    done = shown("ShowFlow", "--csv", METAFLOW_USER="somebody")
    assert "is the latest run in any namespace, as there is none in user:somebody" in done.stderr
    assert f"\n{shown.pathspec}/" in done.stdout


def test_reader_that_leaves(shown: Shown) -> None:
    """``show --csv | head -1`` ends without a word."""
    command = f"{sys.executable} -m resource_tracker.cli show {shown.pathspec} --csv | head -1"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=shown.folder.folder,
        env=shown.folder.environment(PYTHONPATH=str(Path(__file__).parents[2])),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("pathspec,attempt,timestamp")
    assert [line for line in done.stderr.splitlines() if "artifact" not in line] == []


@pytest.mark.parametrize("option", [[], ["--json"], ["--csv"]])
def test_full_disk(shown: Shown, option: list[str]) -> None:
    """Output that cannot be written ends in one line and exit code 2."""
    command = f"{sys.executable} -m resource_tracker.cli show {' '.join([shown.pathspec, *option])} > /dev/full"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=shown.folder.folder,
        env=shown.folder.environment(PYTHONPATH=str(Path(__file__).parents[2])),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.endswith("resource-tracker: standard output: No space left on device\n")
    assert "Traceback" not in done.stderr


def test_unknown_user(shown: Shown) -> None:
    """Where Metaflow cannot tell who the user is, as in a container, runs of everybody are shown."""
    nobody = dict.fromkeys(("METAFLOW_USER", "SUDO_USER", "USERNAME", "USER"), "")
    done = shown("ShowFlow", **nobody)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{shown.pathspec}, the latest run in any namespace\n")


def test_failed_and_resumed(shown: Shown) -> None:
    """A failed task says so, by its exception's type; tasks that a resume cloned are shown with what they measured."""
    failed = shown.folder.call("run", "--fail", "True")
    assert failed.returncode != 0
    done = shown(f"ShowFlow/{failed.run_id}/end")
    assert "Failed: ValueError" in done.stdout
    assert "secret" not in done.stdout
    resumed = shown.folder.call("resume", "--origin-run-id", failed.run_id)
    assert resumed.returncode != 0
    done = shown(f"ShowFlow/{resumed.run_id}/start", "--json")
    (found,) = json.loads(done.stdout)
    assert found["pathspec"].startswith(f"ShowFlow/{failed.run_id}/start/")


OWN_SOURCE = """\
import os, signal
from metaflow import FlowSpec, step

class OwnFlow(FlowSpec):
    @step
    def start(self):
        self.resource_tracker_data = {"mine": 7}
        if os.environ.get("DIES"):
            os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    OwnFlow()
"""


def test_latest_tracked_run(tmp_path: Path) -> None:
    """Never tracked: it says how to. Later the newest tracked run is shown; an artifact of the flow's own is told.

    Where all of the newest one was killed there is no artifact: it says which earlier run has one.
    """
    folder = FlowFolder(tmp_path)
    folder.write(OWN_SOURCE)
    first = folder.call("run")
    show = Shown(folder, first)
    done = show("OwnFlow")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the latest run of OwnFlow in namespace user:tester was not tracked" in done.stderr
    assert "`python flow.py run --with track_resources`" in done.stderr
    done = show(f"OwnFlow/{first.run_id}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "nor any step of the run: track every step of a run with `python flow.py run --with" in done.stderr

    tracked = folder.call("run", "--with", "track_resources")
    latest = folder.call("run")
    done = show("OwnFlow")
    assert done.returncode == 0
    what = f"the latest run, OwnFlow/{latest.run_id}, was not tracked; this is OwnFlow/{tracked.run_id}\n"
    assert what in done.stderr
    assert f"OwnFlow/{tracked.run_id}/start/1: its artifact 'resource_tracker_data' is the flow's own" in done.stderr
    assert f"card view {tracked.run_id}/start/1 --type resource_tracker" in done.stderr
    assert "OwnFlow/" + tracked.run_id in done.stdout

    killed = folder.call("run", "--with", "track_resources", DIES="1")
    assert wait_until_clean(killed) == []
    done = show("OwnFlow")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"see `resource-tracker why OwnFlow/{killed.run_id}/start/1`" in done.stderr
    what = f"no record of OwnFlow/{killed.run_id} can be read; of an earlier run it can: "
    assert f"{what}resource-tracker show OwnFlow/{tracked.run_id}\n" in done.stderr
