"""What a card has only in some states: live figures, what ended the step, marked stretches, and CSV."""

from __future__ import annotations

import csv
import html as html_module
import io
import json

import pytest
from browser import CHROMIUM

from resource_tracker.dataclass import replace
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import Span
from resource_tracker.report.live import live_panel
from resource_tracker.report.model import card_data
from resource_tracker.report.render import render_card
from resource_tracker.report.series import MAX_POINTS, grid_of
from resource_tracker.report.spans import MAX_SPANS, span_table
from resource_tracker.testing import fake_record
from resource_tracker.testing.rows import fake_frames

in_browser = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]


def browser_test(test):
    for mark in in_browser:
        test = mark(test)
    return test


CATCH_COPY = "document.execCommand = () => { window.copied = getSelection().toString(); return true; }"
NBSP = "\u00a0"


def text_of(page, selector):
    return page.evaluate(f"document.querySelector({selector!r}).innerText").replace(NBSP, " ")


def live(**changes):
    """A record of a running step with other figures than its situation has."""
    record = fake_record("running_long")
    usage = replace(record.usage, **changes)
    return replace(record, usage=usage)


class TestLive:
    pytestmark = in_browser

    def test_figures_against_what_was_asked_for(self, show):
        """Each resource shows its use now, its peak, and what was asked for and allowed; the advice comes later."""
        record = fake_record("running_long")
        page = show(render_card(record), now=record.started_at + 10_802)
        assert text_of(page, "[data-tile=memory]").replace("\n\n", "\n").split("\n") == [
            "Memory",
            "9.89 GB",
            "peak 10.4 GB of 16.0 GB requested",
        ]
        assert text_of(page, "#live-title").startswith("Running for 3 h")
        assert text_of(page, "#as-of") == "as of 10:58:00 UTC"
        assert [projection.text for projection in record.projections] == page.evaluate(
            "[...document.querySelectorAll('#projections li')].map(item => item.textContent)"
        )
        assert page.evaluate("document.querySelector('.hero').hidden") is True

    def test_an_update_takes_its_place(self, show):
        """Figures, warnings, marks and charts change where they stand; what says the same is not replaced."""
        before = fake_record("running_long")
        page = show(render_card(before), now=before.started_at + 10_802)
        page.evaluate("window.first = document.querySelector('#projections li')")
        page.evaluate("document.querySelector('#spans button').focus()")
        after = replace(
            live(duration_s=10_860.0, memory_peak_kib=15_000_000.0),
            projections=(*before.projections[:1],),
            spans=(*before.spans[:1], replace(before.spans[1], end_s=10_850.0), Span(label="test", start_s=10_850.0)),
        )
        assert page.evaluate(f"window.metaflow_card_update({json.dumps(card_data(after))})") is True
        page.settle()
        assert text_of(page, "[data-tile=memory] .note") == "peak 15.4 GB of 16.0 GB requested"
        assert text_of(page, "#as-of") == "as of 10:59:00 UTC"
        assert page.evaluate("[...document.querySelectorAll('#projections li')].map(i => i === window.first)") == [True]
        labels = "[...document.querySelectorAll('#spans button')].map(button => button.textContent)"
        assert page.evaluate(labels) == ["load data", "train", "test"]
        assert page.evaluate("document.activeElement.textContent") == "load data"

    def test_a_first_page_without_marks_gets_them(self, show):
        """The first mark brings its table, with a heading for each column."""
        record = fake_record("running_long")
        page = show(render_card(replace(record, spans=())))
        assert page.evaluate("document.getElementById('spans').hidden") is True
        page.evaluate(f"window.metaflow_card_update({json.dumps(card_data(record))})")
        page.settle()
        columns = "[...document.querySelectorAll('#spans tr')].map(row => row.children.length)"
        assert page.evaluate(columns) == [6, 6, 6]


CLOCKS = """
const clocks = {now: %s, steady: 0};
Date.now = () => clocks.now * 1000;
performance.now = () => clocks.steady * 1000;
window.setInterval = look => { window.look = look; };
window.pass = (seconds, every = 1) => {
  for (let i = 0; i < seconds; i += every) { clocks.now += every; clocks.steady += every; window.look(); }
};
"""
"""Clocks of the page that stand still until `pass` is called, which lets time pass a second at a time."""


def head(page):
    """What says whether the step runs: title and remark of the panel, badge, and the time beside it."""
    texts = [text_of(page, selector) for selector in ("#live-title", "#as-of", "#badge", "[data-text=duration]")]
    return [*texts, page.evaluate("!document.getElementById('silence').hidden")]


class TestNews:
    pytestmark = in_browser

    def opened(self, show, seconds_later=1.0, pathspec="TrainFlow/7/train/3", **changes):
        """A page of a step that has run for 3 h, opened so much later, by clocks of its own."""
        record = replace(live(duration_s=10_800.0, **changes), pathspec=pathspec)
        self.record = record
        return show(render_card(record), before=CLOCKS % (record.started_at + 10_800 + seconds_later))

    def told(self, page, seconds, refresh_s=5.0):
        """An update at so many seconds of the step."""
        record = replace(self.record, usage=replace(self.record.usage, duration_s=seconds))
        page.evaluate(f"window.metaflow_card_update({json.dumps(card_data(record, refresh_s=refresh_s))})")

    def test_time_passes_each_second_and_nothing_moves(self, show):
        """The length of the step counts on between updates, in its title and head, and is as wide each time."""
        page = self.opened(show)
        page.evaluate("""
          window.moved = [];
          new PerformanceObserver(list => window.moved.push(...list.getEntries().flatMap(shift => shift.sources.map(
            ({node, previousRect, currentRect}) => [node?.id || node?.textContent, previousRect, currentRect]
          )))).observe({type: 'layout-shift', buffered: true});
        """)
        assert head(page)[0] == "Running for 3 h 00 min 00 s"
        for second in range(1, 13):
            page.evaluate("window.pass(1)")
            assert head(page)[0] == f"Running for 3 h 00 min {second:02} s"
            assert head(page)[3] == f"3 h 00 min {second:02} s"
            page.settle()
        assert page.evaluate("window.moved") == []
        self.told(page, 10_808.0)  # four seconds late, as updates are: time does not go back
        assert head(page)[0] == "Running for 3 h 00 min 12 s"

    def test_who_wants_no_movement_sees_updates_only(self, show):
        """With `prefers-reduced-motion` figures change when news come."""
        page = self.opened(show)
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        page.evaluate("window.pass(30)")
        assert head(page)[0] == "Running for 3 h 00 min 00 s"
        self.told(page, 10_829.0)
        assert head(page)[0] == "Running for 3 h 00 min 29 s"

    def test_silence_is_told_and_forgotten(self, show):
        """After some missed updates the page no longer says that the step runs, until news come."""
        page = self.opened(show)
        page.evaluate("window.pass(3)")
        self.told(page, 10_803.0)
        page.evaluate("window.pass(80)")
        assert head(page)[0] == "Running for 3 h 01 min 23 s"
        self.told(page, 10_883.0)
        height = page.evaluate("document.body.scrollHeight")
        page.evaluate("window.pass(120)")
        assert page.evaluate("document.body.scrollHeight") == height
        assert head(page) == ["No news for 2 min", "since 10:59:23 UTC", "No news", "3 h 01 min 23 s", True]
        expected = "The task may have ended without us: resource-tracker why TrainFlow/7/train/3 tells."
        assert text_of(page, "[role=status]") == expected
        self.told(page, 10_883.0)  # viewers bring the same again
        assert head(page)[2] == "No news"
        self.told(page, 11_005.0)
        assert head(page) == ["Running for 3 h 03 min 25 s", "as of 11:01:25 UTC", "Running", "3 h 03 min 25 s", False]

    def test_a_long_step_is_waited_for(self, show):
        """Where an update is due every two minutes, eight without one are not silence, twelve are."""
        page = self.opened(show)
        self.told(page, 10_801.0, refresh_s=120.0)
        page.evaluate("window.pass(480)")
        assert head(page)[2] == "Running"
        page.evaluate("window.pass(240)")
        assert head(page)[:3] == ["No news for 12 min", "since 10:58:01 UTC", "No news"]

    @pytest.mark.parametrize("hours", [-5, -0.1, 0.1, 5])
    def test_clocks_that_differ_are_no_silence(self, show, hours):
        """However far the machine's clock is from the reader's: what counts is that news come."""
        page = self.opened(show, seconds_later=hours * 3600)
        for second in range(10_805, 10_900, 5):
            page.evaluate("window.pass(5)")
            self.told(page, float(second))
            assert head(page)[2] == "Running"
        page.evaluate("window.pass(150)")
        assert head(page)[0] == "No news for 2 min"

    def test_a_page_that_is_opened_late(self, show):
        """Whoever brings it updates has some seconds, in which it counts nothing on; then it tells how old it is."""
        page = self.opened(show, seconds_later=7200.0)
        self.told(page, 10_860.0)
        page.evaluate("window.pass(15)")
        assert head(page)[0] == "Running for 3 h 01 min 00 s"
        page.evaluate("window.pass(10)")
        assert head(page)[:2] == ["No news for 1 h 59 min", "since 10:59:00 UTC"]

    def test_a_tab_that_slept_has_missed_nothing(self, show):
        """A computer that wakes after an hour waits for news before it says that there are none."""
        page = self.opened(show)
        for second in (10_805, 10_810, 10_815):
            page.evaluate("window.pass(5)")
            self.told(page, float(second))
        page.evaluate("window.pass(3600, 3600)")
        assert head(page)[2] == "Running"
        page.evaluate("window.pass(5)")
        self.told(page, 14_418.0)
        assert head(page)[0] == "Running for 4 h 00 min 20 s"


class TestEnded:
    pytestmark = in_browser

    def test_what_ended_the_step_comes_first(self, show):
        """Cause, figures, what to do and the source stand above the advice, and what became of the attempt before."""
        record = fake_record("oom")
        page = show(render_card(record))
        text = text_of(page, "main")
        ending, before = record.ending, record.attempt_before
        places = [
            text.index(part.replace(NBSP, " "))
            for part in (before.text, ending.cause, ending.evidence, ending.remedy, ending.source)
        ]
        assert places[2:] == sorted(places[2:]) and places[0] < places[2] < text.index("@resources(")

    def test_the_last_minute_has_charts_of_its_own(self, show):
        """They have ink, their time counts back from the end, and they have a cursor and a zoom of their own."""
        page = show(render_card(fake_record("oom")))
        ink = """
        [...document.querySelectorAll('#last-charts canvas')].map(canvas => canvas.getContext('2d')
          .getImageData(0, 0, canvas.width, canvas.height).data.filter((v, i) => i % 4 === 3 && v > 60).length)
        """
        inks = page.evaluate(ink)
        assert len(inks) == 4 and min(inks) > 500
        page.evaluate("document.getElementById('last-charts').focus()")
        page.press("End")
        assert text_of(page, "#last-readout").startswith("at the end, 08:54:5")
        assert text_of(page, "#readout") == ""
        assert all(
            text.startswith("max ")
            for text in page.evaluate(
                "[...document.querySelectorAll('#charts .values')].map(values => values.textContent)"
            )
        )


class TestMarks:
    def test_many_marks_stay_a_table(self):
        """Of a loop that marks every round the longest are shown, and how many are not; many in one count once."""
        record = fake_record("hour")
        spans = [Span(label=f"round {i}", start_s=30.0 * i, end_s=30.0 * i + i) for i in range(MAX_SPANS + 20)]
        together = Span(label="batch", start_s=0.0, end_s=3000.0, count=4000, total_s=1800.0, cpu_seconds=900.0)
        table = span_table(replace(record, spans=(*spans, together)))
        assert len(table.rows) == MAX_SPANS and table.note == f"The {MAX_SPANS} longest; 21 shorter left out."
        first = table.rows[0]
        assert (first.label, first.cells[1:4], first.is_drawn) == (
            "batch (4,000×)",
            (f"30{NBSP}min", f"15{NBSP}min", "0.50"),
            False,
        )

    @browser_test
    def test_a_click_on_a_mark_zooms_to_it(self, show):
        """All charts show the stretch; Escape brings back the whole."""
        page = show(render_card(fake_record("marked")))
        hashes = "[...document.querySelectorAll('#charts canvas')].map(canvas => canvas.toDataURL())"
        whole = page.evaluate(hashes)
        page.evaluate("document.querySelector('#spans button').click()")
        page.settle()
        assert all(a != b for a, b in zip(whole, page.evaluate(hashes), strict=True))
        assert page.evaluate("document.getElementById('reset-zoom').hidden") is False
        page.evaluate("document.getElementById('charts').focus()")
        page.press("Escape")
        assert page.evaluate(hashes) == whole

    @browser_test
    def test_marks_are_drawn(self, show):
        """The charts of a step with marks are not those of the same step without."""
        record = fake_record("marked")
        hashes = "[...document.querySelectorAll('#charts canvas')].map(canvas => canvas.toDataURL())"
        with_marks = show(render_card(record)).evaluate(hashes)
        without = show(render_card(replace(record, spans=()))).evaluate(hashes)
        assert set(with_marks).isdisjoint(without)


class TestGrowing:
    def test_points_stay_where_they_are(self):
        """Rows are added to a long attempt, and the points that were drawn do not change; there are never too many."""
        process, _ = fake_frames(5000.0, 5000)
        started_at = process["timestamp"][0] - process["interval_s"][0]
        earlier = grid_of(process[:2000], started_at, steady=True).edges
        later = grid_of(process[:2047], started_at, steady=True).edges
        assert earlier[:-1] == later[: len(earlier) - 1] and len(later) > len(earlier)
        for rows in (601, 1201, 2048, 4097, 5000):
            assert MAX_POINTS / 2 - 2 < grid_of(process[:rows], started_at, steady=True).points <= MAX_POINTS

    def test_a_spike_is_in_every_update(self):
        """However coarse the points have become, the highest moment of memory is the true one."""
        record = fake_record("running_long")
        chart = next(chart for chart in card_data(record)["charts"] if chart["id"] == "memory")
        peak = next(series for series in chart["series"] if series["who"] == "peak")["data"]
        highest = max(unpacked(peak))
        assert highest == pytest.approx(max(record.process_metrics["memory_peak_kib"]) * 1024, rel=4.1e-4)

    def test_data_of_the_longest_step_are_small(self):
        """Ten days with a GPU and a hundred marks take less than 100 kB in each update."""
        marks = tuple(Span(label=f"epoch {i}", start_s=60.0 * i, end_s=60.0 * i + 59) for i in range(500))
        data = card_data(replace(fake_record("running_long"), spans=marks))
        assert len(json.dumps(data, separators=(",", ":"))) < 100_000


class TestCsv:
    pytestmark = in_browser

    def test_what_is_drawn_is_copied(self, show):
        """All moments and lines at first; of a stretch that is zoomed to, without a line that is hidden, only those."""
        record = fake_record("short")
        page = show(render_card(record))
        page.evaluate(CATCH_COPY)
        copy = "document.getElementById('csv-copy').click(), window.copied"
        rows = list(csv.DictReader(io.StringIO(page.evaluate(copy))))
        assert len(rows) == 10 and rows[0]["UTC"].startswith("2025-11-21T07:58:0")
        given = record.process_metrics
        assert float(rows[3]["CPU step (cores)"]) == pytest.approx(given["cpu_usage"][3], rel=1e-3)
        assert float(rows[3]["Memory step (bytes)"]) == pytest.approx(given["memory"][3] * 1024, rel=1e-3)
        page.evaluate("document.querySelector('[data-who=machine]').click()")
        page.evaluate("document.getElementById('charts').focus()")
        rows = list(csv.DictReader(io.StringIO(page.evaluate(copy))))
        assert not [name for name in rows[0] if "machine" in name]
        assert page.evaluate("document.getElementById('csv-copy').textContent") == "Copied"

    def test_a_mark_is_downloaded_as_a_file(self, show, tmp_path):
        """The file is named after step and start, and holds the moments in view."""
        page = show(render_card(fake_record("marked")))
        page.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        page.evaluate("[...document.querySelectorAll('#spans button')].find(b => b.textContent === 'save').click()")
        page.settle()
        page.evaluate("document.getElementById('csv-download').click()")
        wanted = tmp_path / "train-2025-11-21-07-58-00.csv"
        page.wait_until(wanted.is_file)
        page.requests = [request for request in page.requests if not request.startswith("blob:")]
        rows = list(csv.DictReader(wanted.read_text(encoding="utf-8").splitlines()))
        assert 30 < len(rows) < 45 and 1640 < float(rows[0]["seconds from"]) < 1660

    def test_a_formula_stays_text(self, show):
        """A spreadsheet computes nothing of what a hostile title says."""
        data = card_data(fake_record("short"))
        data["charts"][0]["title"] = '=cmd|"/c calc"'
        page = show(render_card(fake_record("first_run")))
        page.evaluate(CATCH_COPY)
        page.evaluate(f"window.metaflow_card_update({json.dumps(data)})")
        text = page.evaluate("document.getElementById('csv-copy').click(), window.copied")
        assert next(csv.reader(io.StringIO(text)))[3].startswith('\'=cmd|"/c calc" ')


@browser_test
def test_a_strict_policy_is_survived(show):
    """With the policy of a sandbox, and nothing but the page's own script and style allowed, charts are drawn."""
    policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
    report = """
    <script>
      const drawn = () => performance.getEntriesByName('charts-drawn').length;
      const report = () => drawn()
        ? parent.postMessage(document.querySelectorAll('canvas').length, '*') : requestAnimationFrame(report);
      report();
    </script>
    """
    card = render_card(fake_record("gpu")).replace("</body>", f"{report}</body>")
    strict = card.replace("<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{policy}">')
    frame = f'<iframe sandbox="allow-scripts" srcdoc="{html_module.escape(strict)}"></iframe>'
    listener = "<script>addEventListener('message', event => { window.heard = event.data; });</script>"
    page = show(f'<!doctype html><link rel="icon" href="data:,">{listener}{frame}')
    assert page.wait_for("window.heard") == 8
    page.requests = [request for request in page.requests if request != "about:srcdoc"]


def unpacked(packed):
    """The numbers of a packed series, as the page's script reads them."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    steps, number, place, values = 0, 0, 1, []
    for character in packed["d"].replace(".", ""):
        digit = digits.index(character)
        number, place = number + (digit & 31) * place, place * 32
        if not digit & 32:
            steps += -(number // 2) if number % 2 else number // 2
            values.append(steps * packed["q"])
            number, place = 0, 1
    return values


def test_cpu_now_is_not_told_by_one_tick():
    """A row that a mark ended after 20 ms may hold a tick of each thread: its cores say nothing, and top no peak."""
    record = fake_record("running")
    frame = record.process_metrics
    columns = {name: list(frame[name]) for name in frame.columns}
    columns["interval_s"][-1] = 0.02
    columns["cpu_usage"][-1] = 50.0
    tile = next(
        tile for tile in live_panel(replace(record, process_metrics=TinyDataFrame(columns))).tiles if tile.key == "cpu"
    )
    assert float(tile.now.split(NBSP)[0]) < 5
