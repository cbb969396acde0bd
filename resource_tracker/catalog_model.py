"""The shape of a price catalog: machines, and their prices by region. Pure; what fills it is in ``catalog.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field

from resource_tracker.dataclass import dataclass
from resource_tracker.records import InstanceType, Offer

Price = tuple[float, str, str, str]
"""USD per hour, vendor, name and region: sorted, the cheapest comes first, and the first of a type is its lowest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSource:
    """Where prices come from: a name with its version, the day they were collected, their licence."""

    name: str
    date: str
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionPrices:
    """On-demand USD per hour in one region: three columns of one length. ``sources`` are indices into the catalog's."""

    names: tuple[str, ...]
    usd_per_hour: tuple[float, ...]
    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Instance types and their on-demand prices by region.

    Parameters
    ----------
    origin : str
        What to call it in a report, such as ``"bundled catalog"``.
    instances : mapping
        ``(vendor, name)`` to :class:`~resource_tracker.records.InstanceType`.
    prices : mapping
        ``(vendor, region)`` to :class:`RegionPrices`.
    sources : tuple of PriceSource
    notes : tuple of str
        What a reader must know of this catalog, such as that live prices could not be had.
    open_regions : mapping
        Every region that a vendor has, with prices here or not; empty where that is not known.
    lowest : callable, optional
        Gives the lowest price of each type over all regions, ascending, as (USD, vendor, name, region): spares reading
        every region.
    built : str
        The day on which the catalog was made.
    """

    origin: str
    instances: Mapping[tuple[str, str], InstanceType]
    prices: Mapping[tuple[str, str], RegionPrices]
    sources: tuple[PriceSource, ...]
    notes: tuple[str, ...] = ()
    open_regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lowest: Callable[[], list[Price]] | None = None
    built: str = ""

    def vendors(self) -> tuple[str, ...]:
        """Vendors with prices, sorted."""
        return tuple(sorted({vendor for vendor, _ in self.prices}))

    def regions(self, vendor: str) -> tuple[str, ...]:
        """Regions of a vendor with prices, sorted; empty for an unknown vendor."""
        return tuple(sorted(region for owner, region in self.prices if owner == vendor))

    def names_of_regions(self, vendor: str) -> tuple[str, ...]:
        """What a vendor's regions may be called: Hetzner's ``fsn1-dc14`` also by its location, ``fsn1``."""
        known = self.open_regions.get(vendor, ())
        return tuple(dict.fromkeys([*known, *(name.partition("-dc")[0] for name in known)]))

    def offers(self, vendor: str, region: str) -> Iterator[tuple[Offer, PriceSource]]:
        """Everything on offer in one region, in no particular order."""
        prices = self.prices.get((vendor, region))
        if prices is None:
            return
        for name, usd, source in zip(prices.names, prices.usd_per_hour, prices.sources, strict=True):
            instance = self.instances[vendor, name]
            yield Offer(instance=instance, region=region, price_usd_per_hour=usd), self.sources[source]

    def find(self, vendor: str, region: str, name: str) -> tuple[Offer, PriceSource] | None:
        """The offer of one instance type in one region, with its source; ``None`` where there is none."""
        prices = self.prices.get((vendor, region))
        if prices is None or name not in prices.names:
            return None
        index = prices.names.index(name)
        offer = Offer(
            instance=self.instances[vendor, name], region=region, price_usd_per_hour=prices.usd_per_hour[index]
        )
        return offer, self.sources[prices.sources[index]]
