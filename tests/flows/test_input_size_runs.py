"""The size of a step's input in real runs: by its artifacts, and in every form of input_size=."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from harness import FlowFolder, FlowRun, wait_until_clean
from test_harm import assert_same, run_both, summary_in_metadata

pytestmark = pytest.mark.flow

FORMS = """
    import os
    from metaflow import FlowSpec, Parameter, step, track_resources

    def both(self, inputs):
        return sum(len(each.rows) for each in inputs)

    class SizeFlow(FlowSpec):
        weight = Parameter("weight", default=1234)

        def bytes_of_rows(self):
            return len(self.rows) * 8

        @track_resources(input_size="weight")
        @step
        def start(self):
            self.items = [b"x" * 1_000, b"y" * 3_000_000]
            self.table = os.urandom(500_000)
            self.next(self.work, foreach="items")

        @track_resources
        @step
        def work(self):
            self.rows = self.input
            with open(f"rows{self.index}", "wb") as file:
                file.write(self.rows)
            self.path = file.name
            self.next(self.function)

        @track_resources(input_size=lambda self: len(self.rows) * 2)
        @step
        def function(self):
            self.next(self.expression)

        @track_resources(input_size="os.path.getsize(self.path) + max(1, 2)")
        @step
        def expression(self):
            self.next(self.file)

        @track_resources(input_size="path")
        @step
        def file(self):
            self.next(self.method)

        @track_resources(input_size="bytes_of_rows")
        @step
        def method(self):
            self.next(self.join)

        @track_resources(input_size=both)
        @step
        def join(self, inputs):
            self.merge_artifacts(inputs, include=["table"])
            self.next(self.end)

        @track_resources(input_size=5e9)
        @step
        def end(self):
            pass

    if __name__ == "__main__":
        SizeFlow()
"""


def sizes(run: FlowRun, step: str) -> list[tuple[float | None, str | None]]:
    """Size and source of a step's tasks, in the order of the foreach."""
    tasks = sorted(run.run()[step], key=lambda task: task.index if task.index is not None else 0)
    usages = [task["resource_tracker_data"].data["usage"] for task in tasks]
    return [(usage["input_bytes"], usage["input_source"]) for usage in usages]


def test_every_form(tmp_path: Path) -> None:
    """By default the artifacts and the item of the foreach, to some bytes of pickle; else what input_size= says."""
    folder = FlowFolder(tmp_path)
    folder.write(FORMS)
    run = folder.call("run")
    assert run.returncode == 0, run.output
    (small, source), (large, _) = sizes(run, "work")
    assert source == "artifacts"
    assert small is not None and large is not None
    assert 501_000 <= small <= 501_200
    assert 3_500_000 <= large <= 3_500_200
    assert sizes(run, "start") == [(1234, "self.weight")]
    assert sizes(run, "function") == [(2_000, "SizeFlow.<lambda>()"), (6_000_000, "SizeFlow.<lambda>()")]
    assert [size for size, _ in sizes(run, "expression")] == [1_002, 3_000_002]
    assert sizes(run, "file") == [(1_000, "self.path"), (3_000_000, "self.path")]
    assert [size for size, _ in sizes(run, "method")] == [8_000, 24_000_000]
    assert sizes(run, "join") == [(3_001_000, "both()")]
    assert sizes(run, "end") == [(5e9, "a constant")]
    assert run.record("end")["tracking"]["failed_sources"] == []
    summary = summary_in_metadata(run, "join")
    assert (summary.input_bytes, summary.input_source) == (3_001_000, "both()")
    join = run.task("join")
    (page,) = [card for card in run.cards() if card.parents[1].name == join.id]
    assert "<dt>Input</dt>" in page.read_text()
    assert wait_until_clean(run) == []


BAD = """
    import sys
    from metaflow import FlowSpec, step, track_resources

    def exits(self):
        sys.exit(3)

    def recurses(self):
        return recurses(self)

    class BadFlow(FlowSpec):
        {track}(input_size="self.missing * 8")
        @step
        def start(self):
            self.next(self.second)

        {track}(input_size=lambda self: 1 / 0)
        @step
        def second(self):
            self.next(self.third)

        {track}(input_size=exits)
        @step
        def third(self):
            self.next(self.fourth)

        {track}(input_size=recurses)
        @step
        def fourth(self):
            self.word = "no size"
            self.next(self.end)

        {track}(input_size="word")
        @step
        def end(self):
            print("reached the end")

    if __name__ == "__main__":
        BadFlow()
"""
FAILURES = {
    "start": "AttributeError",
    "second": "ZeroDivisionError",
    "third": "SystemExit",
    "fourth": "RecursionError",
    "end": "FileNotFoundError",
}


def test_expressions_that_fail_harm_nothing(tmp_path: Path) -> None:
    """The run is the bare one; the log has one line for each, the card and the artifact say what is missing."""
    bare, tracked = run_both(tmp_path, BAD)
    assert_same(bare, tracked)
    assert bare.returncode == 0
    for step, error in FAILURES.items():
        assert (
            len([line for line in tracked.our_lines if f"/{step}/" in line and f"gave no size: {error}" in line]) == 1
        )
        record = tracked.record(step)
        assert record["usage"]["input_bytes"] is None
        assert record["usage"]["memory_peak_kib"] > 0
        (failed,) = record["tracking"]["failed_sources"]
        assert failed["source"] == "input_size"
        assert error in failed["reason"]
    assert any("ZeroDivisionError" in card.read_text() for card in tracked.cards())


LOUD = """
    from metaflow import FlowSpec, step, track_resources

    class Loud:
        def __init__(self, size):
            self.content = bytes(size)

        def __setstate__(self, state):
            print("it was loaded")
            self.__dict__.update(state)

    class LoudFlow(FlowSpec):
        {track}
        @step
        def start(self):
            self.alone = Loud(1_000_000)
            self.items = [Loud(1_000), Loud(3_000_000)]
            self.next(self.work, foreach="items")

        {track}
        @step
        def work(self):
            self.done = True
            self.next(self.join)

        {track}
        @step
        def join(self, inputs):
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        LoudFlow()
"""


def test_no_artifact_is_loaded(tmp_path: Path) -> None:
    """A step that touches no input still touches none: classes of the user's say nothing in the log."""
    bare, tracked = run_both(tmp_path, LOUD)
    assert tracked.returncode == bare.returncode == 0, tracked.output
    assert Counter(tracked.plain_output()) == Counter(bare.plain_output())
    assert "it was loaded" not in tracked.output
    shares = [size for size, _ in sizes(tracked, "work")]
    assert shares[0] == shares[1] == pytest.approx(1_000_000 + 3_001_000 / 2, abs=500)
    assert sizes(tracked, "join")[0][0] == pytest.approx(1_000_000 + 3_001_000, abs=500)


def test_with_on_the_command_line(tmp_path: Path) -> None:
    """`--with track_resources:input_size=EXPRESSION` reaches every task unchanged."""
    folder = FlowFolder(tmp_path)
    source = LOUD.replace("{track}", "# bare").replace("self.done = True", "self.done = 40").replace("Loud(", "bytes(")
    folder.write(source)
    run = folder.call("run", "--with", "track_resources:quiet=True,input_size=len(str(self.input)) + max(1, 2)")
    assert run.returncode == 0, run.output
    expected: list[Any] = [len(str(bytes(size))) + 2 for size in (1_000, 3_000_000)]
    assert [size for size, _ in sizes(run, "work")] == expected
