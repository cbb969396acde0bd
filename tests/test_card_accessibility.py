"""All pages for everybody: axe-core finds nothing, nothing moves, everything is reached with the keyboard."""

from __future__ import annotations

import pytest
from browser import AXE, CHROMIUM

from resource_tracker.catalog import load_bundled
from resource_tracker.report.render import render_card, render_review
from resource_tracker.review import build_review
from resource_tracker.testing import fake_record, fake_run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]

SHOWN = ("running_long", "hostile")
OPEN_ALL = "document.querySelectorAll('details').forEach(part => { part.open = true; })"
AUDIT = """
axe.run(document).then(found => [
  found.passes.length,
  found.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.target} ${node.failureSummary}`)),
])
"""
SHIFTS = """
new Promise(done => {
  const found = [];
  const name = node => node && (node.id || node.className || node.nodeName);
  new PerformanceObserver(list => {
    for (const shift of list.getEntries()) found.push(shift.sources.map(source => name(source.node)).join());
  }).observe({type: 'layout-shift', buffered: true});
  requestAnimationFrame(() => requestAnimationFrame(() => done(found)));
})
"""


def pages() -> dict[str, str]:
    found = {situation: render_card(fake_record(situation)) for situation in SHOWN}
    review = build_review(fake_run(12, fails=True), catalog=load_bundled())
    return {**found, "review": render_review(review)}


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: python scripts/frontend_tools.py")
@pytest.mark.parametrize(("width", "dark"), [(810, False), (360, True)])
def test_axe_finds_nothing(show, width, dark):
    """No page breaks a rule of axe-core: names, roles, contrast, order of headings, landmarks, size of targets."""
    faults = {}
    for name, html in pages().items():
        page = show(html, width=width, dark=dark)
        page.evaluate(OPEN_ALL)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        passed, violations = page.evaluate(AUDIT)
        assert passed > 10, name
        if violations:
            faults[name] = violations
    assert faults == {}


@pytest.mark.parametrize("width", [360, 810])
def test_nothing_moves(show, width):
    """Charts and buttons find their room as they are drawn, and the figures under the cursor find theirs."""
    page = show(render_card(fake_record("oom")), width=width)
    assert page.evaluate(SHIFTS) == []
    height = page.evaluate("document.body.scrollHeight")
    page.evaluate("document.getElementById('charts').focus()")
    page.press("Home")
    assert page.evaluate("document.getElementById('readout').textContent") != ""
    assert page.evaluate("document.body.scrollHeight") == height


def test_type_is_large_enough(show):
    """No text is smaller than 11 px, on a projector none smaller than 14."""
    smallest = """
    Math.min(...[...document.querySelectorAll('main *')]
      .filter(e => [...e.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
      .map(e => Number.parseFloat(getComputedStyle(e).fontSize)).filter(size => size))
    """
    html = render_card(fake_record("gpus"))
    assert show(html, width=360).evaluate(smallest) >= 11
    assert show(html, width=1920).evaluate(smallest) >= 14


def test_every_control_is_reached_with_the_keyboard(show):
    """Tab visits the line to paste, the legend, the charts, CSV buttons, cores, each mark and GPUs, in that order."""
    spans = fake_record("marked").spans
    page = show(render_card(fake_record("gpu", spans=spans)))
    visited = []
    for _ in range(40):
        page.press("Tab")
        name = page.evaluate("(e => e.id || e.dataset.who || e.dataset.from || e.nodeName)(document.activeElement)")
        if name == "BODY" or (visited and name == visited[0]):
            break
        visited.append(name)
    assert visited[:8] == ["advice-code", "copy", "step", "peak", "machine", "charts", "csv-download", "csv-copy"]
    assert visited[8:10] == ["SUMMARY", "spans"]
    assert [float(name) for name in visited[10:16]] == sorted(span.start_s for span in spans)
    assert visited[16:] == ["SUMMARY"]
