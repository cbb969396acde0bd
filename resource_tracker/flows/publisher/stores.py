"""Metaflow's stores as the task has them, opened from its order in another process."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any, NamedTuple

from resource_tracker.bundled import bundled_folder
from resource_tracker.errors import ResourceTrackerError
from resource_tracker.flows.cards import CardStore
from resource_tracker.flows.order import Order

_TEMPORARY = "temporary"
"""Folder in the spool's own for what Metaflow writes on the way to a store: it goes with the spool."""


class _FlowName(NamedTuple):
    """All that a metadata provider asks a flow for."""

    name: str


class _Environment:
    """All that a metadata provider asks Metaflow's environment for."""

    @staticmethod
    def get_environment_info() -> dict[str, Any]:
        return {
            "runtime": "dev",
            "python_version_code": platform.python_version(),
            "metaflow_version": "",
            "script": "",
        }


def resemble_the_task(order: Order, spool_dir: str) -> None:
    """Before Metaflow is imported: find it, its extensions and its configuration where the task does.

    What is written from then on has the permissions that the task gives.
    """
    temporary = f"{spool_dir}/{_TEMPORARY}"
    os.makedirs(temporary, mode=0o700, exist_ok=True)
    if order.umask is not None:
        os.umask(order.umask)
    os.environ.update(order.environment)
    os.environ["TMPDIR"] = os.environ["METAFLOW_ARTIFACT_LOCALROOT"] = temporary
    for name in ("METAFLOW_S3_RETRY_COUNT", "METAFLOW_S3_TRANSIENT_RETRY_COUNT"):
        os.environ[name] = "0"  # it would try for hours; we try again ourselves, with fresh data
    copies = bundled_folder()
    *others, flow_folder = order.python_path or ("",)
    # The copies before the flow's folder, which may hold a `jinja2.py`, and after all that is installed.
    own_root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    wanted = [*others, *([copies] if copies else []), flow_folder, own_root]
    sys.path[:] = [*dict.fromkeys(entry for entry in wanted if entry)]


def open_storage(order: Order) -> Any:
    """Metaflow's class of the task's datastore.

    Raises
    ------
    ResourceTrackerError
        Metaflow has none of the type here.
    """
    from metaflow.plugins import DATASTORES

    return _of_type(DATASTORES, order.datastore, "datastore")


def open_cards(order: Order) -> CardStore | None:
    """Where the attempt's card goes; ``None`` where it has none. Raises ResourceTrackerError."""
    if order.card_root is None:
        return None
    return CardStore(open_storage(order), order.card_root, order.pathspec, order.attempt)


def cards_of_before(order: Order) -> CardStore:
    """Where the card of the attempt before is; of an order with a card. Raises ResourceTrackerError."""
    assert order.card_root is not None
    return CardStore(open_storage(order), order.card_root, order.pathspec, order.attempt - 1)


def open_metadata(order: Order) -> Any:
    """The metadata provider of the task: its ``register_metadata`` works as in the task.

    Raises
    ------
    ResourceTrackerError
        Metaflow has none of the type here.
    """
    from metaflow.plugins import METADATA_PROVIDERS

    provider = _of_type(METADATA_PROVIDERS, order.metadata, "metadata provider")
    if order.metadata == "local" and order.metadata_info:
        provider.INFO = order.metadata_info  # checks that the folder is there, and keeps it for what follows
    return provider(_Environment(), _FlowName(order.flow), None, None)


def _of_type(classes: Any, kind: str, what: str) -> Any:
    found = next((one for one in classes if kind == one.TYPE), None)
    if found is None:
        raise ResourceTrackerError(f"Metaflow has no {what} of the type {kind!r} here")
    return found
