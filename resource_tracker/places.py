"""Where prices are looked up: where a step ran, or in a stated default.

Pure. Explained in ``docs/pricing.md``.
"""

from __future__ import annotations

from resource_tracker.dataclass import dataclass
from resource_tracker.machines import Catalog
from resource_tracker.records import CloudInfo

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
