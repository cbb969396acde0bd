"""Which machines are enough for a need, and the cheapest of them.

Pure. How much of a machine its system takes for itself, and why, is explained in ``docs/pricing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice

from resource_tracker.catalog_model import Catalog, Price
from resource_tracker.dataclass import dataclass
from resource_tracker.places import check_place
from resource_tracker.records import InstanceType, Offer
from resource_tracker.units import gib_to_mib, mib_to_gib

EVICTION_MIB = 100
"""What the kubelet keeps free: below it, it evicts."""
RESERVED_BELOW_1_GIB_MIB = 255
RESERVED_BANDS_GIB = ((4, 0.25), (4, 0.20), (8, 0.10), (112, 0.06), (math.inf, 0.02))
"""Share of each successive band of a machine's memory that its system keeps."""

_PREVIOUS_GENERATION = frozenset({"c1", "c3", "cc2", "cr1", "g2", "hs1", "i2", "m1", "m2", "m3", "r3", "t1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a machine must have left for the step.

    ``gpu_memory_mib`` is per GPU, ``gpu_model`` part of its name in either case; ``architecture`` ``None`` is any.
    """

    vcpus: float
    memory_mib: float
    gpu_count: int = 0
    gpu_memory_mib: float | None = None
    gpu_model: str | None = None
    architecture: str | None = "x86_64"


def architecture_of(machine: str | None) -> str:
    """``uname``'s name of an architecture as the catalog's: ``x86_64`` or ``arm64``; unknown is ``x86_64``."""
    name = (machine or "").lower()
    return "arm64" if name in ("aarch64", "arm64") else name if name and name != "amd64" else "x86_64"


def reserved_memory_mib(memory_mib: float) -> float:
    """Memory of a machine that its system keeps for itself.

    A quarter of the first 4 GiB, 20 % of the next 4, 10 % of the next 8, 6 % of the next 112 and 2 % of the rest
    (255 MiB on a machine below 1 GiB), and 100 MiB below which the kubelet evicts.

    Source: "Memory and CPU reservations", Google Kubernetes Engine; the highest of the published rules of the
    managed services for machines of the usual sizes, so that what is left suffices on the others as well.
    """
    left = mib_to_gib(memory_mib)
    if left < 1:
        return RESERVED_BELOW_1_GIB_MIB + EVICTION_MIB
    reserved = 0.0
    for width, share in RESERVED_BANDS_GIB:
        part = min(left, width)
        reserved += part * share
        left -= part
    return gib_to_mib(reserved) + EVICTION_MIB


def is_enough(instance: InstanceType, need: Need) -> bool:
    """Whether a machine has what is needed left, once its system has taken its own."""
    return (
        _gpus_do(instance, need)
        and instance.vcpus >= need.vcpus
        and need.architecture in (None, instance.architecture)
        and instance.memory_mib - reserved_memory_mib(instance.memory_mib) >= need.memory_mib
    )


def _gpus_do(instance: InstanceType, need: Need) -> bool:
    if need.gpu_count == 0:
        return True
    return (
        instance.gpu_count >= need.gpu_count
        and (need.gpu_memory_mib is None or (instance.gpu_memory_mib or 0) >= need.gpu_memory_mib)
        and (need.gpu_model is None or need.gpu_model.lower() in (instance.gpu_model or "").lower())
    )


def with_gpus(catalog: Catalog, vendor: str | None = None) -> tuple[InstanceType, ...]:
    """Every machine with GPUs, of one vendor or of all."""
    machines = catalog.instances.values()
    return tuple(machine for machine in machines if machine.gpu_count and vendor in (None, machine.vendor))


def is_previous_generation(instance: InstanceType) -> bool:
    """Whether the vendor itself advises against the type: it still runs, but nobody should move to it.

    Source: "Previous Generation Instances", Amazon EC2 (aws.amazon.com/ec2/previous-generation, read 2026-11-21).
    """
    return instance.vendor == "aws" and instance.name.partition(".")[0] in _PREVIOUS_GENERATION


def cheapest(
    catalog: Catalog,
    need: Need,
    *,
    vendor: str | None = None,
    region: str | None = None,
    limit: int = 5,
    allow_burstable: bool = False,
) -> tuple[Offer, ...]:
    """The first ``limit`` of what :func:`enough` gives."""
    return tuple(islice(enough(catalog, need, vendor=vendor, region=region, allow_burstable=allow_burstable), limit))


def enough(
    catalog: Catalog,
    need: Need,
    *,
    vendor: str | None = None,
    region: str | None = None,
    allow_burstable: bool = False,
) -> Iterator[Offer]:
    """The machines that are enough, one offer for each instance type, by price and then by name.

    They are looked for as they are asked for: a region has hundreds, and this runs in the step's time.

    Parameters
    ----------
    vendor, region : str, optional
        Where to look; everywhere by default.
    allow_burstable : bool
        Also machines whose vCPUs are throttled under lasting load, or shared with others.

    Raises
    ------
    SettingError
        The catalog has no such vendor or region; the message lists those it has.
    """
    return _enough(catalog, need, _ascending(catalog, vendor, region), allow_burstable)


def _enough(catalog: Catalog, need: Need, prices: Iterable[Price], allow_burstable: bool) -> Iterator[Offer]:
    found: set[tuple[str, str]] = set()
    for usd, owner, name, place in prices:
        instance = catalog.instances[owner, name]
        if (owner, name) in found or not is_enough(instance, need) or is_previous_generation(instance):
            continue
        if allow_burstable or not instance.burstable:
            found.add((owner, name))
            yield Offer(instance=instance, region=place, price_usd_per_hour=usd)


def _ascending(catalog: Catalog, vendor: str | None, region: str | None) -> Iterable[Price]:
    """Prices in the places asked for, the cheapest first; where no region is, at least the lowest of each type."""
    places = check_place(catalog, vendor, region)
    if region is None and catalog.lowest is not None:
        return (price for price in catalog.lowest() if vendor in (None, price[1]))
    return sorted(_prices(catalog, places))


def _prices(catalog: Catalog, places: list[tuple[str, str]]) -> Iterator[Price]:
    for vendor, region in places:
        listed = catalog.prices[vendor, region]
        for name, usd in zip(listed.names, listed.usd_per_hour, strict=True):
            yield usd, vendor, name, region
