"""The one place where the watcher meets the user's step: our failures are shown, never raised."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from resource_tracker.errors import is_of_a_signal_handler

P = ParamSpec("P")
T = TypeVar("T")


def guarded(what: str, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Call ``action``; if it fails, say so in one line of the step's log and return ``None``.

    An exception from a signal handler, such as that of ``@timeout``, belongs to the user and passes through.
    """
    try:
        with apart_from_the_flow():
            return action(*args, **kwargs)
    except Exception as error:
        if is_of_a_signal_handler(error):
            raise
        say(f"[track_resources] could not {what}: {type(error).__name__}: {error} (the step is not affected)")
        return None


def say(line: str) -> None:
    """Write a line to the task's log; nowhere, where the step has put a file of its own in the log's place."""
    if sys.__stderr__ is not None and log_file() is not None:
        with contextlib.suppress(Exception):
            print(line, file=sys.__stderr__, flush=True)


def log_file() -> tuple[int, int] | None:
    """Device and inode of the task's log; ``None`` where the step has put a file of its own in its place."""
    return _LOG if _file_at(2) == _LOG else None


@contextlib.contextmanager
def apart_from_the_flow() -> Iterator[None]:
    """Imports in here see no module that lies beside the flow, and hide none from it afterwards.

    A ``jinja2.py`` or ``numbers.py`` of the user's must not run because of us.
    """
    path, loaded = list(sys.path), set(sys.modules)
    if _FLOW_FOLDER is not None:
        sys.path[:] = [entry for entry in path if entry not in ("", _FLOW_FOLDER)]
    try:
        yield
    finally:
        if _FLOW_FOLDER is not None:
            sys.path[:] = path
            _forget_modules_that_hide(_FLOW_FOLDER, set(sys.modules) - loaded)


def _forget_modules_that_hide(folder: str, names: set[str]) -> None:
    beside = {entry.partition(".")[0] for entry in _names_in(folder)} - {"resource_tracker", "metaflow"}
    for name in names:
        if name.partition(".")[0] in beside:
            sys.modules.pop(name, None)


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _folder_of_the_flow() -> str | None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.dirname(os.path.abspath(file)) if file else None


def _file_at(descriptor: int) -> tuple[int, int] | None:
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


# As they are when Metaflow loads the flow: the step may change directory, or close its standard error.
_FLOW_FOLDER = _folder_of_the_flow()
_LOG = _file_at(2)
