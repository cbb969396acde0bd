"""Prices of ``apache-libcloud``: AWS, repaired, and the tables of Azure and GCP.

Its EC2 tables keep one arbitrary price of several for each type and region: that of a shared machine (the one that is
wanted), of a dedicated one (6 to 10 % more), or of an unused capacity reservation (0). The tables for Red Hat
and SUSE hold other draws of the same, plus a surcharge that depends only on the number of vCPUs. So for each type and
region there are up to three readings of the wanted price; each is right, 6 to 10 % too high, or missing.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from catalog_sources.model import Source, Spec

LICENCE = "Apache-2.0"
VERSION = "apache-libcloud 3.9.1"
TABLES_DATE = "2020-08-30"
"""Its tables of Azure and GCP are, in every release up to this one, those of a file with this date (release 3.2.0)."""
_FILE = "libcloud/data/pricing.json"
_REGION = re.compile(r"[a-z]{2}(-gov)?-[a-z]+-\d")


def read(folder: Path) -> tuple[dict[str, Any], Source]:
    """The tables of compute prices, and their source with the date that the file itself states."""
    content = json.loads((folder / _FILE).read_text())
    day = datetime.fromtimestamp(content["updated"], timezone.utc).date().isoformat()
    return content["compute"], Source(VERSION, day, LICENCE)


def table_source(vendor: str) -> Source:
    """The source of Azure's or GCP's table, which is older than the file it is in."""
    return Source(f"{VERSION} ({vendor} table)", TABLES_DATE, LICENCE)


@dataclass
class Readings:
    """What the tables say of one type in one region: the plain price, and those less a distribution's surcharge."""

    plain: float | None = None
    derived: list[float] = field(default_factory=list)

    @property
    def all(self) -> list[float]:
        """Ascending."""
        return sorted([*self.derived, *([self.plain] if self.plain else [])])


def aws_readings(
    tables: Mapping[str, Any], specs: Mapping[tuple[str, str], Spec], known: Mapping[tuple[str, str], float]
) -> dict[tuple[str, str], Readings]:
    """Up to three readings for each (type, region).

    ``known`` are prices of another source, from which the surcharges of the two distributions are learned.
    """
    vcpus = {name: spec.vcpus for (vendor, name), spec in specs.items() if vendor == "aws"}
    found: dict[tuple[str, str], Readings] = defaultdict(Readings)
    for key, usd in _prices(tables["ec2_linux"], vcpus).items():
        found[key].plain = usd
    for table in ("ec2_rhel", "ec2_suse"):
        prices = _prices(tables[table], vcpus)
        surcharges = _surcharges(prices, vcpus, known)
        for key, usd in prices.items():
            surcharge = surcharges.get(vcpus[key[0]])
            if surcharge is not None and usd > surcharge:
                found[key].derived.append(round(usd - surcharge, 5))
    return found


def _prices(table: Mapping[str, Mapping[str, Any]], vcpus: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """Prices above 0 of types with known specs, in regions proper (not local zones)."""
    return {
        (name, region): float(usd)
        for name, by_region in table.items()
        for region, usd in by_region.items()
        if float(usd) > 0 and name in vcpus and _REGION.fullmatch(region)
    }


def _surcharges(
    prices: Mapping[tuple[str, str], float], vcpus: Mapping[str, float], known: Mapping[tuple[str, str], float]
) -> dict[float, float]:
    """What a distribution adds for each number of vCPUs: the most frequent difference, if it is that of a third."""
    differences: dict[float, Counter[float]] = defaultdict(Counter)
    for key, usd in prices.items():
        if key in known:
            differences[vcpus[key[0]]][round(usd - known[key], 4)] += 1
    learned = {}
    for count, counter in differences.items():
        difference, votes = counter.most_common(1)[0]
        if votes * 3 >= sum(counter.values()) and difference >= 0:
            learned[count] = difference
    return learned
