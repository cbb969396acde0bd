"""The models behind every cost: time on other cores, the part of a shared machine, spot, runs in a month.

Pure: numbers in, numbers out. Every rule and threshold is explained in ``docs/pricing.md``.
"""

from __future__ import annotations

import math
from bisect import insort_right
from collections.abc import Iterable, Sequence
from itertools import islice

from resource_tracker.dataclass import dataclass, replace
from resource_tracker.records import InstanceType, Offer
from resource_tracker.units import seconds_to_hours

BUSIEST_SHARE = 0.05
"""Part of the time that is above the 95th percentile."""
ALL_BUSY = 0.95
"""Share of the allowed cores from which on more of them may help."""
MOST_SPEEDUP_CORES = 2.0
"""Times the cores it had: no time is guessed beyond."""
SPOT_PRICE = 0.4
"""Spot price over on-demand price, where no spot price is known."""
INTERRUPTIONS_PER_HOUR = 0.01
SPOT_HOURS_AT_MOST = 100.0
"""Beyond, an attempt would be lost more often than not, and no figure is given."""
RESTART_HOURS = 0.05
"""Until a new machine runs the step again: 3 minutes."""
CANDIDATES = 40
"""Machines, the cheapest by the hour first, among which the cheapest for a run is looked for where times differ."""
MONTH_S = 365.25 / 12 * 86400
LEAST_SPAN_S = 0.9 * 86400
"""Runs within less than a day say nothing about a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is known of how an attempt used its cores. ``usual_cores`` is the 95th percentile over its rows."""

    wall_s: float
    cpu_s: float | None = None
    busiest_cores: float | None = None
    usual_cores: float | None = None
    allowed_cores: float | None = None


# --- time -----------------------------------------------------------------------------------------


def time_on(work: Work, vcpus: float) -> float:
    """Seconds that an attempt would take where ``vcpus`` cores are there for it; never below what is sure.

    With fewer cores than it used at once, the work that kept more of them busy takes longer. With more, it is faster
    only if it used nearly all that it was allowed, only in the part that ran on several, and never beyond twice those.
    Of the courses that fit what was measured, that one counts which makes the other machine look worst.
    """
    wall, busiest = work.wall_s, _busiest(work)
    if busiest is None or work.cpu_s is None or not vcpus > 0:
        return wall
    if vcpus < busiest:
        return wall + _lost_s(work, busiest, vcpus)
    allowed = work.allowed_cores
    if allowed is None or busiest < ALL_BUSY * allowed or busiest <= 1:
        return wall
    parallel_s = min(wall, max(0.0, (work.cpu_s - wall) / (busiest - 1)))
    return wall - parallel_s * (1 - busiest / min(vcpus, MOST_SPEEDUP_CORES * busiest))


def _busiest(work: Work) -> float | None:
    """Cores that were busy at once; a mean above it, which rounding can give, counts instead."""
    if work.cpu_s is None or not work.busiest_cores or not work.wall_s > 0:
        return None
    return max(work.busiest_cores, work.cpu_s / work.wall_s)


def _lost_s(work: Work, busiest: float, vcpus: float) -> float:
    """What fewer cores cost at most: a twentieth of the time as busy as ever, the rest of the work as usual."""
    cpu_s = work.cpu_s or 0.0
    usual = min(busiest, max(work.usual_cores or busiest, cpu_s / work.wall_s))
    busiest_s = min(BUSIEST_SHARE * work.wall_s, cpu_s / busiest)
    usual_s = (cpu_s - busiest_s * busiest) / usual
    return busiest_s * max(0.0, busiest / vcpus - 1) + usual_s * max(0.0, usual / vcpus - 1)


# --- share, spot, rate ----------------------------------------------------------------------------


def share_of(
    machine: InstanceType, cpu: float | None = None, memory_mib: float | None = None, gpu: float | None = None
) -> tuple[float, str]:
    """The largest part of a machine that a step occupies, and of what: ``(0.25, "memory")``; all of it if unknown.

    Source: "Dominant Resource Fairness", Ghodsi et al., NSDI 2011.
    """
    parts = [
        (amount / whole, what)
        for amount, whole, what in (
            (cpu, machine.vcpus, "vCPUs"),
            (memory_mib, machine.memory_mib, "memory"),
            (gpu, machine.gpu_count, "GPUs"),
        )
        if amount and whole
    ]
    share, what = max(parts, default=(1.0, "machine"))
    return min(1.0, share), what


def share_note(share: float, what: str) -> str:
    """How the cost of an attempt on a shared machine is counted."""
    if what == "machine":
        return "The machine is shared, and it is not known how much of it the step may use: all of it is counted."
    if share >= 1:
        return f"The machine is shared, but the step asked for, or may use, all of its {what}: all of it is counted."
    part = f"{share * 100:.0f} %, that of the {what} that it asked for or may use"
    return f"The machine is shared: the step's share is {part}."


def spot_cost(usd_per_hour: float, hours: float) -> float | None:
    """What a step of so many hours costs on spot, by its on-demand price: an estimate; ``None`` where it is too long.

    Interruptions come at random, at :data:`INTERRUPTIONS_PER_HOUR`; each throws away what was done and starts anew, so
    that ``exp(rate × hours)`` attempts are to be expected, which take ``(exp(rate × hours) - 1) / rate`` hours.

    Source: A. Duda, "The effects of checkpointing on program execution time", 1983, without checkpoints.
    """
    if not 0 <= hours <= SPOT_HOURS_AT_MOST:
        return None
    retries = math.expm1(INTERRUPTIONS_PER_HOUR * hours)
    return SPOT_PRICE * usd_per_hour * (retries / INTERRUPTIONS_PER_HOUR + retries * RESTART_HOURS)


def runs_per_month(stamps: Sequence[float], now: float | None = None) -> float | None:
    """How often a flow runs in a month, by when its runs began or ended (Unix time, in any order).

    ``None`` for fewer than two runs, or within less than a day. With ``now``, a flow that has not run for longer than
    usual counts as slower.
    """
    first, last = min(stamps, default=0.0), max(stamps, default=0.0)
    if len(stamps) < 2 or not last - first >= LEAST_SPAN_S:
        return None
    rate = (len(stamps) - 1) / (last - first)
    if now is not None and now > last:
        rate = min(rate, len(stamps) / (now - first))
    return rate * MONTH_S


# --- the cheapest ---------------------------------------------------------------------------------


def cheapest_for(offers: Iterable[Offer], work: Work, limit: int) -> tuple[Offer, ...]:
    """Offers with what the attempt would have cost on them and in what time, the cheapest run first.

    Parameters
    ----------
    offers : iterable of Offer
        The cheapest by the hour first, found as they are asked for: no more are than may be among the cheapest runs,
        and at most :data:`CANDIDATES`.
    """
    least_hours = seconds_to_hours(time_on(work, math.inf))
    found: list[tuple[float, float, Offer]] = []
    for offer in islice(offers, max(limit, CANDIDATES)):
        if len(found) == limit and (not limit or offer.price_usd_per_hour * least_hours >= found[-1][0]):
            break
        hours = seconds_to_hours(time_on(work, offer.instance.vcpus))
        # Behind its equals: they came by price and name.
        insort_right(found, (offer.price_usd_per_hour * hours, hours, offer), key=lambda run: run[0])
        del found[limit:]
    return tuple(replace(offer, run_cost_usd=usd, run_hours=hours) for usd, hours, offer in found)
