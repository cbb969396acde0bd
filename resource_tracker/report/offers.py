"""The table of instance types: the machine it ran on, the cheapest that would have been enough there, and anywhere."""

from __future__ import annotations

from typing import NamedTuple

from resource_tracker.records import InstanceType, Offer, Pricing
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import Costs, costs_of, vendor_name, with_vendor_names
from resource_tracker.units import hours_to_seconds

_SAME_TIME = 0.01
"""Times that differ by less are the same."""


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
    elsewhere: bool


class OfferTable(NamedTuple):
    """`caption` names place and catalog; `note` what a reader must know besides; `cost_label` what costs are of.

    `anywhere` are the cheapest of all places, without those that stand in `rows` already.
    """

    rows: tuple[OfferRow, ...]
    anywhere: tuple[OfferRow, ...]
    anywhere_title: str
    caption: str
    assumed: bool
    note: str | None
    with_gpu: bool
    with_where: bool
    with_cost: bool
    cost_label: str


def offer_table(pricing: Pricing) -> OfferTable:
    offers = ([pricing.own] if pricing.own else []) + list(pricing.offers)
    anywhere = _not_yet_shown(pricing)
    shown = [*offers, *anywhere]
    places = {(offer.instance.vendor, offer.region) for offer in offers}
    dearest = max((offer.price_usd_per_hour for offer in shown), default=0.0) or 1.0
    costs = costs_of(pricing)
    decimals = fmt.usd_decimals(offer.run_cost_usd for offer in shown)
    hours = _usual_hours(pricing)
    rows = [_row(offer, dearest, decimals, costs, hours) for offer in shown]
    if pricing.own:
        share = (f"{fmt.percent(pricing.own_share)} of it",) if (pricing.own_share or 1.0) < 1.0 else ()
        rows[0] = rows[0]._replace(own=True, tags=(*rows[0].tags, *share))
    return OfferTable(
        rows=tuple(rows[: len(offers)]),
        anywhere=tuple(row._replace(elsewhere=True) for row in rows[len(offers) :]),
        anywhere_title=f"Cheapest elsewhere{_dates_anywhere(pricing)}",
        caption=_caption(pricing),
        assumed=pricing.assumed,
        note=_note(pricing, costs),
        with_gpu=any(offer.instance.gpu_count for offer in shown),
        with_where=len(places) > 1,
        with_cost=any(offer.run_cost_usd is not None for offer in shown),
        cost_label=costs.label,
    )


def _dates_anywhere(pricing: Pricing) -> str:
    """The days of prices that come from several lists."""
    oldest, newest = pricing.anywhere_date, pricing.anywhere_newest_date
    if not oldest:
        return ""
    return f", prices as of {oldest}" + (f" to {newest}" if newest > oldest else "")


def _not_yet_shown(pricing: Pricing) -> list[Offer]:
    known = {(offer.instance.vendor, offer.instance.name, offer.region) for offer in pricing.offers}
    return [o for o in pricing.offers_anywhere if (o.instance.vendor, o.instance.name, o.region) not in known]


def _usual_hours(pricing: Pricing) -> float | None:
    """The shortest time: that on the own machine, or on those with cores enough."""
    offers = ([pricing.own] if pricing.own else []) + list(pricing.offers)
    known = [offer.run_hours for offer in offers if offer.run_hours is not None]
    return pricing.own.run_hours if pricing.own else min(known, default=None)


def _row(offer: Offer, dearest: float, decimals: int, costs: Costs, hours: float | None) -> OfferRow:
    instance = offer.instance
    return OfferRow(
        name=instance.name,
        tags=(*machine_tags(instance), *_time_tag(offer, hours)),
        where=f"{vendor_name(instance.vendor)} {offer.region}",
        vcpus=fmt.whole(instance.vcpus),
        memory=fmt.machine_memory(instance.memory_mib),
        gpu=machine_gpus(instance) or fmt.UNKNOWN,
        with_gpu=bool(instance.gpu_count),
        per_hour=fmt.usd_per_hour(offer.price_usd_per_hour),
        run_cost=fmt.usd(offer.run_cost_usd, decimals),
        cost=costs.text(offer.run_cost_usd),
        bar=round(max(offer.price_usd_per_hour / dearest * 100, 1.0), 1),
        own=False,
        elsewhere=False,
    )


def machine_gpus(instance: InstanceType) -> str:
    """``8 × H100, 80 GiB``; empty for none."""
    if not instance.gpu_count:
        return ""
    memory = f", {fmt.machine_memory(instance.gpu_memory_mib)}" if instance.gpu_memory_mib else ""
    return f"{instance.gpu_count} × {instance.gpu_model or 'GPU'}{memory}"


def machine_tags(instance: InstanceType) -> tuple[str, ...]:
    """What sets a machine apart from the usual."""
    tags = ("Arm",) if instance.architecture in ("arm64", "aarch64") else ()
    return (*tags, "burstable") if instance.burstable else tags


def _time_tag(offer: Offer, usual_hours: float | None) -> tuple[str, ...]:
    """How long it would take, where that is not as long as it did."""
    if offer.run_hours is None or not usual_hours or abs(offer.run_hours / usual_hours - 1) < _SAME_TIME:
        return ()
    return (f"in {fmt.duration(hours_to_seconds(offer.run_hours))}",)


def _note(pricing: Pricing, costs: Costs) -> str | None:
    """What the lookup says, and what spot machines would cost."""
    sentences = [pricing.note] if pricing.note else []
    if pricing.spot_usd is not None:
        of = "" if costs.runs == 1 else f"{costs.label} would cost "
        amount = costs.text(pricing.spot_usd)
        amount = amount.replace("<", "less than ") if amount.startswith("<") else f"about {amount}"
        sentences.append(
            f"On spot, {of}{amount} on the cheapest: an estimate from usual discounts, interruptions and repetitions."
        )
    return with_vendor_names(" ".join(sentences)) or None


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
