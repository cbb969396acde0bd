"""The last word on a task that died without one: the summary in its metadata, and its card."""

from __future__ import annotations

import json
import os
import threading
import time
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec

from resource_tracker.dataclass import replace
from resource_tracker.endings import REBOOTED, RECENT_ROWS, RUNTIME_RECORD, Death, status_of
from resource_tracker.errors import SpoolError
from resource_tracker.flows.attempt_before import look_back, tell_the_next
from resource_tracker.flows.attempt_record import record_of
from resource_tracker.flows.cards import FINAL, NO_DATA
from resource_tracker.flows.guard import guarded
from resource_tracker.flows.handover import read_handover, sweep_dead_handovers
from resource_tracker.flows.last_words import LastWords, read_last_words, without_metadata
from resource_tracker.flows.order import OF_FOLDERS, Order, left_outcome
from resource_tracker.flows.patience import PATIENCE_S, within
from resource_tracker.flows.publisher.outside import measured_outside, stopping_since
from resource_tracker.flows.publisher.status import has_live_page
from resource_tracker.flows.publisher.stores import open_cards, open_metadata, open_storage
from resource_tracker.flows.summaries import read_summaries, write_summary
from resource_tracker.records import EarlierAttempt, Outcome, TaskRecord, TaskSummary
from resource_tracker.sampler.aftermath import remove_spool
from resource_tracker.sampler.control import is_heard
from resource_tracker.sampler.lifeline import Lifeline
from resource_tracker.sampler.loop import DEATH, TASK_DIED
from resource_tracker.sampler.spool_read import Spool, read_spool
from resource_tracker.spool_dirs import is_of_another_boot
from resource_tracker.summary import decode_summary, encode_summary, summary_of

P = ParamSpec("P")
AWAIT_SAMPLER_S = 3.0
"""For the sampler to write its last row; it may have died, too."""
AWAIT_RECORD_S = 2.0
"""For Metaflow's runtime to note how its task ended."""
LOOK_EVERY_S = 0.05
TRY_AGAIN_AFTER_S = (1.0, 5.0, 15.0)
"""Where a store refuses; then that part is given up."""
GIVE_UP_AFTER_S = 60.0
"""Where it does not answer."""
_SIGKILL = 9


def finish(order: Order, spool_dir: str, task: Lifeline, seen_at: float | None = None) -> TaskRecord | None:
    """Tell of a task that died; each part on its own: one that fails costs only itself.

    Parameters
    ----------
    order : Order
        What the task left.
    spool_dir : str
        What was measured until its end.
    task : Lifeline
        The task, whose end it has seen or not.
    seen_at : float, optional
        Unix time at which it has.

    Returns
    -------
    TaskRecord or None
        What was told; ``None`` where there was nothing to find out: the task had said goodbye itself, if only to us, or
        nothing of the measurements is left.
    """
    try:
        return _tell(order, spool_dir, task, seen_at)
    finally:
        if not _is_heard(spool_dir):  # the sampler was killed: nobody else is left to do it
            remove_spool(spool_dir)


def _tell(order: Order, spool_dir: str, task: Lifeline, seen_at: float | None) -> TaskRecord | None:
    spool = _last_spool(spool_dir)
    if spool is None:
        return None
    metadata = guarded("open the metadata", open_metadata, order)
    words = read_last_words(spool_dir)
    if words is not None:
        _deliver(order, spool_dir, words, metadata)
        return None
    record = _record(order, spool_dir, spool, task, metadata, seen_at)
    guarded("tell the next attempt", tell_the_next, order, spool_dir, record)
    saving = _Saving()
    if metadata is not None:
        saving.begin("store the summary of the attempt", write_summary, metadata, summary_of(record))
        if not saving.done_within(PATIENCE_S):
            record = without_metadata(record)
    if order.card_root is not None:
        saving.begin("write the card", _write_card, order, record)
    saving.done_within(GIVE_UP_AFTER_S)
    if order.handover_folder is not None:  # the runtime may have been killed, too
        guarded("clean up", sweep_dead_handovers, os.path.dirname(order.handover_folder))
    return record


def _record(
    order: Order, spool_dir: str, spool: Spool, task: Lifeline, metadata: Any, seen_at: float | None
) -> TaskRecord:
    """All that is known of the attempt; no store is waited for."""
    storage = guarded("open the datastore", open_storage, order)
    outcome = left_outcome(spool_dir)
    death = None if outcome else with_runtime_record(death_in(spool, task), order, storage)
    if death is not None and death.status is None and is_of_another_boot(spool_dir):
        death = replace(death, seen=False, source=REBOOTED)
    before, earlier = None, None
    if metadata is not None:
        found = guarded("look at earlier attempts", within, PATIENCE_S, lambda: _looked_up(order, metadata))
        before, earlier = found or (None, None)
    died_at = noted_at(order) if seen_at is None else seen_at
    measurements = measured_outside(order, spool, spool_dir, ended=True, died_at=died_at)
    outcome = outcome or Outcome(status="failed")
    return record_of(order, measurements, outcome, death=death, attempt_before=before, earlier=earlier)


def _looked_up(order: Order, metadata: Any) -> tuple[EarlierAttempt | None, list[TaskSummary] | None]:
    before = guarded("look at the attempt before", look_back, metadata, order.pathspec, order.attempt)
    return before, guarded("read earlier runs", _earlier, metadata, order)


def _deliver(order: Order, spool_dir: str, words: LastWords, metadata: Any) -> None:
    """What a task that ended well could not store itself."""
    saving = _Saving()
    if words.summary is not None and metadata is not None:
        saving.begin("store the summary of the attempt", write_summary, metadata, decode_summary(words.summary))
    if words.page is not None:
        saving.begin("write the card", _save_page, order, words.page, ends_live=has_live_page(spool_dir))
    saving.done_within(GIVE_UP_AFTER_S)


def death_in(spool: Spool, task: Lifeline | None = None) -> Death:
    """What the sampler found out about the end; where it did not live to tell, what can be seen from here."""
    counted = spool.columns.get(("process", "oom_kills"), array("d"))
    kills = round(sum(value for value in counted[-RECENT_ROWS:] if value == value))
    for event in reversed(spool.events):
        kind, *fields = event.text.split("\t")
        if kind == DEATH and len(fields) == 3:
            status, source, elsewhere = fields
            return Death(
                status=int(status) if status.isdigit() else None,
                source=source,
                kills=kills,
                machine_kills=int(elsewhere) if elsewhere.isdigit() else 0,
                stopping_at=stopping_since(spool),
            )
    death = Death(kills=kills, stopping_at=stopping_since(spool))
    found = task.exit_status() if task is not None else None
    return death if found is None else replace(death, status=found[0], source=found[1])


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
    known = death.exit_code is not None or death.signal not in (None, _SIGKILL)
    if known or storage is None or order.handover_folder is None or order.datastore_root is None:
        return death
    until_s = now() + wait_s
    read = partial(_runtime_record, order, storage)
    while (found := guarded("read Metaflow's record of the task", within, PATIENCE_S, read)) is None:
        if now() >= until_s:
            return death
        time.sleep(LOOK_EVERY_S)
    if found.get("killed") is True:
        death = replace(death, stopped=True)
    code = found.get("return_code")
    if death.status is None and isinstance(code, int):
        death = replace(death, status=status_of(code), source=RUNTIME_RECORD)
    return death


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


def noted_at(order: Order) -> float | None:
    """Unix time at which a runtime on this machine noted the end in its record; ``None`` where there is no such file.

    It does that at once.
    """
    if order.handover_folder is None or order.datastore_root is None or order.datastore not in OF_FOLDERS:
        return None
    try:
        return os.stat(f"{order.datastore_root}/{order.pathspec}/{order.attempt}.runtime").st_mtime
    except OSError:
        return None


def _last_spool(spool_dir: str) -> Spool | None:
    """The spool with the sampler's last row; without it, where the sampler does not live to write one.

    ``None`` where the task said goodbye, or took its spool away, which is the last that it does: where neither it nor
    its sampler is left to do that, both were killed before.
    """
    until_s = time.monotonic() + AWAIT_SAMPLER_S
    while True:
        spool: Spool | None = None
        try:
            spool = read_spool(spool_dir)
        except SpoolError:
            if not os.path.exists(spool_dir):
                return None
        if (spool is not None and _is_ended(spool, TASK_DIED)) or not _is_heard(spool_dir):
            return spool
        if spool is not None and _is_ended(spool):
            return None
        if time.monotonic() >= until_s:
            return spool
        time.sleep(LOOK_EVERY_S)


def _earlier(metadata: Any, order: Order) -> list[TaskSummary] | None:
    """Attempts of earlier runs, where the runtime took what it had read with it."""
    if not order.history_runs or read_handover(order.handover_folder, order.step).summaries is not None:
        return None
    from metaflow.util import resolve_identity

    return read_summaries(
        metadata,
        order.flow,
        order.step,
        namespace=resolve_identity(),
        current_run_id=order.run_id,
        max_runs=order.history_runs,
    )


def _is_heard(spool_dir: str) -> bool:
    """Whether the sampler lives."""
    try:
        return is_heard(spool_dir)
    except OSError:  # not allowed to look
        return True


def _is_ended(spool: Spool, why: str = "") -> bool:
    return any(event.text.startswith(f"end\t{why}") for event in spool.events)


class _Saving:
    """Parts that are saved side by side, each tried again where a store refuses: none waits for another's store."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._missing: set[str] = set()

    def begin(self, what: str, action: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Begin to save a part."""

        def work() -> None:
            for wait_s in (*TRY_AGAIN_AFTER_S, None):
                try:
                    action(*args, **kwargs)
                    self._missing.discard(what)
                    return
                except Exception:  # noqa: BLE001 - a store may fail in any way, and nobody is left to be told
                    if wait_s is not None:
                        time.sleep(wait_s)

        self._missing.add(what)
        thread = threading.Thread(target=work, name=what, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # a limit on processes: one after the other, and if it hangs, the sampler ends us
            work()
        else:
            self._threads.append(thread)

    def done_within(self, seconds: float) -> bool:
        """Waits at most so long for all parts; whether all are saved."""
        until_s = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        return not self._missing


def _write_card(order: Order, record: TaskRecord) -> None:
    from resource_tracker.report.render import render_card  # with Jinja2, now that it can be found

    _save_page(order, render_card(record), ends_live=True, early=encode_summary(summary_of(record)))


def _save_page(order: Order, page: str, *, ends_live: bool, early: str | None = None) -> None:
    cards = open_cards(order)
    assert cards is not None
    cards.save(page)
    if ends_live:
        cards.save_data(NO_DATA, FINAL, time.time(), early)
