"""What attempts that did not end well say about the memory of a step: it is more than they reached. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from resource_tracker.observation import Observation, is_measurement

OOM_FACTOR = 2.0
"""An attempt that ran out of memory shows only that more is needed: double, as a search from below does."""
FAR_BELOW = 0.5
"""An attempt that ran out of memory below half of what it had wanted too much at once, perhaps by mistake (an array of
the wrong shape): what it had stays, and is not doubled."""
FAILED_FACTOR = 1.25
"""Above the peak of an attempt that failed for another reason: it had not come to its end."""


def percent_above(factor: float) -> str:
    """``1.25`` as ``25 %``."""
    return f"{(factor - 1) * 100:.0f} %"


def lower_bound(cut_off: Sequence[Observation], highest_ok: float, requested_mib: float | None) -> tuple[float, str]:
    """Least that the attempts which did not end well call for: (MiB, reason); 0 where others went further."""
    allowed = requested_mib if requested_mib is not None and is_measurement(requested_mib) else 0.0
    floor, reason = 0.0, ""
    for attempt in (attempt for attempt in cut_off if attempt.peak_mib > highest_ok):
        least, why = _least_after(attempt, allowed)
        if least > floor:
            floor, reason = least, why
    return floor, reason


def _least_after(attempt: Observation, allowed: float) -> tuple[float, str]:
    """Least that an attempt calls for which did not end well, where it had ``allowed`` (0: not known)."""
    held = f"{attempt.peak_mib:,.0f} MiB"
    if attempt.outcome != "oom":
        above = percent_above(FAILED_FACTOR)
        return (
            attempt.peak_mib * FAILED_FACTOR,
            f"{above} above a lower bound: an attempt failed after reaching {held}.",
        )
    if attempt.peak_mib < FAR_BELOW * allowed:
        wanted = f"an attempt that held {held} could not get what it wanted at once; its error message says how much"
        return max(OOM_FACTOR * attempt.peak_mib, allowed), f"A lower bound, what it had: {wanted}."
    reached = max(attempt.peak_mib, allowed)
    above = f"{percent_above(OOM_FACTOR)} above a lower bound"
    return reached * OOM_FACTOR, f"{above}: an attempt ran out of memory at {reached:,.0f} MiB."
