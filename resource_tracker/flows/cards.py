"""Writes our card straight into Metaflow's card datastore.

``card create`` would start a Python process with all of Metaflow for each card (300 ms);
this also works for attempts that failed, which ``@card`` does not cover.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CARD_TYPE = "resource_tracker"
CARD_ID = "resources"
FINAL = "final"
"""Reload token of a page that nothing will change any more: Metaflow's viewers stop asking."""
NO_DATA: dict[str, Any] = {"v": 0}
"""For such a page, which has its data within itself: viewers ask for some, and the page takes no such version."""
_EARLY = "resource_tracker_early"
"""Key in the card's data, beside those that Metaflow reads."""
REVIEW_TYPE = REVIEW_ID = "cost_review"


_NEEDED = {
    "save_card": {"uuid", "card_type", "card_html", "card_id", "overwrite"},
    "save_data": {"uuid", "card_type", "json_data", "card_id"},
    "get_card_location": {"base_path", "card_name", "uuid", "card_id", "suffix"},
    "get_storage_root": {"storage_type"},
    "_get_card_write_path": set(),
    "_get_data_write_path": set(),
}
"""What of Metaflow's own we use that it has not promised to keep."""


def internals_are_known() -> bool:
    """Whether this Metaflow keeps cards as we know it; else ``@card`` must do it, which it keeps working."""
    try:
        from metaflow.plugins.cards.card_datastore import CardDatastore

        methods = {name: getattr(CardDatastore, name).__code__ for name in _NEEDED}
    except (ImportError, AttributeError):
        return False
    return all(_NEEDED[name] <= set(code.co_varnames[: code.co_argcount]) for name, code in methods.items())


def attach_card(flow: Any, step_name: str) -> None:
    """Puts ``@card(type="resource_tracker", id="resources")`` on a step that is being initialised.

    A runtime hands what was attached on to its tasks, which then have it already.
    """
    from metaflow.decorators import _attach_decorators_to_step

    step = getattr(flow, step_name)
    if any(deco.name == "card" and deco.attributes.get("type") == CARD_TYPE for deco in step.decorators):
        return
    _attach_decorators_to_step(step, [f"card:type={CARD_TYPE},id={CARD_ID}"])
    attached = step.decorators[-1]
    if hasattr(attached, "external_init"):  # in Metaflow since 2.14: the round in which it is called is over
        attached.external_init()


def card_root(flow_datastore: Any) -> str:
    """The root of the cards that go with a datastore.

    Ask before the user's code runs: a local one is found by walking up from the current directory, which the step may
    change or delete.
    """
    from metaflow.plugins.cards.card_datastore import CardDatastore

    return str(CardDatastore.get_storage_root(flow_datastore.TYPE))


def card_id(attempt: int, name: str = CARD_ID) -> str:
    """Card paths carry no attempt, so a retry gets an id of its own."""
    return name if attempt == 0 else f"{name}_attempt_{attempt}"


@contextmanager
def temporary_files_in(folder: str | None, storage: type) -> Iterator[None]:
    """What a client of a cloud writes on the way to its store, and leaves where that never answers, goes there.

    Parameters
    ----------
    folder : str or None
        The spool's, which goes with the task; ``None``: nothing is changed.
    storage : type
        Metaflow's class of the storage.
    """
    module, name = sys.modules.get(storage.__module__), "ARTIFACT_LOCALROOT"
    if folder is None or not hasattr(module, name):  # files go to their place at once
        yield
        return
    before = getattr(module, name)
    setattr(module, name, folder)
    try:
        yield
    finally:
        setattr(module, name, before)


class CardStore:
    """Where the cards of one attempt go.

    Parameters
    ----------
    storage : type
        Metaflow's class of the storage, such as ``LocalStorage``.
    root : str
        Of the cards, see :func:`card_root`.
    pathspec : str
        ``"Flow/run/step/task"``.
    attempt : int
        Retry count of the attempt.
    """

    def __init__(self, storage: Any, root: str, pathspec: str, attempt: int) -> None:
        from metaflow.datastore import FlowDataStore
        from metaflow.plugins.cards.card_datastore import CardDatastore

        store = FlowDataStore(pathspec.split("/")[0], storage_impl=storage, ds_root=root)
        self._datastore = CardDatastore(store, pathspec=pathspec)
        self.card_id = card_id(attempt)
        self.review_id = card_id(attempt, REVIEW_ID)
        self.uuid = _uuid(f"{pathspec}/{attempt}")
        self._review_uuid = _uuid(f"{pathspec}/{attempt}/{REVIEW_TYPE}")

    def save(self, html: str) -> None:
        """Write the page, over an earlier one of the same attempt."""
        self._datastore.save_card(self.uuid, CARD_TYPE, html, card_id=self.card_id, overwrite=True)

    def save_data(self, data: dict[str, Any], reload_token: str, created_on: float, early: str | None = None) -> None:
        """Write what a page of that token draws from now on, over what it drew before.

        Parameters
        ----------
        early : str, optional
            The encoded summary of the attempt so far: all that is left of it where its whole container is killed, or
            where its metadata do not come home.
        """
        content: dict[str, Any] = {"reload_token": reload_token, "data": data, "created_on": created_on}
        if early is not None:
            content[_EARLY] = early
        self._datastore.save_data(self.uuid, CARD_TYPE, content, card_id=self.card_id)

    def read_page(self) -> str | None:
        """The page that stands there; ``None`` where there is none. Raises whatever the store raises."""
        page = self._datastore.get_card_html(self._location("cards", "html"))
        return None if page is None else str(page)

    def read_data(self) -> dict[str, Any]:
        """What :meth:`save_data` wrote last; empty where it never did. Raises whatever the store raises."""
        found = self._datastore.get_card_data(self._location("runtime", "data.json"))
        return found if isinstance(found, dict) else {}

    def is_live(self) -> bool:
        """Whether the page waits for data that may still come. Raises whatever the store raises."""
        return self.read_data().get("reload_token") not in (None, FINAL)

    def early_record(self) -> str | None:
        """The encoded summary of an attempt so far, or the last one where others had to tell of its end.

        ``None`` where there is none, or the attempt told itself how it ended.

        Raises whatever the store raises.
        """
        found = self.read_data().get(_EARLY)
        return found if isinstance(found, str) else None

    def save_review(self, html: str) -> None:
        """Write the cost review of the run, over an earlier one of the same attempt."""
        self._datastore.save_card(self._review_uuid, REVIEW_TYPE, html, card_id=self.review_id, overwrite=True)

    def path(self) -> str:
        """Path of the page below the card datastore's root."""
        return str(self._datastore.create_full_path(self._location("cards", "html")))

    def _location(self, kind: str, suffix: str) -> str:
        datastore = self._datastore
        folder = datastore._get_card_write_path() if kind == "cards" else datastore._get_data_write_path()
        return str(datastore.get_card_location(folder, CARD_TYPE, self.uuid, card_id=self.card_id, suffix=suffix))


def _uuid(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]
