"""``resource-tracker recommend`` on real runs: table, lines, JSON, and a diff that real tools apply."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import FlowFolder, FlowRun

from resource_tracker.build import history_of
from resource_tracker.flows.runs import client_provider
from resource_tracker.flows.summaries import read_summaries

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("recommend_runs")]  # one run serves all of them

SOURCE = """\
import metaflow
from metaflow import FlowSpec, Parameter, resources as needs, step, track_resources
from shared import Shared

BASE = 2000

class AdviceFlow(Shared, FlowSpec):
    late = Parameter("late", default=False)

    @needs(memory=3000)  # für alles
    @track_resources
    @step
    def start(self):
        self.items = [1, 2]
        self.next(self.work, foreach="items")

    @track_resources
    @metaflow.resources(
        cpu=4,
        memory=8_000,  # the largest
    )
    @step
    def work(self):
        self.size = len(bytearray(150_000_000))
        self.next(self.join)

    @metaflow.resources(memory=BASE * 2, cpu=2)
    @track_resources
    @step
    def join(self, inputs):
        self.next(self.tidy)

    @track_resources
    @step
    def end(self):
        pass

if __name__ == "__main__":
    AdviceFlow()
"""
SHARED = """\
from metaflow import resources, step, track_resources

class Shared:
    @resources(memory=6000)
    @track_resources
    @step
    def tidy(self):
        self.next(self.end)
"""


class Advised:
    """A folder with runs of a flow, and the command line in it."""

    def __init__(self, folder: FlowFolder) -> None:
        self.folder = folder
        self.file = folder.folder / "flow.py"
        self.runs: list[FlowRun] = []

    def run(self) -> FlowRun:
        done = self.folder.call("run")
        assert done.returncode == 0, done.output
        self.runs.append(done)
        return done

    def __call__(
        self, *arguments: str, verb: str = "recommend", cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "resource_tracker.cli", verb, *arguments],
            cwd=cwd or self.folder.folder,
            env=self.folder.environment(PYTHONPATH=str(Path(__file__).parents[2]), **env),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def advised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Advised]:
    """Two runs of a flow with decorators in every manner."""
    folder = FlowFolder(tmp_path_factory.mktemp("recommend"))
    folder.write(SHARED, "shared.py")
    folder.write(SOURCE)
    found = Advised(folder)
    found.run()
    found.run()
    yield found


def test_table(advised: Advised) -> None:
    """A row for each step in the order in which they ran, then lines to paste, and which runs were read."""
    done = advised("AdviceFlow")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "AdviceFlow: the latest 2 tracked runs in namespace user:tester"
    assert " ".join(lines[2].split()) == "CPU CPU CPU memory memory memory saved"
    rows = {line.split()[0]: line.split() for line in lines[4:9]}
    assert list(rows) == ["start", "work", "join", "tidy", "end"]
    assert rows["work"][1] == "×2"
    assert "8.00 GB" in " ".join(rows["work"])
    assert f"Runs {advised.runs[0].run_id} to {advised.runs[1].run_id}." in lines
    assert "What is saved in a month cannot be told yet: the runs began within less than a day." in lines
    for line in (
        "  start  @resources(cpu=1, memory=1500)",
        "  work   @resources(cpu=2, memory=4000)",
        "  tidy   @resources(cpu=1, memory=3000)",
        "  end    @resources(cpu=1, memory=256)",
    ):
        assert line in lines


def test_reasons_and_narrower_choices(advised: Advised) -> None:
    """``--verbose`` gives a reason for each number; ``--runs`` and ``--step`` narrow what is read and shown."""
    done = advised("AdviceFlow", "--verbose", "--runs", "1", "--step", "work", "--policy", "lean")
    assert done.returncode == 0, done.stderr
    assert "AdviceFlow: the latest tracked run in namespace user:tester" in done.stdout
    assert f"Run {advised.runs[1].run_id}." in done.stdout
    assert "    memory=4000  " in done.stdout
    assert "Based on 2 tasks of 1 run." in done.stdout.replace("\N{NO-BREAK SPACE}", " ")
    assert "by policy lean" in done.stdout
    assert "@resources(cpu=2, memory=4000)" in done.stdout
    assert done.stdout.count("@resources(") == 1


def test_json(advised: Advised) -> None:
    """Everything that is told, with full numbers, for programs."""
    found = json.loads(advised("AdviceFlow", "--json").stdout)
    assert found["runs"] == [run.run_id for run in reversed(advised.runs)]
    work = next(step for step in found["steps"] if step["step"] == "work")
    assert work["asked"] == {"cpu": 4, "memory": 8000}
    assert work["advised"] == {"cpu": 2, "memory": 4000}
    assert work["used"]["memory_peak_kib"] > 150e6 / 1024
    assert work["usd_per_run"] - work["advised_usd_per_run"] == pytest.approx(work["saved_usd_per_run"])
    assert work["assumed_machines"]
    assert found["runs_per_month"] is None


def test_diff_applies_and_runs(advised: Advised, tmp_path: Path) -> None:
    """Only arguments change, the flow runs with them, a second diff is empty, and the file is never written."""
    before = advised.file.read_bytes()
    done = advised("AdviceFlow", "--diff", "flow.py")
    assert done.returncode == 0, done.stderr
    assert advised.file.read_bytes() == before
    changed = [line for line in done.stdout.splitlines() if line[0] in "+-" and line[:3] not in ("---", "+++")]
    assert changed == [
        "-    @needs(memory=3000)  # für alles",
        "+    @needs(memory=1500)  # für alles",
        "-        cpu=4,",
        "-        memory=8_000,  # the largest",
        "+        cpu=2,",
        "+        memory=4_000,  # the largest",
        "-    @metaflow.resources(memory=BASE * 2, cpu=2)",
        "+    @metaflow.resources(memory=BASE * 2, cpu=1)",
    ]
    said = done.stderr.splitlines()
    number = before.decode().splitlines().index("    @metaflow.resources(memory=BASE * 2, cpu=2)") + 1
    assert any(f"join: memory=BASE * 2 of @metaflow.resources (line {number}) is no" in line for line in said), said
    assert any("tidy: not in flow.py; where Shared defines it, write @resources(" in line for line in said)
    assert any("end: has no @resources: above @step, near line " in line for line in said)
    assert said[-1].endswith("apply the diff with `git apply -p0` or `patch -p0`")

    copy = FlowFolder(tmp_path)
    copy.write(SHARED, "shared.py")
    (copy.folder / "flow.py").write_bytes(before)
    subprocess.run(["patch", "-p0"], input=done.stdout, text=True, cwd=copy.folder, check=True, capture_output=True)
    again = advised("AdviceFlow", "--diff", str(copy.folder / "flow.py"))
    assert (again.returncode, again.stdout) == (0, "")
    assert "nothing to change in" in again.stderr
    run = copy.call("run")
    assert run.returncode == 0, run.output
    task = next(iter(run.run()["work"]))
    assert task["resource_tracker_data"].data["request"]["memory_mb"] == 4000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["adviseflow"], "did you mean 'AdviceFlow'?"),
        (["NoFlow"], "there is no flow 'NoFlow' in Metaflow's metadata local@"),
        (
            ["AdviceFlow/work"],
            "'AdviceFlow/work' is no flow: give its name alone, such as AdviceFlow, and a step by --step",
        ),
        (["AdviceFlow", "--step", "nostep"], "has no tracked step 'nostep': there are start, work, join, tidy, end"),
        (["AdviceFlow", "--runs", "0"], "--runs '0' cannot be used: give a whole number from 1 to 100"),
        (["AdviceFlow", "--runs", "many"], "--runs 'many' cannot be used"),
        (["AdviceFlow", "--input-bytes", "big"], "--input-bytes 'big' is no size"),
        (["AdviceFlow", "--input-bytes", "1GB"], "--input-bytes is the input of one step: name it by --step"),
        (["AdviceFlow", "--vendor", "nobody"], "nobody"),
        (["AdviceFlow", "--diff", "gone.py"], "gone.py cannot be read: No such file or directory"),
        (["AdviceFlow", "--diff", "."], ". cannot be read: Is a directory"),
        (["AdviceFlow", "--diff", "shared.py"], "shared.py does not define the flow AdviceFlow; it has Shared"),
    ],
)
def test_bad_input(advised: Advised, arguments: list[str], said: str) -> None:
    """One line that says what is wrong, exit code 2, nothing on standard output."""
    done = advised(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert said in done.stderr


def test_another_versions_file(advised: Advised) -> None:
    """A file without a step of the latest run is another version's: nothing is printed that could be applied."""
    text = SOURCE.replace("def work(self)", "def other(self)").replace("Shared, FlowSpec", "FlowSpec")
    advised.folder.write(text, "older.py")
    done = advised("AdviceFlow", "--diff", "older.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "older.py defines AdviceFlow without the step work, which AdviceFlow/" in done.stderr


def test_untracked_flow(tmp_path: Path) -> None:
    """A flow without a tracked run says how to track one; later, untracked runs are passed over and counted."""
    folder = FlowFolder(tmp_path)
    folder.write("""\
        from metaflow import FlowSpec, step
        class PlainFlow(FlowSpec):
            @step
            def start(self): self.next(self.end)
            @step
            def end(self): pass
        if __name__ == "__main__":
            PlainFlow()
        """)
    plain = Advised(folder)
    plain.run()
    done = plain("PlainFlow")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the only run of PlainFlow in namespace user:tester was not tracked: track every step" in done.stderr
    assert folder.call("run", "--with", "track_resources").returncode == 0
    plain.run()
    done = plain("PlainFlow", METAFLOW_USER="somebody")
    assert done.returncode == 0, done.stderr
    assert "PlainFlow: the latest tracked run in any namespace, as there is none in user:somebody" in done.stdout
    assert "; 2 runs not tracked." in done.stdout.replace("\N{NO-BREAK SPACE}", " ")


KILLED = """\
import glob, os, signal
from metaflow import FlowSpec, resources, step, track_resources

class KilledFlow(FlowSpec):
    @track_resources
    @resources(memory=4096)
    @step
    def start(self):
        if os.environ.get("KILL"):
            for path in glob.glob(os.environ["TMPDIR"] + "/resource_tracker.*/order"):
                os.unlink(path)  # as where all of a container is killed: nobody is left to tell
            os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    KilledFlow()
"""


def test_runs_that_were_killed(tmp_path: Path) -> None:
    """They count: memory is not cut, and table, diff and review say why."""
    folder = FlowFolder(tmp_path)
    folder.write(KILLED)
    flow = Advised(folder)
    good = flow.run().run_id
    killed = folder.call("run", KILL="1")
    assert killed.returncode != 0
    done = flow("KilledFlow")
    assert "start  @resources(cpu=1, memory=4096)  as it is" in done.stdout, done.stdout + done.stderr
    assert f"Run {good}; 1 run ended without any measurement." in done.stdout.replace("\N{NO-BREAK SPACE}", " ")
    assert "Expected to need more memory" not in done.stdout
    done = flow("KilledFlow", "--diff", "flow.py")
    assert done.stdout == ""
    assert "start: 1 attempt ended unseen" in done.stderr
    assert json.loads(flow("KilledFlow", "--json").stdout)["runs_without_measurement"] == [killed.run_id]
    done = flow("KilledFlow", verb="review")
    assert f"the latest run, KilledFlow/{killed.run_id}, ended without any measurement" in done.stderr
    assert f"(resource-tracker why KilledFlow/{killed.run_id} may tell more)" in done.stderr
    assert "instead of @resources(cpu=1, memory=4096)" not in done.stdout
    assert "start: 1 attempt ended unseen" in done.stdout
    killed.run()  # the client now looks into this folder
    given = {"namespace": None, "current_run_id": "0", "max_runs": 5}
    summaries = read_summaries(client_provider(), "KilledFlow", "start", **given)
    assert history_of(summaries, max_runs=5, reason=None).lost_attempts == 1
    done = flow(f"KilledFlow/{killed.run_id}", verb="review")
    assert (done.returncode, "ended without any measurement" in done.stderr) == (2, True)
