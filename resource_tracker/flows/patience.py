"""Bounded waits for stores: one that fails, hangs or is slow holds up neither the end of a step nor us."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from resource_tracker.flows.guard import guarded

P = ParamSpec("P")
T = TypeVar("T")

PATIENCE_S = 5.0
"""For one answer of a store; Metaflow itself would ask again for half a minute, or for hours, and has no time limit."""


def within(seconds: float, action: Callable[[], T], *, may_hang: bool = True) -> T:
    """What `action` returns; where that takes longer, its thread is left to itself and ends with the process.

    Parameters
    ----------
    seconds : float
        How long to wait.
    action : callable
        What asks a store.
    may_hang : bool
        Where no thread starts any more, as the interpreter exits or a limit on processes is reached, what may hang is
        not asked at all: nothing else would end the wait. A store of files is asked all the same.

    Raises
    ------
    TimeoutError
        It took longer, or was not asked.
    Exception
        Whatever `action` raises in time; a ``SystemExit``, which would end the step, as a ``RuntimeError``.
    """
    found: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            found.append(action())
        except BaseException as error:  # noqa: BLE001 - raised again below, by whom it concerns
            failed.append(error)

    before = set(threading.enumerate())
    thread = threading.Thread(target=work, name="resource-tracker", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        if may_hang:
            raise TimeoutError(f"not asked, as nothing could end the wait for it ({error})") from None
        return action()
    thread.join(seconds)
    if failed and isinstance(failed[0], Exception):
        raise failed[0]
    if failed:
        raise RuntimeError(f"{type(failed[0]).__name__}: {failed[0]}") from failed[0]
    if not found:
        _let_the_process_exit(before)
        raise TimeoutError(f"no answer within {seconds:g} s")
    return found[0]


def stored(what: str, may_hang: bool, action: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> bool:
    """Whether a store, which `may_hang`, took something in time; if not, the step's log says so in one line."""

    def done() -> bool:
        action(*args, **kwargs)
        return True

    return guarded(what, within, PATIENCE_S, done, may_hang=may_hang) or False


def _let_the_process_exit(before: set[threading.Thread]) -> None:
    """Clients of Azure and Google work in pools of threads, for which an interpreter waits before it exits."""
    with suppress(ImportError, AttributeError):  # a private door
        from concurrent.futures import thread as pools

        awaited: Any = pools._threads_queues
        for thread in set(threading.enumerate()) - before:
            if thread.daemon:  # as everything is that our own thread has started
                awaited.pop(thread, None)
