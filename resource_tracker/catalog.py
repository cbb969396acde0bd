"""The price catalog that comes with the package: read it, search it.

It is read through the package's loader, so it may lie in a zip. Sources and licences are in
``resource_tracker/data/README.md``.
"""

from __future__ import annotations

from importlib.resources import files
from itertools import islice
from typing import Protocol

from resource_tracker.catalog_file import FORMAT, CatalogFile, Instances, Prices
from resource_tracker.catalog_model import Catalog
from resource_tracker.errors import CatalogError
from resource_tracker.records import Offer

__all__ = ["BUNDLED", "FORMAT", "ReadableFile", "bundled_file", "load_bundled", "search"]

BUNDLED = "bundled catalog"


class ReadableFile(Protocol):
    """A file in a folder or in a zip: a ``pathlib.Path``, or what ``importlib.resources`` gives."""

    def read_bytes(self) -> bytes: ...


def bundled_file() -> ReadableFile:
    """The catalog file that comes with the package."""
    return files("resource_tracker") / "data" / "catalog.json.gz"


def load_bundled(file: ReadableFile | None = None) -> Catalog:
    """Open the bundled catalog, or another file of the same format. Types and prices are read when first used.

    Raises
    ------
    CatalogError
        The file is missing, damaged or of another format; the message names it. Columns that do not fit each other
        (no accident: there is a checksum) raise it when they are first used.
    """
    file = bundled_file() if file is None else file
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CatalogError(f"{file}: not a readable catalog ({error})") from error
    opened = CatalogFile(str(file), data)
    return Catalog(
        origin=BUNDLED,
        instances=Instances(opened),
        prices=Prices(opened),
        sources=opened.sources,
        open_regions=opened.open_regions,
        lowest=opened.lowest,
        built=opened.built,
    )


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
