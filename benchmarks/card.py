"""How large a card and an artifact get, and how long the final card takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import environments, steps
from benchmarks.measure import clean_environment, run, say
from benchmarks.tables import Table, against, kilobytes, milliseconds
from resource_tracker.report.render import render_card
from resource_tracker.testing import fake_record

if TYPE_CHECKING:
    from browser import Browser

PROGRAM = Path(__file__).parent / "programs" / "render.py"
SITUATIONS = {"short": "10 s", "hour": "1 h at 1 s", "gpu": "30 min with a GPU", "day": "24 h at 1 s"}
USUAL_CARD_BYTES, DAY_CARD_BYTES, DAY_ARTIFACT_BYTES = 150_000, 250_000, 1_000_000
DAY_RENDER_MS = 500.0
FIRST_PAINT_MS = 100.0
ONE_WORD = '<!doctype html><link rel="icon" href="data:,"><title>.</title><p>word</p>'
WATCH = """
(async () => {
  const data = JSON.parse(document.getElementById('card-data')?.textContent ?? 'null');
  const longer = (series, difference) => 'c' in series
    ? {...series, n: series.n + 1}
    : {...series, d: series.d + difference};
  const one = data && {
    ...data, x: longer(data.x, 'U'), charts: data.charts.map(chart => ({
      ...chart, series: chart.series.map(series => ({
        ...series, data: longer(series.data, 'A'), ...series.high && {high: longer(series.high, 'A')},
      })),
    })),
  };
  const times = [performance.now()];
  for (const update of [one, one]) {
    window.metaflow_card_update?.(update);
    for (let i = 0; i < 5; i++) await null;  // the charts are drawn when what runs has ended
    times.push(performance.now());
  }
  return [
    performance.getEntriesByName('first-contentful-paint')[0].startTime,
    performance.getEntriesByName('charts-drawn')[0]?.startTime ?? 0,
    times[1] - times[0],
    times[2] - times[1],
  ];
})()
"""
"""Updates with one point more, and with the same again, which viewers bring until there is something new."""


def measure(folder: Path, quick: bool) -> list[Table]:
    """Made-up records of usual lengths, rendered in processes of their own; then a real card of each kind."""
    return [_made_up(folder, 1 if quick else 5), _painted(folder, 3 if quick else 11), _real(folder)]


def _made_up(folder: Path, rounds: int) -> Table:
    found = Table("Card and artifact by length of the step", ("", "card", "target", "artifact", "first", "again"))
    for situation, name in SITUATIONS.items():
        say(f"card of {name}")
        taken = [_render(folder, situation) for _ in range(rounds)]
        first_ms, again_ms = (sorted(one[key] for one in taken)[len(taken) // 2] for key in ("first_ms", "again_ms"))
        day = situation == "day"
        limit = DAY_CARD_BYTES if day else USUAL_CARD_BYTES
        one = taken[0]
        found.add(
            name,
            kilobytes(one["card_bytes"]),
            against(one["card_bytes"], limit, f"<= {kilobytes(limit)}"),
            kilobytes(one["artifact_bytes"]),
            milliseconds(first_ms),
            milliseconds(again_ms),
        )
        if day:
            artifact = against(one["artifact_bytes"], DAY_ARTIFACT_BYTES, f"<= {kilobytes(DAY_ARTIFACT_BYTES)}")
            render = against(first_ms, DAY_RENDER_MS, f"<= {DAY_RENDER_MS:.0f} ms")
            found.notes.append(f"24 h: artifact {artifact}; first card of a process {render}.")
    found.notes.append(
        "CPU time; `first` loads Jinja2 and the templates, as a task does. Artifacts as Metaflow stores them."
    )
    return found


def _painted(folder: Path, rounds: int) -> Table:
    """How soon a reader sees something, and everything, in Chromium; the least of some rounds, as others work, too."""
    found = Table(
        "A card in Chromium", ("", "first paint", "target", "charts drawn", "a live update", "the same again")
    )
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from browser import CHROMIUM, chromium

    if CHROMIUM is None:
        found.notes.append("No chromium here.")
        return found
    pages = {name: render_card(fake_record(situation)) for situation, name in SITUATIONS.items()}
    with chromium() as browser:
        for name, html in {"a page of one word": ONE_WORD, **pages}.items():
            say(f"first paint of {name}")
            page_file = folder / "page.html"
            page_file.write_text(html, encoding="utf-8")
            taken = [_watch(browser, page_file) for _ in range(rounds)]
            paint, drawn, update, again = (min(one[at] for one in taken) for at in range(4))
            target = against(paint, FIRST_PAINT_MS, f"<= {FIRST_PAINT_MS:.0f} ms") if name in pages else ""
            found.add(name, milliseconds(paint), target, milliseconds(drawn), milliseconds(update), milliseconds(again))
    found.notes.append("Wall time from the navigation on, the best of some rounds; an update has one point more.")
    return found


def _watch(browser: Browser, page_file: Path) -> list[float]:
    page = browser.page()
    page.call("Page.bringToFront")
    page.open(page_file)
    page.wait_for("performance.getEntriesByName('first-contentful-paint').length")
    found: list[float] = page.evaluate(WATCH)
    page.close()
    return found


def _render(folder: Path, situation: str) -> dict[str, float]:
    result: dict[str, float] = json.loads(
        run([environments.ours(), PROGRAM, situation], clean_environment(folder), folder).output
    )
    return result


def _real(folder: Path) -> Table:
    found = Table("A real card, step of 3 s", ("", "size"))
    runs, notes = steps.variants(folder)
    for name in (steps.WITH_CARD, steps.PEER):
        if name in runs:
            say(f"card of a real step, {name}")
            runs[name].whole_run(3)
            size = runs[name].card_bytes()
            found.add("ours" if name == steps.WITH_CARD else name, "no card" if size is None else kilobytes(size))
    found.notes += notes
    return found
