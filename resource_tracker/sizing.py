"""How much memory a step needs, estimated from what earlier attempts used.

Pure: observations in, one number out, with its reason and its expected failure rate. Rules and
thresholds are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import accumulate
from typing import TypeGuard

from resource_tracker.dataclass import dataclass
from resource_tracker.lower_bound import lower_bound, percent_above
from resource_tracker.observation import AttemptOutcome, Observation, concerns, is_measurement, was_repeated
from resource_tracker.outlook import LARGEST_INPUT_RATIO, LEAST_INPUT_BYTES, Outlook, Peak, Tail, outlooks, trend
from resource_tracker.records import NoRecommendation

__all__ = ["AttemptOutcome", "MemoryAdvice", "Observation", "Policy", "is_measurement", "recommend_memory"]

NO_SUCCESS = "No attempt has succeeded yet."
SAFE_CHANCE, LEAN_CHANCE = 0.0075, 0.01
"""Most that the estimated chance of needing more may be. Where a request failed, it costs a whole attempt."""
OUTLIER_CHANCE, OUTLIER_SHARE, OUTLIER_LEAST_MIB = 0.05, 0.5, 512.0
"""LEAN takes a chance of up to 5 % where that at least halves the size: it leaves gross outliers to the retry."""
UNKNOWN_CHANCE = 0.5
"""Where no attempt has succeeded, or none had such an input, the chance of needing still more is anybody's guess."""
KEEP_SHARE = 1.1
"""A request that sufficed for every attempt is not exceeded as long as it is this much above their highest peak."""
TAIL_STEPS = (0.5, 1.0, 2.0, 3.0)
"""Distances beyond the highest peak, in mean excesses, among which LEAN looks for the cheapest size."""


class Policy(Enum):
    """What to optimise: ``SAFE`` practically never fails, ``LEAN`` costs least with its retries counted."""

    SAFE = "safe"
    LEAN = "lean"


LEAST_HEADROOM_MIB = {Policy.SAFE: 64.0, Policy.LEAN: 16.0}
"""Least distance from a peak that is to be covered: two runs of the same code differ by some megabytes."""


@dataclass(frozen=True, slots=True)
class MemoryAdvice:
    """The estimate. ``expected_failure_rate`` is the chance that the next attempt needs more (0 to 1)."""

    memory_mib: float
    expected_failure_rate: float
    reason: str

    @property
    def available(self) -> bool:
        return True


def recommend_memory(
    observations: Iterable[Observation],
    input_bytes: float | None = None,
    requested_mib: float | None = None,
    policy: Policy = Policy.SAFE,
    *,
    bear_outliers: bool = True,
) -> MemoryAdvice | NoRecommendation:
    """Memory to ask for next time, in MiB, not rounded.

    Parameters
    ----------
    observations : iterable of Observation
        Earlier attempts, in any order.
    input_bytes : float, optional
        Size of the next input. With three attempts or more whose input sizes are known, the estimate follows the size;
        one that is larger than any seen makes it more careful.
    requested_mib : float, optional
        What the attempts asked for. One that ran out of memory needed more than that; if all ended well, there is no
        reason to ask for more unless the highest peak came close to it.
    policy : Policy
        ``SAFE`` (default) is never below the highest peak of a successful attempt, and exceeded with an estimated
        chance of 0.75 % at most, but where a request that was always enough is kept. ``LEAN`` has the least expected
        cost, retries counted, exceeded with 1 % at most.
    bear_outliers : bool
        False: ``LEAN`` does not leave gross outliers to the retry, as where a retry gets the same memory again.

    Returns
    -------
    MemoryAdvice or NoRecommendation
        ``NoRecommendation`` where no attempt was measured.
    """
    policy = Policy(policy)
    seen = [o for o in observations if is_measurement(o.peak_mib) and o.peak_mib > 0]
    if not seen:
        return NoRecommendation(reason="no attempt of this step has been measured yet")
    exact = [o for o in seen if o.outcome == "ok"]
    if not exact:
        floor, floor_reason = lower_bound(seen, 0.0, requested_mib)
        return MemoryAdvice(floor, UNKNOWN_CHANCE, f"{NO_SUCCESS} {floor_reason}")
    highest = max(o.peak_mib for o in exact)
    next_input = input_bytes if is_measurement(input_bytes) else None
    cut_off = [o for o in seen if o.outcome != "ok" and concerns(o, next_input) and not was_repeated(o, exact)]
    ways = list(outlooks(_peaks(seen), next_input))
    if any(o.outcome == "oom" for o in cut_off):  # the next may well be its repetition
        policy, ways = Policy.SAFE, ways[:1]
    rising = trend(_in_time(exact)) if next_input is None else None
    choices = [_choice(outlook, policy, bear_outliers) for outlook in (*ways, *([rising] if rising else []))]
    times = _times_larger(next_input, exact)
    choice = (max if times > 1 or rising else min)(choices, key=lambda choice: choice.cost)
    size, reason = choice.size, _reason(choice, exact)
    least = highest + LEAST_HEADROOM_MIB[Policy.SAFE]
    if policy is Policy.SAFE and size < least:
        size, reason = least, _above(least, highest, exact)
    if _is_enough(requested_mib, seen, highest * max(1.0, times)) and requested_mib < size:
        size = requested_mib
        reason = f"As asked for: it was enough for {_count(exact)}, the highest of which took {highest:,.0f} MiB."
    chance = choice.outlook.chance_above(size)
    floor, floor_reason = lower_bound(cut_off, highest, requested_mib)
    if floor > size:
        beyond = sum(o.peak_mib > highest for o in cut_off)  # nobody knows how much more these would have needed
        size, reason, chance = floor, floor_reason, UNKNOWN_CHANCE * beyond / (beyond + len(exact))
    if times > LARGEST_INPUT_RATIO:
        reason = f"{reason} The input is {times:,.0f} times the largest seen: this is for ten times, beyond is unknown."
        return MemoryAdvice(size, UNKNOWN_CHANCE, reason)
    return MemoryAdvice(size, chance, reason)


@dataclass(frozen=True, slots=True)
class _Choice:
    """The size that an outlook leads to, and its expected cost in MiB for the duration of an attempt."""

    outlook: Outlook
    size: float
    cost: float


def _choice(outlook: Outlook, policy: Policy, bear_outliers: bool) -> _Choice:
    """The size with the least expected cost among those that are exceeded seldom enough.

    A size that is too small costs itself for the whole attempt, and then the retry at a size that is practically
    always enough; ``SAFE`` looks at that size only.
    """
    tail = outlook.tail()
    limit = SAFE_CHANCE if policy is Policy.SAFE else LEAN_CHANCE
    headroom = LEAST_HEADROOM_MIB[policy]
    enough = max(tail.size_for(limit), tail.highest + headroom)
    best = _Choice(outlook, enough, enough + enough * tail.chance_above(enough))
    if policy is Policy.LEAN:
        for size, chance, share_of_time in _smaller_sizes(outlook, tail):
            size += headroom
            cost = size + enough * share_of_time
            is_gross = bear_outliers and size <= min(OUTLIER_SHARE * enough, enough - OUTLIER_LEAST_MIB)
            if chance <= (OUTLIER_CHANCE if is_gross else limit) and cost < best.cost:
                best = _Choice(outlook, size, cost)
    return best


def _smaller_sizes(outlook: Outlook, tail: Tail) -> Iterator[tuple[float, float, float]]:
    """Sizes that may be cheaper: (MiB, chance of needing more, share of the time spent in attempts that do)."""
    body = 1 - tail.chance
    shares, shares_of_time = outlook.shares_above()
    for peak, share, share_of_time in zip(outlook.peaks, shares, shares_of_time, strict=True):
        if peak < tail.highest:
            yield peak, body * share + tail.chance, body * share_of_time + tail.chance
    for steps in TAIL_STEPS:
        size = tail.highest + steps * tail.scale_mib
        yield size, tail.chance_above(size), tail.chance_above(size)


def _times_larger(input_bytes: float | None, exact: Sequence[Observation]) -> float:
    """How many times the largest known input the next one is; 1 or less where it is none larger, or that is unknown.

    For a larger one, the outlook that expects most is the one to believe.
    """
    sizes = [o.input_bytes for o in exact if o.input_bytes is not None and is_measurement(o.input_bytes)]
    largest = max(sizes, default=0.0)
    return input_bytes / largest if input_bytes is not None and largest >= LEAST_INPUT_BYTES else 1.0


def _reason(choice: _Choice, exact: Sequence[Observation]) -> str:
    highest = max(o.peak_mib for o in exact)
    expected = choice.outlook.highest
    if choice.size < expected:
        return f"Least expected cost over {_count(exact)}, retries counted; the highest was {highest:,.0f} MiB."
    above = percent_above(choice.size / expected) if expected > 0 else "a little"
    if choice.outlook.method == "line":
        return f"{above} above the highest expected for an input of this size by {_count(exact)}, {expected:,.0f} MiB."
    if choice.outlook.method == "trend":
        return f"{above} above where the peaks, which rise from attempt to attempt, are headed: {expected:,.0f} MiB."
    if choice.outlook.method == "neighbours":
        return f"{above} above the highest of the attempts with an input of similar size, {expected:,.0f} MiB."
    return _above(choice.size, highest, exact)


def _above(size: float, highest: float, exact: Sequence[Observation]) -> str:
    return f"{percent_above(size / highest)} above the highest of {_count(exact)}, {highest:,.0f} MiB."


def _count(observations: Sequence[Observation]) -> str:
    return "1 successful attempt" if len(observations) == 1 else f"{len(observations)} successful attempts"


def _peaks(seen: Sequence[Observation]) -> list[Peak]:
    """The successful attempts, each with its weight.

    An attempt that did not end well would have needed at least what it reached: its weight goes in equal parts to the
    successful ones that took more (Efron's redistribution to the right, which gives the Kaplan-Meier estimate). Where
    none did, it is the lower bound that covers it.
    """
    exact = sorted((o for o in seen if o.outcome == "ok"), key=lambda o: o.peak_mib)
    peaks = [o.peak_mib for o in exact]
    added = [0.0] * (len(exact) + 1)
    for cut_off in (o.peak_mib for o in seen if o.outcome != "ok"):
        first_above = bisect_right(peaks, cut_off)
        if first_above < len(exact):
            added[first_above] += 1 / (len(exact) - first_above)
    weights = [1.0 + more for more in accumulate(added[:-1])]
    return [
        Peak(
            mib=o.peak_mib,
            input_bytes=o.input_bytes if is_measurement(o.input_bytes) else None,
            duration_s=o.duration_s if is_measurement(o.duration_s) and o.duration_s > 0 else 1.0,
            weight=weight,
        )
        for o, weight in zip(exact, weights, strict=True)
    ]


def _in_time(exact: Sequence[Observation]) -> list[Peak]:
    """The successful attempts, the oldest first; none where it is not known of each when it ended."""
    dated = [(o.finished_at, o) for o in exact if o.finished_at is not None and is_measurement(o.finished_at)]
    if len(dated) < len(exact):
        return []
    return [Peak(o.peak_mib, None, 1.0) for _, o in sorted(dated, key=lambda pair: pair[0])]


def _is_enough(requested_mib: float | None, seen: Sequence[Observation], highest: float) -> TypeGuard[float]:
    """Whether no attempt has shown that the request is too small, or only just large enough."""
    return (
        requested_mib is not None
        and is_measurement(requested_mib)
        and requested_mib >= highest * KEEP_SHARE
        and all(o.outcome == "ok" for o in seen)
    )
