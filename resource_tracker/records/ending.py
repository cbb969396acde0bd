"""How an attempt ended, the one before it, and where a running one is heading."""

from __future__ import annotations

from typing import Literal

from resource_tracker.dataclass import dataclass

Status = Literal["running", "ok", "failed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the attempt's own user code ended.

    Parameters
    ----------
    status : {"running", "ok", "failed", "unknown"}
        ``failed`` is an exception from the step's code, also one that ``@catch`` swallowed.
    exception_type : str or None
        Class name only: a message may hold secrets.
    caught : bool
        The exception was handled by a decorator, so the flow went on.
    error_name : str or None
        The kernel's name of the error behind the exception, such as ``ENOSPC``.
    ended_by : str or None
        What ended a task that could not say so itself: the ``cause`` of its :class:`Ending`.
    """

    status: Status
    exception_type: str | None = None
    caught: bool = False
    error_name: str | None = None
    ended_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What ended a task that could not say so itself.

    ``cause`` is a few words (``out of memory``, ``killed by SIGTERM``, ``exit code 3``, ``interrupted``, ``unknown``);
    ``evidence`` a sentence with the figures behind it, ``source`` where that was read, ``remedy`` what to do about it.
    """

    cause: str
    evidence: str = ""
    source: str = ""
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierAttempt:
    """What became of the attempt before this one, where ``@retry`` repeated the task: in sentences, and what to do.

    ``headline`` is the first of them, for a line of the log; ``resources`` says whether it was for lack of any.
    ``memory_mb`` is what it shows to be needed at least, where it ran out of memory, or where an attempt before it did,
    whose number is then ``memory_attempt``. ``died``: it could not say itself how it ended, which was seen in
    ``source``. ``memory_peak_mb`` is what it used at most.
    """

    attempt: int
    text: str
    remedy: str | None = None
    headline: str = ""
    resources: bool = False
    memory_mb: int | None = None
    memory_attempt: int | None = None
    died: bool = False
    source: str = ""
    memory_peak_mb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Where a running step is heading, in a sentence; ``kind`` is ``memory``, ``cpu``, ``gpu`` or ``disk``."""

    kind: str
    text: str
