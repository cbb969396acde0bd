"""Costs at live prices, or at bundled ones where those cannot be had."""

from __future__ import annotations

from resource_tracker.catalog_model import Catalog
from resource_tracker.dataclass import replace
from resource_tracker.errors import CatalogError
from resource_tracker.keeper import Keeper
from resource_tracker.places import DEFAULT_REGIONS, DEFAULT_VENDOR
from resource_tracker.pricing import need_of, price
from resource_tracker.private_dir import default_places
from resource_tracker.records import (
    CloudInfo,
    Limits,
    NoRecommendation,
    Pricing,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    TaskRecord,
    UsageSummary,
)


def price_record_live(
    record: TaskRecord, *, bundled: Catalog, vendor: str | None = None, region: str | None = None, limit: int = 5
) -> Pricing:
    """:func:`price_live` of a whole record, asking the Keeper API with the user's own cache.

    Raises
    ------
    SettingError
        Live prices could not be had, and ``vendor`` or ``region`` is not in the bundled catalog.
    """
    return price_live(
        record.recommendation,
        record.usage,
        record.cloud,
        record.server,
        keeper=Keeper(cache=tuple(default_places())),
        bundled=bundled,
        request=record.request,
        limits=record.limits,
        vendor=vendor,
        region=region,
        limit=limit,
    )


def price_live(
    recommendation: Recommendation | NoRecommendation,
    usage: UsageSummary,
    cloud: CloudInfo,
    server: ServerInfo,
    *,
    keeper: Keeper,
    bundled: Catalog,
    request: ResourceRequest | None = None,
    limits: Limits | None = None,
    vendor: str | None = None,
    region: str | None = None,
    limit: int = 5,
    allow_burstable: bool = False,
) -> Pricing:
    """Like :func:`~resource_tracker.pricing.price` with live prices, or with bundled ones, which its note then says.

    Raises
    ------
    SettingError
        Live prices could not be had, and ``vendor`` or ``region`` is not in the bundled catalog.
    """
    where = vendor or (cloud.vendor if cloud.known else DEFAULT_VENDOR)
    at_home = cloud.known and where == cloud.vendor
    there = region or (cloud.region if at_home else DEFAULT_REGIONS.get(where, "unknown"))
    need = need_of(recommendation, usage, server) if isinstance(recommendation, Recommendation) else None
    own = cloud.instance_type if at_home and there == cloud.region else None
    elsewhere = None
    try:
        catalog = keeper.catalog(where, there, need, own)
        elsewhere = bundled if vendor is None or vendor in bundled.vendors() else None
    except CatalogError as error:
        note = f"Live prices could not be had ({error}): those of the bundled catalog are shown."
        catalog = replace(bundled, notes=(*bundled.notes, note))
    return price(
        catalog,
        recommendation,
        usage,
        cloud,
        server,
        request=request,
        limits=limits,
        vendor=vendor,
        region=region,
        limit=limit,
        allow_burstable=allow_burstable,
        elsewhere=elsewhere,
    )
