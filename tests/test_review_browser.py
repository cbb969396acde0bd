"""The cost review in a real browser: drawn, quiet, within its width, readable in both schemes, copied from, printed."""

from __future__ import annotations

import re

import pytest
from browser import CHROMIUM

from resource_tracker.catalog import load_bundled
from resource_tracker.report.render import render_review
from resource_tracker.review import build_review
from resource_tracker.testing import HOSTILE, fake_run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]

SITUATIONS = {
    "three": {"siblings": 3},
    "thousand": {"siblings": 1000},
    "failed": {"siblings": 12, "fails": True},
    "local": {"siblings": 40, "known_machines": False},
    "hostile": {"siblings": 3, "step": HOSTILE},
}
OPEN_ALL = "document.querySelectorAll('details').forEach(part => { part.open = true; })"


def page_of(situation: str) -> str:
    about = SITUATIONS[situation]
    runs = [fake_run(days_ago=ago, **about) for ago in range(3)]  # type: ignore[arg-type]
    return render_review(
        build_review(runs[0], catalog=load_bundled(), earlier=runs[1:], run_starts=[0.0, 86400.0, 172800.0])
    )


@pytest.mark.parametrize("situation", SITUATIONS)
def test_every_step_is_drawn(show, situation):
    """Each step has a lane with bars of its own, as wide as the axis, and the page says nothing."""
    page = show(page_of(situation))
    bars = "[...document.querySelectorAll('.lane svg')].map(svg => svg.querySelectorAll('path:not(.grid)').length)"
    widths = "[...document.querySelectorAll('.lane svg')].map(svg => Math.round(svg.getBoundingClientRect().width))"
    axis = "Math.round(document.querySelector('.axis').getBoundingClientRect().width)"
    assert len(page.evaluate(bars)) == (4 if situation == "failed" else 5) and min(page.evaluate(bars)) >= 1
    assert set(page.evaluate(widths)) == {page.evaluate(axis)} and page.evaluate(axis) > 300
    coloured = "getComputedStyle(document.querySelector('.lane path.ok')).stroke"
    assert page.evaluate(coloured) == "rgb(15, 108, 184)"


@pytest.mark.parametrize("width", [360, 641, 810, 1440])
@pytest.mark.parametrize("situation", ["three", "thousand", "failed", "hostile"])
def test_nothing_is_wider_than_the_page(show, situation, width):
    """No sideways scrolling and no text that leaves its place, also with every step opened."""
    page = show(page_of(situation), width=width)
    page.evaluate(OPEN_ALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = """
    [...document.querySelectorAll('td:not(.span):not(.bar), th, dd, .num, .lane-name')]
      .filter(e => e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1).map(e => e.className + ': ' + e.textContent)
    """
    assert page.evaluate(cut) == []


@pytest.mark.parametrize("width", [360, 810])
def test_parts_of_a_bar_are_all_seen(show, width):
    """Used, idle and unused parts add up to the dearest task's whole bar."""
    page = show(page_of("three"), width=width)
    page.evaluate(OPEN_ALL)
    share = """
    [...document.querySelectorAll('.tasks')].map(table => Math.max(...[...table.querySelectorAll('.stack')].map(bar =>
      [...bar.children].reduce((sum, part) => sum + part.getBoundingClientRect().width, 0) / bar.clientWidth)))
    """
    assert page.evaluate(share) == pytest.approx([1] * 5, abs=0.02)


def test_a_step_opens_to_its_tasks(show):
    """By keyboard as by mouse: it is a disclosure of the browser's own."""
    page = show(page_of("failed"))
    tasks = "document.querySelectorAll('.lane')[2].querySelectorAll('.tasks tbody tr').length"
    assert page.evaluate("document.querySelectorAll('.lane')[2].open") is False
    page.evaluate("document.querySelectorAll('.lane summary')[2].click()")
    page.settle()
    assert page.evaluate("document.querySelectorAll('.lane')[2].querySelector('table').checkVisibility()") is True
    assert page.evaluate(tasks) == 12


def test_hostile_names_do_nothing(show):
    """A step's name that would run a script is seen as text."""
    page = show(page_of("hostile"))
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert HOSTILE in page.evaluate("document.body.textContent")


def test_every_line_to_paste_has_its_button(show):
    """Each copies its own line."""
    page = show(page_of("three"))
    lines = page.evaluate("[...document.querySelectorAll('.paste code')].map(code => code.textContent)")
    assert len(lines) >= 2
    for number, line in enumerate(lines):
        page.evaluate(f"document.querySelectorAll('.paste button')[{number}].click()")
        page.settle()
        assert page.evaluate("getSelection().toString()") == line
        button = f"document.querySelectorAll('.paste button')[{number}].textContent"
        assert page.evaluate(button) in ("Copied", "Press Ctrl+C")


@pytest.mark.parametrize("dark", [False, True])
def test_dark_and_light(show, dark):
    """The page follows the reader's scheme, and bars stand out from it."""
    page = show(page_of("three"), dark=dark)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(16, 20, 24)" if dark else "rgb(255, 255, 255)")
    colour = "kind => getComputedStyle(document.querySelector('.stack .' + kind)).backgroundColor"
    parts = page.evaluate(f"['used', 'cpu', 'memory'].map({colour})")
    assert len({paper, *parts}) == 4


@pytest.mark.parametrize("situation", ["thousand", "local"])
def test_prints_on_one_page(show, situation):
    """Paper holds the review on one page, of A4 as of Letter."""
    page = show(page_of(situation), dark=True)
    for height in (11.69, 11.0):
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(height=height))) == 1


def test_without_javascript_all_is_there(show):
    """Only the buttons need a script."""
    html = re.sub(r"<script\b.*?</script>", "", page_of("three"), flags=re.S)
    page = show(html)
    assert page.evaluate("[...document.querySelectorAll('.paste button')].every(button => button.hidden)") is True
    assert "@resources(cpu=" in page.evaluate("document.body.innerText")
    assert page.evaluate("document.querySelectorAll('.lane path.ok').length") >= 4
