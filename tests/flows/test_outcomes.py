"""What the artifact, the summary and the card say of attempts that fail, retry, branch, and of old runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import FlowFolder, FlowRun, wait_until_clean
from scenarios import FOREACH, PARALLEL, SCENARIOS, linear

from resource_tracker.flows.summaries import SUMMARY_FIELD
from resource_tracker.summary import decode_summary

pytestmark = pytest.mark.flow


def tracked(root: Path, source: str, *arguments: str, **environment: str) -> FlowRun:
    folder = FlowFolder(root)
    folder.write(source.replace("{track}", "@track_resources"))
    return folder.call("run", *arguments, **environment)


def visible_text(page: str) -> str:
    return re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)


def test_a_failed_step_has_artifact_and_card(tmp_path: Path) -> None:
    """The exception's class is recorded, its message is not: it may hold a secret."""
    run = tracked(tmp_path, linear("raise ValueError('password=hunter2')"))
    data = run.record("work")
    known = {name: value for name, value in data["outcome"].items() if value is not None}
    assert known == {"status": "failed", "exception_type": "ValueError", "caught": False}
    (card,) = run.cards()
    assert "ValueError" in visible_text(card.read_text())
    assert "hunter2" not in card.read_text()
    assert "hunter2" not in repr(data)


def test_each_attempt_of_a_retry_has_its_card(tmp_path: Path) -> None:
    """Two attempts, two cards, and the artifact of the last names its attempt."""
    run = tracked(tmp_path, SCENARIOS["retry"])
    assert run.record("work")["attempt"] == 1
    ids = sorted(card.name.split("-")[1] for card in run.cards() if "/work/" in str(card))
    assert ids == ["resources", "resources_attempt_1"]


def test_a_caught_exception_is_failed_and_caught(tmp_path: Path) -> None:
    """@catch makes the task succeed; the summary still says that the user's code failed."""
    run = tracked(tmp_path, SCENARIOS["catch"])
    summaries = [decode_summary(datum.value) for datum in run.task("work").metadata if datum.name == SUMMARY_FIELD]
    assert [(summary.attempt, summary.status) for summary in summaries] == [(0, "failed")]
    assert "caught" in visible_text(next(c for c in run.cards() if "/work/" in str(c)).read_text()).lower()


def test_what_cannot_be_pickled_still_gives_a_card(tmp_path: Path) -> None:
    """task_finished never comes; the card is written as the task exits and says failed."""
    run = tracked(tmp_path, SCENARIOS["unpicklable artifact"])
    assert run.returncode != 0
    card = next(card for card in run.cards() if "/work/" in str(card))
    assert "failed" in visible_text(card.read_text()).lower()


def test_siblings_of_a_foreach_all_count_in_the_history(tmp_path: Path) -> None:
    """Second run of a foreach of 3: one earlier run, three tasks."""
    folder = FlowFolder(tmp_path)
    folder.write(FOREACH.replace("{count}", "3").replace("{track}", "@track_resources"))
    assert folder.call("run").returncode == 0
    second = folder.call("run")
    stats = second.record("work")["historical_stats"]
    assert (stats["runs_analyzed"], stats["tasks_analyzed"]) == (1, 3)


def test_parallel_workers_are_measured_on_their_own(tmp_path: Path) -> None:
    """The control task starts the workers; their memory and CPU are not its own."""
    source = PARALLEL.replace(
        "self.node = current.parallel.node_index",
        "self.node = current.parallel.node_index\n"
        "        import time\n"
        "        held = b'x' * (400_000_000 if self.node else 1)\n"
        "        time.sleep(1.5)",
    )
    run = tracked(tmp_path, source)
    assert run.returncode == 0, run.output
    peaks = {
        task["node"].data: task["resource_tracker_data"].data["usage"]["memory_peak_kib"] for task in run.run()["work"]
    }
    assert peaks[1] > 400_000_000 / 1024
    assert peaks[2] > 400_000_000 / 1024
    assert peaks[0] < 300_000


def test_history_keeps_to_the_namespace(tmp_path: Path) -> None:
    """Another user's runs of the same flow are not compared with."""
    folder = FlowFolder(tmp_path)
    folder.write(SCENARIOS["success"].replace("{track}", "@track_resources"))
    assert folder.call("run", METAFLOW_USER="somebody").returncode == 0
    mine = folder.call("run")
    assert mine.record("work")["historical_stats"]["available"] is False


def test_card_create_renders_an_old_run(tmp_path: Path) -> None:
    """The registered card type makes the same page from the artifact alone."""
    run = tracked(tmp_path, SCENARIOS["success"])
    folder = FlowFolder.at(tmp_path)
    task = "/".join(run.task("work").pathspec.split("/")[1:])
    made = folder.call("card", "create", task, "--type", "resource_tracker", "--id", "again")
    assert made.returncode == 0, made.output
    page = next(card for card in run.cards() if "-again-" in card.name).read_text()
    assert "@resources(cpu=" in visible_text(page)


def test_card_create_on_an_untracked_task_says_so(tmp_path: Path) -> None:
    """No artifact: the page says what to do."""
    run = tracked(tmp_path, SCENARIOS["success"])
    folder = FlowFolder.at(tmp_path)
    task = "/".join(run.task("start").pathspec.split("/")[1:])
    made = folder.call("card", "create", task, "--type", "resource_tracker", "--id", "none")
    assert made.returncode == 0, made.output
    page = next(card for card in run.cards() if "-none-" in card.name).read_text()
    assert "was not tracked" in visible_text(page)


def test_an_inherited_artifact_is_not_taken_for_the_tasks_own(tmp_path: Path) -> None:
    """A later step inherits the artifact of a tracked one; its card refuses another task's measurements."""
    source = linear("self.result = 1").replace("{track}\n    @step\n    def end", "@step\n    def end")
    run = tracked(tmp_path, source)
    task = "/".join(run.task("end").pathspec.split("/")[1:])
    made = FlowFolder.at(tmp_path).call("card", "create", task, "--type", "resource_tracker", "--id", "other")
    assert made.returncode == 0, made.output
    page = next(card for card in run.cards() if "-other-" in card.name).read_text()
    assert "cannot be shown" in visible_text(page)


def test_a_task_without_a_local_runtime_asks_for_the_cloud_itself(tmp_path: Path) -> None:
    """As a scheduler starts it: nothing was handed over; a process beside the task asks, and the next task knows."""
    folder = FlowFolder(tmp_path)
    folder.write(linear("time.sleep(2.5)").replace("{track}", "@track_resources", 1).replace("{track}", "# bare"))
    assert folder.call("init", "--run-id", "one", "--task-id", "t0").returncode == 0
    begun = folder.call("step", "start", "--run-id", "one", "--task-id", "t1", "--input-paths", "one/_parameters/t0")
    assert begun.returncode == 0, begun.output
    run = folder.call("step", "work", "--run-id", "one", "--task-id", "t2", "--input-paths", "one/start/t1")
    assert run.returncode == 0, run.output
    data = run.task_data("one/work/t2")["resource_tracker_data"]
    assert data["cloud_info"]["discovery_time"] is not None
    # Earlier runs are read by a process that begins after two seconds: it may be late, but there is none to find.
    assert data["historical_stats"]["available"] is False
    assert data["historical_stats"]["reason"]
    assert wait_until_clean(run) == []
