"""Machines of the price catalog, one with all its prices or those that a search found, as tables and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resource_tracker.catalog_model import Catalog, PriceSource
from resource_tracker.cli.terminal import Table, Terminal
from resource_tracker.machines import Need, is_previous_generation, reserved_memory_mib
from resource_tracker.plain import to_plain
from resource_tracker.records import Offer
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import vendor_name
from resource_tracker.report.offers import machine_gpus, machine_tags


def show_machine(terminal: Terminal, catalog: Catalog, vendor: str, name: str, now: float) -> None:
    """What a machine has, then its price in each region, the cheapest first."""
    instance = catalog.instances[vendor, name]
    terminal.heading(f"{vendor_name(vendor)} {name}")
    left = instance.memory_mib - reserved_memory_mib(instance.memory_mib)
    facts = [
        ("vCPUs", fmt.whole(instance.vcpus)),
        ("Memory", f"{fmt.machine_memory(instance.memory_mib)}, of which {_left(left)} are left for a step"),
        ("GPU", machine_gpus(instance) or "none"),
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
    rows = [[o.region, fmt.usd_per_hour(o.price_usd_per_hour), s.date, fmt.age(s.date, now), s.name] for o, s in listed]
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
                machine_gpus(instance),
                f"{fmt.count(instance.storage_gb)} GB" if instance.storage_gb else "",
                fmt.usd_per_hour(offer.price_usd_per_hour),
                source.date if source else "",
                ", ".join(machine_tags(instance)),
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


def _source(catalog: Catalog, offer: Offer) -> PriceSource | None:
    found = catalog.find(offer.instance.vendor, offer.region, offer.instance.name)
    return found[1] if found else None


def _left(mib: float) -> str:
    return fmt.memory_mib(max(mib, 0.0))
