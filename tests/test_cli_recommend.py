"""What ``recommend`` makes of runs: amounts, savings, and the words around them. The runs are made up."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_harness import Cli

from resource_tracker.bounds import WORDS
from resource_tracker.catalog import load_bundled
from resource_tracker.cli.amounts import size_in_bytes, whole_number
from resource_tracker.cli.bound_words import MEANINGS
from resource_tracker.cli.recommend import say_of_input
from resource_tracker.cli.recommend_diff import print_diff, read_source
from resource_tracker.cli.recommend_view import show_recommendations
from resource_tracker.cli.recommendations import Recommendations, recommendations
from resource_tracker.cli.terminal import Table, Terminal, plain_table
from resource_tracker.costs import Costing
from resource_tracker.decorator_edits import rewrite
from resource_tracker.errors import NotTrackedError, SettingError, SourceError
from resource_tracker.flow_source import read_flow
from resource_tracker.flows.recent_runs import RecentRuns
from resource_tracker.review import build_review
from resource_tracker.run_attempts import Attempt, RunAttempts
from resource_tracker.sizing import Policy
from resource_tracker.source_text import SourceText
from resource_tracker.testing import fake_run

DAY_S = 86400.0


def with_decorators(run: RunAttempts, *names: str, **changes: object) -> RunAttempts:
    """The run with its requests made by these decorators; `changes` are made to every summary."""

    made = {"request_decorators": names, "request_written_in": names}

    def changed(attempt: Attempt) -> Attempt:
        if attempt.summary is None:
            return attempt
        return replace(attempt, summary=replace(attempt.summary, **made, **changes))

    return replace(run, attempts=tuple(changed(attempt) for attempt in run.attempts))


def recent(*runs: RunAttempts, untracked: int = 0) -> RecentRuns:
    """The runs as if they had been found, one a day."""
    began = tuple(1e9 - number * DAY_S for number in range(len(runs)))
    where = "in namespace user:alice"
    return RecentRuns(flow="TrainFlow", where=where, runs=runs, untracked=untracked, started_at=began)


def advised(found: RecentRuns, *steps: str, policy: Policy | None = None, **more: Any) -> Recommendations:
    return recommendations(found, steps=steps, policy=policy, input_bytes=None, catalog=load_bundled(), now=1e9, **more)


def week(*names: str, **options: object) -> RecentRuns:
    return recent(*(with_decorators(fake_run(4, days_ago=day, **options), *names) for day in range(7)))  # type: ignore[arg-type]


def shown(found: Recommendations, *, verbose: bool = False) -> str:
    stream = io.StringIO()
    show_recommendations(Terminal(stream), found, verbose=verbose)
    return stream.getvalue().replace("\N{NO-BREAK SPACE}", " ")


def test_savings_add_up() -> None:
    """Each step's saving is its cost less that of the advice; the sum stands below; a month is the flow's rate."""
    found = advised(week("resources"))
    assert found.runs_per_month == pytest.approx(365.25 / 12)
    saved = [step.saving.saved_per_run for step in found.steps]
    load = next(step for step in found.steps if step.name == "load")
    assert all((step.saving.saved_per_run or 0) >= 0 for step in found.steps if step is not load), saved
    # an attempt of it was killed in each run: its memory is kept, and fewer CPUs alone take longer than they save
    assert load.asked["memory"] == load.amounts()["memory"].advised and (load.saving.saved_per_run or 0) < 0
    assert load.saving.usd_per_run is not None and load.saving.advised_usd_per_run is not None
    # m5.xlarge for 360 s: the attempt that was killed half-way was paid for as well
    assert load.saving.usd_per_run == pytest.approx(0.192 * 360 / 3600, rel=0.01)
    assert load.saving.assumed == ()
    lines = shown(found).splitlines()
    (whole,) = (line for line in lines if line.startswith("all steps"))
    per_run, per_month = (float(text.lstrip("$")) for text in whole.split()[2:])
    assert per_run == pytest.approx(sum(amount for amount in saved if amount), abs=0.01)
    assert per_month == pytest.approx(sum(amount for amount in saved if amount) * 365.25 / 12, rel=0.02)
    assert "A month is 30 runs, as often as the flow runs at present (by its latest 7 runs)." in lines


@pytest.mark.parametrize("known_machines", [False, True])
def test_what_older_runs_asked_for_saves_nothing(known_machines: bool) -> None:
    """Once an advice was taken, what it saved is saved: only the request in force and the advice are compared."""
    wasteful = {"request_cpu": 16.0, "request_memory_mb": 64000.0, "instance_type": known_machines and "m5.4xlarge"}
    now, *older = week("resources", known_machines=known_machines).runs
    changed = [with_decorators(run, "resources", **{k: v for k, v in wasteful.items() if v}) for run in older]
    for before, after in zip(advised(recent(now, *older)).steps, advised(recent(now, *changed)).steps, strict=True):
        assert before.advice.advice == after.advice.advice
        assert after.saving.usd_per_run == pytest.approx(before.saving.usd_per_run)
        assert after.saving.saved_per_run == pytest.approx(before.saving.saved_per_run)
        assert [offer.instance.name for offer in after.saving.assumed] == [
            offer.instance.name for offer in before.saving.assumed
        ]


def test_savings_agree_with_the_review_of_the_run() -> None:
    """Both reckon alike: of one run, each step saves the same in either."""
    run = week("resources", known_machines=False).runs[0]
    saved = {step.name: step.saving.saved_per_run for step in advised(recent(run)).steps}
    changes = build_review(run, catalog=load_bundled()).changes
    assert len(changes) >= 3
    for change in changes:
        assert saved[change.step] == pytest.approx(change.saving_usd)


def test_a_request_that_is_as_advised_saves_nothing() -> None:
    """A machine that happens to be dear is not what the advice is about."""
    advice = advised(week("resources"), "start").steps[0]
    assert advice.advised is not None
    found = week("resources")
    as_advised = {"request_cpu": 1.0, "request_memory_mb": 256.0, "instance_type": "m5.4xlarge"}
    runs = [with_decorators(run, "resources", **as_advised) for run in found.runs]
    start = advised(recent(*runs), "start").steps[0]
    assert start.suffices and start.saving.saved_per_run == 0


def test_work_takes_longer_on_the_fewer_cores_that_are_asked_for_now() -> None:
    """What an older run did on four busy cores in a minute takes about four on one."""
    fast = replace(
        fake_run(1).attempts[0].summary or pytest.fail("no summary"),
        **{"request_cpu": 4.0, "request_memory_mb": 8000.0, "vendor": None, "instance_type": None},
        **{"cpu_mean_cores": 4.0, "cpu_max_cores": 4.0, "cpu_limit": 4.0, "duration_s": 60.0},
    )
    slow = replace(fast, request_cpu=1.0, request_memory_mb=3000.0, run_id="2", cpu_limit=1.0)
    found = Costing(load_bundled()).with_request_of(fast, slow, None)
    assert found.hours == pytest.approx(4 * 60 / 3600) and found.machine is not None
    assert found.usd == pytest.approx(found.machine.price_usd_per_hour * found.hours)


def test_assumed_machines_are_labelled() -> None:
    """Where no machine is known, the amounts are called an estimate, and the machines are named by place."""
    text = shown(advised(week("resources", known_machines=False)))
    assert "Savings are an estimate and no bill: where it ran is not known" in text
    assert "in AWS us-east-1." in text
    assert "Savings are an estimate" not in shown(advised(week("resources")))


def test_another_vendor() -> None:
    """``--vendor`` and ``--region`` say where the machines for the advice are looked for; unknown ones are refused."""
    here, there = advised(week("resources")), advised(week("resources"), vendor="gcp", region="europe-west1")
    assert here.steps[0].saving.advised_usd_per_run != there.steps[0].saving.advised_usd_per_run
    with pytest.raises(SettingError, match="mars"):
        advised(week("resources"), region="mars")


def test_decorators_that_the_step_has() -> None:
    """The lines to paste are for the decorator that the step has."""
    lines = shown(advised(week("kubernetes"))).split("What to request next time")[1].splitlines()
    written = [line.split()[1] for line in lines if "(cpu=" in line]
    assert written == [
        "@kubernetes(cpu=1,",
        "@kubernetes(cpu=2,",
        "@kubernetes(cpu=2,",
        "@kubernetes(cpu=4,",
        written[4],
    ]


def test_killed_attempts_are_told() -> None:
    """An attempt that was killed left nothing to measure: it is said, and it is no task of its own."""
    load = advised(recent(with_decorators(fake_run(2), "resources")), "load").steps[0]
    assert load.advice.tasks == 1
    assert any("1 attempt" in note for note in load.advice.notes), load.advice.notes
    assert load.advice.notes[-1] in shown(advised(recent(fake_run(2)), "load"))


@pytest.mark.parametrize(
    ("no_memory", "said"),
    [
        ((), "1 of 32 attempts failed, not for lack of memory as far as is known."),
        (("0",), "1 of 32 attempts failed for lack of memory."),
        (("0", "1"), "2 of 32 attempts failed for lack of memory."),
    ],
)
def test_failed_attempts_are_told(no_memory: tuple[str, ...], said: str) -> None:
    """How many there were, and how many of them had no memory left; killed ones, which left no trace, are not among."""
    run = fake_run(31)
    score = [one for one in run.attempts if one.step == "score"]
    for number in no_memory:
        one = next(one for one in score if one.status == ("failed" if number == "0" else "ok"))
        assert one.summary is not None
        changed = replace(one, summary=replace(one.summary, ran_out_of_memory=True, status="failed"))
        run = replace(run, attempts=tuple(changed if other is one else other for other in run.attempts))
    found = advised(recent(run))
    assert f"\n    {said}\n" in shown(found)
    failed = {
        step["step"]: (step["failed_attempts"], step["out_of_memory_attempts"]) for step in found.as_plain()["steps"]
    }
    assert failed["score"] == (max(1, len(no_memory)), len(no_memory))
    assert failed["load"] == (0, 0)


def test_untracked_steps_are_told() -> None:
    """Steps of the newest run without any summary: named, and the sum is not called that of all steps."""
    run = fake_run(2)
    load_and_end = [replace(one, summary=None) if one.step in ("load", "end") else one for one in run.attempts]
    found = advised(recent(replace(run, attempts=tuple(load_and_end))))
    text = shown(found)
    assert "\nNot tracked, and so without advice: load and end.\n" in text
    assert "\nsum " in text and "all steps" not in text
    assert found.as_plain()["steps_not_tracked"] == ["load", "end"]
    whole = shown(advised(recent(run)))
    assert "Not tracked" not in whole and "\nall steps " in whole


@pytest.mark.parametrize(
    ("largest", "said"),
    [
        (None, "join: no attempt's input was measured: --input-bytes changes nothing"),
        (1e9, ""),
        (0.9e9, "join: the largest input seen so far was 900 MB: more than 10 times as much is a guess; try it"),
    ],
)
def test_an_input_far_beyond_those_seen(largest: float | None, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten times the largest is an estimate; what is more is said to be a guess."""
    (join,) = advised(recent(with_decorators(fake_run(2), "resources", input_bytes=largest)), "join").steps
    assert join.largest_input_bytes == largest
    say_of_input(10e9, join)
    assert said in capsys.readouterr().err if said else capsys.readouterr().err == ""


def test_steps_stand_in_the_order_of_the_newest_run() -> None:
    """Steps of older runs only come last; none is lost."""
    found = advised(recent(fake_run(2, fails=True), fake_run(2, days_ago=1, step="rank")))
    assert [step.name for step in found.steps] == ["start", "load", "score", "join", "rank", "end"]
    assert found.steps_of_latest_run == {"start", "load", "score", "join"}


def test_each_step_by_its_own_policy() -> None:
    """A step that is tracked with ``policy="lean"`` is advised so; ``--policy`` holds for all; JSON tells both."""
    plain = week("resources").runs
    lean = [
        replace(run, attempts=tuple(with_policy(one, "lean") if one.step == "score" else one for one in run.attempts))
        for run in plain
    ]
    found = advised(recent(*lean))
    assert {step.name: step.advised.policy for step in found.steps if step.advised} == {
        **dict.fromkeys(("start", "load", "join", "end"), "safe"),
        "score": "lean",
    }
    text = shown(found)
    assert "What to request next time, by policy lean and safe" in text
    (line,) = (line for line in text.splitlines() if line.startswith("  score"))
    assert line.endswith(")  lean")
    assert found.as_plain()["policy"] is None
    assert [step["policy"] for step in found.as_plain()["steps"]].count("lean") == 1
    everywhere = advised(recent(*lean), policy=Policy.SAFE)
    assert "by policy safe" in shown(everywhere) and everywhere.as_plain()["policy"] == "safe"
    of_review = {change.step: change.text for change in build_review(lean[0], catalog=load_bundled()).changes}
    forced = build_review(lean[0], catalog=load_bundled(), policy=Policy.SAFE).changes
    assert of_review["score"] != {change.step: change.text for change in forced}["score"]


def with_policy(attempt: Attempt, policy: str) -> Attempt:
    assert attempt.summary is not None
    return replace(attempt, summary=replace(attempt.summary, policy=policy))


def test_saving_at_the_estimate() -> None:
    """What is saved once the estimate is reached stands beside what half of it saves, for each step and for all."""
    found = advised(week("resources"))
    at_once = advised(week("resources"), at_estimate=True)
    text = shown(found)
    for step, final in zip(found.steps, at_once.steps, strict=True):
        assert step.saved_in_the_end == pytest.approx(final.saving.saved_per_run)
        assert final.advised and final.advised.arguments() == step.advice.estimate.arguments()
        assert (step.saving_at_estimate is None) == (step.amounts() == final.amounts())
    assert [line for line in text.splitlines() if "With the estimate it saves" in line] == [
        "    With the estimate it saves $0.0068 per run.",
    ]
    whole = "to which the advice goes by half at a time, save $0.0055 per run, $0.17 per month."
    assert whole in text and "$0.0055" in shown(at_once)
    assert found.as_plain()["steps"][1]["saved_usd_per_run_at_estimate"] == found.steps[1].saved_in_the_end


def test_the_estimate_at_once() -> None:
    """``--estimate``: table, lines and diff have the estimate, and nothing is said of halves; all else stays."""
    found = advised(week("resources"), at_estimate=True)
    text = shown(found)
    assert "estimate" in text.splitlines()[3] and "advised" not in text.splitlines()[3]
    assert "  load   @resources(cpu=1, memory=16000)" in text
    assert "half of what" not in text.lower() and "With the estimate it saves" not in text
    assert "needed 2,836 MB, 2.3 times the " in text
    decorated = "    @resources(cpu=4, memory=16000)\n    def load(self): pass\n"
    source = f"from metaflow import resources\nclass TrainFlow:\n{decorated}"
    flow = read_flow(SourceText("flow.py", source.encode()), "TrainFlow")
    load = next(step for step in found.steps if step.name == "load")
    assert b"@resources(cpu=1, memory=16000)" in flow.source.with_edits(rewrite(flow, {"load": load.amounts()}).edits)


def test_numbers_that_stand_in_an_option(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """``--with kubernetes:memory=...``: they are to be changed there: a smaller number above the step does nothing."""
    path = tmp_path / "flow.py"
    path.write_text(
        "from metaflow import FlowSpec, step\nclass TrainFlow(FlowSpec):\n    @step\n    def join(self): pass\n"
    )
    found = advised(recent(with_decorators(fake_run(2), "kubernetes", request_chosen=("cpu", "memory"))), "join")
    print_diff(read_flow(SourceText(str(path), path.read_bytes()), "TrainFlow"), path, found)
    told = capfd.readouterr()
    assert told.out == ""
    assert "there, write kubernetes:cpu=4,memory=16000; in @resources a smaller number has no effect" in told.err


def test_a_diff_of_a_link_is_of_the_file_behind_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """``git apply`` refuses links, and folders behind links: the diff names the file itself, and where it is."""
    real = tmp_path / "real" / "train.py"
    real.parent.mkdir()
    real.write_text(
        "from metaflow import resources\nclass TrainFlow:\n    @resources(cpu=8)\n    def join(self): pass\n"
    )
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "flow.py").symlink_to("real/train.py")
    for link in (tmp_path / "flow.py", tmp_path / "folder" / "train.py"):
        print_diff(read_source(link, "TrainFlow"), link, advised(week("resources"), "join"))
        told = capfd.readouterr()
        assert told.out.startswith("--- train.py") and f"apply the diff in {real.parent} with" in told.err


@pytest.mark.parametrize("kind", ["fifo", "device", "large"])
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    """A pipe that nobody writes to, a device that never ends, a file that no flow is: said at once."""
    path = tmp_path / "flow.py"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(10**9)
    with pytest.raises(SourceError, match=r"read: it (is no regular file|has more than 16,000,000 bytes): give"):
        read_source(path, "TrainFlow")


def test_unknown_step() -> None:
    """The message names the steps there are."""
    with pytest.raises(NotTrackedError, match="no tracked step 'train': there are start, load, score, join, end"):
        advised(recent(fake_run(2)), "train")


def test_gpu_columns() -> None:
    """A GPU that is not needed stands there as asked for and 0 advised; without any GPU there are no such columns."""
    idle = with_decorators(fake_run(2), "resources", request_gpu=1, gpu_utilized_max=0.0, gpu_vram_max_mib=0.0)
    found = advised(recent(idle), "join")
    head, row = shown(found).splitlines()[2:5:2]
    assert head.split().count("GPU") == 3
    assert found.steps[0].amounts()["gpu"].advised in (0, 1)
    assert row.split()[0] == "join"
    assert "GPU" not in shown(advised(recent(with_decorators(fake_run(2), "resources")), "join")).split("What")[0]


def test_verbose_gives_reasons() -> None:
    """Beside each number its reason, and how many tasks and runs it rests on."""
    text = shown(advised(week("resources"), "score"), verbose=True)
    assert "    cpu=" in text
    assert "    memory=" in text
    assert "Based on 28 tasks of 7 runs. Safe. The chance that the next run needs more memory than that is " in text


def test_verbose_explains_what_bound_the_step() -> None:
    """What it is called, how it showed, and what would help; every word that there is has an explanation."""
    bound = {"bound": "one_thread", "bound_evidence": "It kept about 1 of 8 CPUs busy for 86 % of the time."}
    text = shown(advised(recent(with_decorators(fake_run(2), "resources", **bound)), "join"), verbose=True)
    assert (
        "    Bound by one thread, which took most of its time: It kept about 1 of 8 CPUs busy for 86 % of the time. "
        "More CPUs do not make it faster as long as its code computes in one thread.\n"
    ) in text
    assert MEANINGS.keys() == WORDS.keys()


@pytest.mark.parametrize("columns", [50, 65, 80, 120])
def test_no_number_is_broken_in_two(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that there is no room for are left out and named; every amount that is shown is whole."""
    rich = pytest.importorskip("rich.console")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal._console = rich.Console(file=stream, width=columns, force_terminal=True)
    show_recommendations(terminal, advised(week("resources")), verbose=False)
    text = re.sub("\x1b\\[[0-9;]*m", "", stream.getvalue())
    table = [line for line in text.split("\n\n")[1].splitlines() if not line.startswith("Not shown")]
    assert max(map(len, table)) <= columns and "…" not in text
    (join,) = (line for line in table if line.startswith("join"))
    assert {"32.0 GB", "16.0 GB", "4"} <= set(re.split(r" {2,}", join))
    assert ("Not shown, for lack of room: " in text) is (columns < 75)


def test_json_is_finite() -> None:
    """Numbers that nobody knows are null, never an infinity, which JSON has not."""
    found = advised(recent(with_decorators(fake_run(2), "resources", cpu_p95_cores=float("inf"))))
    text = json.dumps(found.as_plain(), allow_nan=False)
    assert [step["step"] for step in json.loads(text)["steps"]] == [step.name for step in found.steps]


def test_a_step_that_has_gone(capfd: pytest.CaptureFixture[str]) -> None:
    """A step that only older runs had is passed over in a diff, and said; a name cannot drive the terminal."""
    found = advised(recent(with_decorators(fake_run(2), "resources"), fake_run(2, days_ago=1, step="ra\x1b[2Jnk")))
    steps = "".join(
        f"    @resources(cpu=64, memory=99999)\n    def {name}(self): pass\n" for name in found.steps_of_latest_run
    )
    text = f"from metaflow import resources\nclass TrainFlow:\n{steps}"
    print_diff(read_flow(SourceText("flow.py", text.encode()), "TrainFlow"), Path("flow.py"), found)
    output = capfd.readouterr()
    assert "no longer a step of TrainFlow" in output.err
    assert "\x1b" not in output.err
    assert "left alone until it has run so" in output.err


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10GB", 10e9),
        ("10 gb", 10e9),
        ("512MiB", 512 * 2**20),
        ("1.5G", 1.5e9),
        ("1_000k", 1e6),
        ("1e9", 1e9),
        ("7", 7),
        ("2TiB", 2 * 2**40),
    ],
)
def test_sizes(text: str, size: float) -> None:
    """Sizes as people write them, with and without an i."""
    assert size_in_bytes(text, "--input-bytes") == size


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "1 iB", "1ib", "nan", "inf", "1e999", "10XB", "1GBs", "1.2.3", "٣GB"]
)
def test_no_sizes(text: str) -> None:
    """Anything else is refused by its option's name."""
    with pytest.raises(SettingError, match=r"--input-bytes .* is no size"):
        size_in_bytes(text, "--input-bytes")


@pytest.mark.parametrize("text", ["0", "101", "1.5", "-1", "", "ten", "1" * 5000])
def test_no_whole_numbers(text: str) -> None:
    """Whole numbers within bounds only."""
    with pytest.raises(SettingError, match="--runs"):
        whole_number(text, "--runs", 1, 100)


def test_names_of_columns_in_several_lines() -> None:
    """They end at the same line, and columns are as wide as the widest line."""
    table = Table(columns=("step", "CPU\nasked"), rows=[["a", "4"]], numbers=frozenset({"CPU\nasked"}))
    assert plain_table(table) == "        CPU\nstep  asked\na         4\n"


def test_what_only_a_terminal_shows(tmp_path: Path) -> None:
    """On a terminal, long text is wrapped at words, and the status of reading is gone when the table stands."""
    cli = Cli(tmp_path)
    program = (
        "import sys; from resource_tracker.cli.progress import Progress; from resource_tracker.cli.terminal import *\n"
        "with Progress(sys.stderr) as progress: progress.update('reading TrainFlow/1')\n"
        "Terminal(sys.stdout).paragraph('word ' * 40, indent=4, hanging=2)"
    )
    terminal = cli.on_terminal(sys.executable, "-c", program)
    assert terminal.wait() == 0
    assert "\r\x1b[K" in terminal.raw.split("reading TrainFlow/1")[1].split("word")[0]
    lines = [line for line in terminal.text.split("\r\n") if "word" in line]
    assert [len(line) - len(line.lstrip("\r ")) for line in lines][1:] == [6] * (len(lines) - 1)
    assert all(len(line) <= 100 for line in lines[1:])


def test_diff_in_colours(tmp_path: Path) -> None:
    """On a terminal lines that come and go have colours, and nothing in the file drives the terminal."""
    program = (
        "from resource_tracker.cli.recommend_diff import _write\n"
        "_write(b'--- flow.py\\n+++ flow.py\\n@@ -1,2 +1,2 @@\\n same\\r\\n-old\\r\\n+new \\x1b[2J\\r\\n')"
    )
    terminal = Cli(tmp_path).on_terminal(sys.executable, "-c", program)
    assert terminal.wait() == 0
    assert "\x1b[31m-old\x1b[0m\r\n" in terminal.raw
    assert "\x1b[32m+new \N{REPLACEMENT CHARACTER}[2J\x1b[0m" in terminal.raw
    assert "\r\n same\r\n" in terminal.raw
