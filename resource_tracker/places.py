"""Where prices are looked up: where a step ran, where the user says, or in a stated default.

Pure. Explained in ``docs/pricing.md``.
"""

from __future__ import annotations

from collections.abc import Sequence

from resource_tracker.catalog_model import Catalog
from resource_tracker.dataclass import dataclass
from resource_tracker.errors import SettingError
from resource_tracker.records import CloudInfo
from resource_tracker.suggestions import there_are

DEFAULT_VENDOR = "aws"
DEFAULT_REGIONS = {"aws": "us-east-1", "azure": "eastus", "gcp": "us-central1"}
"""Where to look up prices for a step that runs outside the clouds or the catalog; always labelled as assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where prices are looked up. ``None`` is anywhere; ``assumed`` where it is a stated default, and ``note`` why."""

    vendor: str | None
    region: str | None
    assumed: bool = False
    note: str | None = None


def place_of(catalog: Catalog, cloud: CloudInfo, vendor: str | None = None, region: str | None = None) -> Place:
    """Where to look for offers: as asked, else where the step ran, else the stated default of its vendor or of all.

    A vendor alone means the step's own region of it, or all its regions where the step runs elsewhere.
    """
    if vendor is not None or region is not None:
        at_home = vendor == cloud.vendor and (vendor, cloud.region) in catalog.prices
        return Place(vendor=vendor, region=cloud.region if region is None and at_home else region)
    if (cloud.vendor, cloud.region) in catalog.prices:
        return Place(vendor=cloud.vendor, region=cloud.region)
    if not cloud.known:
        default, why = DEFAULT_VENDOR, "It is not known where the step ran"
    elif cloud.vendor in DEFAULT_REGIONS and (cloud.vendor, DEFAULT_REGIONS[cloud.vendor]) in catalog.prices:
        default, why = cloud.vendor, f"The catalog has no prices for {cloud.vendor} {cloud.region}"
    else:
        default, why = DEFAULT_VENDOR, f"The catalog has no prices for {cloud.vendor}"
    place = (default, DEFAULT_REGIONS[default])
    if place not in catalog.prices:
        place = min(catalog.prices, default=place)
    note = f"{why}: prices of {place[0]} {place[1]} are shown instead."
    return Place(vendor=place[0], region=place[1], assumed=True, note=note)


def check_place(catalog: Catalog, vendor: str | None, region: str | None, origin: str = "") -> list[tuple[str, str]]:
    """The places with prices that are asked for; ``None`` is any.

    Parameters
    ----------
    origin : str
        Where the names were given, for the message: ``"@track_resources"``.

    Raises
    ------
    SettingError
        The catalog has no such vendor or region; the message says what may have been meant, and lists those it has, of
        many the most similar.
    """
    if not catalog.prices:
        return []
    before = f"{origin}: " if origin else ""
    if vendor is not None and vendor not in catalog.vendors():
        raise SettingError(f"{before}no prices for vendor {vendor!r}{there_are(vendor, catalog.vendors())}")
    places = [place for place in catalog.prices if vendor in (None, place[0]) and region in (None, place[1])]
    if not places:
        known = sorted({place[1] for place in catalog.prices if vendor in (None, place[0])})
        of_vendor = f" of vendor {vendor!r}" if vendor else ""
        elsewhere = sorted({owner for owner, name in catalog.prices if name == region})
        of_other = f", which is a region of {' and '.join(elsewhere)}" if elsewhere else ""
        tail = there_are(str(region), known)
        raise SettingError(f"{before}no prices for region {region!r}{of_vendor}{of_other}{tail}")
    return sorted(places)


def check_name(what: str, name: str, known: Sequence[str], origin: str = "") -> None:
    """Refuse a name that is not among the known.

    Parameters
    ----------
    origin : str
        Where the name was given, for the message.

    Raises
    ------
    SettingError
        The message says what may have been meant, and lists those there are, of many the most similar.
    """
    if name not in known:
        before = f"{origin}: " if origin else ""
        raise SettingError(f"{before}there is no {what} {name!r}{there_are(name, known)}")
