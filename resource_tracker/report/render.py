"""The card model into a page of HTML that asks for nothing from outside."""

from __future__ import annotations

import json
from functools import cache
from pkgutil import get_data
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from resource_tracker.errors import ResourceTrackerError
from resource_tracker.records import TaskRecord
from resource_tracker.report.cores import live_core_panel
from resource_tracker.report.model import build_card
from resource_tracker.report.pages import environment

if TYPE_CHECKING:
    from resource_tracker.review_records import RunReview

FINAL = "final"
"""The reload token of a page that nothing will change any more."""


def render_card(
    record: TaskRecord, *, reload_token: str = FINAL, notice: str | None = None, data: dict[str, Any] | None = None
) -> str:
    """A whole page for one attempt.

    Parameters
    ----------
    record : TaskRecord
        Its strings may hold anything: they appear as text.
    reload_token : str
        Pages of one token are updated in place by ``window.metaflow_card_update``; ``"final"`` stops polling.
    notice : str, optional
        A sentence above everything else, such as why the card could not be written as usual.
    data : dict, optional
        What :func:`resource_tracker.report.model.card_data` made of the record, where that is known; or of the attempt
        while it ran, where the record has no rows.

    Returns
    -------
    str
        HTML with styles, script and data inside.
    """
    card = build_card(record, data)
    if data is not None:
        texts = data["texts"]
        card = card._replace(quiet=texts["quiet"], gaps=texts["gaps"], cores=card.cores or live_core_panel(data))
    page = environment().get_template("card.html.j2")
    html = page.render(card=card, data=_json(card.data), token=_json(reload_token), notice=notice, **_assets())
    return _storable(html)


def render_review(review: RunReview) -> str:
    """A whole page for the cost review of a run; it needs no script but for its buttons."""
    from resource_tracker.report.review_model import build_page

    page = environment().get_template("review.html.j2")
    html = page.render(page=build_page(review), token=_json(FINAL), **_assets("review"))
    return _storable(html)


def render_error(title: str, message: str, *, kind: str = "Resource card", badge: str = "Not readable") -> str:
    """A page in the card's looks that says why there is no card, such as for an artifact that cannot be read."""
    page = environment().get_template("error.html.j2")
    return _storable(page.render(title=title, message=message, kind=kind, badge=badge, token=_json(FINAL), **_assets()))


@cache
def _assets(page: str = "card") -> dict[str, Markup]:
    """Script and styles of a page, ours and built from ours, so safe to stand in it as they are."""
    return {"script": _asset(f"{page}.js"), "styles": _asset(f"{page}.css")}


def _asset(name: str) -> Markup:
    try:
        return Markup((get_data("resource_tracker.report", f"assets/{name}") or b"").decode("utf-8"))  # noqa: S704
    except OSError as error:
        raise ResourceTrackerError(f"{name} is missing: install the package again to build it") from error


def _storable(html: str) -> str:
    """Names of files can hold lone surrogates, which no encoding takes: question marks in their place."""
    return html.encode("utf-8", "replace").decode("utf-8")


def _json(value: Any) -> Markup:
    """JSON that cannot end the element it stands in, whatever strings are in it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))  # noqa: S704
