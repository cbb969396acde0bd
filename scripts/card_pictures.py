"""Takes the pictures that the documentation shows: ``python scripts/card_pictures.py [DEMO]``.

DEMO is the folder that ``make demo`` has left (``demo`` if not given): the pictures of the card are of its latest
training step. Those of a running step, of one that was killed and of the cost review are of made-up ones. Needs
Debian's chromium, and Pillow, which makes them small.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser import Browser, Page, chromium  # noqa: E402

from resource_tracker.catalog import load_bundled  # noqa: E402
from resource_tracker.report.render import render_card, render_review  # noqa: E402
from resource_tracker.review import build_review  # noqa: E402
from resource_tracker.testing import fake_record, fake_run  # noqa: E402

WIDTH = 810
"""Width of a card in the Metaflow UI."""
SCALE = 1.5
COLOURS = 256
CARDS = ".metaflow/mf.cards/DemoFlow/runs/*/steps/train/tasks/*/cards/resource_tracker-*.html"


def main() -> None:
    demo = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "demo")
    cards = sorted(demo.glob(CARDS), key=os.path.getmtime)
    if not cards:
        sys.exit(f"{demo}: no card of the demo flow's training step; run `make demo` first")
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    with chromium() as browser, tempfile.TemporaryDirectory() as made:
        review, live, ended = (Path(made) / f"{name}.html" for name in ("review", "live", "ended"))
        review.write_text(cost_review(), encoding="utf-8")
        running = fake_record("running_long")
        live.write_text(render_card(running), encoding="utf-8")
        ended.write_text(render_card(fake_record("oom")), encoding="utf-8")
        take(browser, cards[-1], folder / "card.png", most=1150)
        take(browser, cards[-1], folder / "card-dark.png", most=1150, dark=True)
        take(browser, review, folder / "review.png", most=1450)
        now = running.started_at + running.usage.duration_s + 2
        take(browser, live, folder / "card-live.png", most=1700, now=now)
        take(browser, ended, folder / "card-ended.png", most=1300)
        take_cores(browser, Path(made) / "cores.html", folder / "card-cores.png")


def cost_review() -> str:
    """A run with a foreach of 300 tasks, some of which were lost, and four runs before it."""
    runs = [fake_run(300, days_ago=ago) for ago in range(5)]
    starts = [86_400.0 * day for day in range(5)]
    return render_review(build_review(runs[0], catalog=load_bundled(), earlier=runs[1:], run_starts=starts))


def take(
    browser: Browser, page_file: Path, picture: Path, *, most: int, dark: bool = False, now: float | None = None
) -> None:
    """A picture of a page: at most so much of it, ending between two sections."""
    page = browser.page(width=WIDTH, height=most + 1000, dark=dark, scale=SCALE, now=now)
    page.open(page_file)
    bottom = page.evaluate(
        'Math.max(...[...document.querySelectorAll("section")].map(part => part.getBoundingClientRect().bottom)'
        f".filter(bottom => bottom <= {most}))"
    )
    save(page, {"y": 0, "height": bottom + 20}, picture)


def save(page: Page, part: dict[str, Any], picture: Path) -> None:
    """What stands at one height of a page, over its whole width."""
    clip = {"x": 0, "y": part["y"], "width": WIDTH, "height": part["height"], "scale": 1}
    shot = page.call("Page.captureScreenshot", format="png", clip=clip)
    with Image.open(io.BytesIO(base64.b64decode(shot["data"]))) as image:
        flat = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        flat.save(picture, optimize=True)


def take_cores(browser: Browser, page_file: Path, picture: Path) -> None:
    """The charts and, opened, each core of a machine of sixteen."""
    page_file.write_text(render_card(fake_record("gpu")), encoding="utf-8")
    page = browser.page(width=WIDTH, height=3000, scale=SCALE)
    page.open(page_file)
    page.evaluate("document.querySelector('#cores').open = true")
    page.settle()
    save(page, page.evaluate("document.querySelector('#cores').getBoundingClientRect().toJSON()"), picture)


if __name__ == "__main__":
    main()
