"""The cost review of a run: sums, what to change, comparison, and the page and JSON made of it."""

from __future__ import annotations

import io
import itertools
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.catalog import load_bundled
from resource_tracker.catalog_model import Catalog
from resource_tracker.cli.review_view import activity, show_review, stacked
from resource_tracker.cli.terminal import Terminal
from resource_tracker.costs import cost_of_attempt
from resource_tracker.errors import SettingError
from resource_tracker.report.render import render_review
from resource_tracker.report.review_data import review_data
from resource_tracker.report.review_model import build_page
from resource_tracker.report.review_steps import LISTED_TASKS, Part
from resource_tracker.report.review_timeline import WIDTH, lane, ticks
from resource_tracker.review import build_review
from resource_tracker.review_records import RunReview
from resource_tracker.run_attempts import RunAttempts, TaskFacts, attempts_of
from resource_tracker.testing import HOSTILE, fake_run

CATALOG = load_bundled()


def review(siblings: int = 3, earlier: int = 2, **about: object) -> RunReview:
    runs = [fake_run(siblings, days_ago=ago, **about) for ago in range(earlier + 1)]  # type: ignore[arg-type]
    return build_review(
        runs[0], catalog=CATALOG, earlier=runs[1:], run_starts=[86400.0 * i for i in range(earlier + 1)]
    )


def without_requests(run: RunAttempts) -> RunAttempts:
    attempts = [
        replace(a, summary=a.summary and replace(a.summary, request_cpu=None, request_memory_mb=None))
        for a in run.attempts
    ]
    return replace(run, attempts=tuple(attempts))


# --- the model -------------------------------------------------------------------------------------


def test_the_run_costs_what_its_attempts_cost() -> None:
    """Every attempt counts, failed and retried ones too, at what an attempt costs everywhere else."""
    run = fake_run(12)
    found = review(12)
    costs = [cost_of_attempt(CATALOG, a.summary, None).usd or 0.0 for a in run.attempts if a.summary]
    assert found.totals.usd == pytest.approx(sum(costs))
    assert sum(step.usd or 0 for step in found.steps) == pytest.approx(sum(costs))
    lost = [cost_of_attempt(CATALOG, a.summary, None).usd or 0.0 for a in run.attempts if a.lost and a.summary]
    assert len(lost) == found.totals.lost == 2
    assert found.waste.lost_usd == pytest.approx(sum(lost)) and found.waste.lost_usd > 0


def test_steps_stand_in_the_order_in_which_they_began() -> None:
    """Start first, each with its tasks and attempts."""
    found = review(12)
    assert [(s.name, s.tasks, len(s.attempts), s.lost) for s in found.steps] == [
        ("start", 1, 1, 0),
        ("load", 1, 2, 1),
        ("score", 12, 13, 1),
        ("join", 1, 1, 0),
        ("end", 1, 1, 0),
    ]
    assert (found.tasks, found.attempts, found.totals.status) == (16, 18, "ok")


def test_changes_are_sorted_by_what_they_save() -> None:
    """Each is what the step's attempts cost less what they would have cost as advised; a month is so many runs."""
    found = review(12)
    savings = [change.saving_usd for change in found.changes]
    assert "load" not in [change.step for change in found.changes] and found.killed == {"load": 3}
    assert savings == sorted(savings, reverse=True) and len(savings) >= 2 and savings[-1] > 0
    for change in found.changes:
        assert change.text.startswith("@resources(cpu=") and change.asked.startswith("@resources(cpu=")
        assert change.per_month_usd == pytest.approx(change.saving_usd * (found.runs_per_month or 0))
        step = next(step for step in found.steps if step.name == change.step)
        assert change.saving_usd <= (step.usd or 0)


def test_a_step_that_asks_for_too_little_is_named() -> None:
    """Its line costs more, so it is no saving, and stands apart."""
    run = fake_run(3)
    attempts = [
        replace(a, summary=a.summary and replace(a.summary, request_cpu=1.0, request_memory_mb=1000.0, vendor=None))
        for a in run.attempts
        if a.step == "join"
    ]
    found = build_review(replace(run, attempts=tuple(attempts)), catalog=CATALOG)
    assert [change.step for change in found.needs] == ["join"] and "join" not in {c.step for c in found.changes}


@pytest.mark.parametrize(("chosen", "disk"), [(("disk",), (", disk=100000)", ", disk=50000)")), ((), (")", ")"))])
def test_a_change_names_the_decorator_that_has_the_numbers(chosen: tuple[str, ...], disk: tuple[str, str]) -> None:
    """The request stands in the words of the advice: the same decorator, and a default disk in neither."""
    asked = {"request_decorators": ("kubernetes",), "request_written_in": ("kubernetes",), "request_disk_mb": 1e5}
    run = fake_run(3)
    attempts = [
        replace(a, summary=replace(a.summary, disk_growth_gb=1.0, request_chosen=chosen, **asked))  # type: ignore[arg-type]
        for a in run.attempts
        if a.summary is not None
    ]
    found = build_review(replace(run, attempts=tuple(attempts)), catalog=CATALOG)
    assert len(found.changes) >= 3
    for change in found.changes:
        assert re.fullmatch(rf"@kubernetes\(cpu=\d+, memory=\d+{re.escape(disk[0])}", change.asked)
        assert re.fullmatch(rf"@kubernetes\(cpu=\d+, memory=\d+{re.escape(disk[1])}", change.text)
        assert ("The disk became at most 1.0 GB fuller" in change.reason) == bool(chosen)


def of_join(run: RunAttempts, **changes: object) -> RunAttempts:
    """The run's join alone, on a machine that is not known."""
    attempts = [
        replace(a, summary=a.summary and replace(a.summary, vendor=None, **changes))
        for a in run.attempts
        if a.step == "join"
    ]
    return replace(run, attempts=tuple(attempts))


def shown(found: RunReview) -> str:
    stream = io.StringIO()
    show_review(Terminal(stream), found)
    return stream.getvalue().replace("\N{NO-BREAK SPACE}", " ")


def test_a_change_that_saves_says_where_too_little_is_asked_for() -> None:
    """Fewer CPUs save more than the memory costs that is too little: that it is too little must not go under."""
    found = build_review(of_join(fake_run(3), request_cpu=32.0, request_memory_mb=8000.0), catalog=CATALOG)
    (change,) = found.changes
    words = "Asks for too little memory: its peak, 9,437 MB, is above the 8,000 MB asked for."
    assert change.step == "join" and change.shortfall == words and found.needs == ()
    assert words in shown(found) and words in render_review(found)
    assert all(change.shortfall == "" for change in review().changes)


def test_savings_of_less_than_a_cent_a_month_are_none() -> None:
    """A step of a few milliseconds is nothing to work on, however much too much it asks for."""
    short = of_join(fake_run(3), duration_s=0.01, request_cpu=4.0)
    found = build_review(short, catalog=CATALOG)
    assert found.totals.usd and found.changes == found.needs == ()
    assert "No step asks for so much more than it needs that changing it would be worth a cent a month." in shown(found)
    often = build_review(short, catalog=CATALOG, run_starts=[60.0 * minute for minute in range(1500)])
    assert [change.step for change in often.changes] == ["join"]


def test_dollars_and_hours_are_of_as_many_runs() -> None:
    """Beside the dollars of a thousand runs stand the core-hours and GiB-hours of a thousand."""
    found = build_review(of_join(fake_run(3), duration_s=1.0, cpu_mean_cores=4.0), catalog=CATALOG)
    (sentence,) = build_page(found).sentences
    assert sentence.startswith("$") and " went to CPUs that stood idle (" in sentence, sentence
    hours = float(re.findall(r"\(([\d.]+)\s+core-hours\)", sentence)[0])
    assert hours == pytest.approx(4 * 1000 / 3600, rel=0.05)


def test_untracked_steps_are_said_beside_the_cost() -> None:
    """What is not tracked is not in the sum: the sentences below the verdict say so; of many only some are named."""
    run = fake_run(3)

    def without(*names: str) -> str:
        attempts = tuple(replace(one, summary=None) if one.step in names else one for one in run.attempts)
        page = build_page(build_review(replace(run, attempts=attempts), catalog=load_bundled()))
        return page.sentences[-1]

    assert without("load") == "load is not tracked: its cost is not counted."
    assert without("load", "end") == "load and end are not tracked: their cost is not counted."
    assert "not tracked" not in without()


def test_what_is_as_before_is_no_cause_for_alarm() -> None:
    """No lost attempt now and before is the same; a step that costs nothing to speak of may cost twice that."""
    now, before = fake_run(2), fake_run(2, days_ago=1)

    def with_end(run: RunAttempts, duration_s: float) -> RunAttempts:
        attempts = [a for a in run.attempts if not a.lost]
        return replace(
            run,
            attempts=tuple(
                replace(a, summary=a.summary and replace(a.summary, duration_s=duration_s)) if a.step == "end" else a
                for a in attempts
            ),
        )

    found = build_review(with_end(now, 0.2), catalog=CATALOG, earlier=[with_end(before, 0.1)])
    rows = {row.name: row for row in build_page(found).metrics}
    assert rows["Lost attempts"].change == "same"
    assert rows["Cost of end"].change.strip("×") == "2" and not rows["Cost of end"].worse
    dear = build_review(with_end(now, 2000), catalog=CATALOG, earlier=[with_end(before, 1000)])
    assert {row.name: row for row in build_page(dear).metrics}["Cost of end"].worse


def test_without_a_known_machine_one_is_assumed_and_named() -> None:
    """A local run is counted on the cheapest machine that fits what each step asks for, and says so."""
    found = review(known_machines=False)
    assert found.totals.usd is not None and found.totals.usd > 0
    assert {offer.instance.vendor for offer in found.assumed} == {"aws"}
    page = build_page(found)
    assert "Assumed machines: it is not known where the steps ran" in page.assumed
    assert build_page(review()).assumed == ""


def test_steps_that_ask_for_nothing_are_counted_by_what_they_need() -> None:
    """Nothing was allocated to them, so nothing of them stood idle; their lost attempts are lost all the same."""
    run = without_requests(fake_run(3, known_machines=False))
    found = build_review(run, catalog=CATALOG)
    assert found.totals.usd is not None and found.totals.usd > 0 and found.assumed
    assert found.waste.idle_usd == 0 and found.waste.lost_usd > 0
    assert found.uncosted == 0


def test_a_step_that_still_runs_is_called_so() -> None:
    """Whether it is tracked is known only once an attempt of it has ended."""
    facts = TaskFacts(step="slow", task_id="9", started={0: 1e9}, ended={}, summaries={})
    run = fake_run(3)
    both = (*attempts_of("TrainFlow", run.run_id, [facts]).attempts, *run.attempts)
    page = build_page(build_review(replace(run, attempts=both), catalog=CATALOG))
    assert page.steps[0].note == "running"
    assert "still running, and not counted in the costs: slow" in page.notes[0].text
    assert "not tracked" not in page.notes[0].text


def test_without_prices_times_and_amounts_remain() -> None:
    """An empty catalog gives no dollars, and no claim about them."""
    found = build_review(fake_run(3), catalog=Catalog(origin="none", instances={}, prices={}, sources=()))
    assert found.totals.usd is None and found.changes == () and found.uncosted == found.attempts
    assert found.totals.wall_s and found.waste.gib_hours > 0
    page = build_page(found)
    assert page.verdict == "What this run cost is not known" and page.spending == ()
    render_review(found)


def test_a_failed_run() -> None:
    """Its last attempt is lost, its status said."""
    found = review(fails=True)
    assert found.totals.status == "failed" and found.steps[-1].lost == 1
    assert build_page(found).badge.text == "Failed"


def test_earlier_runs_stand_beside_it() -> None:
    """Newest first; the page shows cost, waste, duration, lost attempts and steps."""
    found = review(earlier=3)
    assert [run.run_id for run in found.earlier] == ["1741732802", "1741732801", "1741732800"]
    names = [metric.name for metric in build_page(found).metrics]
    assert names[:4] == ["Cost", "Bought nothing", "Duration", "Lost attempts"] and "Cost of score" in names
    alone = build_page(review(earlier=0))
    assert alone.metrics == () and "nothing to compare with" in alone.comparison


def test_untracked_steps_have_their_place_in_time_and_no_cost() -> None:
    """They are named, and their money is not counted."""
    facts = TaskFacts(step="plain", task_id="9", started={0: 1e9}, ended={0: (1e9 + 5, True)}, summaries={})
    run = fake_run(3)
    found = build_review(
        replace(run, attempts=(*attempts_of("TrainFlow", run.run_id, [facts]).attempts, *run.attempts)), catalog=CATALOG
    )
    plain = found.steps[0]
    assert (plain.name, plain.tracked, plain.usd, plain.busy_s) == ("plain", False, None, 5)
    page = build_page(found)
    assert page.steps[0].note == "not tracked" and page.steps[0].cost == "–"
    assert "not counted in the costs: plain" in page.notes[0].text
    assert found.uncosted == 0


def test_unknown_vendors_are_refused() -> None:
    """The message lists the valid ones."""
    with pytest.raises(SettingError, match="aws"):
        build_review(fake_run(3), catalog=CATALOG, vendor="nobody")


def test_an_empty_run_is_a_review_of_nothing() -> None:
    """A run whose first task has not begun."""
    found = build_review(RunAttempts(flow="F", run_id="1", attempts=()), catalog=CATALOG)
    assert (found.totals.usd, found.totals.status, found.tasks) == (None, "unknown", 0)
    render_review(found)


# --- the page --------------------------------------------------------------------------------------


def test_a_cheap_run_is_shown_a_thousand_times() -> None:
    """Below a cent per run, dollars are those of a thousand."""
    run = fake_run(3)
    short = [replace(a, summary=a.summary and replace(a.summary, duration_s=1.0)) for a in run.attempts]
    page = build_page(build_review(replace(run, attempts=tuple(short)), catalog=CATALOG))
    assert page.verdict.startswith("1000\u00a0runs like this one cost $") and page.money[0].label == "1000\u00a0runs"


def test_of_many_siblings_the_dearest_are_listed() -> None:
    """A thousand tasks are drawn, a dozen listed, and the others told in words."""
    page = build_page(review(1000, earlier=0))
    score = next(step for step in page.steps if step.name == "score")
    assert len(score.tasks) == LISTED_TASKS and "more attempts not listed" in score.more and "95 % up to" in score.more
    drawn = sum(shape.path.count("M") for shape in score.lane.shapes)
    assert drawn == 1034
    assert score.lane.height <= 112
    assert len(render_review(review(1000, earlier=0))) < 100_000


def test_hostile_names_are_text() -> None:
    """A step's name can hold anything; the page has no element of it, and no other page is loaded."""
    html = render_review(review(step=HOSTILE))
    assert "<img" not in html and HOSTILE not in html and "&lt;img src=x" in html
    assert html.count("<script>") == 2
    assert not re.search(r"""(src|href)=["']?(?!data:,)[a-z]*:?//""", html)


def test_parts_of_a_bar_are_the_whole() -> None:
    """The dearest step's bar is full, each other's as long as its cost."""
    found = review(12)
    rows = build_page(found).spending
    assert sum(part.share for part in rows[0].parts) == pytest.approx(100, abs=0.1)
    dearest = max(step.usd or 0 for step in found.steps)
    by_name = {step.name: step.usd or 0 for step in found.steps}
    for row in rows:
        assert sum(part.share for part in row.parts) == pytest.approx(100 * by_name[row.name] / dearest, abs=0.1)


@given(st.floats(1e-3, 1e8))
def test_ticks_are_few_and_within_the_picture(length_s: float) -> None:
    """From the start on, at even distances, never more than there is room for."""
    found = ticks(length_s)
    assert found[0] == (0.0, "0") and 1 <= len(found) <= 8
    assert all(0 <= tick.at <= 100 for tick in found)
    assert len({tick.text for tick in found}) == len(found)


def test_bars_do_not_lie_on_each_other() -> None:
    """Siblings share a line only one after the other, and none leaves the picture."""
    found = review(200)
    step = found.steps[2]
    began, length = found.totals.started_at or 0, found.totals.wall_s or 1
    drawn = lane(step, began, length)
    lines: dict[str, list[tuple[float, float]]] = {}
    for shape in drawn.shapes:
        for x, y, width in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)", shape.path):
            lines.setdefault(y, []).append((float(x), float(x) + float(width)))
    assert len(lines) <= 64
    for bars in lines.values():
        bars.sort()
        assert bars[0][0] >= 0 and bars[-1][1] <= WIDTH + 0.1
        assert all(one[1] <= other[0] + 3.1 for one, other in itertools.pairwise(bars))


# --- JSON and terminal -----------------------------------------------------------------------------


def test_json_holds_every_attempt() -> None:
    """All figures, in one run's dollars, as plain JSON."""
    found = review(12)
    data = json.loads(json.dumps(review_data(found), allow_nan=False))
    assert data["usd"] == found.totals.usd and data["wasted"]["usd"] == pytest.approx(found.waste.usd)
    attempts = [attempt for step in data["steps"] for attempt in step["attempts"]]
    assert len(attempts) == data["attempts"] == 18
    killed = next(attempt for attempt in attempts if not attempt["measured"])
    assert killed["ended_at_latest"] and killed["lost"] and killed["memory_peak_kib"] is None
    assert data["changes"][0]["text"].startswith("@resources(") and len(data["earlier_runs"]) == 2


def test_the_line_over_time_shows_when_a_step_ran() -> None:
    """Full where most of its attempts ran, empty where none did."""
    found = review(12)
    lines = [activity(step, found.totals.started_at, found.totals.wall_s, 20) for step in found.steps]
    assert all(len(line) == 20 and "█" in line for line in lines)
    assert lines[0].startswith("█") and lines[0].strip() == "█" and lines[-1][:-2].strip() == ""


@pytest.mark.parametrize("columns", [80, 100, 120, 160])
def test_the_table_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars shrink, then the line over time goes, which is said; what bought nothing stays, and no row is wrapped."""
    rich = pytest.importorskip("rich.console")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal._console = rich.Console(file=stream, width=columns, force_terminal=True)
    show_review(terminal, review(40), with_tasks=True)
    lines = re.sub("\x1b\\[[0-9;]*m", "", stream.getvalue()).splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("step ") and "bought nothing" in line)
    end = next(number for number, line in enumerate(lines) if "of use $" in line)
    said = [line for line in lines[head:end] if line.startswith("Not shown, for lack of room: over the run")]
    assert bool(said) is ("over the run" not in lines[head])
    table = [line for line in lines[head + 2 : end] if line not in said]
    assert len(table) == 5 + 2 + LISTED_TASKS
    assert max(map(len, table)) <= columns
    if columns >= 80:
        assert lines[end].startswith("█ of use") and any("░" in line or "▒" in line for line in table)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=4))
def test_a_bar_of_characters_is_never_too_long(shares: list[float]) -> None:
    """Rounded as a whole, so that parts add up."""
    total = sum(shares) or 1
    parts = tuple(Part("used", 100 * share / total) for share in shares if share)
    assert len(stacked(parts, 16)) == (16 if parts else 0)
