"""AWS: one price for each type and region out of three sources."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise

from catalog_sources.libcloud import Readings
from catalog_sources.model import Price, Source, Tally, family_of, is_same

DEDICATED = (1.05, 1.125)
"""How much more a dedicated machine costs: 6 to 10 %."""
REPRICED = frozenset({"p4d", "p4de", "p5", "p5e", "p5en"})
"""Families whose prices AWS cut in June 2025, after the older sources were collected."""
REPRICED_ON = "2025-06-01"

Prices = dict[tuple[str, str], Price]


def merge(
    older: Iterable[Price],
    readings: Mapping[tuple[str, str], Readings],
    source: Source,
    recent: Iterable[Price],
    tally: Tally,
) -> list[Price]:
    """One price for each (type, region), from the latest source that states or confirms it.

    ``older`` prices are sound but of early 2024: a reading of the later ``source`` that is the same confirms one with
    its date. What is only among the readings is taken if two of them agree or if it fits its family, never if it is the
    price of a dedicated machine by its family's measure.
    """
    known = {(p.name, p.region): p for p in older}
    chosen: Prices = {}
    agreed: Prices = {}
    for key, price in known.items():
        confirmed = _confirmed(price, readings.get(key, Readings()), source, tally)
        if confirmed is not None:
            chosen[key] = confirmed
    for key in readings.keys() - known.keys():
        usd = _agreed(readings[key].all)
        if usd is not None:
            agreed[key] = Price("aws", *key, usd, source)
    families = _Families({**chosen, **agreed})
    for key in readings.keys() - known.keys():
        fitting = _fitting(key, readings[key], agreed.get(key), families, tally)
        if fitting is not None:
            chosen[key] = Price("aws", *key, fitting, source)
    chosen = _without_dedicated(chosen, known.keys(), tally)
    for price in sorted(recent, key=lambda price: price.source.date):
        before = chosen.get((price.name, price.region))
        if before is None:
            tally.keep("aws", f"stated by {price.source.name}")
        else:
            how = "agrees with" if is_same(before.usd_per_hour, price.usd_per_hour) else "corrects"
            tally.keep("aws", f"{price.source.name} {how} {before.source.name}")
        chosen[price.name, price.region] = price
    return [p for p in chosen.values() if not _is_outdated(p, tally)]


def _confirmed(price: Price, found: Readings, source: Source, tally: Tally) -> Price | None:
    """The older price, with the later source's date where a reading is the same; ``None`` if contradicted."""
    if any(is_same(usd, price.usd_per_hour) for usd in found.all):
        tally.keep("aws", "two sources agree")
        return Price(*price.key, price.usd_per_hour, source)
    if found.plain is None or DEDICATED[0] <= found.plain / price.usd_per_hour <= DEDICATED[1]:
        tally.keep("aws", "older source only")
        return price
    tally.drop("aws", "sources disagree")
    return None


def _agreed(found: list[float]) -> float | None:
    """The lowest of the ascending readings that another one equals."""
    return next((low for low, high in pairwise(found) if is_same(low, high)), None)


class _Families:
    """Prices by family: a region costs the same multiple of another for all sizes of a family."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._regions: dict[str, list[str]] = defaultdict(list)
        self._siblings: dict[tuple[str, str], list[Price]] = defaultdict(list)
        for (name, region), price in prices.items():
            self._regions[name].append(region)
            self._siblings[family_of("aws", name), region].append(price)

    def expected(self, name: str, region: str) -> float | None:
        """Median, over siblings in the region and regions where both are known, of what the price should be."""
        guesses = [
            sibling.usd_per_hour
            * self._prices[name, other].usd_per_hour
            / self._prices[sibling.name, other].usd_per_hour
            for sibling in self._siblings.get((family_of("aws", name), region), ())
            if sibling.name != name
            for other in self._regions.get(name, ())
            if other != region and (sibling.name, other) in self._prices
        ]
        return statistics.median(guesses) if guesses else None


def _fitting(
    key: tuple[str, str], found: Readings, agreed: Price | None, families: _Families, tally: Tally
) -> float | None:
    """The price of a type and region that only the later source has; ``None`` where it cannot be told."""
    expected = families.expected(*key)
    if expected is not None:
        fit = next((usd for usd in found.all if is_same(usd, expected)), None)
        if fit is not None:
            tally.keep("aws", "later source only, fits its family")
            return fit
    if agreed is None:
        tally.drop(
            "aws", "a single reading of the later source that does not fit its family" if found.all else "no reading"
        )
        return None
    if expected is not None and DEDICATED[0] <= agreed.usd_per_hour / expected <= DEDICATED[1]:
        tally.drop("aws", "dedicated machine, by its family's measure")
        return None
    tally.keep("aws", "later source only, two readings agree")
    return agreed.usd_per_hour


def _without_dedicated(chosen: Prices, older: Collection[tuple[str, str]], tally: Tally) -> Prices:
    """Leave out later prices that, now that all are known, turn out as those of dedicated machines."""
    families = _Families(chosen)
    kept: Prices = {}
    for key, price in chosen.items():
        expected = families.expected(*key)
        if key not in older and expected and DEDICATED[0] <= price.usd_per_hour / expected <= DEDICATED[1]:
            tally.drop("aws", "dedicated machine, by its family's measure")
        else:
            kept[key] = price
    return kept


def _is_outdated(price: Price, tally: Tally) -> bool:
    if family_of("aws", price.name) in REPRICED and price.source.date < REPRICED_ON:
        tally.drop("aws", "older than the price cut of June 2025")
        return True
    return False
