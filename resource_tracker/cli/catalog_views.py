"""Tables of the price catalog, and the same as plain values for JSON."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from resource_tracker.catalog_model import Catalog, PriceSource
from resource_tracker.cli.terminal import Table, Terminal
from resource_tracker.machines import Need, is_previous_generation, reserved_memory_mib
from resource_tracker.plain import to_plain
from resource_tracker.records import InstanceType, Offer
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import vendor_name

DAY_S = 86400
Kept = tuple[str, str, int, float]
"""Live prices in the cache: vendor, region, how many, when."""


# --- what there is --------------------------------------------------------------------------------


def show_overview(terminal: Terminal, catalog: Catalog, kept: Sequence[Kept], now: float) -> None:
    """Every vendor with its counts and dates, then the sources with their licences, then what is in the cache."""
    terminal.heading(f"{catalog.origin[:1].upper()}{catalog.origin[1:]}, made on {catalog.built}")
    terminal.line()
    columns = ("vendor", " ", "machines", "with a price", "regions", "prices", "newest", "oldest", "median age")
    rows = []
    for vendor, counted in vendors_as_plain(catalog).items():
        rows.append(
            [
                vendor,
                vendor_name(vendor),
                fmt.count(counted["machines"]),
                fmt.count(counted["with_a_price"]),
                str(len(counted["regions"])),
                fmt.count(counted["prices"]),
                counted["newest"] or "",
                counted["oldest"] or "",
                _age(counted["median_date"], now) if counted["median_date"] else "no prices: --live has some",
            ]
        )
    terminal.table(Table(columns=columns, rows=rows, numbers=frozenset(columns[2:6])))
    terminal.line()
    terminal.heading("Sources of the prices")
    counts = _counts_by_source(catalog)
    listed = [[s.date, fmt.count(counts[s]), s.name, s.licence] for s in sorted(counts, key=lambda s: s.date)]
    titles = ("collected", "prices", "source", "licence")
    terminal.table(Table(columns=titles, rows=listed, numbers=frozenset(("prices",))))
    terminal.line()
    _show_kept(terminal, kept, now)
    terminal.line(
        "On-demand prices of Linux in US dollars. Where they come from, and what was left out: docs/pricing.md."
    )


def show_vendor(terminal: Terminal, catalog: Catalog, vendor: str, kept: Sequence[Kept], now: float) -> None:
    """A vendor's regions with the number of their prices."""
    counted = vendors_as_plain(catalog)[vendor]
    terminal.heading(
        f"{vendor_name(vendor)}: {fmt.count(counted['machines'])} machines, {fmt.count(counted['prices'])} prices"
    )
    terminal.line()
    rows = [
        [region, str(found["prices"] or ""), found["newest"] or "", found["oldest"] or ""]
        for region, found in counted["regions"].items()
    ]
    rows += [[region, "", "", ""] for region in catalog.open_regions[vendor] if region not in counted["regions"]]
    columns = ("region", "prices", "newest", "oldest")
    terminal.table(Table(columns=columns, rows=rows, numbers=frozenset(("prices",))))
    terminal.line()
    _show_kept(terminal, kept, now)
    example = next(iter(sorted(name for owner, name in catalog.instances if owner == vendor)), "")
    terminal.line(f"One machine: resource-tracker catalog show {vendor} {example}")


def _show_kept(terminal: Terminal, kept: Sequence[Kept], now: float) -> None:
    if kept:
        terminal.heading("Live prices in your cache")
        columns = ("vendor", "region", "prices", "fetched", "age")
        rows = [[vendor, region, fmt.count(count), _day(at), _age(_day(at), now)] for vendor, region, count, at in kept]
        terminal.table(Table(columns=columns, rows=rows, numbers=frozenset(("prices",))))
        terminal.line()


def vendors_as_plain(catalog: Catalog) -> dict[str, dict[str, Any]]:
    """Counts and dates of each vendor and region."""
    found: dict[str, dict[str, Any]] = {}
    for vendor in sorted({owner for owner, _ in catalog.instances}):
        regions = {region: catalog.prices[vendor, region] for region in catalog.regions(vendor)}
        dates = sorted(catalog.sources[s].date for prices in regions.values() for s in prices.sources)
        found[vendor] = {
            "machines": sum(owner == vendor for owner, _ in catalog.instances),
            "with_a_price": len({name for prices in regions.values() for name in prices.names}),
            "prices": len(dates),
            "newest": max(dates, default=None),
            "oldest": min(dates, default=None),
            "median_date": dates[len(dates) // 2] if dates else None,
            "regions": {
                region: {
                    "prices": len(prices.names),
                    "newest": max((catalog.sources[s].date for s in prices.sources), default=None),
                    "oldest": min((catalog.sources[s].date for s in prices.sources), default=None),
                }
                for region, prices in regions.items()
            },
        }
    return found


def _counts_by_source(catalog: Catalog) -> dict[PriceSource, int]:
    counts = dict.fromkeys(catalog.sources, 0)
    for prices in catalog.prices.values():
        for source in prices.sources:
            counts[catalog.sources[source]] += 1
    return counts


# --- one machine ----------------------------------------------------------------------------------


def show_machine(terminal: Terminal, catalog: Catalog, vendor: str, name: str, now: float) -> None:
    """What a machine has, then its price in each region, the cheapest first."""
    instance = catalog.instances[vendor, name]
    terminal.heading(f"{vendor_name(vendor)} {name}")
    left = instance.memory_mib - reserved_memory_mib(instance.memory_mib)
    facts = [
        ("vCPUs", fmt.whole(instance.vcpus)),
        ("Memory", f"{fmt.machine_memory(instance.memory_mib)}, of which {_left(left)} are left for a step"),
        ("GPU", gpu_text(instance) or "none"),
        ("Architecture", instance.architecture),
        ("Local storage", f"{fmt.count(instance.storage_gb)} GB" if instance.storage_gb else "none"),
        ("Burstable", "yes: throttled under lasting load, or shared" if instance.burstable else "no"),
    ]
    if is_previous_generation(instance):
        facts.append(("Previous generation", "yes: it is not offered"))
    width = max(len(label) for label, _ in facts)
    for label, text in facts:
        terminal.line(f"  {label:{width}}  {text}")
    terminal.line()
    listed = _prices_of(catalog, vendor, name)
    if not listed:
        terminal.line(f"No price is known. Live: resource-tracker catalog update {vendor} REGION")
        return
    rows = [[o.region, fmt.usd_per_hour(o.price_usd_per_hour), s.date, _age(s.date, now), s.name] for o, s in listed]
    columns = ("region", "per hour", "collected", "age", "source")
    terminal.table(Table(columns=columns, rows=rows, numbers=frozenset(("per hour",))))


def machine_as_plain(catalog: Catalog, vendor: str, name: str) -> dict[str, Any]:
    """A machine with its price in each region."""
    instance = catalog.instances[vendor, name]
    return {
        **to_plain(instance),
        "memory_left_mib": instance.memory_mib - reserved_memory_mib(instance.memory_mib),
        "previous_generation": is_previous_generation(instance),
        "prices": [
            {"region": o.region, "usd_per_hour": o.price_usd_per_hour, "source": s.name, "date": s.date}
            for o, s in _prices_of(catalog, vendor, name)
        ],
    }


def _prices_of(catalog: Catalog, vendor: str, name: str) -> list[tuple[Offer, PriceSource]]:
    found = (catalog.find(vendor, region, name) for region in catalog.regions(vendor))
    return sorted(filter(None, found), key=lambda pair: (pair[0].price_usd_per_hour, pair[0].region))


# --- what was found -------------------------------------------------------------------------------


def show_found(terminal: Terminal, catalog: Catalog, need: Need, offers: Sequence[Offer]) -> None:
    """Machines with their price, the cheapest first, and what was asked for above them."""
    terminal.heading(f"Cheapest machines with {need_text(need)}")
    terminal.line()
    rows = []
    for offer in offers:
        instance, source = offer.instance, _source(catalog, offer)
        rows.append(
            [
                instance.name,
                f"{vendor_name(instance.vendor)} {offer.region}",
                fmt.whole(instance.vcpus),
                fmt.machine_memory(instance.memory_mib),
                _left(instance.memory_mib - reserved_memory_mib(instance.memory_mib)),
                gpu_text(instance),
                f"{fmt.count(instance.storage_gb)} GB" if instance.storage_gb else "",
                fmt.usd_per_hour(offer.price_usd_per_hour),
                source.date if source else "",
                ", ".join(_tags(instance)),
            ]
        )
    columns = ("machine", "where", "vCPUs", "memory", "for a step", "GPU", "disk", "per hour", "price of", " ")
    numbers = frozenset(("vCPUs", "memory", "for a step", "disk", "per hour"))
    terminal.table(Table(columns=columns, rows=rows, numbers=numbers))
    terminal.line()
    sources = {source.name for source in (_source(catalog, offer) for offer in offers) if source}
    terminal.line(
        f"On-demand prices, {catalog.origin}: {', '.join(sorted(sources))}. Storage and traffic are not counted."
    )


def found_as_plain(catalog: Catalog, offer: Offer) -> dict[str, Any]:
    """An offer with the source of its price."""
    source = _source(catalog, offer)
    return {
        **to_plain(offer.instance),
        "memory_left_mib": offer.instance.memory_mib - reserved_memory_mib(offer.instance.memory_mib),
        "region": offer.region,
        "usd_per_hour": offer.price_usd_per_hour,
        "source": source.name if source else None,
        "date": source.date if source else None,
    }


def need_text(need: Need) -> str:
    """What is needed, in words: ``4 vCPUs, 16.0 GB for a step, 1 GPU, x86_64``."""
    parts = [f"{fmt.whole(need.vcpus)} vCPU{'' if need.vcpus == 1 else 's'}"]
    if need.memory_mib:
        parts.append(f"{_left(need.memory_mib)} for a step")
    if need.gpu_count:
        model = f"{need.gpu_model} " if need.gpu_model else ""
        memory = f" of {fmt.machine_memory(need.gpu_memory_mib)}" if need.gpu_memory_mib else ""
        parts.append(f"{need.gpu_count} {model}GPU{'' if need.gpu_count == 1 else 's'}{memory}")
    return ", ".join([*parts, need.architecture or "any architecture"])


def gpu_text(instance: InstanceType) -> str:
    """``8 × H100, 80 GiB``; empty for none."""
    if not instance.gpu_count:
        return ""
    memory = f", {fmt.machine_memory(instance.gpu_memory_mib)}" if instance.gpu_memory_mib else ""
    return f"{instance.gpu_count} × {instance.gpu_model or 'GPU'}{memory}"


def _tags(instance: InstanceType) -> Iterable[str]:
    if instance.architecture == "arm64":
        yield "Arm"
    if instance.burstable:
        yield "burstable"


def _source(catalog: Catalog, offer: Offer) -> PriceSource | None:
    found = catalog.find(offer.instance.vendor, offer.region, offer.instance.name)
    return found[1] if found else None


def _left(mib: float) -> str:
    return fmt.memory_mib(max(mib, 0.0))


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def _age(date: str, now: float) -> str:
    """How old a day is: ``3 days``, ``8 months``, ``6 years``."""
    try:
        days = int((now - time.mktime(time.strptime(date, "%Y-%m-%d"))) // DAY_S)
    except ValueError:
        return ""
    if days < 1:
        return "today"
    for length, unit in ((365.25, "year"), (30.44, "month"), (1, "day")):
        if days >= 2 * length or unit == "day":
            return fmt.plural(int(days // length), unit)
    return ""
