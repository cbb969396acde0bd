"""Earlier runs of a remote task's step, which no runtime hands over: read beside the step, for its cards and advice."""

from __future__ import annotations

import threading

from resource_tracker.flows.guard import guarded
from resource_tracker.flows.handover import leave_history
from resource_tracker.flows.order import Order
from resource_tracker.flows.publisher.stores import open_metadata


def read_earlier_runs(order: Order, spool_dir: str) -> None:
    """Begin to read them, where that is left to us; the live card does not wait for a slow metadata service."""
    if order.handover_folder is None and order.history_runs:
        threading.Thread(
            target=guarded, args=("read earlier runs", _read, order, spool_dir), name="earlier-runs", daemon=True
        ).start()


def _read(order: Order, spool_dir: str) -> None:
    leave_history(spool_dir, open_metadata(order), order.flow, order.run_id, order.step, order.history_runs)
