"""The cost review of real runs: retries, a killed attempt, a foreach, an untracked step, a branch that fails."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import FlowFolder, FlowRun, wait_until_clean

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("review_runs")]  # one run serves all of them

SOURCE = """\
import glob, os, signal, time
from metaflow import FlowSpec, Parameter, current, resources, retry, step, track_resources

class ReviewFlow(FlowSpec):
    fail = Parameter("fail", default=False)

    @track_resources(interval=0.2)
    @step
    def start(self):
        self.next(self.left, self.right)

    @resources(cpu=2, memory=3000)
    @retry(times=1, minutes_between_retries=0)
    @track_resources(interval=0.2)
    @step
    def left(self):
        time.sleep(0.3)
        if current.retry_count == 0:
            raise ValueError("secret")
        self.next(self.meet)

    @resources(cpu=4, memory=8000)
    @retry(times=1, minutes_between_retries=0)
    @track_resources(interval=0.2)
    @step
    def right(self):
        if current.retry_count == 0:
            time.sleep(0.4)
            for path in glob.glob(os.environ["TMPDIR"] + "/resource_tracker.*/order"):
                os.unlink(path)  # as where all of a container is killed: nobody is left to tell
            os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.meet)

    @step
    def meet(self, inputs):
        if self.fail:
            raise ValueError("secret")
        self.next(self.split)

    @track_resources(interval=0.2)
    @step
    def split(self):
        self.items = list(range(3))
        self.next(self.work, foreach="items")

    @resources(cpu=2, memory=3000)
    @track_resources(interval=0.2)
    @step
    def work(self):
        time.sleep(0.2)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @track_resources(interval=0.2)
    @step
    def end(self):
        pass

if __name__ == "__main__":
    ReviewFlow()
"""


STEPS = ["start", "left", "right", "meet", "split", "work", "join", "end"]


class Reviewed:
    """Finished runs, and the command line in the folder in which they ran."""

    def __init__(self, folder: FlowFolder, first: FlowRun, failed: FlowRun) -> None:
        self.folder = folder
        self.first = first
        self.failed = failed
        self.pathspec = f"ReviewFlow/{first.run_id}"

    def __call__(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "resource_tracker.cli", "review", *arguments],
            cwd=cwd or self.folder.folder,
            env=self.folder.environment(PYTHONPATH=str(Path(__file__).parents[2])),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def data(self, pathspec: str, *options: str) -> dict[str, Any]:
        done = self(pathspec, "--json", *options)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    """One run that succeeds and one that fails, for all tests of this file."""
    folder = FlowFolder(tmp_path_factory.mktemp("review"))
    folder.write(SOURCE)
    first = folder.call("run")
    assert first.returncode == 0, first.output
    assert wait_until_clean(first) == []
    failed = folder.call("run", "--fail", "True")
    assert failed.returncode == 1, failed.output
    yield Reviewed(folder, first, failed)


def cards(run: FlowRun) -> list[Path]:
    folder = run.folder / ".metaflow" / "mf.cards" / "ReviewFlow" / "runs" / run.run_id
    return sorted(folder.rglob("cost_review-*.html"))


def test_every_attempt_is_there(reviewed: Reviewed) -> None:
    """Attempts that failed or were killed count with the others, and untracked steps have their place in time."""
    data = reviewed.data(reviewed.pathspec)
    attempts = {
        step["name"]: [(a["attempt"], a["status"], a["lost"], a["measured"]) for a in step["attempts"]]
        for step in data["steps"]
    }
    good = (0, "ok", False, True)
    assert attempts["left"] == [(0, "failed", True, True), (1, "ok", False, True)]
    assert attempts["right"] == [(0, "failed", True, False), (1, "ok", False, True)]
    assert attempts["work"] == [good] * 3 and attempts["end"] == attempts["start"] == [good]
    assert attempts["meet"] == attempts["join"] == [(0, "ok", False, False)]
    tracked = {step["name"]: step["tracked"] for step in data["steps"]}
    assert tracked == {name: name not in ("meet", "join") for name in attempts}
    assert next(step["name"] for step in data["steps"]) == "start" and data["status"] == "ok"
    assert data["lost_attempts"] == 2 and data["attempts_without_cost"] == 0


def test_the_killed_attempt_has_its_time_and_cost(reviewed: Reviewed) -> None:
    """It left no summary: Metaflow knows when it began, and its successor when it was over."""
    right = next(step for step in reviewed.data(reviewed.pathspec)["steps"] if step["name"] == "right")
    killed, kept = right["attempts"]
    assert killed["duration_s"] >= 0.4 and killed["ended_at_latest"]
    assert killed["usd"] > kept["usd"] > 0 and killed["wasted"]["lost_usd"] == killed["usd"]
    assert killed["machine"] == kept["machine"] and killed["machine_assumed"]


def test_the_last_step_has_the_card(reviewed: Reviewed) -> None:
    """One page beside the step's own, with every step of the run in it, the last one too; its id is always the same."""
    (card,) = cards(reviewed.first)
    assert "/steps/end/" in str(card) and card.name.startswith("cost_review-cost_review-")
    html = card.read_text(encoding="utf-8")
    for text in (
        "Run " + reviewed.first.run_id,
        "Succeeded",
        *(["start", "left", "right", "meet", "work", "join", "end"]),
    ):
        assert text in html
    assert "secret" not in html
    line = next(line for line in reviewed.first.our_lines if "/end/" in line)
    assert line.endswith("--id resources | whole run: --id cost_review")


def test_the_card_can_be_viewed_and_made_again(reviewed: Reviewed) -> None:
    """`card get` finds it by its id; `card create` makes the page for any task of a run, also one that failed."""
    task = reviewed.first.task("end").pathspec.split("/", 1)[1]
    got = reviewed.folder.call("card", "get", task, "--id", "cost_review")
    assert got.returncode == 0 and "Cost review" in got.output
    start = reviewed.failed.task("start").pathspec.split("/", 1)[1]
    made = reviewed.folder.call("card", "create", start, "--type", "cost_review")
    assert made.returncode == 0, made.output
    (card,) = cards(reviewed.failed)
    assert "Failed" in card.read_text(encoding="utf-8") and "/steps/start/" in str(card)


def test_a_failed_run_has_a_review_too(reviewed: Reviewed) -> None:
    """No last step, so no card by itself; the command shows what was spent, beside the run before."""
    data = reviewed.data(f"ReviewFlow/{reviewed.failed.run_id}")
    assert data["status"] == "failed" and data["usd"] > 0
    assert [run["run_id"] for run in data["earlier_runs"]] == [reviewed.first.run_id]
    assert reviewed.data(f"ReviewFlow/{reviewed.failed.run_id}", "--runs", "0")["earlier_runs"] == []


def test_the_terminal(reviewed: Reviewed) -> None:
    """A flow alone is its latest tracked run, which is said; steps in order, with time, cost and waste."""
    done = reviewed("ReviewFlow", "--tasks")
    assert done.returncode == 0, done.stderr
    assert f"ReviewFlow/{reviewed.failed.run_id} is the latest run" in done.stderr
    assert done.stdout.startswith(f"ReviewFlow/{reviewed.failed.run_id}: Failed after ")
    for text in ("bought nothing", "Assumed machines", "@resources(cpu=", "instead of @resources(cpu=", "meet (not tr"):
        assert text in done.stdout
    first = reviewed(reviewed.pathspec).stdout
    names = [line.split()[0] for line in first.split("step ")[1].splitlines()[1:9]]
    assert sorted(names) == sorted(STEPS) and names[0] == "start"
    assert "  killed" in done.stdout and "  killed" not in first
    assert "1 attempt ended unseen" in first


def test_the_page_is_written(reviewed: Reviewed, tmp_path: Path) -> None:
    """--html writes the page of the card; a name without the extension, or a folder that is missing, is refused."""
    path = tmp_path / "review.html"
    done = reviewed(reviewed.pathspec, "--html", str(path))
    assert done.returncode == 0 and f"wrote {path}" in done.stderr
    assert "Where the money goes" in path.read_text(encoding="utf-8")
    for wrong in (tmp_path / "review.txt", tmp_path / "none" / "review.html"):
        done = reviewed(reviewed.pathspec, "--html", str(wrong))
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and not wrong.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("NoFlow",), "NoFlow"),
        (("ReviewFlow/1",), "has no run '1'; its latest runs are"),
        (("ReviewFlow/1/start",), "give FLOW or FLOW/RUN"),
        (("ReviewFlow", "--runs", "-1"), "0 or more"),
        (("ReviewFlow", "--vendor", "nobody"), "aws"),
        (("ReviewFlow", "--region", "us-eest-1"), "did you mean 'us-east-1'? There are "),
    ],
)
def test_what_there_is_not(reviewed: Reviewed, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2 and a line that says what there is."""
    done = reviewed(*arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr.splitlines()[-1]


def test_a_run_without_a_tracked_step(reviewed: Reviewed, tmp_path: Path) -> None:
    """The message says how to track; a card of it says the same."""
    folder = FlowFolder(tmp_path)
    folder.write(
        SOURCE.replace("    @track_resources(interval=0.2)\n", "").replace("current.retry_count == 0", "False")
    )
    run = folder.call("run")
    assert run.returncode == 0, run.output
    done = Reviewed(folder, run, run)(f"ReviewFlow/{run.run_id}")
    assert done.returncode == 2 and "--with track_resources" in done.stderr
    assert folder.call("card", "create", f"{run.run_id}/start/1", "--type", "cost_review").returncode == 0
    assert "was not tracked" in cards(run)[0].read_text(encoding="utf-8")


def test_no_card_where_none_is_wanted(tmp_path: Path) -> None:
    """create_card=False holds for the review as well."""
    folder = FlowFolder(tmp_path)
    folder.write(SOURCE.replace("interval=0.2", "interval=0.2, create_card=False"))
    run = folder.call("run")
    assert run.returncode == 0 and cards(run) == [] and run.cards() == []
