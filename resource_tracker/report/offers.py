"""The table of instance types: the machine it ran on, then the cheapest that would have been enough."""

from __future__ import annotations

from typing import NamedTuple

from resource_tracker.records import InstanceType, Offer, Pricing
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import Costs, costs_of, vendor_name, with_vendor_names


class OfferRow(NamedTuple):
    """`cost` is that of as many runs as the table says; `bar` the hourly price in per cent of the dearest row."""

    name: str
    tags: tuple[str, ...]
    where: str
    vcpus: str
    memory: str
    gpu: str
    with_gpu: bool
    per_hour: str
    run_cost: str
    cost: str
    bar: float
    own: bool


class OfferTable(NamedTuple):
    """`caption` names place and catalog; `note` what a reader must know besides; `cost_label` what costs are of."""

    rows: tuple[OfferRow, ...]
    caption: str
    assumed: bool
    note: str | None
    with_gpu: bool
    with_where: bool
    with_cost: bool
    cost_label: str


def offer_table(pricing: Pricing) -> OfferTable:
    offers = ([pricing.own] if pricing.own else []) + list(pricing.offers)
    places = {(offer.instance.vendor, offer.region) for offer in offers}
    dearest = max((offer.price_usd_per_hour for offer in offers), default=0.0) or 1.0
    costs = costs_of(pricing)
    decimals = fmt.usd_decimals(offer.run_cost_usd for offer in offers)
    rows = tuple(_row(offer, dearest, decimals, costs, own=offer is pricing.own) for offer in offers)
    return OfferTable(
        rows=rows,
        caption=_caption(pricing),
        assumed=pricing.assumed,
        note=with_vendor_names(pricing.note),
        with_gpu=any(offer.instance.gpu_count for offer in offers),
        with_where=len(places) > 1,
        with_cost=any(offer.run_cost_usd is not None for offer in offers),
        cost_label=costs.label,
    )


def _row(offer: Offer, dearest: float, decimals: int, costs: Costs, *, own: bool) -> OfferRow:
    instance = offer.instance
    return OfferRow(
        name=instance.name,
        tags=_tags(instance),
        where=f"{vendor_name(instance.vendor)} {offer.region}",
        vcpus=fmt.whole(instance.vcpus),
        memory=fmt.machine_memory(instance.memory_mib),
        gpu=_gpu(instance),
        with_gpu=bool(instance.gpu_count),
        per_hour=fmt.usd_per_hour(offer.price_usd_per_hour),
        run_cost=fmt.usd(offer.run_cost_usd, decimals),
        cost=costs.text(offer.run_cost_usd),
        bar=round(max(offer.price_usd_per_hour / dearest * 100, 1.0), 1),
        own=own,
    )


def _tags(instance: InstanceType) -> tuple[str, ...]:
    tags = ("Arm",) if instance.architecture in ("arm64", "aarch64") else ()
    return (*tags, "burstable") if instance.burstable else tags


def _gpu(instance: InstanceType) -> str:
    if not instance.gpu_count:
        return fmt.UNKNOWN
    model = instance.gpu_model or "GPU"
    memory = f", {fmt.machine_memory(instance.gpu_memory_mib)}" if instance.gpu_memory_mib else ""
    return f"{instance.gpu_count} × {model}{memory}"


def _caption(pricing: Pricing) -> str:
    parts = []
    if pricing.vendor:
        parts.append(f"{vendor_name(pricing.vendor)} {pricing.region or ''}".strip())
    parts.append("on-demand prices")
    if pricing.catalog_source:
        parts.append(pricing.catalog_source)
    if pricing.catalog_date:
        parts.append(f"as of {pricing.catalog_date}")
    return ", ".join(parts)
