"""Each core by itself in a real browser: opened, pointed at, read with the keyboard, zoomed and taken along."""

from __future__ import annotations

import csv
import io
import json

import pytest
from browser import CHROMIUM

from resource_tracker.frame import TinyDataFrame
from resource_tracker.report.model import card_data
from resource_tracker.report.render import render_card
from resource_tracker.testing import fake_record

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]

OPEN = "document.getElementById('cores').open = true"
MAP = "document.querySelector('.core-map')"
HASH = f"{MAP}.querySelector('canvas').toDataURL()"
READOUT = "document.getElementById('core-readout').textContent"
CURSOR = f"{MAP}.querySelector('.core-cursor').hidden"
CHARTS_SAY = "document.getElementById('readout').textContent"
COPIED = """
document.execCommand = () => { window.copied = window.getSelection().toString(); return true; };
document.getElementById('csv-copy').click(), window.copied
"""
# Of the middle of a line of the picture: colour of the pixel at a share of its width.
PIXEL = """
(() => {
  const canvas = document.querySelector('.core-map canvas'), lines = %d;
  const axis = 18 * devicePixelRatio;
  const y = ((canvas.height - axis) / lines) * (%d + 0.4);
  const copy = document.createElement('canvas');
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext('2d', {willReadFrequently: true});
  context.drawImage(canvas, 0, 0);
  return [...context.getImageData(canvas.width * %s, y, 1, 1).data];
})()
"""


# Notes what is written on canvases from now on.
NOTE_TEXTS = """
window.texts = [];
const draw = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  window.texts.push(text);
  return draw.call(this, text, ...rest);
};
"""


def place(page, line, lines, at):
    """Where on the screen a line of the picture is, at a share of its width."""
    box = page.evaluate(
        f"(() => {{ {MAP}.scrollIntoView({{block: 'center'}}); const r = {MAP}.getBoundingClientRect();"
        " return [r.x, r.y, r.width, r.height - 18]; })()"
    )
    return box[0] + box[2] * at, box[1] + box[3] * (line + 0.5) / lines


def of_four_cores(row_s=36.0):
    """An hour, or 100 rows as long: core 1 was busy in its second half, core 6 unknown, and others did nothing."""
    record = fake_record("hour")
    stamps = [record.started_at + row_s * (row + 1) for row in range(100)]
    half = [0.0] * 50
    busy, unknown = [*half, *[1.0] * 50], [*half, *[float("nan")] * 50]
    columns = {"core0": half * 2, "core1": busy, "core5": half * 2, "core6": unknown}
    return fake_record(
        "hour", core_metrics=TinyDataFrame({"timestamp": stamps, "interval_s": [row_s] * 100, **columns})
    )


@pytest.mark.parametrize(("width", "dark"), [(810, False), (360, True)])
def test_it_is_opened_and_pointed_at(show, width, dark):
    """Closed at first; open, a busy core is drawn dark, an unknown one not at all, and all cursors are one."""
    page = show(render_card(of_four_cores()), width=width, dark=dark)
    assert page.evaluate("document.getElementById('cores').open") is False
    page.evaluate(OPEN)
    page.settle()
    blue, idle, unknown = (page.evaluate(PIXEL % (4, line, 0.8)) for line in (1, 0, 3))
    assert (blue[:3], idle[3], unknown[3]) == ([88, 174, 242] if dark else [15, 108, 184], 255, 0)
    assert page.evaluate(PIXEL % (4, 1, 0.3)) == idle
    page.mouse("mouseMoved", *place(page, 1, 4, 0.8))
    page.settle()
    assert page.evaluate(READOUT).startswith("core 1: 100 %, ")
    assert page.evaluate(CURSOR) is False and "after start" in page.evaluate(CHARTS_SAY)
    page.mouse("mouseMoved", *place(page, 3, 4, 0.8))
    page.settle()
    assert page.evaluate(READOUT).startswith("core 6: not known, ")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.mouse("mouseMoved", 5, 5)
    page.settle()
    assert (page.evaluate(READOUT), page.evaluate(CURSOR)) == ("", True)


def test_keyboard_and_table(show):
    """Arrow keys read values, the cursor of the charts moves along and back; the table has mean and busiest moment."""
    page = show(render_card(of_four_cores()))
    page.evaluate(OPEN)
    page.evaluate(f"{MAP}.focus()")
    for key in ("End", "ArrowDown"):
        page.call("Input.dispatchKeyEvent", type="keyDown", key=key)
    assert page.evaluate(READOUT).startswith("core 1: 100 %, ")
    page.evaluate("document.getElementById('charts').focus()")
    page.press("Home")
    assert (page.evaluate(READOUT), page.evaluate(CURSOR)) == ("", False)
    cells = "[...row.children].map(cell => cell.textContent)"
    rows = f"[...document.querySelectorAll('#cores tbody tr')].map(row => {cells})"
    table = [[cell.replace("\u00a0", " ") for cell in row] for row in page.evaluate(rows)]
    assert table[1] == ["1", "50 %", "100 % after 30 min"]
    assert [row[0] for row in table] == ["0", "1", "5", "6"]


@pytest.mark.parametrize(
    ("row_s", "width", "times"),
    [
        (36.0, 810, [f"{minutes} min" for minutes in range(10, 61, 10)]),
        (36.0, 360, [f"{minutes} min" for minutes in range(15, 61, 15)]),
        (72.0, 810, [f"{minutes} min" for minutes in range(15, 121, 15)]),  # not "0.25 h"
        (108.0, 810, ["0.5 h", "1 h", "1.5 h", "2 h", "2.5 h", "3 h"]),
        (0.3733, 810, [f"{seconds} s" for seconds in range(5, 40, 5)]),
    ],
)
def test_its_times_are_round(show, row_s, width, times):
    """Its axis has round times in one unit, as the charts have; none where nothing is, such as at the very end."""
    page = show(render_card(of_four_cores(row_s)), width=width)
    page.evaluate(NOTE_TEXTS)
    page.evaluate(OPEN)
    page.settle()
    texts = [text.replace("\u00a0", " ") for text in page.evaluate("window.texts")]
    assert texts[-len(times) - 5 :] == ["0", "1", "5", "6", "0", *times]


def test_it_follows_the_zoom(show):
    """A stretch that the charts zoom to is the one that is drawn; Escape brings back the whole."""
    page = show(render_card(fake_record("marked")))
    page.evaluate(OPEN)
    page.settle()
    whole = page.evaluate(HASH)
    page.evaluate("document.querySelector('#spans button').click()")
    page.settle()
    assert page.evaluate(HASH) != whole
    page.evaluate("document.getElementById('charts').focus()")
    page.press("Escape")
    page.settle()
    assert page.evaluate(HASH) == whole


def test_what_is_drawn_is_in_the_file(show):
    """Cores are columns of the CSV file while they are to be seen, with nothing where nothing is known."""
    page = show(render_card(of_four_cores()))
    assert not any(name.startswith("Core ") for name in next(csv.reader(io.StringIO(page.evaluate(COPIED)))))
    page.evaluate(OPEN)
    rows = list(csv.DictReader(io.StringIO(page.evaluate(COPIED))))
    cores = [name for name in rows[0] if name.startswith("Core ")]
    assert cores == [f"Core {core} (share)" for core in (0, 1, 5, 6)]
    assert [rows[0][name] for name in cores] == ["0", "0", "0", "0"]
    assert [rows[-1][name] for name in cores] == ["0", "1", "0", ""]


def running_for(seconds, cores=4):
    """A step that has run so long so far, and whose core 1 is the busy one."""
    record = fake_record("running")
    rows = [record.started_at + row + 1 for row in range(seconds)]
    shares = {f"core{core}": [float(core == 1)] * seconds for core in range(cores)}
    frame = TinyDataFrame({"timestamp": rows, "interval_s": [1.0] * seconds, **shares} if seconds else {})
    return fake_record("running", core_metrics=frame)


@pytest.mark.parametrize("width", [810, 360])
def test_it_grows_while_the_step_runs(show, width):
    """Not there before anything is known; then each update adds to what is open, and what is read or zoomed stays."""
    page = show(render_card(running_for(0), reload_token="live"), width=width)
    page.settle()
    shown = "document.getElementById('cores').getClientRects().length > 0"
    assert page.evaluate(shown) is False
    update = "window.metaflow_card_update(%s)"
    assert page.evaluate(update % json.dumps(card_data(running_for(20)))) is True
    page.wait_for(f"{shown} && document.querySelectorAll('#cores tbody tr').length == 4")
    summary = "document.querySelector('#cores summary').textContent"
    assert "core 1 was the busiest, for 100\u00a0% of the time" in page.evaluate(summary)
    page.evaluate(OPEN)
    page.settle()
    assert page.evaluate(PIXEL % (4, 1, 0.8))[:3] == [15, 108, 184]
    page.mouse("mouseMoved", *place(page, 1, 4, 0.5))
    page.settle()
    before, drawn = page.evaluate(READOUT), page.evaluate(HASH)
    assert before.startswith("core 1: 100 %, ")
    page.evaluate("window.words = document.querySelector('#cores tbody td').firstChild")
    page.evaluate(update % json.dumps(card_data(running_for(60))))
    page.settle()
    assert page.evaluate(READOUT).startswith("core 1: 100 %, ")
    assert page.evaluate(READOUT) != before  # the pointer stays where it is, the picture grows below it
    assert page.evaluate(HASH) != drawn
    assert page.evaluate("window.words === document.querySelector('#cores tbody td').firstChild") is True
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(update % json.dumps(card_data(running_for(60, cores=3))))
    page.settle()
    assert page.evaluate("document.querySelectorAll('#cores tbody tr').length") == 3


def test_colours_follow_the_scheme(show):
    """Drawn again where the reader's scheme changes, and in light colours for paper."""
    page = show(render_card(fake_record("many_cores")), dark=True)
    page.evaluate(OPEN)
    page.settle()
    dark = page.evaluate(HASH)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(HASH) != dark
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    page.emulate(dark=False)
    page.settle()
    assert page.evaluate(HASH) != dark
