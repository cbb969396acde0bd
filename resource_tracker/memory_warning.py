"""When a running attempt is warned that its memory ends, and in which words. Pure."""

from __future__ import annotations

from resource_tracker.dataclass import dataclass
from resource_tracker.records import Limits, ServerInfo
from resource_tracker.units import kib_to_whole_mb, mib_to_kib


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryWarning:
    """A line of the step's log, and how much memory must be in use for it."""

    threshold_kib: float
    text: str


def memory_warning(
    fraction: float | None, limits: Limits, server: ServerInfo, *, speaker: str, remedy: str = ""
) -> MemoryWarning | None:
    """The warning of an attempt; ``None`` where none is wanted, or nobody knows how much memory there is.

    Parameters
    ----------
    fraction : float or None
        Part of the limit (or of the machine's memory, where that is less, or no limit) from which on to warn.
    speaker : str
        Who says it: ``"track_resources"``.
    remedy : str
        What raises the limit, in a few words.
    """
    amounts = [mib for mib in (limits.memory_mib, server.memory_mb) if mib]
    if fraction is None or not amounts:
        return None
    most_kib = mib_to_kib(min(amounts))
    limited = limits.memory_mib is not None and limits.memory_mib == min(amounts)
    threshold_kib = fraction * most_kib
    whose = "the limit of" if limited else "the machine's"
    text = (
        f"[{speaker}] memory use passed {kib_to_whole_mb(threshold_kib)} MB, {round(fraction * 100, 1):g} % of {whose}"
        f" {kib_to_whole_mb(most_kib)} MB; when it runs out, the kernel kills what uses most"
    )
    return MemoryWarning(threshold_kib=threshold_kib, text=f"{text}: {remedy}" if limited and remedy else text)
