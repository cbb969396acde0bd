"""How much memory a step needs, estimated from what earlier attempts used.

Pure: observations in, one number out, with its reason and its expected failure rate. Rules and
thresholds are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Literal

from resource_tracker.dataclass import dataclass
from resource_tracker.records import NoRecommendation

MIN_HEADROOM = 1.10
"""Every estimate is at least this much above the highest peak: allocators and inputs vary from run to run."""
FIRST_HEADROOM = 1.25
"""Above a peak that no other attempt has confirmed."""
AGREEMENT = 0.85
"""An attempt confirms the highest peak if its own is at least this share of it."""
OOM_FACTOR = 2.0
"""An attempt that ran out of memory shows only that more is needed: double, as a search from below does."""
LARGEST = 2.0**50
"""A reading beyond this, in whatever unit, is an error of the source: as KiB it is an exbibyte."""
LEAST_SPREAD, UNSEEN_SPREAD = 0.05, 0.20
"""Peaks are taken to vary by at least 5 % of the highest, and by a further 20 % / n while only n were seen."""
SMALLEST_VARIANCE = 1e-4
"""Of input sizes as shares of the largest: below it (about 1 %), they are too alike to show how the peak grows."""

AttemptOutcome = Literal["ok", "oom", "failed"]


class Policy(Enum):
    """What to optimise: ``SAFE`` practically never fails, ``LEAN`` costs least with its retries counted."""

    SAFE = "safe"
    LEAN = "lean"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one attempt used.

    Parameters
    ----------
    peak_mib : float
        Highest memory. For an attempt that did not end well it is a lower bound.
    duration_s : float
        How long it ran.
    input_bytes : float, optional
        Size of its input, where known.
    outcome : {"ok", "oom", "failed"}
        ``oom``: killed for memory, or stopped at its limit. ``failed``: for any other reason.
    finished_at : float, optional
        Unix time of its end.
    """

    peak_mib: float
    duration_s: float
    input_bytes: float | None = None
    outcome: AttemptOutcome = "ok"
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class MemoryAdvice:
    """The estimate. ``expected_failure_rate`` is the chance that the next attempt needs more (0 to 1)."""

    memory_mib: float
    expected_failure_rate: float
    reason: str

    @property
    def available(self) -> bool:
        return True


def headroom(agreeing: int) -> float:
    """Factor above the highest peak that ``agreeing`` attempts have confirmed: from 1.25 (one) towards 1.10."""
    return MIN_HEADROOM + (FIRST_HEADROOM - MIN_HEADROOM) / max(1, agreeing)


def is_measurement(value: float | None) -> bool:
    """Whether a reading can be reckoned with: known, finite, not negative, not absurd."""
    return value is not None and math.isfinite(value) and 0 <= value <= LARGEST


def recommend_memory(
    observations: Iterable[Observation],
    input_bytes: float | None = None,
    requested_mib: float | None = None,
    policy: Policy = Policy.SAFE,
) -> MemoryAdvice | NoRecommendation:
    """Memory to ask for next time, in MiB, not rounded.

    Parameters
    ----------
    observations : iterable of Observation
        Earlier attempts, in any order.
    input_bytes : float, optional
        Size of the next input. One that is larger than any seen raises the estimate in proportion to how the
        peaks grew with their inputs.
    requested_mib : float, optional
        What the attempts asked for: an attempt that was killed for memory needed more than that.
    policy : Policy
        ``SAFE`` (default) is never below the highest peak of a successful attempt.

    Returns
    -------
    MemoryAdvice or NoRecommendation
        ``NoRecommendation`` where no attempt was measured.
    """
    seen = [o for o in observations if is_measurement(o.peak_mib) and o.peak_mib > 0]
    if not seen:
        return NoRecommendation(reason="no attempt of this step has been measured yet")
    exact = [o for o in seen if o.outcome == "ok"]
    floor, floor_reason = _lower_bound(seen, requested_mib)
    if not exact:
        return MemoryAdvice(floor, 0.5, f"No attempt has succeeded yet. {floor_reason}")
    if policy is Policy.LEAN:
        chosen, reason = _least_expected_cost(exact)
    else:
        highest = max(o.peak_mib for o in exact)
        agreeing = sum(o.peak_mib >= AGREEMENT * highest for o in exact)
        chosen = highest * headroom(agreeing)
        reason = f"{percent_above(headroom(agreeing))} above the highest of {_count(exact)}, {highest:,.0f} MiB."
    larger = _for_larger_input(exact, input_bytes)
    if larger > 1:
        chosen, reason = chosen * larger, f"{reason} Times {larger:.2f}, because the input is larger than any before."
    if floor > chosen:
        chosen, reason = floor, floor_reason
    return MemoryAdvice(chosen, _chance_of_more(exact, chosen), reason)


def percent_above(factor: float) -> str:
    """``1.25`` as ``25 %``."""
    return f"{(factor - 1) * 100:.0f} %"


def _count(observations: Sequence[Observation]) -> str:
    return "1 successful attempt" if len(observations) == 1 else f"{len(observations)} successful attempts"


def _lower_bound(seen: Sequence[Observation], requested_mib: float | None) -> tuple[float, str]:
    """Least that the attempts which did not end well call for: (MiB, reason); 0 where all ended well."""
    highest_ok = max((o.peak_mib for o in seen if o.outcome == "ok"), default=0.0)
    allowed = requested_mib if requested_mib is not None and is_measurement(requested_mib) else 0.0
    floor, reason = 0.0, ""
    for attempt in seen:
        # an attempt that got further and succeeded has shown what it really takes
        if attempt.outcome == "ok" or attempt.peak_mib <= highest_ok:
            continue
        if attempt.outcome == "oom":
            reached, factor, what = max(attempt.peak_mib, allowed), OOM_FACTOR, "ran out of memory at"
        else:
            reached, factor, what = attempt.peak_mib, FIRST_HEADROOM, "failed after reaching"
        if reached * factor > floor:
            floor = reached * factor
            reason = f"{percent_above(factor)} above a lower bound: an attempt {what} {reached:,.0f} MiB."
    return floor, reason


def _least_expected_cost(exact: Sequence[Observation]) -> tuple[float, str]:
    """The size with the least expected memory x time, had the attempts used it: (MiB, reason).

    A size that is too small costs itself for the whole attempt, and then the retry at the safe size.
    """
    highest = max(o.peak_mib for o in exact)
    safe = highest * headroom(sum(o.peak_mib >= AGREEMENT * highest for o in exact))
    agreeing = headroom(len(exact))

    def cost(size: float) -> float:
        return sum(
            (size if o.peak_mib <= size else size + safe) * (o.duration_s if o.duration_s > 0 else 1.0) for o in exact
        )

    chosen = min((min(o.peak_mib * agreeing, safe) for o in exact), key=lambda size: (cost(size), -size))
    return chosen, f"Least expected cost over {_count(exact)}, retries counted; the highest was {highest:,.0f} MiB."


def _for_larger_input(exact: Sequence[Observation], input_bytes: float | None) -> float:
    """Factor for an input beyond those seen, at least 1: by the least-squares slope of peak over size.

    Never more than in proportion to the input: a steeper slope is noise more often than it is the step's.
    """
    pairs = [(o.input_bytes, o.peak_mib) for o in exact if o.input_bytes is not None and is_measurement(o.input_bytes)]
    largest = max((size for size, _ in pairs), default=0.0)
    if input_bytes is None or not is_measurement(input_bytes) or not input_bytes > largest >= 1:
        return 1.0
    shares = [(size / largest, peak) for size, peak in pairs]
    mean_share = sum(share for share, _ in shares) / len(shares)
    mean_peak = sum(peak for _, peak in shares) / len(shares)
    variance = sum((share - mean_share) ** 2 for share, _ in shares)
    if variance < SMALLEST_VARIANCE:
        return 1.0
    slope = sum((share - mean_share) * (peak - mean_peak) for share, peak in shares) / variance
    beyond = input_bytes / largest - 1
    return 1.0 + beyond * min(1.0, max(0.0, slope / max(peak for _, peak in pairs)))


def _chance_of_more(exact: Sequence[Observation], size_mib: float) -> float:
    """Chance that the next attempt needs more than ``size_mib``.

    Up to the highest peak: the share of attempts above the size. Beyond it: one in n + 1 (the next of n + 1
    exchangeable attempts is the highest), falling off exponentially with the distance in units of the spread.
    """
    peaks = [o.peak_mib for o in exact]
    highest, count = max(peaks), len(peaks)
    above = sum(peak > size_mib for peak in peaks)
    if above:
        return (above + 1) / (count + 1)
    mean = sum(peaks) / count
    spread = math.sqrt(sum((peak - mean) ** 2 for peak in peaks) / count)
    spread = max(spread, (LEAST_SPREAD + UNSEEN_SPREAD / count) * highest)
    return math.exp(-(size_mib - highest) / spread) / (count + 1)
