"""The one place where the watcher meets the user's step: our failures are shown, never raised."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def guarded(what: str, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Call ``action``; if it fails, say so in one line of the step's log and return ``None``.

    ``@timeout`` raises its exception from a signal handler, wherever the task happens to be: that one
    belongs to the user and passes through.
    """
    try:
        return action(*args, **kwargs)
    except Exception as error:
        if type(error).__name__ == "TimeoutException" and type(error).__module__.startswith("metaflow."):
            raise
        with contextlib.suppress(Exception):  # the step may have closed its stderr
            print(
                f"[track_resources] could not {what}: {type(error).__name__}: {error} (the step is not affected)",
                file=sys.stderr,
                flush=True,
            )
        return None
