"""Writes our card straight into Metaflow's card datastore.

``card create`` would start a Python process with all of Metaflow for each card (300 ms);
this also works for attempts that failed, which ``@card`` does not cover.
"""

from __future__ import annotations

import hashlib
from typing import Any

CARD_TYPE = "resource_tracker"
CARD_ID = "resources"
REVIEW_TYPE = REVIEW_ID = "cost_review"


def card_id(attempt: int, name: str = CARD_ID) -> str:
    """Card paths carry no attempt, so a retry gets an id of its own."""
    return name if attempt == 0 else f"{name}_attempt_{attempt}"


class CardStore:
    """Where the cards of one attempt go.

    Parameters
    ----------
    flow_datastore : metaflow.datastore.FlowDataStore
        As given to ``step_init``.
    pathspec : str
        ``"Flow/run/step/task"``.
    attempt : int
        Retry count of the attempt.

    Notes
    -----
    Make it before the user's code runs: the root of a local card store is found by walking up from the
    current directory, which the step may change or delete.
    """

    def __init__(self, flow_datastore: Any, pathspec: str, attempt: int) -> None:
        from metaflow.datastore import FlowDataStore
        from metaflow.plugins.cards.card_datastore import CardDatastore

        storage = flow_datastore._storage_impl
        store = FlowDataStore(
            flow_datastore.flow_name,
            environment=flow_datastore.environment,
            storage_impl=type(storage),
            ds_root=CardDatastore.get_storage_root(flow_datastore.TYPE),
        )
        self._datastore = CardDatastore(store, pathspec=pathspec)
        self.card_id = card_id(attempt)
        self.review_id = card_id(attempt, REVIEW_ID)
        self.uuid = _uuid(f"{pathspec}/{attempt}")
        self._review_uuid = _uuid(f"{pathspec}/{attempt}/{REVIEW_TYPE}")

    def save(self, html: str) -> None:
        """Write the page, over an earlier one of the same attempt."""
        self._datastore.save_card(self.uuid, CARD_TYPE, html, card_id=self.card_id, overwrite=True)

    def save_review(self, html: str) -> None:
        """Write the cost review of the run, over an earlier one of the same attempt."""
        self._datastore.save_card(self._review_uuid, REVIEW_TYPE, html, card_id=self.review_id, overwrite=True)

    def path(self) -> str:
        """Path of the page below the card datastore's root."""
        location = self._datastore.get_card_location(
            self._datastore._get_card_write_path(), CARD_TYPE, self.uuid, card_id=self.card_id
        )
        return str(self._datastore.create_full_path(location))


def _uuid(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]
