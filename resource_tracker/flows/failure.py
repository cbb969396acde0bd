"""How an attempt failed, from the exception that ended it; never its message, which may hold secrets."""

from __future__ import annotations

import errno

from resource_tracker.records import Outcome

_DEEPEST = 8


def failure_of(exception: BaseException | None) -> Outcome:
    """The outcome; of an unknown exception just that it failed.

    The kernel's error is looked for in the causes, too: libraries wrap it in exceptions of their own.
    """
    if exception is None:
        return Outcome(status="failed")
    name, cause = None, exception
    for _ in range(_DEEPEST):
        if isinstance(cause, OSError) and cause.errno is not None:
            name = errno.errorcode.get(cause.errno)
            break
        deeper = cause.__cause__ or cause.__context__
        if deeper is None:
            break
        cause = deeper
    return Outcome(status="failed", exception_type=type(exception).__name__, error_name=name)
