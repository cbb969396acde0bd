"""The card in a real browser: what is drawn, what answers to the reader, and what it never does."""

from __future__ import annotations

import html as html_module
import json
import re

import pytest
from browser import CHROMIUM

from resource_tracker.dataclass import replace
from resource_tracker.frame import TinyDataFrame
from resource_tracker.report.model import card_data
from resource_tracker.report.render import render_card, render_error
from resource_tracker.report_file import Report
from resource_tracker.testing import HOSTILE, fake_record

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]

SHOWN = ("tiny", "short", "hour", "day", "gpu", "failed", "untracked", "no_history", "assumed_region", "hostile")
INK = """
(() => [...document.querySelectorAll('#charts canvas')].map(canvas => {
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let blue = 0, any = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 60) any++;
    if (data[i + 3] > 60 && data[i + 2] > data[i] + 60) blue++;
  }
  return [any, blue];
}))()
"""
HASHES = "[...document.querySelectorAll('#charts canvas')].map(canvas => canvas.toDataURL())"
TITLES = "[...document.querySelectorAll('#charts .chart-title')].map(title => title.textContent)"
VALUES = "[...document.querySelectorAll('.chart .values')].map(values => values.textContent)"
READOUT = "document.getElementById('readout').textContent"
RESET_HIDDEN = "document.getElementById('reset-zoom').hidden"


def plot_area(page, index=0):
    """x, y, width and height of a plot, in view."""
    script = f"""
    (() => {{
      const over = document.querySelectorAll('.u-over')[{index}];
      over.scrollIntoView({{block: 'center'}});
      const {{x, y, width, height}} = over.getBoundingClientRect();
      return [x, y, width, height];
    }})()
    """
    return page.evaluate(script)


@pytest.mark.parametrize("situation", SHOWN)
def test_charts_are_drawn(show, situation):
    """Every chart has ink, the step's line among it, and the page neither says nor requests anything."""
    page = show(render_card(fake_record(situation)))
    charts = card_data(fake_record(situation))["charts"]
    inks = page.evaluate(INK)
    assert page.evaluate(TITLES) == [chart["title"] for chart in charts]
    for chart, (any_ink, blue) in zip(charts, inks, strict=True):
        assert any_ink > 500, chart["id"]
        if any(series["who"] == "step" for series in chart["series"]):
            assert blue > 50, chart["id"]


def test_cpu_time_that_no_row_saw(show):
    """A step may end before the kernel's clock ticks: no chart says that it used no CPU."""
    record = fake_record("tiny")
    frame = TinyDataFrame({name: record.process_metrics[name] for name in record.process_metrics.columns})
    frame["cpu_usage"] = [0.0] * len(frame)
    page = show(render_card(replace(record, process_metrics=frame)))
    assert page.evaluate(VALUES) == ["", "max 81.6\u00a0MB"]


def test_the_page_does_not_wait_for_its_charts(show):
    """What charts need, such as the formats of the reader's language, is asked for when the rest of the page works."""
    watch = """
    const format = Intl.NumberFormat;
    window.asked = [];
    Intl.NumberFormat = function (...given) {
      window.asked.push(typeof window.metaflow_card_update);
      return new format(...given);
    };
    """
    page = show(render_card(fake_record("short")), before=watch)
    assert page.evaluate("window.asked[0]") == "function"


def test_a_page_without_frames_is_complete(show):
    """What waits for the first paint does not wait for ever where nobody looks, as in a tab behind others."""
    blind = """
    const frame = window.requestAnimationFrame;
    window.requestAnimationFrame = () => 0;
    addEventListener("load", () => { window.requestAnimationFrame = frame; });
    """
    page = show(render_card(fake_record("gpu")), before=blind)
    page.wait_for("performance.getEntriesByName('charts-drawn').length")
    seen = "[...document.querySelectorAll('section')].map(part => getComputedStyle(part).visibility)"
    assert set(page.evaluate(seen)) == {"visible"}


def test_error_page_is_quiet(show):
    """The page for an unreadable artifact is a page like the others."""
    page = show(render_error("Not ours", f"version 99 {HOSTILE}"))
    assert HOSTILE in page.evaluate("document.body.innerText")


def test_hostile_names_do_nothing(show):
    """Names that try to run a script are seen as text, in the page and in what the script writes."""
    data = card_data(fake_record("hostile"))
    data["charts"][0]["title"] = data["charts"][0]["lines"][0]["label"] = HOSTILE
    data["texts"]["duration"] = HOSTILE
    frames = {"process_metrics": TinyDataFrame(), "system_metrics": TinyDataFrame()}
    page = show(render_card(fake_record("hostile", **frames)))
    page.evaluate(f"window.metaflow_card_update({json.dumps(data)})")
    page.settle()
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert page.evaluate(TITLES)[0] == HOSTILE
    assert page.evaluate("document.querySelector('[data-text=duration]').textContent") == HOSTILE


@pytest.mark.parametrize("width", [360, 641, 810, 1440])
@pytest.mark.parametrize("situation", ["gpu", "tiny", "hostile", "untracked"])
def test_nothing_is_wider_than_the_page(show, situation, width):
    """No sideways scrolling, from a telephone to a full screen, and no text that leaves its place."""
    page = show(render_card(fake_record(situation)), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = """
    [...document.querySelectorAll('.figures dd, .figures dt, .totals dd, .facts dd, .money dd, figcaption, td, th')]
      .filter(e => e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1).map(e => e.className + ': ' + e.textContent)
    """
    assert page.evaluate(cut) == []


@pytest.mark.parametrize("width", [360, 810, 1440])
@pytest.mark.parametrize("situation", ["gpu", "tiny", "short", "day"])
def test_labels_of_a_scale_do_not_collide(show, situation, width):
    """Neither the ticks nor the figures of a scale touch one another."""
    page = show(render_card(fake_record(situation)), width=width)
    touching = """
    (() => {
      const boxes = selector => [...document.querySelectorAll('.scale:not([hidden])')].map(scale =>
        [...scale.querySelectorAll(selector)].map(e => {
          const range = document.createRange(); range.selectNodeContents(e);
          return range.getBoundingClientRect();
        }).filter(box => box.width));
      const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
      return ['.ticks span', '.figures dd'].flatMap(boxes)
        .flatMap(row => row.flatMap((a, i) => row.slice(i + 1).filter(b => meet(a, b)))).length;
    })()
    """
    assert page.evaluate(touching) == 0


def test_height_follows_the_content(show):
    """The frame around the card takes its height from the body, which must not take its own from the frame."""
    low = show(render_card(fake_record("hour")), height=300).evaluate("document.body.scrollHeight")
    high = show(render_card(fake_record("hour")), height=3000).evaluate("document.body.scrollHeight")
    assert low == high < 2500


def test_dark_and_light(show):
    """The page follows the reader's scheme, also when it changes, and the charts are drawn again with it."""
    page = show(render_card(fake_record("short")))
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    light = page.evaluate(HASHES)
    page.emulate(dark=True)
    page.settle()
    assert page.evaluate(paper) == "rgb(16, 20, 24)"
    assert all(before != after for before, after in zip(light, page.evaluate(HASHES), strict=True))


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read(show, dark):
    """Every colour of text has a contrast of at least 4.5 to 1, as WCAG AA asks for."""
    page = show(render_card(fake_record("failed")), dark=dark)
    contrast = """
    ['--ink', '--ink-2', '--ink-3', '--limit'].map(name => [name, '--paper'])
      .concat(['--advice', '--bad', '--live'].map(name => [name, name + '-wash']), [['--ink-3', '--wash']])
      .map(pair => {
        const [one, other] = pair.map(name => {
          const probe = document.body.appendChild(document.createElement('i'));
          probe.style.color = `var(${name})`;
          const parts = getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3).map(v => {
            const c = v / 255;
            return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
          });
          probe.remove();
          return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        }).sort((a, b) => b - a);
        return [pair.join(' on '), (one + 0.05) / (other + 0.05)];
      }).filter(([, ratio]) => ratio < 4.5)
    """
    assert page.evaluate(contrast) == []


def test_one_cursor_for_all_charts(show):
    """Pointing at one chart reads all of them at that moment; leaving it shows the highest values again."""
    page = show(render_card(fake_record("short")))
    idle = page.evaluate(VALUES)
    assert all(text.startswith("max ") for text in idle)
    x, y, width, height = plot_area(page)
    page.mouse("mouseMoved", x + width / 2, y + height / 2)
    page.settle()
    assert re.fullmatch(
        r"(4|5)(\.\d)? s after start, \d\d:\d\d:\d\d UTC", page.evaluate(READOUT).replace("\u00a0", " ")
    )
    assert not any(text.startswith("max ") for text in page.evaluate(VALUES))
    lines = "[...document.querySelectorAll('.u-cursor-x')].map(line => line.getBoundingClientRect())"
    offsets = page.evaluate(
        f"{lines}.map((box, i) => box.x - document.querySelectorAll('.u-over')[i].getBoundingClientRect().x)"
    )
    assert max(offsets) - min(offsets) <= 1.5
    page.mouse("mouseMoved", 2, 2)
    page.settle()
    assert page.evaluate(VALUES) == idle
    assert page.evaluate(READOUT) == ""


def test_dragging_zooms_all_charts(show):
    """A stretch drawn in one chart is what all of them show, until a double click or the button ends it."""
    page = show(render_card(fake_record("hour")))
    whole = page.evaluate(HASHES)
    x, y, width, height = plot_area(page, 2)
    middle = y + height / 2
    page.drag((x + width * 0.3, middle), (x + width * 0.5, middle))
    zoomed = page.evaluate(HASHES)
    assert all(before != after for before, after in zip(whole, zoomed, strict=True))
    assert page.evaluate(RESET_HIDDEN) is False
    page.evaluate("document.getElementById('reset-zoom').click()")
    page.settle()
    assert page.evaluate(HASHES) == whole
    assert page.evaluate(RESET_HIDDEN) is True
    page.drag((x + width * 0.3, middle), (x + width * 0.5, middle))
    for clicks in (1, 2):
        page.mouse("mousePressed", x + width / 2, middle, clicks=clicks)
        page.mouse("mouseReleased", x + width / 2, middle, clicks=clicks)
    page.settle()
    assert page.evaluate(RESET_HIDDEN) is True


def test_keyboard_moves_the_cursor_and_resets_the_zoom(show):
    """Arrows read values row by row, Home and End jump, Escape resets, and Tab gets there."""
    page = show(render_card(fake_record("short")))
    page.evaluate("document.querySelector('[data-who=machine]').focus()")
    page.press("Tab")
    assert page.evaluate("document.activeElement.id") == "charts"
    page.press("Home")
    start = page.evaluate(READOUT)
    page.press("ArrowRight")
    page.press("ArrowRight")
    assert page.evaluate(READOUT).startswith("2\u00a0s after start") or page.evaluate(READOUT).startswith("1.98")
    page.press("ArrowLeft")
    page.press("ArrowLeft")
    assert page.evaluate(READOUT) == start
    page.press("ArrowRight", shift=True)
    page.press("End")
    assert page.evaluate(READOUT).startswith("9.9\u00a0s after start")
    x, y, width, height = plot_area(page)
    page.drag((x + width * 0.3, y + height / 2), (x + width * 0.7, y + height / 2))
    assert page.evaluate(RESET_HIDDEN) is False
    page.evaluate("document.getElementById('charts').focus()")
    page.press("Escape")
    assert page.evaluate(RESET_HIDDEN) is True


def test_legend_hides_and_shows_lines(show):
    """A name in the legend takes its lines out of all charts, and brings them back."""
    page = show(render_card(fake_record("short")))
    before = page.evaluate(HASHES)
    button = "document.querySelector('[data-who=step]')"
    page.evaluate(f"{button}.click()")
    page.settle()
    assert page.evaluate(f"{button}.getAttribute('aria-pressed')") == "false"
    step_charts = slice(0, 4)
    assert all(blue < 50 for _, blue in page.evaluate(INK)[2:4])
    assert all(a != b for a, b in zip(before[step_charts], page.evaluate(HASHES)[step_charts], strict=True))
    page.evaluate(f"{button}.click()")
    page.settle()
    assert page.evaluate(HASHES) == before


def test_copy_button(show):
    """The advice is selected and copied; where the browser forbids that, the button says how to."""
    record = fake_record("hour")
    page = show(render_card(record))
    page.evaluate("document.getElementById('copy').click()")
    page.settle()
    assert page.evaluate("getSelection().toString()") == record.recommendation.as_text()
    assert page.evaluate("document.getElementById('copy').textContent") in ("Copied", "Press Ctrl+C")


def test_live_update_redraws_in_place(show):
    """New data change figures, scales and charts without a new page, and keep what the reader has zoomed to."""
    early, late = fake_record("tiny"), fake_record("running")
    page = show(render_card(early, reload_token="t1"))
    assert page.evaluate("window.METAFLOW_RELOAD_TOKEN") == "t1"
    page.evaluate("window.stayed = true")
    before = page.evaluate(HASHES)
    peak = "document.querySelector('[data-scale=memory] .mark.peak').style.getPropertyValue('--at')"
    narrow = page.evaluate(peak)
    assert page.evaluate(f"window.metaflow_card_update({json.dumps(card_data(late))})") is True
    page.settle()
    assert page.evaluate("window.stayed") is True
    assert page.evaluate("document.querySelector('[data-text=duration]').textContent") == "1\u00a0min 35\u00a0s"
    assert page.evaluate("document.getElementById('badge').dataset.tone") == "live"
    assert page.evaluate(peak) != narrow
    assert (
        page.evaluate("document.querySelector('[data-scale=memory] [data-figure=peak]').textContent") == "3.10\u00a0GB"
    )
    after = page.evaluate(HASHES)
    assert set(before).isdisjoint(after) and len(after) > len(before)
    assert page.evaluate("document.querySelector('.quiet').textContent") == ""
    fresh = show(render_card(late))
    assert fresh.evaluate(HASHES) == after


@pytest.mark.parametrize("data", ["null", "undefined", "{}", '{"v": 99}'])
def test_live_update_refuses_what_it_does_not_know(show, data):
    """Data of another version, or none, leave the page as it is."""
    page = show(render_card(fake_record("short")))
    before = page.evaluate(HASHES)
    assert page.evaluate(f"window.metaflow_card_update({data})") is False
    page.settle()
    assert page.evaluate(HASHES) == before


def test_live_update_keeps_the_zoom(show):
    """Who looks at a stretch of a live card goes on looking at it."""
    page = show(render_card(fake_record("first_run")))
    x, y, width, height = plot_area(page)
    page.drag((x + width * 0.3, y + height / 2), (x + width * 0.5, y + height / 2))
    zoomed = page.evaluate(HASHES)
    page.evaluate(f"window.metaflow_card_update({json.dumps(card_data(fake_record('first_run')))})")
    page.settle()
    assert page.evaluate(RESET_HIDDEN) is False
    assert page.evaluate(HASHES) == zoomed


def so_far(record, rows):
    """A running step after so many rows."""
    frames = {"process_metrics": record.process_metrics[:rows], "system_metrics": record.system_metrics[:rows]}
    return card_data(replace(record, **frames))


def updated(page, data):
    """What an update did to the charts: points in all, how many of them stayed as they were, charts drawn again."""
    page.evaluate(
        "document.getElementById('charts').addEventListener('updated', e => { window.done = e.detail; }, {once: true})"
    )
    page.evaluate(f"window.metaflow_card_update({json.dumps(data)})")
    page.settle()
    return page.evaluate("window.done")


def test_live_update_adds_what_is_new(show):
    """Points that were drawn stay, new ones are added; what says the same, or is out of view, is not drawn again."""
    record = fake_record("running")
    page = show(render_card(record, data=so_far(record, 70)))
    charts = len(page.evaluate(TITLES))
    assert updated(page, so_far(record, 70)) == {"points": 71, "kept": 71, "drawn": 0}
    assert updated(page, so_far(record, 75)) == {"points": 76, "kept": 71, "drawn": charts}
    assert updated(page, so_far(record, 85)) == {"points": 86, "kept": 76, "drawn": charts}
    assert page.evaluate(HASHES) == show(render_card(record, data=so_far(record, 85))).evaluate(HASHES)
    page.call("Page.bringToFront")  # a page behind another one is drawn when Chromium gets round to it
    x, y, width, height = plot_area(page)
    page.drag((x + width * 0.3, y + height / 2), (x + width * 0.5, y + height / 2))
    zoomed = page.evaluate(HASHES)
    assert updated(page, so_far(record, 87)) == {"points": 88, "kept": 86, "drawn": 0}
    assert page.evaluate(HASHES) == zoomed
    assert updated(page, so_far(record, 30))["drawn"] == charts


def test_live_update_replaces_what_has_merged(show):
    """Where neighbours have become one, their points are drawn anew, as on a page that is opened then."""
    record = fake_record("running_long")
    few, many = so_far(record, 1500), so_far(record, 2048)
    page = show(render_card(record, data=few))
    assert updated(page, many)["kept"] < 10
    assert page.evaluate(HASHES) == show(render_card(record, data=many)).evaluate(HASHES)


def test_live_update_keeps_what_is_read(show):
    """Who reads a moment with the keys goes on reading it; with the mouse, what comes to stand under it."""
    record = fake_record("running")
    page = show(render_card(record, data=so_far(record, 60)))
    page.evaluate("document.getElementById('charts').focus()")
    page.press("Home")
    for _ in range(3):
        page.press("ArrowRight", shift=True)
    read = page.evaluate(READOUT), page.evaluate(VALUES)
    assert read[0].startswith("30")
    updated(page, so_far(record, 85))
    assert (page.evaluate(READOUT), page.evaluate(VALUES)) == read
    x, y, width, height = plot_area(page)
    page.mouse("mouseMoved", x + width / 2, y + height / 2)
    page.settle()
    assert page.evaluate(READOUT).startswith("4")
    updated(page, so_far(record, 40))
    assert page.evaluate(READOUT).startswith("20")


def test_live_update_of_a_page_without_charts(show):
    """A card that was first written before the first row gets its charts with the first update."""
    record = fake_record("running")
    page = show(render_card(fake_record("running", process_metrics=TinyDataFrame(), system_metrics=TinyDataFrame())))
    assert page.evaluate(TITLES) == []
    page.evaluate(f"window.metaflow_card_update({json.dumps(card_data(record))})")
    page.settle()
    assert len(page.evaluate(TITLES)) == 6
    assert all(any_ink > 500 for any_ink, _ in page.evaluate(INK))


def test_in_a_sandboxed_frame(show):
    """Inside a frame like the Metaflow UI's, with no origin of its own, the card draws, updates and copies the same."""
    report = """
    <script>
      const report = () => {
        if (!performance.getEntriesByName('charts-drawn').length) return requestAnimationFrame(report);
        document.getElementById('copy').click();
        parent.postMessage({
          origin: self.origin, height: document.body.scrollHeight, charts: document.querySelectorAll('canvas').length,
          updated: window.metaflow_card_update(JSON.parse(document.getElementById('card-data').textContent)),
          selected: getSelection().toString(), width: document.documentElement.scrollWidth,
        }, '*');
      };
      report();
    </script>
    """
    record = fake_record("hour")
    card = html_module.escape(render_card(record) + report)
    listener = "<script>addEventListener('message', event => { window.heard = event.data; });</script>"
    frame = f'<iframe sandbox="allow-scripts" style="width:810px;border:0" srcdoc="{card}"></iframe>'
    page = show(f'<!doctype html><link rel="icon" href="data:,">{listener}{frame}', width=860)
    page.requests = [request for request in page.requests if request != "about:srcdoc"]
    heard = page.wait_for("window.heard")
    assert heard == {
        "origin": "null",
        "height": heard["height"],
        "charts": 6,
        "updated": True,
        "selected": record.recommendation.as_text(),
        "width": 810,
    }
    assert 1500 < heard["height"] < 2500


def test_in_a_notebook_the_frame_is_as_high_as_its_page(show):
    """No scroll bar within the notebook's: each frame takes the height of its own card, also when its width changes."""
    shown = [Report(fake_record(situation))._repr_html_() for situation in ("hour", "tiny")]
    page = show(f'<!doctype html><link rel="icon" href="data:,"><body>{"".join(shown)}</body>', width=900)
    heights = "[...document.querySelectorAll('iframe')].map(frame => frame.clientHeight)"
    wide = page.wait_for(f"{heights}.every(height => height !== 1200) && {heights}")
    assert 1500 < wide[0] < 2500 and 1000 < wide[1] < wide[0]
    page.resize(400)
    narrow = page.wait_for(f"{heights}[0] > {wide[0]} + 300 && {heights}")
    page.resize(900)
    assert page.wait_for(f"{heights}[0] === {wide[0]}") and narrow[0] > wide[0]
    page.requests = [request for request in page.requests if request != "about:srcdoc"]


@pytest.mark.parametrize("situation", ["gpus", "oom", "marked", "untracked"])
def test_prints_on_one_page(show, situation):
    """Paper holds the whole card on one page, of A4 as of Letter, in light colours also for readers of the dark one."""
    page = show(render_card(fake_record(situation)), dark=True)
    before = page.evaluate("document.body.scrollHeight")
    for height in (11.69, 11.0):
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(height=height))) == 1
    page.settle()
    root = "document.documentElement"
    assert page.evaluate(f"[{root}.className, {root}.style.fontSize, document.body.scrollHeight]") == ["", "", before]


def test_charts_and_scales_name_a_figure_alike(show):
    """3.10 GB beside the scale is not 3.1 GB above its chart."""
    page = show(render_card(fake_record("running")))
    titles = page.evaluate("[...document.querySelectorAll('.chart figcaption')].map(title => title.innerText)")
    assert any("max 3.10\N{NO-BREAK SPACE}GB" in title for title in titles)
    assert "3.10\N{NO-BREAK SPACE}GB" in page.evaluate("document.querySelector('.scales').innerText")


def test_a_card_with_everything_prints_on_one_page(show):
    """Eight GPUs, marks, a death and the attempt before it: paper leaves out what matters least."""
    oom, marked = fake_record("oom"), fake_record("marked")
    record = replace(
        fake_record("gpus"),
        spans=marked.spans,
        ending=oom.ending,
        attempt_before=oom.attempt_before,
        outcome=oom.outcome,
    )
    page = show(render_card(record))
    for height in (11.69, 11.0):
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(height=height))) == 1
    page.settle()
    assert page.evaluate("document.documentElement.className") == ""


def test_without_javascript_all_figures_are_there(show):
    """Whoever runs no scripts reads every figure; only the charts are missing, and the page says so."""
    page = show("<!doctype html><link rel=icon href=data:,>")
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    record = fake_record("hour")
    html = re.sub(r"<script\b.*?</script>", "", render_card(record), flags=re.S)
    frame = page.call("Page.getFrameTree")["frameTree"]["frame"]["id"]
    page.call("Page.setDocumentContent", frameId=frame, html=html)
    text = page.evaluate("document.body.innerText")
    page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert record.recommendation.as_text() in text and "need JavaScript" in text
