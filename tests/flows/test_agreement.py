"""The card, the closing line in the log and ``resource-tracker recommend`` tell of one run the same."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from harness import FlowFolder, FlowRun

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("agreement")]  # one run serves all of them

SOURCE = """\
from metaflow import FlowSpec, resources, step, track_resources

class AgreeFlow(FlowSpec):
    @resources(cpu=4, memory=8000)
    @track_resources
    @step
    def start(self):
        self.next(self.small)

    @resources(memory=150)
    @track_resources
    @step
    def small(self):
        block = bytearray(200_000_000)
        self.next(self.end)

    @track_resources
    @step
    def end(self):
        pass

if __name__ == "__main__":
    AgreeFlow()
"""
STEPS = ("start", "small", "end")


class Told(NamedTuple):
    """What the three say of a step: texts of the card and the log, and the command's JSON and words."""

    card: str
    log: str
    data: dict[str, Any]
    words: str


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Told]]:
    """One run of a flow: a step halved, one that asked for too little, one that asked for nothing."""
    folder = FlowFolder(tmp_path_factory.mktemp("agreement"))
    folder.write(SOURCE)
    run = folder.call("run")
    assert run.returncode == 0, run.output
    data = {step["step"]: step for step in json.loads(recommend(folder, "--json"))["steps"]}
    yield {
        step: Told(card_of(run, step), log, data[step], recommend(folder, "--verbose", "--step", step))
        for step, log in zip(STEPS, run.our_lines, strict=True)
    }


def recommend(folder: FlowFolder, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "resource_tracker.cli", "recommend", "AgreeFlow", *arguments],
        cwd=folder.folder,
        env=folder.environment(PYTHONPATH=str(Path(__file__).parents[2]), COLUMNS="1000"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return plain(done.stdout)


def card_of(run: FlowRun, step: str) -> str:
    """The words of a card."""
    (page,) = (page for page in run.cards() if f"/steps/{step}/" in str(page) and "cost_review" not in page.name)
    text = re.sub(r"<(script|style)\b.*?</\1>", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return plain(html.unescape(re.sub(r"<[^>]+>", " ", text)))


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("step", STEPS)
def test_the_line_to_paste(told: dict[str, Told], step: str) -> None:
    """Character for character."""
    text = told[step].data["text"]
    assert text in told[step].card
    assert f"next time {text}" in told[step].log
    assert text in told[step].words


@pytest.mark.parametrize("step", STEPS)
def test_the_peak(told: dict[str, Told], step: str) -> None:
    """One number, however it is asked for."""
    (peak,) = re.findall(r"peak memory (\d+) ", told[step].log)
    assert f"Memory peaked at {peak} MB" in told[step].card
    assert f" {peak} MB " in told[step].words
    assert f"{peak} MB (this attempt" in told[step].card
    assert f"{peak} MB (run " in told[step].words


@pytest.mark.parametrize("step", STEPS)
def test_the_reasons_and_the_chance(told: dict[str, Told], step: str) -> None:
    """The same sentences; only whose peak it was is told by the run's id once it has one."""
    reasons = told[step].data["advice"]["reasons"]
    assert set(reasons) == {"cpu", "memory", "gpu"}
    for name in ("cpu", "memory"):
        assert plain(reasons[name]) in told[step].words
        in_the_card = re.sub(r"\(run \d+", "(this attempt", reasons[name])
        assert plain(in_the_card) in told[step].card
    (chance,) = re.findall(r"The chance that the next run needs more memory than that is [^%]*%\.", told[step].words)
    assert chance in told[step].card


@pytest.mark.parametrize("step", STEPS)
def test_the_notes(told: dict[str, Told], step: str) -> None:
    """What one line cannot say stands in both."""
    assert bool(told[step].data["notes"]) == (step == "start")
    for note in told[step].data["notes"]:
        assert note in told[step].card
        assert note in told[step].words


def test_what_a_step_was_halved_to(told: dict[str, Told]) -> None:
    """The estimate that the advice stops short of, in all three."""
    start = told["start"]
    numbers = ", ".join(f"{name}={number}" for name, number in start.data["advice"]["estimate"].items())
    assert numbers.startswith("cpu=1, memory=")
    for text in start.card, start.log, start.words:
        assert f"the estimate is {numbers}" in text


def test_why_more_is_needed(told: dict[str, Told]) -> None:
    """The headline of the card is what the log says; of what nobody asked for neither says a thing."""
    small = told["small"]
    assert "Memory went beyond the request" in small.card
    assert "(memory went beyond the request)" in small.log
    assert small.data["advised"]["memory"] > 200
    assert "asked for" not in told["end"].log and " of " not in told["end"].log.partition("|")[0]
