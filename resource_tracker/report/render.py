"""The card model into a page of HTML that asks for nothing from outside."""

from __future__ import annotations

import json
from functools import lru_cache
from pkgutil import get_data
from typing import Any

from markupsafe import Markup

from resource_tracker.errors import ResourceTrackerError
from resource_tracker.records import TaskRecord
from resource_tracker.report.model import build_card
from resource_tracker.report.pages import environment

FINAL = "final"
"""The reload token of a page that nothing will change any more."""


def render_card(record: TaskRecord, *, reload_token: str = FINAL, notice: str | None = None) -> str:
    """A whole page for one attempt.

    Parameters
    ----------
    record : TaskRecord
        Its strings may hold anything: they appear as text.
    reload_token : str
        Pages of one token are updated in place by ``window.metaflow_card_update``; ``"final"`` stops polling.
    notice : str, optional
        A sentence above everything else, such as why the card could not be written as usual.

    Returns
    -------
    str
        HTML with styles, script and data inside.
    """
    card = build_card(record)
    page = environment().get_template("card.html.j2")
    html = page.render(card=card, data=_json(card.data), token=_json(reload_token), notice=notice, **_assets())
    return _storable(html)


def render_error(title: str, message: str) -> str:
    """A page in the card's looks that says why there is no card, such as for an artifact that cannot be read."""
    page = environment().get_template("error.html.j2")
    return _storable(page.render(title=title, message=message, token=_json(FINAL), **_assets()))


@lru_cache(maxsize=1)
def _assets() -> dict[str, Markup]:
    """Script and styles, ours and built from ours, so safe to stand in a page as they are."""
    texts = {}
    for name in ("card.js", "card.css"):
        try:
            texts[name] = (get_data("resource_tracker.report", f"assets/{name}") or b"").decode("utf-8")
        except OSError as error:
            raise ResourceTrackerError(f"{name} is missing: install the package again to build it") from error
    return {"script": Markup(texts["card.js"]), "styles": Markup(texts["card.css"])}  # noqa: S704


def _storable(html: str) -> str:
    """Names of files can hold lone surrogates, which no encoding takes: question marks in their place."""
    return html.encode("utf-8", "replace").decode("utf-8")


def _json(value: Any) -> Markup:
    """JSON that cannot end the element it stands in, whatever strings are in it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))  # noqa: S704
