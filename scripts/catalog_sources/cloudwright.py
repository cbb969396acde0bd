"""AWS prices of ``cloudwright-ai``: one region, nearly all types."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from catalog_sources.model import Price, Source

VERSION = "cloudwright-ai 1.10.0"
_DB = "cloudwright/data/catalog.db"
_REGION = "us-east-1"
"""The only place that its authors fetched from a price API; the 244 prices of others were written by hand."""


def aws_prices(folder: Path) -> Iterator[Price]:
    """On-demand Linux prices of AWS in us-east-1, with the day on which they were fetched."""
    with sqlite3.connect(folder / _DB) as db:
        (fetched,) = db.execute(
            "select updated_at from catalog_metadata where key = 'refresh:aws:instances'"
        ).fetchone()
        source = Source(VERSION, fetched[:10], "MIT")
        query = """select t.name, p.price_per_hour from pricing p join instance_types t on t.id = p.instance_type_id
                   where p.region_id = ? and p.os = 'linux' and p.price_type = 'on_demand'"""
        for name, usd in db.execute(query, (f"aws:{_REGION}",)):
            yield Price("aws", name, _REGION, float(usd), source)
