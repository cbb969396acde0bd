"""Specs of ``sparecores-data`` 0.3.4 and AWS prices of its 0.1.0 (the only release on PyPI that holds prices)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from catalog_sources.model import Price, Source, Spec, Tally

LICENCE = "CC BY-SA 4.0"
PRICES = Source("sparecores-data 0.1.0", "2024-02-21", LICENCE)
_SPECS_DB = "sc_data/data/sc-data-priceless.db"
_PRICES_DB = "sc_data/data/sc-data-all.db"
_ARCHITECTURES = {"X86_64": "x86_64", "I386": "x86_64", "ARM64": "arm64"}
_REGION_NAMES = {"me-central-2": "me-south-1"}  # 0.1.0 calls Bahrain so; its prices are those of me-south-1


def specs(folder: Path, tally: Tally) -> dict[tuple[str, str], Spec]:
    """Every instance type by (vendor, name). Mac machines are left out: they are rented by the day."""
    query = """select vendor_id, api_reference, vcpus, memory_amount, gpu_count, gpu_manufacturer, gpu_model,
                      gpu_memory_min, cpu_architecture, storage_size, cpu_allocation, status from server"""
    found = {}
    with sqlite3.connect(folder / _SPECS_DB) as db:
        for vendor, name, vcpus, memory, gpus, maker, model, vram, cpu, storage, allocation, status in db.execute(
            query
        ):
            if cpu not in _ARCHITECTURES or not vcpus or not memory:
                tally.drop(vendor, "type without vCPUs, memory or a usual architecture")
                continue
            if status != "ACTIVE":
                tally.drop(vendor, "type that is no longer offered")
                continue
            nvidia = maker == "NVIDIA" and gpus >= 1
            found[vendor, name] = Spec(
                vendor=vendor,
                name=name,
                vcpus=vcpus,
                memory_mib=memory,
                gpu_count=int(gpus) if nvidia else 0,
                gpu_model=model if nvidia else None,
                gpu_memory_mib=vram if nvidia else None,
                architecture=_ARCHITECTURES[cpu],
                storage_gb=storage or None,
                burstable=allocation in ("BURSTABLE", "SHARED"),
            )
    return found


def unnamed_gpus(folder: Path) -> dict[tuple[str, str], tuple[int, str | None, float | None]]:
    """Whole GPUs of each type whose maker is not stated as NVIDIA: count, model and MiB of each, as far as stated."""
    query = """select vendor_id, api_reference, gpu_count, gpu_model, gpu_memory_min from server
               where gpu_count >= 1 and coalesce(gpu_manufacturer, '') != 'NVIDIA'"""
    with sqlite3.connect(folder / _SPECS_DB) as db:
        return {(vendor, name): (int(count), model, mib) for vendor, name, count, model, mib in db.execute(query)}


def regions(folder: Path) -> set[tuple[str, str]]:
    """Every (vendor, region) that is open."""
    with sqlite3.connect(folder / _SPECS_DB) as db:
        return set(db.execute("select vendor_id, api_reference from region where status = 'ACTIVE'"))


def aws_prices(folder: Path) -> Iterator[Price]:
    """On-demand Linux prices of AWS in US dollars (those of the Chinese regions are in another currency)."""
    query = """select server_id, datacenter_id, price from server_price
               where vendor_id = 'aws' and allocation = 'ONDEMAND' and operating_system = 'Linux'
               and currency = 'USD'"""
    with sqlite3.connect(folder / _PRICES_DB) as db:
        for name, region, usd in db.execute(query):
            yield Price("aws", name, _REGION_NAMES.get(region, region), usd, PRICES)
