"""The catalog's file: its index is read at once, types and prices when somebody asks for them.

A step needs the types of one vendor and the prices of one region: 1 ms instead of 15 for all. The file is a chain of
gzip members, each a line of JSON; ``scripts/build_catalog.py`` makes it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from resource_tracker.catalog_model import PriceSource, RegionPrices
from resource_tracker.dataclass import dataclass, field_names
from resource_tracker.errors import CatalogError
from resource_tracker.records import InstanceType

FORMAT = 3
"""Version of the file's layout that this module reads."""

_DAMAGES = (KeyError, TypeError, ValueError, IndexError, AttributeError)
"""What wrong content of the right syntax ends in."""


class CatalogFile:
    """An open catalog. ``name`` stands in messages.

    Raises
    ------
    CatalogError
        The data is cut, changed or of another format. Columns that do not fit each other raise it when they are read.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        reader = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # gzip: ends behind the first member
        try:
            index = json.loads(reader.decompress(data))
        except (zlib.error, ValueError, RecursionError) as error:
            raise CatalogError(f"{name}: not a readable catalog ({error})") from error
        found = index.get("format") if isinstance(index, dict) else None
        if found != FORMAT:
            raise CatalogError(f"{name}: catalog format {found!r}, this version reads {FORMAT}")
        self._parts = reader.unused_data
        try:
            if not reader.eof or zlib.crc32(self._parts) != index["checksum"]:
                raise ValueError("the checksum is another")
            self.sources = tuple(PriceSource(**source) for source in index["sources"])
            self.vendors: dict[str, Any] = dict(index["vendors"])
            self.places = [(vendor, region) for vendor, spans in self.vendors.items() for region in spans["regions"]]
            self.open_regions = {vendor: tuple(spans["open"]) for vendor, spans in self.vendors.items()}
            self.built = str(index["built"])
            self._lowest_span: list[int] = index["lowest"]
        except _DAMAGES as error:
            raise self._damaged(error) from error
        self._types: dict[str, _Types] = {}
        self._lowest: list[tuple[float, str, str, str]] | None = None

    def types(self, vendor: str) -> _Types:
        """All types of a vendor."""
        if vendor not in self._types:
            try:
                self._types[vendor] = _types(vendor, self._part(self.vendors[vendor]["types"]))
            except _DAMAGES as error:
                raise self._damaged(error) from error
        return self._types[vendor]

    def region(self, vendor: str, region: str) -> RegionPrices:
        """The prices in a region."""
        names = self.types(vendor).names
        try:
            return _region(names, self._part(self.vendors[vendor]["regions"][region]), len(self.sources))
        except _DAMAGES as error:
            raise self._damaged(error) from error

    def lowest(self) -> list[tuple[float, str, str, str]]:
        """The lowest price of each type over all regions, ascending: USD, vendor, name, region."""
        if self._lowest is None:
            try:
                listed = self._part(self._lowest_span)
                columns = (listed[name] for name in ("usd", "vendor", "name", "region"))
                self._lowest = list(zip(*columns, strict=True))
            except _DAMAGES as error:
                raise self._damaged(error) from error
        return self._lowest

    def _part(self, span: list[int]) -> Any:
        start, length = span
        try:
            return json.loads(gzip.decompress(self._parts[start : start + length]))
        except (OSError, EOFError, zlib.error, RecursionError) as error:
            raise ValueError(f"a part is not readable: {error}") from error

    def _damaged(self, error: Exception) -> CatalogError:
        return CatalogError(f"{self._name}: damaged catalog ({type(error).__name__}: {error})")


class Instances(Mapping[tuple[str, str], InstanceType]):
    """The instance types by vendor and name, each made when it is first looked up."""

    def __init__(self, file: CatalogFile) -> None:
        self._file = file
        self._made: dict[tuple[str, str], InstanceType] = {}

    def __getitem__(self, key: tuple[str, str]) -> InstanceType:
        if key not in self._made:
            vendor, name = key
            if vendor not in self._file.vendors:
                raise KeyError(key)
            self._made[key] = self._file.types(vendor).instance(name)
        return self._made[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((vendor, name) for vendor in self._file.vendors for name in self._file.types(vendor).names)

    def __len__(self) -> int:
        return sum(len(self._file.types(vendor).names) for vendor in self._file.vendors)


class Prices(Mapping[tuple[str, str], RegionPrices]):
    """The prices by vendor and region, each region read when it is first looked up."""

    def __init__(self, file: CatalogFile) -> None:
        self._file = file
        self._read: dict[tuple[str, str], RegionPrices | None] = dict.fromkeys(file.places)

    def __getitem__(self, key: tuple[str, str]) -> RegionPrices:
        read = self._read[key]
        if read is None:
            read = self._read[key] = self._file.region(*key)
        return read

    def __contains__(self, key: object) -> bool:
        return key in self._read

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


@dataclass(frozen=True, slots=True)
class _Types:
    """The columns of a vendor's types. ``rows``: where a name stands."""

    vendor: str
    names: list[str]
    rows: dict[str, int]
    columns: dict[str, list[Any]]

    def instance(self, name: str) -> InstanceType:
        row = self.rows[name]
        values = {column: listed[row] for column, listed in self.columns.items()}
        return InstanceType(vendor=self.vendor, **values | {"burstable": bool(values["burstable"])})


_TYPE_COLUMNS = tuple(name for name in field_names(InstanceType) or () if name != "vendor")


def _types(vendor: str, listed: dict[str, list[Any]]) -> _Types:
    columns = {name: listed[name] for name in _TYPE_COLUMNS}
    names = columns["name"]
    if any(len(column) != len(names) for column in columns.values()):
        raise ValueError("columns of different lengths")
    return _Types(vendor, names, {name: row for row, name in enumerate(names)}, columns)


def _region(names: list[str], listed: dict[str, list[Any]], source_count: int) -> RegionPrices:
    types = list(accumulate(listed["type_step"]))
    prices = RegionPrices(
        names=tuple([names[index] for index in types]),
        usd_per_hour=tuple([float(usd) for usd in listed["usd"]]),
        sources=tuple(listed["source"]),
    )
    if not len(prices.names) == len(prices.usd_per_hour) == len(prices.sources):
        raise ValueError("columns of different lengths")
    if min(types, default=0) < 0:
        raise ValueError("a price of an unknown type")
    if prices.sources and not 0 <= min(prices.sources) <= max(prices.sources) < source_count:
        raise ValueError("a price of an unknown source")
    return prices
