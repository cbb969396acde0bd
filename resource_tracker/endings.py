"""What ended a task that could not say so itself, from its wait status and what was measured until then.

Pure. Causes, sources and thresholds are explained in ``docs/post-mortem.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from resource_tracker.dataclass import dataclass, replace
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import (
    Ending,
    Limits,
    Projection,
    TaskSummary,
    UsageSummary,
)
from resource_tracker.summary import AT_LIMIT, KILLED_FOR_MEMORY
from resource_tracker.units import kib_to_whole_mb, mib_to_kib

INTERRUPTED = "interrupted"
"""Nobody saw the end: the container, or the machine, went at once."""
STOPPED = "stopped with the run"
STOPPED_EVIDENCE = "Metaflow ended it with the rest of the run: another task had failed, or the run was interrupted."
UNKNOWN = "unknown"
UNSEEN = (INTERRUPTED, UNKNOWN)
"""Causes of which nobody knows whether they were for lack of memory."""
RUNTIME_RECORD = "Metaflow's record of the task"
LAST_RECORD = "the last record of the running attempt"
REBOOTED = "the machine has booted since"
RECENT_ROWS = 2
"""Rows before the end in which a kill by the kernel counts as this task's."""
SHM_FULL = 0.95
SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    10: "SIGUSR1",
    11: "SIGSEGV",
    12: "SIGUSR2",
    13: "SIGPIPE",
    14: "SIGALRM",
    15: "SIGTERM",
    24: "SIGXCPU",
    25: "SIGXFSZ",
    31: "SIGSYS",
}
"""Linux's, by number; on machines of MIPS some are others."""
_KILL, _BUS, _INTERRUPT, _TERMINATE = 9, 7, 2, 15
CRASHES = {4: "an illegal instruction", 6: "abort()", 7: "a bus error", 8: "an arithmetic error", 11: "a bad address"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """What is known of a task's end.

    Parameters
    ----------
    status : int or None
        Its wait status, as ``os.wait`` gives it.
    source : str
        Where that was read.
    kills : int
        Processes of its cgroup that the kernel killed for lack of memory in its last :data:`RECENT_ROWS` rows.
    machine_kills : int
        Those anywhere on the machine.
    stopped : bool
        Metaflow ended it, with the rest of the run.
    seen : bool
        False where what watched the task went with it.
    stopping_at : float or None
        Unix time at which what watched it got SIGTERM, as everybody does before a machine or a container goes.
    """

    status: int | None = None
    source: str = ""
    kills: int = 0
    machine_kills: int = 0
    stopped: bool = False
    seen: bool = True
    stopping_at: float | None = None

    @property
    def signal(self) -> int | None:
        """The signal that killed it."""
        return None if self.status is None else (self.status & 0x7F) or None

    @property
    def exit_code(self) -> int | None:
        return None if self.status is None or self.signal else self.status >> 8 & 0xFF


class Measured(NamedTuple):
    """What was measured of the attempt until it died."""

    usage: UsageSummary
    system: TinyDataFrame
    limits: Limits


def status_of(return_code: int) -> int:
    """A wait status from what Python's ``subprocess`` returns: ``-9`` is a signal, ``3`` an exit code."""
    return -return_code if return_code < 0 else (return_code & 0xFF) << 8


def ending_of(death: Death, measured: Measured) -> Ending:
    """What ended the task, with the evidence and its source; without a remedy, for which there must be an advice."""
    killed = death.signal == _KILL or death.status is None
    if death.stopped:
        return Ending(cause=STOPPED, evidence=STOPPED_EVIDENCE, source=RUNTIME_RECORD)
    if killed and (found := next(_lack_of_memory(death, measured), None)):
        return found
    if death.stopping_at is not None and (death.status is None or death.signal in (_KILL, _TERMINATE)):
        return _of_stop(death)
    if death.signal is not None:
        return _of_signal(death.signal, death.source, measured)
    if death.exit_code is not None:
        return _of_exit(death.exit_code, death.source)
    if not death.seen:
        evidence = (
            f"Nobody saw its end: the container or the machine went at once, "
            f"at most some seconds after this was measured.{_memory_then(measured)}"
        )
        return Ending(cause=INTERRUPTED, evidence=evidence, source=death.source or LAST_RECORD)
    evidence = f"It ended without a word, and nothing tells how.{_memory_then(measured)}"
    return Ending(cause=UNKNOWN, evidence=evidence, source="")


def interrupted(early: TaskSummary) -> TaskSummary:
    """What is left of an attempt that went with its whole container: its last record while it ran."""
    usage = UsageSummary(
        duration_s=early.duration_s,
        memory_peak_kib=early.memory_peak_kib,
        persist_memory_peak_kib=early.persist_memory_peak_kib,
    )
    measured = Measured(usage, TinyDataFrame(), Limits(memory_mib=early.memory_limit_mib))
    stopping_at = early.stopping_at
    if stopping_at is not None and (early.finished_at or 0.0) > stopping_at + STOPS_WITHIN_S:
        stopping_at = None  # it went on
    ending = ending_of(Death(seen=False, source=LAST_RECORD, stopping_at=stopping_at), measured)
    return replace(
        early,
        status="failed",
        ended_by=ending.cause,
        ended_evidence=ending.evidence,
        ended_source=ending.source,
        ran_out_of_memory=ending.cause == KILLED_FOR_MEMORY,
    )


BEING_STOPPED = "as all do when a machine, container or job is being stopped"
"""Stands in the evidence of an end that SIGTERM to everybody announced."""
STOPS_WITHIN_S = 600.0
"""After SIGTERM to everybody, until SIGKILL: seconds, or minutes where somebody asked for them."""


def _lack_of_memory(death: Death, measured: Measured) -> Iterator[Ending]:
    """The kernel's own word first, then what makes it likely."""
    had = _had(measured)
    usage, status_source = measured.usage, f", {death.source}" if death.source else ""
    if death.kills and usage.memory_cgroup_shared is not True:
        yield Ending(
            cause=KILLED_FOR_MEMORY,
            evidence=f"The kernel killed it for lack of memory.{had}",
            source=f"cgroup oom_kill{status_source}",
        )
    if death.kills:
        yield Ending(
            cause=KILLED_FOR_MEMORY,
            evidence=f"It was killed when there was no memory left in its cgroup, where others run, too.{had}",
            source=f"cgroup oom_kill{status_source}",
        )
    share = _share_of_limit(measured)
    if share is not None and share >= AT_LIMIT:
        yield Ending(
            cause=KILLED_FOR_MEMORY,
            evidence=f"It was killed at {share:.0%} of its memory limit.{had}",
            source=f"memory at its limit{status_source}",
        )
    # The kernel counts a kill in the cgroup of what it kills, too: where that counter stands still, it was another.
    if death.machine_kills > 0 and usage.oom_kills is None:
        yield Ending(
            cause=KILLED_FOR_MEMORY,
            evidence=f"It was killed when there was no memory left on its machine.{had}",
            source=f"/proc/vmstat oom_kill{status_source}",
        )


def stop_projection(stopping_at: float) -> Projection:
    """What a card says while its machine or container is being stopped."""
    text = f"What watches it got SIGTERM at {_clock(stopping_at)} UTC, {BEING_STOPPED}."
    return Projection(kind="stopping", text=text)


def _of_stop(death: Death) -> Ending:
    """Whether the task was seen to end, or went with all that watched it."""
    assert death.stopping_at is not None
    what = f"What watched it got SIGTERM at {_clock(death.stopping_at)} UTC, {BEING_STOPPED}"
    if death.signal is not None:
        name = SIGNALS[death.signal]
        return Ending(cause=f"killed by {name}", evidence=f"{what}; {name} ended it.", source=death.source)
    return Ending(cause=INTERRUPTED, evidence=f"{what}, and all of it went.", source=death.source)


def _clock(unix_s: float) -> str:
    """``07:38:05``, of UTC."""
    seconds = int(unix_s) % 86400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _of_signal(number: int, source: str, measured: Measured) -> Ending:
    name = SIGNALS.get(number, f"signal {number}")
    what = f"A signal ended it: {name}."
    if number == _BUS and (full := _shared_memory_was_full(measured)):
        what = f"{full} A bus error is what writing to a full one ends with."
    elif number in CRASHES:
        what = f"It crashed: {name} is {CRASHES[number]}."
    elif number == _KILL:
        what = "Somebody killed it: neither its cgroup nor its machine was short of memory, as far as is known."
    elif number == _INTERRUPT:
        what = "It was interrupted (SIGINT), as by Ctrl-C."
    return Ending(cause=f"killed by {name}", evidence=what, source=source)


def _of_exit(code: int, source: str) -> Ending:
    how = "It left by itself, past Metaflow's own ending, as os._exit does"
    evidence = f"{how}, with exit code {code}."
    if code > 128 and (name := SIGNALS.get(code - 128)):
        evidence = f"{how}, with exit code {code}: so shells tell of {name}."
    return Ending(cause=f"exit code {code}", evidence=evidence, source=source)


def _shared_memory_was_full(measured: Measured) -> str:
    peak_kib, size_mib = measured.usage.shared_memory_peak_kib, measured.limits.shared_memory_mib
    if not peak_kib or not size_mib or peak_kib < SHM_FULL * mib_to_kib(size_mib):
        return ""
    return f"Its shared memory was full ({size_mib:,.0f} MiB)."


def _share_of_limit(measured: Measured) -> float | None:
    peak, limit = measured.usage.overall_memory_peak_kib, measured.limits.memory_mib
    return None if peak is None or not limit or limit <= 0 else peak / mib_to_kib(limit)


def _had(measured: Measured) -> str:
    """What it had got to, and what there was, in a sentence of its own."""
    peak, limit = measured.usage.overall_memory_peak_kib, measured.limits.memory_mib
    if peak is None:
        return ""
    most = f"; its limit is {kib_to_whole_mb(mib_to_kib(limit)):,} MB" if limit else _left(measured)
    return f" It had reached {kib_to_whole_mb(peak):,} MB{most}."


def _left(measured: Measured) -> str:
    """What the machine had left in the last reading, where that is next to nothing."""
    system, name = measured.system, "memory_available_kib"
    free = list(system[name])[-RECENT_ROWS:] if name in system.columns else []
    known = [value for value in free if value == value]
    return f"; its machine had {kib_to_whole_mb(min(known)):,} MB left" if known else ""


def _memory_then(measured: Measured) -> str:
    share, peak = _share_of_limit(measured), measured.usage.overall_memory_peak_kib
    if peak is None:
        return ""
    of_limit = f", {share:.0%} of its limit" if share is not None else ""
    return f" Its memory had reached {kib_to_whole_mb(peak):,} MB{of_limit}."
