"""Entry point of the publisher, which the sampler starts; its argument is the spool's folder.

It keeps the card live while the task runs. When the task dies without having said goodbye, it tells what became of it.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial

from resource_tracker.dataclass import replace
from resource_tracker.flows.guard import guarded
from resource_tracker.flows.order import Order, read_order
from resource_tracker.flows.patience import PATIENCE_S, within
from resource_tracker.flows.publisher.earlier import read_earlier_runs
from resource_tracker.flows.publisher.room import (
    LEAVES_BELOW_MIB,
    STARTS_WITH_MIB,
    await_place,
    has_memory,
    stand_back,
    take_place,
)
from resource_tracker.flows.publisher.status import Status
from resource_tracker.flows.publisher.stopping import Stopping
from resource_tracker.flows.publisher.stores import cards_of_before, open_cards, open_metadata, resemble_the_task
from resource_tracker.sampler.lifeline import Lifeline
from resource_tracker.sampler.publisher import AWAITED, NOT_TOLD
from resource_tracker.spool_dirs import hold, owner_of

WAKE_EVERY_S = 1.0
"""To see whether the attempt ended and took its spool away."""
TRY_URGENTLY_EVERY_S = 0.5
"""Where all is about to be stopped, and a store did not take the record that says so."""
URGENT_FOR_S = 120.0
"""Who is to be stopped is, by then: a store that still refuses is asked as seldom as ever."""
SPARE_PLACE_AFTER_S, AWAIT_PLACE_S = 30.0, 80.0
"""For a place among the publishers, where many tasks died at once, or a store failed at the end of many: then for one
that no live card takes, and then it is too late. Each has Metaflow loaded: all at once could take the machine's memory.
"""


def main() -> None:
    """Publish, and note what went wrong: there is nobody to tell. The exit code says whether the attempt is over."""
    spool_dir = sys.argv[2]
    stand_back()
    code = 1
    try:
        code = 0 if publish(spool_dir, is_awaited=AWAITED in sys.argv[3:]) else NOT_TOLD
    except Exception as error:  # noqa: BLE001 - whatever it is, the last card says it
        Status(spool_dir).failed(error)
    finally:
        os._exit(code)  # threads that wait for a store would keep it


def publish(spool_dir: str, *, is_awaited: bool = False) -> bool:
    """Keep the card live until the task ends, and finish it if the task cannot; False where it did not come to that.

    Raises whatever Metaflow raises.

    Parameters
    ----------
    is_awaited : bool
        The task is dead, and somebody waits to be told of it.
    """
    keep = hold(spool_dir)  # noqa: F841 - as long as this runs
    order = read_order(spool_dir)
    task = Lifeline("/proc", *owner_of(spool_dir))
    died_before = task.ended()
    is_late = died_before and not is_awaited
    place = await_place(SPARE_PLACE_AFTER_S, AWAIT_PLACE_S) if is_late else take_place()
    if (place is None and not (died_before and is_awaited)) or not (died_before or has_memory(STARTS_WITH_MIB)):
        return False
    resemble_the_task(order, spool_dir)
    if not died_before:
        read_earlier_runs(order, spool_dir)
        _keep_live(order, spool_dir, task)
    if not task.ended():
        return False
    seen_at = None if died_before else time.time()
    if os.path.exists(spool_dir):  # else it has said goodbye itself
        from resource_tracker.flows.publisher.finish import finish  # hardly ever needed, with much behind it

        finish(order, spool_dir, task, seen_at)
    return True


def _keep_live(order: Order, spool_dir: str, task: Lifeline) -> None:
    from resource_tracker.flows.publisher.live import LiveCard  # with Jinja2, now that it can be found

    cards = open_cards(order)
    if cards is None:
        return
    order = guarded("look at the attempt before", _with_attempt_before, order, spool_dir) or order
    status = Status(spool_dir)
    status.begun()
    card = LiveCard(order, spool_dir, cards, status)
    stopping = Stopping()
    next_s = time.monotonic()
    while not task.ended() and os.path.exists(spool_dir):
        is_urgent = not card.tells_of_stop and stopping.is_recent(URGENT_FOR_S)
        if is_urgent or time.monotonic() >= next_s:
            if not has_memory(LEAVES_BELOW_MIB):
                return
            apart_s = card.refresh(stopping.at)
            next_s = time.monotonic() + apart_s
        wait_s = TRY_URGENTLY_EVERY_S if is_urgent and not card.tells_of_stop else WAKE_EVERY_S
        stopping.wait(task, min(max(next_s - time.monotonic(), 0.0), wait_s))


def _with_attempt_before(order: Order, spool_dir: str) -> Order:
    """The order, with what is known of the attempt before; told in the task's log, where nobody has done that yet."""
    if order.attempt < 1 or order.attempt_before is not None:
        return order
    from resource_tracker.flows.attempt_before import is_being_told, look_back, read_note, tell  # most are the first

    before = read_note(spool_dir)
    if before is None:
        # On this machine somebody who knows more may be about to tell.
        cards = None if is_being_told(order, spool_dir) else partial(cards_of_before, order)
        read = partial(look_back, open_metadata(order), order.pathspec, order.attempt, cards)
        before = within(PATIENCE_S, read)  # the live card does not need the metadata
        if before is not None:
            tell(order, spool_dir, before)
    return replace(order, attempt_before=before)
