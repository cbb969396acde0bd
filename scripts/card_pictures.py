"""Takes the pictures of the card that the documentation shows: ``python scripts/card_pictures.py [DEMO]``.

DEMO is the folder that ``make demo`` has left (``demo`` if not given): the pictures are of its latest training step.
Needs Debian's chromium.
"""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser import chromium  # noqa: E402

WIDTH = 810
"""Width of a card in the Metaflow UI."""
HEIGHT = 1150
"""At most so much of it, ending between two sections."""
CARDS = ".metaflow/mf.cards/DemoFlow/runs/*/steps/train/tasks/*/cards/resource_tracker-*.html"
BOTTOM = f"""
Math.max(...[...document.querySelectorAll("section")].map(part => part.getBoundingClientRect().bottom)
  .filter(bottom => bottom <= {HEIGHT}))
"""


def main() -> None:
    demo = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "demo")
    cards = sorted(demo.glob(CARDS), key=os.path.getmtime)
    if not cards:
        sys.exit(f"{demo}: no card of the demo flow's training step; run `make demo` first")
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    with chromium() as browser:
        for name, dark in (("card.png", False), ("card-dark.png", True)):
            page = browser.page(width=WIDTH, height=2200, dark=dark, scale=2)
            page.open(cards[-1])
            clip = {"x": 0, "y": 0, "width": WIDTH, "height": page.evaluate(BOTTOM) + 20, "scale": 1}
            shot = page.call("Page.captureScreenshot", format="png", clip=clip)
            (folder / name).write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main()
