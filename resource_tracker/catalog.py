"""The price catalog that comes with the package: read it, search it.

The file is gzipped JSON in columns, made by ``scripts/build_catalog.py``. It is read through the package's loader,
so it may lie in a zip. Sources and licences are in ``resource_tracker/data/README.md``.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from importlib.resources import files
from itertools import islice
from typing import Any, Protocol

from resource_tracker.errors import CatalogError
from resource_tracker.machines import Catalog, PriceSource, RegionPrices
from resource_tracker.records import InstanceType, Offer

FORMAT = 1
"""Version of the file's layout that this module reads."""
BUNDLED = "bundled catalog"

_TYPE_COLUMNS = (
    "name",
    "vcpus",
    "memory_mib",
    "gpu_count",
    "gpu_model",
    "gpu_memory_mib",
    "architecture",
    "storage_gb",
    "burstable",
)


class ReadableFile(Protocol):
    """A file in a folder or in a zip: a ``pathlib.Path``, or what ``importlib.resources`` gives."""

    def read_bytes(self) -> bytes: ...


def bundled_file() -> ReadableFile:
    """The catalog file that comes with the package."""
    return files("resource_tracker") / "data" / "catalog.json.gz"


def load_bundled(file: ReadableFile | None = None) -> Catalog:
    """Read the bundled catalog, or another file of the same format.

    Raises
    ------
    CatalogError
        The file is missing, damaged or of another format; the message names it.
    """
    file = bundled_file() if file is None else file
    try:
        content = json.loads(gzip.decompress(file.read_bytes()))
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise CatalogError(f"{file}: not a readable catalog ({error})") from error
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise CatalogError(f"{file}: catalog format {found!r}, this version reads {FORMAT}")
    try:
        return _catalog(content)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise CatalogError(f"{file}: damaged catalog ({type(error).__name__}: {error})") from error


def _catalog(content: dict[str, Any]) -> Catalog:
    sources = tuple(PriceSource(**source) for source in content["sources"])
    instances: dict[tuple[str, str], InstanceType] = {}
    prices: dict[tuple[str, str], RegionPrices] = {}
    for vendor, columns in content["vendors"].items():
        types = list(_instances(vendor, columns["types"]))
        instances.update({(vendor, instance.name): instance for instance in types})
        names = [instance.name for instance in types]
        for region, listed in columns["regions"].items():
            prices[vendor, region] = _region(names, listed, len(sources))
    return Catalog(origin=BUNDLED, instances=instances, prices=prices, sources=sources)


def _instances(vendor: str, columns: dict[str, list[Any]]) -> Iterator[InstanceType]:
    for values in zip(*(columns[name] for name in _TYPE_COLUMNS), strict=True):
        name, vcpus, memory, gpus, model, gpu_memory, architecture, storage, burstable = values
        yield InstanceType(
            vendor=vendor,
            name=name,
            vcpus=vcpus,
            memory_mib=memory,
            gpu_count=gpus,
            gpu_model=model,
            gpu_memory_mib=gpu_memory,
            architecture=architecture,
            storage_gb=storage,
            burstable=bool(burstable),
        )


def _region(names: list[str], listed: dict[str, list[Any]], source_count: int) -> RegionPrices:
    prices = RegionPrices(
        names=tuple([names[index] for index in listed["type"]]),
        usd_per_hour=tuple([float(usd) for usd in listed["usd"]]),
        sources=tuple(listed["source"]),
    )
    if not len(prices.names) == len(prices.usd_per_hour) == len(prices.sources):
        raise ValueError("columns of different lengths")
    if min(listed["type"], default=0) < 0:
        raise ValueError("a price of an unknown type")
    if prices.sources and not 0 <= min(prices.sources) <= max(prices.sources) < source_count:
        raise ValueError("a price of an unknown source")
    return prices


def search(
    catalog: Catalog,
    text: str = "",
    *,
    vendor: str | None = None,
    region: str | None = None,
    gpu_model: str | None = None,
    limit: int = 50,
) -> tuple[Offer, ...]:
    """Offers whose type's name holds ``text``, cheapest first.

    Parameters
    ----------
    text, gpu_model : str
        Part of the name of the type and of its GPU, in either case.
    vendor, region : str, optional
        Exactly this vendor and region.
    """
    wanted, gpu = text.lower(), (gpu_model or "").lower()
    found = (
        offer
        for place in catalog.prices
        if vendor in (None, place[0]) and region in (None, place[1])
        for offer, _ in catalog.offers(*place)
        if wanted in offer.instance.name.lower() and gpu in (offer.instance.gpu_model or "").lower()
    )
    ranked = sorted(found, key=lambda offer: (offer.price_usd_per_hour, offer.instance.name, offer.region))
    return tuple(islice(ranked, max(0, limit)))
