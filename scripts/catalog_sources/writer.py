"""Write the catalog, byte for byte the same for the same input.

The file is a chain of gzip members, each a line of JSON (``zcat`` shows them all). The first is the index: it says
where the types of each vendor and the prices of each region are, so that a step reads only those of its own place.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from catalog_sources.model import Price, Source, Spec

FORMAT = 3


def write(
    path: Path,
    prices: Iterable[Price],
    specs: Mapping[tuple[str, str], Spec],
    built: str,
    regions: Iterable[tuple[str, str]] = (),
) -> int:
    """Write the types, also those without a price, and the prices; returns the size of the file in bytes.

    ``regions`` are the open ones of each vendor, whether there are prices for them or not.
    """
    prices = list(prices)
    sources = sorted({p.source for p in prices}, key=lambda s: (s.date, s.name))
    parts = Parts()
    vendors = {
        vendor: _vendor(vendor, [p for p in prices if p.vendor == vendor], specs, sources, sorted(regions), parts)
        for vendor in sorted({vendor for vendor, _ in specs})
    }
    index = {
        "format": FORMAT,
        "built": built,
        "sources": [{"name": s.name, "date": s.date, "licence": s.licence} for s in sources],
        "vendors": vendors,
        "lowest": parts.add(_lowest(prices)),
        "checksum": zlib.crc32(parts.data),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(compressed(index) + parts.data)
    return path.stat().st_size


class Parts:
    """What follows the index."""

    def __init__(self) -> None:
        self.data = b""

    def add(self, content: object) -> list[int]:
        """Append a part; where it begins, counted from the end of the index, and its length."""
        part = compressed(content)
        start = len(self.data)
        self.data += part
        return [start, len(part)]


def compressed(content: object) -> bytes:
    """A gzip member of its own with one line of JSON."""
    return gzip.compress(json.dumps(content, separators=(",", ":")).encode() + b"\n", 9, mtime=0)


def _vendor(
    vendor: str,
    prices: list[Price],
    specs: Mapping[tuple[str, str], Spec],
    sources: list[Source],
    open_regions: list[tuple[str, str]],
    parts: Parts,
) -> dict[str, Any]:
    types = [specs[key] for key in sorted(specs) if key[0] == vendor]
    index = {spec.name: number for number, spec in enumerate(types)}
    regions: dict[str, list[Price]] = {}
    for price in sorted(prices, key=lambda p: (p.region, index[p.name])):
        regions.setdefault(price.region, []).append(price)
    return {
        "types": parts.add(_columns(types)),
        "regions": {region: parts.add(_prices(listed, index, sources)) for region, listed in regions.items()},
        "open": sorted({region for owner, region in open_regions if owner == vendor} | regions.keys()),
    }


def _prices(prices: list[Price], index: dict[str, int], sources: list[Source]) -> dict[str, list[Any]]:
    """The prices of a region. A type is given by its distance from the one before, which is mostly 1: half the size."""
    numbers = [index[price.name] for price in prices]
    return {
        "type_step": [number - before for before, number in pairwise([0, *numbers])],
        "usd": [round(price.usd_per_hour, 6) for price in prices],
        "source": [sources.index(price.source) for price in prices],
    }


def _lowest(prices: list[Price]) -> dict[str, list[Any]]:
    """The lowest price of each type, over all regions, the cheapest type first."""
    lowest: dict[tuple[str, str], Price] = {}
    for price in sorted(prices, key=lambda p: (p.usd_per_hour, p.vendor, p.name, p.region)):
        lowest.setdefault((price.vendor, price.name), price)
    listed = lowest.values()
    return {
        "usd": [round(price.usd_per_hour, 6) for price in listed],
        "vendor": [price.vendor for price in listed],
        "name": [price.name for price in listed],
        "region": [price.region for price in listed],
    }


def _columns(types: list[Spec]) -> dict[str, list[Any]]:
    return {
        "name": [t.name for t in types],
        "vcpus": [_short(t.vcpus) for t in types],
        "memory_mib": [_short(t.memory_mib) for t in types],
        "gpu_count": [t.gpu_count for t in types],
        "gpu_model": [t.gpu_model for t in types],
        "gpu_memory_mib": [_short(t.gpu_memory_mib) for t in types],
        "architecture": [t.architecture for t in types],
        "storage_gb": [_short(t.storage_gb) for t in types],
        "burstable": [int(t.burstable) for t in types],
    }


def _short(number: float | None) -> float | int | None:
    return int(number) if number is not None and number == int(number) else number
