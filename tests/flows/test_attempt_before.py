"""What a repeated attempt says of the one before it, and what fails without an exception that Metaflow tells of."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from harness import FlowFolder
from scenarios import linear

from resource_tracker.cli.terminal import Terminal
from resource_tracker.cli.views import show_record
from resource_tracker.flows.client import resolve, tracked_tasks
from resource_tracker.flows.failure import failure_of
from resource_tracker.flows.runs import every_namespace
from resource_tracker.flows.summaries import SUMMARY_FIELD
from resource_tracker.records import Outcome, Recommendation
from resource_tracker.summary import decode_summary

BODY = """
if current.retry_count == 0:
    held = b"x" * 300_000_000
    raise MemoryError
if current.retry_count == 1:
    sys.exit(3)
self.result = 1
"""


@pytest.mark.flow
def test_the_next_attempt_says_what_to_raise(tmp_path: Path) -> None:
    """The log of the second attempt has one line, its record the whole; sys.exit is a failure, too."""
    folder = FlowFolder(tmp_path)
    source = linear(BODY, decorators="@retry(times=2, minutes_between_retries=0)\n@resources(memory=256)")
    folder.write(source.replace("{track}", "@track_resources"))
    run = folder.call("run")
    assert run.returncode == 0, run.output
    said = [line for line in run.our_lines if "] attempt " in line]
    assert len(said) == 1
    asked = re.search(r"attempt 0: it ran out of memory\. Ask for at least memory=(\d+) instead of memory=256", said[0])
    assert asked is not None and int(asked[1]) > 300
    task = run.task("work")
    with every_namespace():
        summaries = {s.attempt: s for d in task.metadata if d.name == SUMMARY_FIELD for s in [decode_summary(d.value)]}
    assert [summaries[n].status for n in range(3)] == ["failed", "failed", "ok"]
    assert [summaries[n].exception_type for n in range(3)] == ["MemoryError", "SystemExit", None]
    before = run.record("work")["attempt_before"]
    assert before["attempt"] == 1
    assert "SystemExit: nothing to do with resources" in before["text"]
    assert (before["memory_attempt"], before["memory_mb"]) == (0, int(asked[1]))
    # What attempt 0 ran out of is not forgotten.
    assert any(f"next time @resources(cpu=1, memory={asked[1]})" in line for line in run.our_lines)


@pytest.mark.flow
def test_show_advises_as_the_card_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the attempt before ran out of memory with is too little, also where the record is read later."""
    folder = FlowFolder(tmp_path)
    source = linear(BODY.replace("== 1", "== 5"), decorators="@retry(times=1, minutes_between_retries=0)")
    folder.write(source.replace("{track}", "@track_resources"))
    run = folder.call("run")
    assert run.returncode == 0, run.output
    task = run.task("work")
    (found,) = tracked_tasks(resolve(task.pathspec, "resource_tracker_data"), "resource_tracker_data")
    assert found.record is not None and isinstance(found.record.recommendation, Recommendation)
    advised = found.record.recommendation.memory_mb
    assert advised == run.record("work")["recommendation"]["memory_mb"] > 300
    show_record(Terminal(sys.stdout), found.record)
    said = capsys.readouterr().out
    assert "Attempt 0, before this one: It ran out of memory" in said
    assert f"memory={advised}" in said


def test_the_kernels_error_is_found_behind_others() -> None:
    """A library's own exception keeps the kernel's as its cause; what has none, or no end of causes, has no name."""
    wrapped = RuntimeError("secret")
    wrapped.__cause__ = ValueError()
    wrapped.__cause__.__context__ = OSError(28, "No space left on device")
    assert failure_of(wrapped) == Outcome(status="failed", exception_type="RuntimeError", error_name="ENOSPC")
    assert failure_of(OSError("without a number")).error_name is None
    assert failure_of(None) == Outcome(status="failed")
    turning = RuntimeError()
    turning.__context__ = ValueError()
    turning.__context__.__context__ = turning
    assert failure_of(turning).error_name is None
