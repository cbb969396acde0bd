"""Renders cards of many situations to look at: ``python scripts/gallery.py [FOLDER]`` (``make gallery``).

FOLDER (``gallery`` if not given) gets a page of each situation, pictures of it (as in the Metaflow UI, dark, on a
telephone, on a projector, on paper) and an ``index.html`` that shows them all. The records are made up. Needs Debian's
chromium.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser import Browser, chromium  # noqa: E402

from resource_tracker.catalog import load_bundled  # noqa: E402
from resource_tracker.records import TaskRecord  # noqa: E402
from resource_tracker.report.render import render_card, render_error, render_review  # noqa: E402
from resource_tracker.review import build_review  # noqa: E402
from resource_tracker.testing import fake_record, fake_run  # noqa: E402

CARDS = {
    "tiny": "A step of 50 ms",
    "hour": "An hour",
    "day": "24 hours",
    "gpus": "Eight GPUs, two of them idle",
    "running": "Running for a minute and a half",
    "running_long": "Running for three hours, and where that leads",
    "many_cores": "192 cores, each by itself",
    "marked": "A step that marks what it does",
    "oom": "Killed for lack of memory, repeated once",
    "failed": "An exception",
    "throttled": "Held back by its CPU quota",
    "foreach_200": "One of a foreach of 200",
    "no_history": "Earlier runs could not be read",
    "sources_missing": "Sources that gave nothing",
    "untracked": "Not measured at all",
    "hostile": "Names that try to break the page",
}
VIEWS = {"": 810, "dark": 810, "phone": 360, "projector": 1920}


def pages() -> Iterator[tuple[str, str, str, TaskRecord | None]]:
    """Name, title, HTML and record of each page."""
    for name, title in CARDS.items():
        record = fake_record(name)
        yield name, title, render_card(record), record
    runs = [fake_run(300, days_ago=ago) for ago in range(5)]
    starts = [86_400.0 * day for day in range(5)]
    review = build_review(runs[0], catalog=load_bundled(), earlier=runs[1:], run_starts=starts)
    yield "review", "Cost review of a run", render_review(review), None
    yield "error", "An artifact that cannot be read", render_error("train", "It was written by a later version."), None


def take(browser: Browser, file: Path, record: TaskRecord | None) -> list[str]:
    """Pictures of a page, next to it; their names."""
    names = []
    for view, width in VIEWS.items():
        page = browser.page(width=width, dark=view == "dark", now=time_of(record))
        page.open(file)
        names.append(f"{file.stem}{f'-{view}' if view else ''}.png")
        page.screenshot(file.with_name(names[-1]))
        if not view:
            file.with_suffix(".pdf").write_bytes(page.pdf())
        page.close()
    return names


def time_of(record: TaskRecord | None) -> float | None:
    """A made-up step runs at a made-up time: to its page it is that time."""
    if record is None or record.outcome.status != "running":
        return None
    return record.started_at + record.usage.duration_s + 2


def index(shown: list[tuple[str, str, list[str]]]) -> str:
    figures = []
    for name, title, pictures in shown:
        views = " · ".join(f'<a href="{picture}">{picture[:-4]}</a>' for picture in pictures)
        figures.append(
            f'<figure><a href="{name}.html"><img src="{pictures[0]}" alt="{html.escape(title)}" loading="lazy"></a>'
            f"<figcaption><b>{html.escape(title)}</b><br>"
            f'{views} · <a href="{name}.pdf">on paper</a></figcaption></figure>'
        )
    style = (
        "body{font:14px/1.5 sans-serif;margin:24px;background:#eef1f4}main{display:grid;gap:24px;"
        "grid-template-columns:repeat(auto-fill,minmax(300px,1fr))}figure{margin:0;padding:12px;background:#fff}"
        "img{width:100%;height:360px;object-fit:cover;object-position:top;border:1px solid #dde1e5}"
    )
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Cards</title><style>{style}</style>'
    return f"{head}<header><h1>Cards, all made up</h1></header><main>{''.join(figures)}</main></html>"


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "gallery")
    only = set(sys.argv[2:])
    folder.mkdir(parents=True, exist_ok=True)
    shown = []
    with chromium() as browser:
        for name, title, page, record in pages():
            if only and name not in only:
                continue
            file = folder / f"{name}.html"
            file.write_text(page, encoding="utf-8")
            shown.append((name, title, take(browser, file, record)))
    (folder / "index.html").write_text(index(shown), encoding="utf-8")
    print(f"{len(shown)} pages: {folder / 'index.html'}")


if __name__ == "__main__":
    main()
