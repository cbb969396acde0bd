"""The record of an attempt from its order and what was measured: for the task itself, and for who tells of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

from resource_tracker.build import build_record, history_of
from resource_tracker.catalog import load_bundled
from resource_tracker.endings import Death
from resource_tracker.errors import CatalogError
from resource_tracker.flows.handover import read_handover
from resource_tracker.flows.order import Order
from resource_tracker.pricing import Catalog
from resource_tracker.records import (
    CloudInfo,
    EarlierAttempt,
    InputSize,
    Measurements,
    Outcome,
    ServerInfo,
    TaskRecord,
    TaskSummary,
)
from resource_tracker.sizing import Policy


def record_of(
    order: Order,
    measurements: Measurements,
    outcome: Outcome,
    *,
    server: ServerInfo | None = None,
    input_size: InputSize | None = None,
    death: Death | None = None,
    attempt_before: EarlierAttempt | None = None,
    earlier: Sequence[TaskSummary] | None = None,
    spool_dir: str | None = None,
    advise: bool = True,
) -> TaskRecord:
    """All that is known of the attempt now; more of earlier runs and the cloud may have arrived since the last call.

    Parameters
    ----------
    server : ServerInfo, optional
        The machine, where more is known of it than when the attempt started.
    input_size : InputSize, optional
        Likewise.
    death : Death, optional
        Of a task that could not say itself how it ended.
    attempt_before : EarlierAttempt, optional
        What became of the attempt before.
    earlier : sequence of TaskSummary, optional
        Attempts of earlier runs, for where the runtime has handed over none.
    spool_dir : str, optional
        Where the publisher of a remote task leaves what it has read of earlier runs.
    advise : bool
        False: neither advice nor costs, for an attempt that still runs.
    """
    handed = read_handover(order.handover_folder, order.step, spool_dir)
    catalog, catalog_note = _catalog()
    return build_record(
        measurements,
        title=f"{order.flow} / {order.step}",
        pathspec=order.pathspec,
        attempt=order.attempt,
        outcome=outcome,
        server=server or order.server,
        cloud=handed.cloud or _cloud(order.handover_folder),
        request=order.request,
        limits=order.limits,
        history=history_of(
            earlier if handed.summaries is None else handed.summaries, max_runs=order.history_runs, reason=handed.reason
        ),
        catalog=catalog,
        catalog_note=catalog_note,
        vendor=order.vendor,
        region=order.region,
        ticks_per_s=float(os.sysconf("SC_CLK_TCK")),
        versions=order.versions,
        input_size=input_size or order.input_size,
        policy=Policy(order.policy),
        death=death,
        attempt_before=attempt_before or order.attempt_before,
        advise=advise,
    )


def bundled_catalog() -> Catalog | None:
    """The catalog in the package; ``None`` where it cannot be read."""
    return _catalog()[0]


@cache
def _catalog() -> tuple[Catalog | None, str | None]:
    try:
        return load_bundled(), None
    except CatalogError as error:
        return None, str(error)


def _cloud(handover_folder: str | None) -> CloudInfo:
    """Where no runtime handed it over: what a probe found out since the machine booted."""
    from resource_tracker.cloud_cache import cached

    found = cached() if handover_folder is None else None
    return found or CloudInfo(reason="the metadata services had not answered yet when the step ended")
