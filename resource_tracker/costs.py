"""What an attempt costs: on its own machine, on another one, on spot; and how often a flow runs in a month.

Pure. Every rule and threshold is explained in ``docs/pricing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from resource_tracker.dataclass import dataclass
from resource_tracker.machines import Catalog, Need, architecture_of, cheapest
from resource_tracker.places import place_of
from resource_tracker.records import CloudInfo, InstanceType, Offer, Recommendation, TaskSummary
from resource_tracker.units import mb_to_mib, seconds_to_hours

Basis = Literal["own machine", "share of own machine", "assumed machine", "unknown"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptCost:
    """What an attempt cost, and what it would have cost on the cheapest machine that is enough for an advice.

    Parameters
    ----------
    usd : float or None
        This attempt: of its own machine, or of its share where the machine is shared.
    basis : str
        What ``usd`` is based on. ``"assumed machine"`` is the cheapest that fits the request, in a default region: of
        no bill, but good to compare with. ``None`` goes with ``"unknown"``.
    advised_usd, advised_hours, advised : float, float and Offer, or None
        On the cheapest machine that is enough for the advice, in the time that the step would take there.
    spot_usd : float or None
        The same on spot: an estimate that counts interruptions and repetitions.
    hours : float
        How long the attempt took.
    machine : Offer or None
        The machine that ``usd`` is based on.
    share : float
        The part of it that is counted, 1 for all.
    note : str or None
        What a reader must know.
    """

    usd: float | None
    basis: Basis
    hours: float
    advised_usd: float | None = None
    advised_hours: float | None = None
    spot_usd: float | None = None
    advised: Offer | None = None
    machine: Offer | None = None
    share: float = 1.0
    note: str | None = None


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


def cheapest_for(offers: Sequence[Offer], work: Work) -> list[Offer]:
    """Offers with what the attempt would have cost on them and in what time, the cheapest run first."""
    found = []
    for offer in offers:
        hours = seconds_to_hours(time_on(work, offer.instance.vcpus))
        found.append(replace(offer, run_cost_usd=offer.price_usd_per_hour * hours, run_hours=hours))
    # sorted keeps the order of equals, which is by price and name
    return sorted(found, key=lambda offer: offer.run_cost_usd or 0.0)


def candidates(limit: int, work: Work, vcpus: float) -> int:
    """How many of the machines that are cheapest by the hour must be looked at to find the cheapest for a run.

    As many as are wanted, where the step takes as long on each of them; else :data:`CANDIDATES`.
    """
    same = time_on(work, vcpus) == work.wall_s == time_on(work, math.inf)
    return limit if same else max(limit, CANDIDATES)


# --- an attempt -----------------------------------------------------------------------------------


def cost_of_attempt(
    catalog: Catalog,
    task: TaskSummary,
    advice: Recommendation | None,
    *,
    vendor: str | None = None,
    region: str | None = None,
) -> AttemptCost:
    """What an attempt cost, from its summary; of many attempts, :class:`Costing` asks the catalog once for each need.

    Parameters
    ----------
    advice : Recommendation or None
        What to ask for instead; ``None`` gives no ``advised_usd``.
    vendor, region : str, optional
        Look for machines here rather than where the task ran.

    Raises
    ------
    SettingError
        ``vendor`` or ``region`` is not in the catalog.
    """
    return Costing(catalog, vendor=vendor, region=region).of(task, advice)


class Costing:
    """Costs of many attempts: each need is looked up in the catalog once."""

    def __init__(self, catalog: Catalog, *, vendor: str | None = None, region: str | None = None) -> None:
        self._catalog = catalog
        self._vendor, self._region = vendor, region
        self._found: dict[tuple[object, ...], tuple[Offer, ...]] = {}

    def of(self, task: TaskSummary, advice: Recommendation | None) -> AttemptCost:
        """As :func:`cost_of_attempt`."""
        machine, basis, share, note = self._own(task)
        hours = seconds_to_hours(task.duration_s)
        advised: Offer | None = None
        if advice is not None:
            work = _work_of(task, machine.instance if machine and basis != "assumed machine" else None)
            enough = self._enough(task, advice.cpu, mb_to_mib(advice.memory_mb), advice.gpu)
            advised = next(iter(cheapest_for(enough[: candidates(1, work, advice.cpu)], work)), None)
        spot_usd = None
        if advised is not None and advised.run_hours is not None:
            spot_usd = spot_cost(advised.price_usd_per_hour, advised.run_hours)
        return AttemptCost(
            usd=machine.price_usd_per_hour * share * hours if machine else None,
            basis=basis,
            hours=hours,
            advised_usd=advised.run_cost_usd if advised else None,
            advised_hours=advised.run_hours if advised else None,
            spot_usd=spot_usd,
            advised=advised,
            machine=machine,
            share=share,
            note=note,
        )

    def _own(self, task: TaskSummary) -> tuple[Offer | None, Basis, float, str | None]:
        """The machine that the attempt is charged for, on what basis, how much of it, and what must be said."""
        cloud = _cloud_of(task)
        found = self._catalog.find(cloud.vendor, cloud.region, cloud.instance_type) if cloud.known else None
        memory_mib = mb_to_mib(task.request_memory_mb) if task.request_memory_mb else task.memory_limit_mib
        if found is not None:
            machine = found[0]
            if task.allocation != "shared":
                return machine, "own machine", 1.0, None
            share, what = share_of(machine.instance, task.request_cpu or task.cpu_limit, memory_mib, task.request_gpu)
            return machine, "share of own machine", share, share_note(share, what)
        cpu, gpu = task.request_cpu or task.cpu_limit, task.request_gpu or 0
        enough = self._enough(task, cpu or 1.0, memory_mib or 0.0, gpu) if cpu or memory_mib else ()
        if not enough:
            return None, "unknown", 1.0, "It is not known what machine the step ran on, nor what it asked for."
        assumed = enough[0]
        where = f"{assumed.instance.name} in {assumed.instance.vendor} {assumed.region}"
        note = f"The step's own machine is not known: the cheapest that fits its request is assumed, {where}."
        return assumed, "assumed machine", 1.0, note

    def _enough(self, task: TaskSummary, cpu: float, memory_mib: float, gpu: int) -> tuple[Offer, ...]:
        """The cheapest machines with so much, by the hour, where the task ran or is taken to have run."""
        place = place_of(self._catalog, _cloud_of(task), self._vendor, self._region)
        vram = task.gpu_vram_max_mib / gpu if task.gpu_vram_max_mib and gpu else None
        key = (place.vendor, place.region, cpu, memory_mib, gpu, vram, task.architecture)
        if key not in self._found:
            need = Need(
                vcpus=cpu,
                memory_mib=memory_mib,
                gpu_count=gpu,
                gpu_memory_mib=vram,
                architecture=architecture_of(task.architecture),
            )
            offers = cheapest(self._catalog, need, vendor=place.vendor, region=place.region, limit=CANDIDATES)
            self._found[key] = offers
        return self._found[key]


def share_note(share: float, what: str) -> str:
    """How the cost of an attempt on a shared machine is counted."""
    if what == "machine":
        return "The machine is shared, and it is not known how much of it the step may use: all of it is counted."
    if share >= 1:
        return f"The machine is shared, but the step asked for, or may use, all of its {what}: all of it is counted."
    part = f"{share * 100:.0f} %, that of the {what} that it asked for or may use"
    return f"The machine is shared: the step's share is {part}."


def _work_of(task: TaskSummary, machine: InstanceType | None) -> Work:
    mean = task.cpu_mean_cores
    return Work(
        wall_s=task.duration_s,
        cpu_s=None if mean is None else mean * task.duration_s,
        busiest_cores=task.cpu_max_cores,
        usual_cores=task.cpu_p95_cores,
        allowed_cores=task.cpu_limit or (machine.vcpus if machine else None),
    )


def _cloud_of(task: TaskSummary) -> CloudInfo:
    return CloudInfo(
        vendor=task.vendor or "unknown",
        region=task.region or "unknown",
        instance_type=task.instance_type or "unknown",
    )
