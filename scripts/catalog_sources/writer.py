"""Write the catalog: gzipped JSON in columns, byte for byte the same for the same input."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from catalog_sources.model import Price, Source, Spec

FORMAT = 1


def write(path: Path, prices: Iterable[Price], specs: Mapping[tuple[str, str], Spec], built: str) -> int:
    """Write types that have a price, and the prices; returns the size of the file in bytes."""
    prices = list(prices)
    sources = sorted({p.source for p in prices}, key=lambda s: (s.date, s.name))
    content = {
        "format": FORMAT,
        "built": built,
        "sources": [{"name": s.name, "date": s.date, "licence": s.licence} for s in sources],
        "vendors": {
            vendor: _vendor([p for p in prices if p.vendor == vendor], specs, sources)
            for vendor in sorted({p.vendor for p in prices})
        },
    }
    text = json.dumps(content, separators=(",", ":")).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text, 9, mtime=0))
    return path.stat().st_size


def _vendor(prices: list[Price], specs: Mapping[tuple[str, str], Spec], sources: list[Source]) -> dict[str, Any]:
    types = [specs[key] for key in sorted({(p.vendor, p.name) for p in prices})]
    index = {spec.name: number for number, spec in enumerate(types)}
    regions: dict[str, dict[str, list[Any]]] = {}
    for price in sorted(prices, key=lambda p: (p.region, index[p.name])):
        columns = regions.setdefault(price.region, {"type": [], "usd": [], "source": []})
        columns["type"].append(index[price.name])
        columns["usd"].append(round(price.usd_per_hour, 6))
        columns["source"].append(sources.index(price.source))
    return {
        "types": {
            "name": [t.name for t in types],
            "vcpus": [_short(t.vcpus) for t in types],
            "memory_mib": [_short(t.memory_mib) for t in types],
            "gpu_count": [t.gpu_count for t in types],
            "gpu_model": [t.gpu_model for t in types],
            "gpu_memory_mib": [_short(t.gpu_memory_mib) for t in types],
            "architecture": [t.architecture for t in types],
            "storage_gb": [_short(t.storage_gb) for t in types],
            "burstable": [int(t.burstable) for t in types],
        },
        "regions": regions,
    }


def _short(number: float | None) -> float | int | None:
    return int(number) if number is not None and number == int(number) else number
