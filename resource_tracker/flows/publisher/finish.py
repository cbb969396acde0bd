"""The last word on a task that died without one: its card, and the summary in its metadata."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from resource_tracker.bundled import use_bundled
from resource_tracker.dataclass import replace
from resource_tracker.endings import RUNTIME_RECORD, Death, status_of
from resource_tracker.flows.attempt_record import record_of
from resource_tracker.flows.cards import CardStore
from resource_tracker.flows.guard import guarded
from resource_tracker.flows.handover import sweep_dead_handovers
from resource_tracker.flows.order import Order
from resource_tracker.flows.summaries import write_summary
from resource_tracker.records import Measurements, Outcome, TaskRecord
from resource_tracker.sampler.loop import DEATH
from resource_tracker.sampler.spool_read import Spool
from resource_tracker.summary import summary_of

AWAIT_RECORD_S = 2.0
"""For Metaflow's runtime to note how its task ended."""
_LOOK_EVERY_S = 0.05
_SIGKILL = 9


def finish(
    order: Order, measurements: Measurements, death: Death, *, cards: CardStore | None, metadata: Any
) -> TaskRecord:
    """Write what is known of a dead task, each part on its own: one that fails costs only itself.

    Parameters
    ----------
    order : Order
        What the task left.
    measurements : Measurements
        All that was measured until its end.
    death : Death
        As :func:`death_in` and :func:`with_runtime_record` found it.
    cards : CardStore or None
        Where its card goes; ``None`` where none is wanted.
    metadata : metaflow MetadataProvider or None
        Where its summary goes; ``None`` where that is not known.
    """
    record = record_of(order, measurements, Outcome(status="failed"), death=death)
    if metadata is not None:
        guarded("store the summary of the attempt", write_summary, metadata, summary_of(record))
    if cards is not None:
        guarded("write the card", _write_card, cards, record)
    guarded("clean up", sweep_dead_handovers)  # the runtime may have been killed, too
    return record


def death_in(spool: Spool) -> Death:
    """What the sampler found out about the end; unseen, where it did not live to tell."""
    for event in reversed(spool.events):
        kind, *fields = event.text.split("\t")
        if kind == DEATH and len(fields) == 3:
            status, source, kills = fields
            return Death(
                status=int(status) if status.isdigit() else None,
                source=source,
                machine_kills=int(kills) if kills.isdigit() else 0,
            )
    return Death(seen=False)


def with_runtime_record(
    death: Death,
    order: Order,
    storage: Any,
    *,
    now: Callable[[], float] = time.monotonic,
    wait_s: float = AWAIT_RECORD_S,
) -> Death:
    """The death, with what Metaflow's runtime noted of it: that it was its own doing, or the status nobody else knew.

    Awaited only where that can make a difference, and where a runtime on this machine may still write it.
    """
    if order.handover_folder is None or order.datastore_root is None or death.signal not in (None, _SIGKILL):
        return death
    if death.exit_code is not None:
        return death
    until_s = now() + wait_s
    while (found := guarded("read Metaflow's record of the task", _runtime_record, order, storage)) is None:
        if now() >= until_s:
            return death
        time.sleep(_LOOK_EVERY_S)
    if found.get("killed") is True:
        death = replace(death, stopped=True)
    code = found.get("return_code")
    if death.status is None and isinstance(code, int):
        death = replace(death, status=status_of(code), source=RUNTIME_RECORD)
    return replace(death, seen=True)


def _runtime_record(order: Order, storage: Any) -> dict[str, Any] | None:
    """``None`` as long as there is none.

    Source: Metaflow, ``runtime.py`` (Worker.terminate): ``{"return_code", "killed", "success"}``.
    """
    path = "/".join([*order.pathspec.split("/"), f"{order.attempt}.runtime"])
    with storage(order.datastore_root).load_bytes([path]) as loaded:
        for _, file, _ in loaded:
            if file is None:
                return None
            with open(file, encoding="utf-8") as stream:
                found = json.load(stream)
            return found if isinstance(found, dict) else {}
    return None


def _write_card(cards: CardStore, record: TaskRecord) -> None:
    use_bundled()
    from resource_tracker.report.render import render_card

    cards.save(render_card(record))
