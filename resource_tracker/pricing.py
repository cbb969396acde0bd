"""What an attempt cost on its own machine, and on the cheapest machines that would have been enough.

Pure: a catalog and records in, :class:`~resource_tracker.records.Pricing` out. Rules and sources are explained
in ``docs/pricing.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from resource_tracker.machines import Catalog, Need, PriceSource, RegionPrices, architecture_of, cheapest
from resource_tracker.places import place_of
from resource_tracker.records import (
    CloudInfo,
    NoRecommendation,
    Offer,
    Pricing,
    Recommendation,
    ServerInfo,
    UsageSummary,
)
from resource_tracker.units import mb_to_mib, seconds_to_hours

__all__ = ["Catalog", "Need", "PriceSource", "RegionPrices", "cheapest", "need_of", "price"]

SAME_TIME = "Costs assume that the step takes as long as it did here."


def price(
    catalog: Catalog,
    recommendation: Recommendation | NoRecommendation,
    usage: UsageSummary,
    cloud: CloudInfo,
    server: ServerInfo,
    *,
    vendor: str | None = None,
    region: str | None = None,
    limit: int = 5,
    allow_burstable: bool = False,
) -> Pricing:
    """What the attempt cost on its own machine, and what it would have cost on the cheapest that is enough.

    Parameters
    ----------
    recommendation : Recommendation or NoRecommendation
        Without a recommendation there are no offers, but still the cost of the attempt's own machine.
    vendor, region : str, optional
        Look here rather than where the step ran.

    Raises
    ------
    SettingError
        ``vendor`` or ``region`` was given and is not in the catalog.
    """
    place = place_of(catalog, cloud, vendor, region)
    hours = seconds_to_hours(usage.duration_s)
    own, notes = _own_machine(catalog, cloud, server, hours)
    notes = [*catalog.notes, *([place.note] if place.note else []), *notes]
    offers: tuple[Offer, ...] = ()
    if isinstance(recommendation, Recommendation):
        need = need_of(recommendation, usage, server)
        offers = tuple(
            _with_cost(offer, hours)
            for offer in cheapest(
                catalog, need, vendor=place.vendor, region=place.region, limit=limit, allow_burstable=allow_burstable
            )
        )
        notes.append(SAME_TIME if offers else "No machine in the catalog is enough.")
    saving = None
    if own is not None and own.run_cost_usd is not None and offers and offers[0].run_cost_usd is not None:
        saving = max(0.0, own.run_cost_usd - offers[0].run_cost_usd)
        if saving == 0:
            notes.append("The step's own machine is already as cheap as any that is enough.")
    sources = _sources(catalog, [*offers, *([own] if own else [])])
    return Pricing(
        offers=offers,
        vendor=place.vendor,
        region=place.region,
        assumed=place.assumed,
        own=own,
        run_cost_usd=own.run_cost_usd if own else None,
        saving_usd=saving,
        catalog_source=": ".join([catalog.origin, ", ".join(s.name for s in sources)]) if sources else catalog.origin,
        catalog_date=min((s.date for s in sources), default=""),
        note=" ".join(notes) or None,
    )


def need_of(recommendation: Recommendation, usage: UsageSummary, server: ServerInfo) -> Need:
    """What a machine must have for a recommendation. GPU memory: the most that was held, evenly over the GPUs."""
    vram = usage.gpu_vram_max_mib
    return Need(
        vcpus=recommendation.cpu,
        memory_mib=mb_to_mib(recommendation.memory_mb),
        gpu_count=recommendation.gpu,
        gpu_memory_mib=vram / recommendation.gpu if vram and recommendation.gpu else None,
        architecture=architecture_of(server.architecture),
    )


def _own_machine(
    catalog: Catalog, cloud: CloudInfo, server: ServerInfo, hours: float
) -> tuple[Offer | None, list[str]]:
    """The offer for the machine the step ran on, and what must be said about it."""
    if not cloud.known:
        return None, []
    found = catalog.find(cloud.vendor, cloud.region, cloud.instance_type)
    if found is None:
        machine = f"{cloud.vendor} {cloud.instance_type} in {cloud.region}"
        return None, [f"The cost of this attempt is not known: {machine} is not in the catalog."]
    notes = []
    if server.allocation == "shared":
        notes.append("The machine is shared: the cost of this attempt is that of the whole machine for its duration.")
    return _with_cost(found[0], hours), notes


def _with_cost(offer: Offer, hours: float) -> Offer:
    return replace(offer, run_cost_usd=offer.price_usd_per_hour * hours)


def _sources(catalog: Catalog, offers: Iterable[Offer]) -> list[PriceSource]:
    """The sources of these offers' prices, oldest first."""
    found = {catalog.find(o.instance.vendor, o.region, o.instance.name) for o in offers}
    return sorted({source for _, source in filter(None, found)}, key=lambda source: (source.date, source.name))
