"""What the publisher does when the task died without saying goodbye."""

from __future__ import annotations

import time

from resource_tracker.errors import SpoolError
from resource_tracker.flows.cards import FINAL, NO_DATA, CardStore
from resource_tracker.flows.guard import guarded
from resource_tracker.flows.order import Order
from resource_tracker.flows.publisher.finish import death_in, finish, with_runtime_record
from resource_tracker.flows.publisher.live import timeline_of
from resource_tracker.flows.publisher.status import has_live_page
from resource_tracker.flows.publisher.stores import open_cards, open_metadata, open_storage
from resource_tracker.measured import last_seen_at, measurements_of
from resource_tracker.records import Measurements
from resource_tracker.sampler.gpu.find import GPU_PREFIX
from resource_tracker.sampler.spool_read import Spool, read_spool

LAST_ROW_WITHIN_S = 1.0
"""For the sampler, which saw the death at the same moment, to write its last row."""
END = "end\t"


def tell_of_death(order: Order, spool_dir: str) -> None:
    """Write the last card and the summary in the task's place. Raises SpoolError where nothing is left to tell."""
    spool = _last_of(spool_dir)
    death = with_runtime_record(death_in(spool), order, open_storage(order))
    cards: CardStore | None = guarded("open the place of the card", open_cards, order)
    metadata = guarded("open the metadata", open_metadata, order)
    finish(order, _measured(order, spool, spool_dir), death, cards=cards, metadata=metadata)
    if cards is not None and has_live_page(spool_dir):
        guarded("end the live card", cards.save_data, NO_DATA, FINAL, time.time())


def _last_of(spool_dir: str) -> Spool:
    """The spool with its last row; where the sampler was killed as well, without."""
    until_s = time.monotonic() + LAST_ROW_WITHIN_S
    spool = read_spool(spool_dir)
    while not any(event.text.startswith(END) for event in spool.events) and time.monotonic() < until_s:
        time.sleep(0.05)
        spool = read_spool(spool_dir)
    return spool


def _measured(order: Order, spool: Spool, spool_dir: str) -> Measurements:
    timeline = timeline_of(order, spool)
    timeline.end = timeline.at(last_seen_at(spool) or time.time())
    try:
        gpu_spool: Spool | None = read_spool(spool_dir, GPU_PREFIX)
    except SpoolError:  # without GPUs there is none
        gpu_spool = None
    return measurements_of(
        spool,
        timeline,
        mode="sampler",
        interval_s=order.interval_s,
        overhead_budget=order.overhead_budget,
        gpu_spool=gpu_spool,
    )
