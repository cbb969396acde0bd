"""What attempts cost, by their summaries: on their own machine, and on the cheapest that is enough for an advice.

Pure. Every rule and threshold is explained in ``docs/pricing.md``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from resource_tracker.catalog_model import Catalog
from resource_tracker.cost_model import (
    CANDIDATES,
    Work,
    cheapest_for,
    share_note,
    share_of,
    spot_cost,
    time_on,
)
from resource_tracker.dataclass import dataclass
from resource_tracker.machines import Need, architecture_of, cheapest
from resource_tracker.places import place_of
from resource_tracker.records import CloudInfo, InstanceType, Offer, Recommendation, TaskSummary
from resource_tracker.units import mb_to_mib, seconds_to_hours

_OF_A_REQUEST = (
    *("request_cpu", "request_memory_mb", "request_gpu", "cpu_limit", "memory_limit_mib"),
    *("vendor", "region", "instance_type", "allocation"),
)
"""Fields of a summary that say what was asked for, and what the attempt was given for it."""
Basis = Literal["own machine", "share of own machine", "assumed machine", "unknown"]


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
        On the cheapest machine that is enough for the advice, in the time that the step would take there; of a shared
        machine, on the share of it that the advice takes.
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

    @property
    def assumed(self) -> bool:
        """Whether ``usd`` is of a machine that nobody has seen, and so on no bill."""
        return self.basis == "assumed machine"


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
        work = _work_of(task, machine.instance if machine and basis != "assumed machine" else None)
        return AttemptCost(
            usd=machine.price_usd_per_hour * share * hours if machine else None,
            basis=basis,
            hours=hours,
            machine=machine,
            share=share,
            note=note,
            **self._advised(task, work, advice),
        )

    def _advised(self, task: TaskSummary, work: Work, advice: Recommendation | None) -> dict[str, Any]:
        """The fields of a cost that are of the advice."""
        if advice is None:
            return {}
        on_own = self._share_for(task, work, advice)
        if on_own is not None:
            return on_own
        enough = self._enough(task, advice.cpu, mb_to_mib(advice.memory_mb), advice.gpu)
        advised = next(iter(cheapest_for(enough, work, 1)), None)
        if advised is None or advised.run_hours is None:
            return {}
        return {
            "advised": advised,
            "advised_usd": advised.run_cost_usd,
            "advised_hours": advised.run_hours,
            "spot_usd": spot_cost(advised.price_usd_per_hour, advised.run_hours),
        }

    def _share_for(self, task: TaskSummary, work: Work, advice: Recommendation) -> dict[str, Any] | None:
        """The advice as a share of the machine that the attempt shared with others; ``None`` where that cannot be.

        Only like can be compared with like: a whole machine costs more than a small share of a large one.
        """
        if task.allocation != "shared" or self._vendor is not None or self._region is not None:
            return None  # its own machine, or another place was asked for
        machine, basis, _, _ = self._own(task)
        if machine is None or basis != "share of own machine":
            return None
        whole, memory_mib = machine.instance, mb_to_mib(advice.memory_mb)
        if advice.cpu > whole.vcpus or memory_mib > whole.memory_mib or advice.gpu > whole.gpu_count:
            return None
        share, _ = share_of(whole, advice.cpu, memory_mib, advice.gpu)
        had = task.request_cpu or task.cpu_limit
        hours = seconds_to_hours(work.wall_s if advice.cpu == had else time_on(work, advice.cpu))
        usd = machine.price_usd_per_hour * share * hours
        return {
            "advised": replace(machine, run_cost_usd=usd, run_hours=hours),
            "advised_usd": usd,
            "advised_hours": hours,
            "spot_usd": spot_cost(machine.price_usd_per_hour * share, hours),
        }

    def with_request_of(self, task: TaskSummary, now: TaskSummary, advice: Recommendation | None) -> AttemptCost:
        """As :meth:`of`, of an attempt as it would cost today: with what a later one asked for, and where that ran.

        Where both asked for the same, it is the attempt's own cost. Otherwise ``hours`` is the time that its work would
        take on the CPUs that are asked for now.
        """
        if _asked(task) == _asked(now):
            return self.of(task, advice)
        moved = replace(task, **{name: getattr(now, name) for name in _OF_A_REQUEST})
        own, own_basis, _, _ = self._own(task)
        work = _work_of(task, own.instance if own and own_basis != "assumed machine" else None)
        machine, _, share, _ = self._own(moved)
        today_s = time_on(work, machine.instance.vcpus * share) if machine else work.wall_s
        return replace(self.of(replace(moved, duration_s=today_s), None), **self._advised(moved, work, advice))

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
        each = task.gpu_vram_each_mib
        held = task.gpu_vram_max_mib or 0.0
        vram = ((held / gpu if each is None else each) or None) if gpu else None
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


def _asked(task: TaskSummary) -> tuple[float | None, float | None, int]:
    return task.request_cpu, task.request_memory_mb, task.request_gpu or 0


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
