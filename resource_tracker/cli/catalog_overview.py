"""What the price catalog holds: vendors, regions, sources and dates, as tables and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resource_tracker.catalog_model import Catalog, PriceSource
from resource_tracker.cli.terminal import Table, Terminal
from resource_tracker.keeper_cache import KeptRegion
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import vendor_name


def show_overview(terminal: Terminal, catalog: Catalog, kept: Sequence[KeptRegion], now: float) -> None:
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
                fmt.age(counted["median_date"], now) if counted["median_date"] else "no prices: --live has some",
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


def show_vendor(terminal: Terminal, catalog: Catalog, vendor: str, kept: Sequence[KeptRegion], now: float) -> None:
    """A vendor's regions with the number of their prices."""
    counted = vendors_as_plain(catalog)[vendor]
    terminal.heading(
        f"{vendor_name(vendor)}: {fmt.plural(counted['machines'], 'machine')}, {fmt.plural(counted['prices'], 'price')}"
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


def _show_kept(terminal: Terminal, kept: Sequence[KeptRegion], now: float) -> None:
    if kept:
        terminal.heading("Live prices in your cache")
        columns = ("vendor", "region", "prices", "fetched", "age")
        rows = [
            [one.vendor, one.region, fmt.count(one.prices), fmt.day(one.at), fmt.age(fmt.day(one.at), now)]
            for one in kept
        ]
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
