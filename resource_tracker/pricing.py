"""What an attempt cost on its own machine, and on the cheapest machines that would have been enough.

Pure: a catalog and records in, :class:`~resource_tracker.records.Pricing` out. Rules and sources are explained
in ``docs/pricing.md``.
"""

from __future__ import annotations

from collections.abc import Iterable

from resource_tracker.catalog_model import Catalog, PriceSource, RegionPrices
from resource_tracker.cost_model import Work, cheapest_for, share_note, share_of, spot_cost
from resource_tracker.dataclass import replace
from resource_tracker.gpu_use import vram_each_mib
from resource_tracker.machines import Need, architecture_of, cheapest, enough
from resource_tracker.places import place_of
from resource_tracker.records import (
    CloudInfo,
    Limits,
    NoRecommendation,
    Offer,
    Pricing,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    UsageSummary,
)
from resource_tracker.units import mb_to_mib, seconds_to_hours

__all__ = ["Catalog", "Need", "PriceSource", "RegionPrices", "cheapest", "need_of", "price"]

SAME_TIME = "On these machines the step is taken to last as long as it did."
OTHER_TIME = (
    "Times on these machines are estimated from the CPU that the step used: longer on fewer cores than it kept busy, "
    "shorter on more only where it used all that it had, and never beyond twice as many."
)
LEFT_OUT = "Storage and traffic are not counted."
ANYWHERE = 3
"""Offers of any place at most."""

ON_SPOT = "The step ran on a spot machine, which costs less than the on-demand price that is given here."


def price(
    catalog: Catalog,
    recommendation: Recommendation | NoRecommendation,
    usage: UsageSummary,
    cloud: CloudInfo,
    server: ServerInfo,
    *,
    request: ResourceRequest | None = None,
    limits: Limits | None = None,
    vendor: str | None = None,
    region: str | None = None,
    limit: int = 5,
    allow_burstable: bool = False,
    elsewhere: Catalog | None = None,
) -> Pricing:
    """What the attempt cost on its own machine, and what it would have cost on the cheapest that is enough.

    Parameters
    ----------
    recommendation : Recommendation or NoRecommendation
        Without a recommendation there are no offers, but still the cost of the attempt's own machine.
    request, limits : ResourceRequest and Limits, optional
        The share of a shared machine is that of what was asked for, else of what was allowed. The cores that were
        allowed also say whether more of them may help.
    vendor, region : str, optional
        Look here rather than where the step ran, also for the list that is else of any place.
    elsewhere : Catalog, optional
        Where to look for machines of any place, if the catalog knows only one.

    Raises
    ------
    SettingError
        ``vendor`` or ``region`` was given and is not in the catalog.
    """
    request, limits = request or ResourceRequest(), limits or Limits()
    place = place_of(catalog, cloud, vendor, region)
    hours = seconds_to_hours(usage.duration_s)
    at_home = catalog.find(cloud.vendor, cloud.region, cloud.instance_type) is not None
    own, share, notes = _own_machine(
        catalog if at_home else elsewhere or catalog, cloud, server, request, limits, hours
    )
    looked_up = isinstance(recommendation, Recommendation)
    notes = [*catalog.notes, *([place.note] if place.note and looked_up else []), *notes]
    offers: tuple[Offer, ...] = ()
    anywhere: tuple[Offer, ...] = ()
    if isinstance(recommendation, Recommendation):
        need, work = need_of(recommendation, usage, server), _work_of(usage, server, limits)
        found = enough(catalog, need, vendor=place.vendor, region=place.region, allow_burstable=allow_burstable)
        offers = cheapest_for(found, work, limit)
        wide = (vendor, None if vendor else region)
        if wide != (place.vendor, place.region):
            found = enough(elsewhere or catalog, need, vendor=wide[0], region=wide[1], allow_burstable=allow_burstable)
            anywhere = cheapest_for(found, work, ANYWHERE)
        same_time = all(offer.run_hours == hours for offer in (*offers, *anywhere))
        notes.append((SAME_TIME if same_time else OTHER_TIME) if offers else "No machine in the catalog is enough.")
    if own is not None and cloud.spot:
        notes.append(ON_SPOT)
    saving = None
    if own is not None and own.run_cost_usd is not None and offers and offers[0].run_cost_usd is not None:
        saving = max(0.0, own.run_cost_usd - offers[0].run_cost_usd)
        if saving == 0:
            whose = "The step's share of its machine" if share is not None else "The step's own machine"
            notes.append(f"{whose} is already as cheap as any machine that is enough.")
    if offers or own:
        notes.append(LEFT_OUT)
    sources = _sources(catalog, [*offers, *([own] if own else [])])
    dates_anywhere = [source.date for source in _sources(elsewhere or catalog, anywhere)]
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
        own_share=share,
        offers_anywhere=anywhere,
        anywhere_date=min(dates_anywhere, default=""),
        anywhere_newest_date=max(dates_anywhere, default=""),
        spot_usd=_on_spot(offers),
    )


def need_of(recommendation: Recommendation, usage: UsageSummary, server: ServerInfo) -> Need:
    """What a machine must have for a recommendation. GPU memory: what the fullest GPU held."""
    return Need(
        vcpus=recommendation.cpu,
        memory_mib=mb_to_mib(recommendation.memory_mb),
        gpu_count=recommendation.gpu,
        gpu_memory_mib=vram_each_mib(usage, recommendation.gpu) if recommendation.gpu else None,
        architecture=architecture_of(server.architecture),
    )


def _own_machine(
    catalog: Catalog, cloud: CloudInfo, server: ServerInfo, request: ResourceRequest, limits: Limits, hours: float
) -> tuple[Offer | None, float | None, list[str]]:
    """The offer for the machine the step ran on, its share where it is shared, and what must be said about it."""
    if not cloud.known:
        return None, None, []
    found = catalog.find(cloud.vendor, cloud.region, cloud.instance_type)
    if found is None:
        machine = f"{cloud.vendor} {cloud.instance_type} in {cloud.region}"
        known = (cloud.vendor, cloud.instance_type) in catalog.instances
        why = f"there is no price for {machine}" if known else f"{machine} is not in the catalog"
        return None, None, [f"The cost of this attempt is not known: {why}."]
    offer = found[0]
    if server.allocation != "shared":
        return replace(offer, run_cost_usd=offer.price_usd_per_hour * hours, run_hours=hours), None, []
    memory_mib = mb_to_mib(request.memory_mb) if request.memory_mb else limits.memory_mib
    share, what = share_of(offer.instance, request.cpu or limits.cpus, memory_mib, request.gpu)
    own = replace(offer, run_cost_usd=offer.price_usd_per_hour * share * hours, run_hours=hours)
    return own, share, [share_note(share, what)]


def _work_of(usage: UsageSummary, server: ServerInfo, limits: Limits) -> Work:
    return Work(
        wall_s=usage.duration_s,
        cpu_s=usage.cpu_seconds,
        busiest_cores=usage.cpu_max_cores,
        usual_cores=usage.cpu_p95_cores,
        allowed_cores=limits.cpus or server.vcpus,
    )


def _on_spot(offers: tuple[Offer, ...]) -> float | None:
    if not offers or offers[0].run_hours is None:
        return None
    return spot_cost(offers[0].price_usd_per_hour, offers[0].run_hours)


def _sources(catalog: Catalog, offers: Iterable[Offer]) -> list[PriceSource]:
    """The sources of these offers' prices, oldest first."""
    found = {catalog.find(o.instance.vendor, o.region, o.instance.name) for o in offers}
    return sorted({source for _, source in filter(None, found)}, key=lambda source: (source.date, source.name))
