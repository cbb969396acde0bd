"""GCP: prices of predefined machine types from the rates of a core and a GiB of their family in each region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from catalog_sources.model import Price, Source, Spec, Tally, family_of, is_same

REFERENCE_REGION = "us-central1"
REFERENCE_FAMILY = "n1"
AS_REFERENCE = 0.08
"""By how much a family's rate in a region may differ from its usual multiple of the reference family's."""
CHANGED = frozenset({("n2d", "asia-south1")})
"""Rates that have been cut since the table was made."""
SHARED_CORES = {"e2-micro": 0.25, "e2-small": 0.5, "e2-medium": 1.0}
"""What the shared-core types are billed as, in cores."""

Rates = dict[tuple[str, str], tuple[float, float]]


def prices(
    table: Mapping[str, Any],
    specs: Mapping[tuple[str, str], Spec],
    source: Source,
    recent: Iterable[Price],
    tally: Tally,
) -> list[Price]:
    """Cores times the core's rate plus GiB times the GiB's; recent prices take their place where there are any."""
    later = {(p.name, p.region): p for p in recent if ("gcp", p.name) in specs}
    rates = _with_confirmed_regions(_rates(table, tally), specs, later, tally)
    found = {
        (name, region): Price("gcp", name, region, _price(spec, rate), source)
        for (vendor, name), spec in specs.items()
        if vendor == "gcp"
        for (family, region), rate in rates.items()
        if family == family_of("gcp", name)
    }
    for key, price in later.items():
        if key in found:
            same = is_same(found[key].usd_per_hour, price.usd_per_hour)
            tally.keep("gcp", "two sources agree" if same else "sources differ, later taken")
    tally.keep("gcp", "from rates", len(found.keys() - later.keys()))
    return [*{**found, **later}.values()]


def _rates(table: Mapping[str, Any], tally: Tally) -> Rates:
    """(Core, GiB) by (family, region); families without a GiB rate and regions where one of them is 0 are left out."""
    rates: Rates = {}
    for family, by_part in table.items():
        if "ram" not in by_part or "_" in family:
            continue
        cores, memory = by_part["cpu"]["on_demand"], by_part["ram"]["on_demand"]
        for region in cores.keys() & memory.keys():
            rate = cores[region]["price"], memory[region]["price"]
            if min(rate) > 0:
                rates[family, region] = rate
    usual = {family: _multiple(rates, family, REFERENCE_REGION) for family, _ in rates}
    for family, region in list(rates):
        multiple = _multiple(rates, family, region)
        if (family, region) in CHANGED or not abs(multiple / usual[family] - 1) <= AS_REFERENCE:
            del rates[family, region]
            tally.drop("gcp", "family and region whose rate is out of line")
    return rates


def _multiple(rates: Rates, family: str, region: str) -> float:
    return rates[family, region][0] / rates[REFERENCE_FAMILY, region][0]


def _with_confirmed_regions(
    rates: Rates, specs: Mapping[tuple[str, str], Spec], recent: Mapping[tuple[str, str], Price], tally: Tally
) -> Rates:
    """Add regions that the table lacks, for families whose recent prices there are those of the reference region."""
    agreeing: dict[tuple[str, str], bool] = {}
    for (name, region), price in recent.items():
        family = family_of("gcp", name)
        if (family, region) in rates or (family, REFERENCE_REGION) not in rates:
            continue
        expected = _price(specs["gcp", name], rates[family, REFERENCE_REGION])
        agreeing[family, region] = agreeing.get((family, region), True) and is_same(expected, price.usd_per_hour)
    for (family, region), all_agree in agreeing.items():
        if all_agree:
            rates = {**rates, (family, region): rates[family, REFERENCE_REGION]}
            tally.keep("gcp", f"{family} in {region}, confirmed to cost as in {REFERENCE_REGION}")
    return rates


def _price(spec: Spec, rate: tuple[float, float]) -> float:
    cores = SHARED_CORES.get(spec.name, spec.vcpus)
    return cores * rate[0] + spec.memory_mib / 1024 * rate[1]
