"""Takes the pictures of the card that the documentation shows: ``python scripts/card_pictures.py``.

Needs Debian's chromium. The data are synthetic, and the card says so.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser import chromium  # noqa: E402

from resource_tracker.report.render import render_card  # noqa: E402
from resource_tracker.testing import fake_record  # noqa: E402

WIDTH = 810
"""Width of a card in the Metaflow UI."""
BOTTOM = "document.getElementById('charts').getBoundingClientRect().bottom"


def main() -> None:
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        path = Path(temporary) / "card.html"
        path.write_text(render_card(fake_record("hour")), encoding="utf-8")
        for name, dark in (("card.png", False), ("card-dark.png", True)):
            page = browser.page(width=WIDTH, height=2200, dark=dark, scale=1.5)
            page.open(path)
            clip = {"x": 0, "y": 0, "width": WIDTH, "height": page.evaluate(BOTTOM) + 6, "scale": 1}
            shot = page.call("Page.captureScreenshot", format="png", clip=clip)
            (folder / name).write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main()
