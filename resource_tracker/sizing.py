"""How much memory a step needs, estimated from what earlier attempts used.

Pure: observations in, one number out, with its reason and its expected failure rate. Rules and
thresholds are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Literal

from resource_tracker.dataclass import dataclass
from resource_tracker.outlook import Outlook, Peak, Tail, outlooks
from resource_tracker.records import NoRecommendation

OOM_FACTOR = 2.0
"""An attempt that ran out of memory shows only that more is needed: double, as a search from below does."""
FAILED_FACTOR = 1.25
"""Above the peak of an attempt that failed for another reason: it had not come to its end."""
LARGEST = 2.0**50
"""A reading beyond this, in whatever unit, is an error of the source: as KiB it is an exbibyte."""
SAFE_CHANCE, LEAN_CHANCE = 0.0075, 0.01
"""Most that the estimated chance of needing more may be. Where a request failed, it costs a whole attempt."""
KEEP_SHARE = 1.1
"""A request that sufficed for every attempt is not exceeded as long as it is this much above their highest peak."""
ALIKE = 0.99
"""Input sizes that differ by 1 % are alike."""
TAIL_STEPS = (0.5, 1.0, 2.0, 3.0)
"""Distances beyond the highest peak, in mean excesses, among which LEAN looks for the cheapest size."""

AttemptOutcome = Literal["ok", "oom", "failed"]


class Policy(Enum):
    """What to optimise: ``SAFE`` practically never fails, ``LEAN`` costs least with its retries counted."""

    SAFE = "safe"
    LEAN = "lean"


LEAST_HEADROOM_MIB = {Policy.SAFE: 64.0, Policy.LEAN: 16.0}
"""Least distance from a peak that is to be covered: two runs of the same code differ by some megabytes."""


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
        Size of the next input. With three attempts or more whose input sizes are known, the estimate follows the size;
        one that is larger than any seen makes it more careful.
    requested_mib : float, optional
        What the attempts asked for. One that ran out of memory needed more than that; if all ended well, there is no
        reason to ask for more unless the highest peak came close to it.
    policy : Policy
        ``SAFE`` (default) is never below the highest peak of a successful attempt, and exceeded with an estimated
        chance of 0.75 % at most. ``LEAN`` has the least expected cost, retries counted, exceeded with 1 % at most.

    Returns
    -------
    MemoryAdvice or NoRecommendation
        ``NoRecommendation`` where no attempt was measured.
    """
    seen = [o for o in observations if is_measurement(o.peak_mib) and o.peak_mib > 0]
    if not seen:
        return NoRecommendation(reason="no attempt of this step has been measured yet")
    exact = [o for o in seen if o.outcome == "ok"]
    known_input = input_bytes if is_measurement(input_bytes) else None
    cut_off = [o for o in seen if o.outcome != "ok" and _concerns(o, known_input) and not _was_repeated(o, exact)]
    highest = max((o.peak_mib for o in exact), default=0.0)
    floor, floor_reason = _lower_bound(cut_off, highest, requested_mib)
    if not exact:
        return MemoryAdvice(floor, 0.5, f"No attempt has succeeded yet. {floor_reason}")
    ways = list(outlooks(_peaks(seen), known_input))
    if any(o.outcome == "oom" for o in cut_off):
        policy, ways = Policy.SAFE, ways[:1]
    choices = [_choice(outlook, policy) for outlook in ways]
    choice = (max if _is_larger(known_input, exact) else min)(choices, key=lambda choice: choice.cost)
    size, reason = choice.size, _reason(choice, exact)
    least = highest + LEAST_HEADROOM_MIB[Policy.SAFE]
    if policy is Policy.SAFE and size < least:
        size = least
        reason = f"{percent_above(size / highest)} above the highest of {_count(exact)}, {highest:,.0f} MiB."
    if requested_mib is not None and _is_enough(requested_mib, seen, highest) and size > requested_mib:
        size = requested_mib
        reason = f"As asked for: it was enough for {_count(exact)}, the highest of which took {highest:,.0f} MiB."
    if floor > size:
        size, reason = floor, floor_reason
    return MemoryAdvice(size, choice.outlook.chance_above(size), reason)


@dataclass(frozen=True, slots=True)
class _Choice:
    """The size that an outlook leads to, and its expected cost in MiB for the duration of an attempt."""

    outlook: Outlook
    size: float
    cost: float


def _choice(outlook: Outlook, policy: Policy) -> _Choice:
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
            cost = size + headroom + enough * share_of_time
            if chance <= limit and cost < best.cost:
                best = _Choice(outlook, size + headroom, cost)
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


def _is_larger(input_bytes: float | None, exact: Sequence[Observation]) -> bool:
    """Whether an input is larger than any that is known: then the outlook that expects most is the one to believe."""
    sizes = [o.input_bytes for o in exact if is_measurement(o.input_bytes)]
    return input_bytes is not None and bool(sizes) and input_bytes > max(sizes)


def percent_above(factor: float) -> str:
    """``1.25`` as ``25 %``."""
    return f"{(factor - 1) * 100:.0f} %"


def _reason(choice: _Choice, exact: Sequence[Observation]) -> str:
    highest = max(o.peak_mib for o in exact)
    expected = choice.outlook.highest
    if choice.size < expected:
        return f"Least expected cost over {_count(exact)}, retries counted; the highest was {highest:,.0f} MiB."
    above = percent_above(choice.size / expected) if expected > 0 else "a little"
    if choice.outlook.method == "line":
        return f"{above} above what {_count(exact)} make expect at most for an input of this size, {expected:,.0f} MiB."
    if choice.outlook.method == "neighbours":
        return f"{above} above the highest of the attempts with an input of similar size, {expected:,.0f} MiB."
    return f"{above} above the highest of {_count(exact)}, {highest:,.0f} MiB."


def _count(observations: Sequence[Observation]) -> str:
    return "1 successful attempt" if len(observations) == 1 else f"{len(observations)} successful attempts"


def _peaks(seen: Sequence[Observation]) -> list[Peak]:
    """The successful attempts, each with its weight.

    An attempt that did not end well would have needed at least what it reached: its weight goes in equal parts to the
    successful ones that took more (Efron's redistribution to the right, which gives the Kaplan-Meier estimate). Where
    none did, it is the lower bound that covers it.
    """
    exact = sorted((o for o in seen if o.outcome == "ok"), key=lambda o: o.peak_mib)
    weights = [1.0] * len(exact)
    for cut_off in sorted(o.peak_mib for o in seen if o.outcome != "ok"):
        above = [i for i, o in enumerate(exact) if o.peak_mib > cut_off]
        for i in above:
            weights[i] += 1 / len(above)
    return [
        Peak(o.peak_mib, o.input_bytes if is_measurement(o.input_bytes) else None, max(o.duration_s, 0.001), weight)
        for o, weight in zip(exact, weights, strict=True)
    ]


def _is_enough(requested_mib: float, seen: Sequence[Observation], highest: float) -> bool:
    """Whether no attempt has shown that the request is too small, or only just large enough."""
    return (
        is_measurement(requested_mib)
        and requested_mib >= highest * KEEP_SHARE
        and all(o.outcome == "ok" for o in seen)
    )


def _concerns(attempt: Observation, input_bytes: float | None) -> bool:
    """Whether an attempt that did not end well says something about an input of this size: it was no larger."""
    return input_bytes is None or attempt.input_bytes is None or attempt.input_bytes * ALIKE <= input_bytes


def _was_repeated(attempt: Observation, exact: Sequence[Observation]) -> bool:
    """Whether a later attempt with such an input went further and succeeded: that one shows what it really takes."""
    return attempt.finished_at is not None and any(
        o.peak_mib > attempt.peak_mib
        and o.finished_at is not None
        and o.finished_at >= attempt.finished_at
        and _concerns(attempt, o.input_bytes)
        for o in exact
    )


def _lower_bound(
    cut_off: Sequence[Observation], highest_ok: float, requested_mib: float | None
) -> tuple[float, str]:
    """Least that the attempts which did not end well call for: (MiB, reason); 0 where others went further."""
    allowed = requested_mib if requested_mib is not None and is_measurement(requested_mib) else 0.0
    floor, reason = 0.0, ""
    for attempt in cut_off:
        if attempt.peak_mib <= highest_ok:
            continue
        if attempt.outcome == "oom":
            reached, factor, what = max(attempt.peak_mib, allowed), OOM_FACTOR, "ran out of memory at"
        else:
            reached, factor, what = attempt.peak_mib, FAILED_FACTOR, "failed after reaching"
        if reached * factor > floor:
            floor = reached * factor
            reason = f"{percent_above(factor)} above a lower bound: an attempt {what} {reached:,.0f} MiB."
    return floor, reason
