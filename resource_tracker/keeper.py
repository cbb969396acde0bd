"""Live prices from the Spare Cores Keeper API, for those who ask for them.

Source: the API's own code and parameter descriptions (github.com/SpareCores/sc-keeper, ``parameters.py`` and
``/server_prices`` in ``api.py``): filters such as ``memory_min`` are in units of 1024 MiB, replies in MiB.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from resource_tracker import private_dir
from resource_tracker.errors import CatalogError
from resource_tracker.keeper_http import Fetch, http_get
from resource_tracker.keeper_reply import Listed, listed_from, listed_to_plain, read_prices, region_id_in
from resource_tracker.machines import Catalog, Need, PriceSource, RegionPrices
from resource_tracker.places import DEFAULT_REGIONS, DEFAULT_VENDOR
from resource_tracker.pricing import need_of, price
from resource_tracker.records import (
    CloudInfo,
    Limits,
    NoRecommendation,
    Pricing,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    UsageSummary,
)
from resource_tracker.units import mib_to_gib

BASE_URL = "https://keeper.sparecores.net"
ORIGIN = "live prices"
NAME = "Spare Cores Keeper API"
LICENCE = "CC BY-SA 4.0"
TIMEOUT_S = 4.0
"""For all requests of one step together."""
FRESH_S = 24 * 3600.0
"""Prices from the cache are used without asking again for a day,"""
STALE_S = 7 * FRESH_S
"""and for a week where the API does not answer."""
MOST_VCPUS = 256
"""The API refuses a larger ``vcpus_min``."""
MOST_ROWS = 250
"""The API refuses a larger ``limit``."""
CACHE_AT_MOST = 1024 * 1024
_CACHE_PREFIX = "prices-"
_NUMBERED_REGIONS = frozenset({"gcp", "hcloud"})
"""Vendors whose regions the API knows by a number, to be looked up by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """How to reach the API.

    Parameters
    ----------
    timeout_s : float
        For all requests of one catalog together.
    cache : tuple of str
        Where a private directory for replies may stand, such as
        :func:`~resource_tracker.private_dir.default_places`; empty keeps nothing.
    fetch, now : callable
        HTTP transport, and clock (Unix time).
    """

    base_url: str = BASE_URL
    timeout_s: float = TIMEOUT_S
    cache: tuple[str, ...] = ()
    fetch: Fetch = http_get
    now: Callable[[], float] = time.time

    def catalog(self, vendor: str, region: str, need: Need | None, instance_type: str | None = None) -> Catalog:
        """Prices in one region: of the cheapest machines that may be enough, and of one instance type.

        Raises
        ------
        CatalogError
            The API did not answer in time or not in the form that is known, and nothing usable is cached.
        """
        deadline = time.monotonic() + self.timeout_s
        region_id = self._region_id(vendor, region, deadline) if vendor in _NUMBERED_REGIONS else region
        place = {"vendor_regions": f"{vendor}~{region_id}", "allocation": "ondemand", "currency": "USD"}
        queries = [{**place, **_need_query(need)}] if need is not None else []
        if instance_type is not None:
            queries.append({**place, "partial_name_or_id": instance_type, "limit": str(MOST_ROWS)})
        replies = [self._prices(query, vendor, deadline) for query in queries]
        return _catalog(vendor, region, replies)

    def _region_id(self, vendor: str, region: str, deadline: float) -> str:
        found = region_id_in(self._ask("/regions", {"vendor": vendor}, deadline), vendor, region)
        if found is None:
            raise CatalogError(f"{self.base_url}/regions: {vendor} has no region {region}")
        return found

    def _prices(self, query: Mapping[str, str], vendor: str, deadline: float) -> _Reply:
        """One reply: from the cache while it is fresh, else from the API, else from a cache that is not too old."""
        name = _cache_name(self.base_url, query)
        cached = self._cached(name)
        age_s = math.inf if cached is None else self.now() - cached.at
        if cached is not None and 0 <= age_s <= FRESH_S:
            return cached
        try:
            listed, left_out = read_prices(self._ask("/server_prices", query, deadline), vendor)
        except CatalogError:
            if cached is not None and 0 <= age_s <= STALE_S:
                return replace(cached, note="Live prices could not be had: those are shown that were cached before.")
            raise
        note = f"{left_out} live prices of an unknown form were left out." if left_out else None
        reply = _Reply(at=self.now(), listed=tuple(listed), note=note)
        self._keep(name, reply)
        return reply

    def _ask(self, path: str, query: Mapping[str, str], deadline: float) -> Any:
        url = self.base_url + path
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise CatalogError(f"{url}: no time left")
        try:
            return json.loads(self.fetch(url, query, left_s))
        except (ValueError, RecursionError) as error:
            raise CatalogError(f"{url}: the reply is not JSON") from error

    def _cached(self, name: str) -> _Reply | None:
        for place in self.cache:
            with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
                with private_dir.open_private(place, create=False) as directory:
                    content = json.loads(private_dir.read_small(directory, name, CACHE_AT_MOST))
                return _Reply(at=float(content["at"]), listed=tuple(listed_from(row) for row in content["listed"]))
        return None

    def _keep(self, name: str, reply: _Reply) -> None:
        """Write a reply to the first place that can be written to; nowhere, and it is asked for again next time."""
        text = json.dumps({"at": reply.at, "listed": [listed_to_plain(row) for row in reply.listed]})
        for place in self.cache:
            with suppress(OSError):
                with private_dir.open_private(place, create=True) as directory:
                    private_dir.remove_older(directory, _CACHE_PREFIX, self.now() - STALE_S)
                    private_dir.write_atomic(directory, name, text)
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """What one query gave, and when."""

    at: float
    listed: tuple[Listed, ...]
    note: str | None = None


def _need_query(need: Need) -> dict[str, str]:
    """Filters that leave out what is surely not enough; :func:`~resource_tracker.machines.is_enough` is exact."""
    query = {
        "vcpus_min": str(min(MOST_VCPUS, max(1, math.ceil(need.vcpus)))),
        "memory_min": str(math.floor(mib_to_gib(need.memory_mib) * 10) / 10),
        "architecture": need.architecture,
        "order_by": "price",
        "order_dir": "asc",
        "limit": str(MOST_ROWS),
    }
    if need.gpu_count:
        query["gpu_min"] = str(need.gpu_count)
        if need.gpu_memory_mib:
            query["gpu_memory_min"] = str(math.floor(mib_to_gib(need.gpu_memory_mib) * 10) / 10)
    return query


def _cache_name(base_url: str, query: Mapping[str, str]) -> str:
    key = json.dumps([base_url, sorted(query.items())]).encode()
    return f"{_CACHE_PREFIX}{hashlib.sha256(key).hexdigest()[:32]}.json"


def _catalog(vendor: str, region: str, replies: list[_Reply]) -> Catalog:
    """The replies as a catalog of one region; of several prices of a type (one for each zone) the lowest."""
    best: dict[str, tuple[Listed, int]] = {}
    for number, reply in enumerate(replies):
        for row in reply.listed:
            name = row.instance.name
            if name not in best or row.price_usd_per_hour < best[name][0].price_usd_per_hour:
                best[name] = row, number
    return Catalog(
        origin=ORIGIN,
        instances={(vendor, name): row.instance for name, (row, _) in best.items()},
        prices={
            (vendor, region): RegionPrices(
                names=tuple(best),
                usd_per_hour=tuple(row.price_usd_per_hour for row, _ in best.values()),
                sources=tuple(number for _, number in best.values()),
            )
        },
        sources=tuple(PriceSource(name=NAME, date=_day(reply.at), licence=LICENCE) for reply in replies),
        notes=tuple(sorted({reply.note for reply in replies if reply.note})),
    )


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


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
