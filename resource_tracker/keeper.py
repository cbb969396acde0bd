"""Live prices from the Spare Cores Keeper API, for those who ask for them.

Source: the API's own code and parameter descriptions (github.com/SpareCores/sc-keeper, ``parameters.py`` and
``/server_prices`` in ``api.py``): filters such as ``memory_min`` are in units of 1024 MiB, replies in MiB.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from resource_tracker.catalog_model import Catalog, PriceSource, RegionPrices
from resource_tracker.errors import CatalogError
from resource_tracker.keeper_cache import STALE_S, KeptRegion, Reply, ReplyCache, region_query
from resource_tracker.keeper_http import Fetch, http_get
from resource_tracker.keeper_reply import Listed, left_out_text, read_prices, region_id_in
from resource_tracker.machines import Need
from resource_tracker.units import mib_to_gib

BASE_URL = "https://keeper.sparecores.net"
ORIGIN = "live prices"
NAME = "Spare Cores Keeper API"
LICENCE = "CC BY-SA 4.0"
TIMEOUT_S = 4.0
"""For all requests of one step together."""
FRESH_S = 24 * 3600.0
"""Prices from the cache are used without asking again for a day."""
MOST_VCPUS = 256
"""The API refuses a larger ``vcpus_min``."""
MOST_ROWS = 250
"""The API refuses a larger ``limit``."""
MOST_PAGES = 40
"""Of one region: 10,000 prices, three times what the largest has."""
LEAST_SHARE = 0.5
"""An update with less than this share of the prices that are kept and still serve is taken for an incomplete reply."""
CACHED_NOTE = "Live prices could not be had: those are shown that were cached before."
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
        whole = self._replies.read(region_query(vendor, region))
        age_s = math.inf if whole is None else self.now() - whole.at
        if whole is not None and 0 <= age_s <= FRESH_S:
            return _catalog(vendor, region, [whole])
        damage = "" if whole is not None else self._damage(vendor, region)
        try:
            found = self._asked(vendor, region, need, instance_type)
            return replace(found, notes=(*found.notes, damage)) if damage else found
        except CatalogError as error:
            if whole is not None and 0 <= age_s <= STALE_S:
                return _catalog(vendor, region, [replace(whole, note=CACHED_NOTE)])
            if damage:
                raise CatalogError(f"{error}. {damage}") from error
            raise

    def update(self, vendor: str, region: str, progress: Callable[[int], None] = lambda _: None) -> Catalog:
        """Fetch all prices of one region and keep them: until they are a day old nobody asks the API for others.

        Parameters
        ----------
        progress : callable
            Is told after each page how many prices there are by now.

        Raises
        ------
        CatalogError
            The API did not answer in time or not in the form that is known; it gave fewer than half of the prices
            that are kept and still serve; or what it gave could not be kept. What was kept before stays as it was.
        """
        deadline = time.monotonic() + self.timeout_s
        best: dict[str, Listed] = {}
        all_left_out: Counter[str] = Counter()
        region_id = self._region_id(vendor, region, deadline)
        query = {**_place(vendor, region_id), "order_by": "price", "order_dir": "asc"}
        for page in range(1, MOST_PAGES + 1):
            paged = {**query, "limit": str(MOST_ROWS), "page": str(page)}
            content = self._ask("/server_prices", paged, deadline)
            listed, left_out = read_prices(content, vendor, region_id)
            all_left_out += left_out
            for row in listed:
                name = row.instance.name
                if name not in best or row.price_usd_per_hour < best[name].price_usd_per_hour:
                    best[name] = row
            progress(len(best))
            if len(content) < MOST_ROWS:
                break
        if not best:
            raise CatalogError(f"{self.base_url}/server_prices: no prices for {vendor} {region}{_but(all_left_out)}")
        reply = Reply(at=self.now(), listed=tuple(best.values()), note=_left_out_note(all_left_out))
        self._refuse_far_fewer(vendor, region, reply, all_left_out)
        if not self._replies.write(region_query(vendor, region), reply):
            raise CatalogError(
                f"the prices could not be kept: none of {', '.join(self.cache) or 'no folder'} is usable"
            )
        return _catalog(vendor, region, [reply])

    def kept(self) -> list[KeptRegion]:
        """The regions that :meth:`update` has kept, sorted."""
        return self._replies.regions()

    def damaged(self) -> list[str]:
        """Files of the cache that hold no prices that can be read."""
        return self._replies.damaged()

    def _damage(self, vendor: str, region: str) -> str:
        """That prices of the region are kept, but cannot be read; empty where it is not so."""
        files = self._replies.damaged(region_query(vendor, region))
        return damage_text(files[0], f"{vendor} {region}") if files else ""

    @property
    def _replies(self) -> ReplyCache:
        return ReplyCache(places=self.cache, base_url=self.base_url)

    def _refuse_far_fewer(self, vendor: str, region: str, reply: Reply, left_out: Counter[str]) -> None:
        """A reply that lost most of the prices must not take the place of one that has them."""
        kept = self._replies.read(region_query(vendor, region))
        if kept is None or not 0 <= reply.at - kept.at <= STALE_S:
            return
        if len(reply.listed) < LEAST_SHARE * len(kept.listed):
            count = len(reply.listed)
            raise CatalogError(
                f"the reply has {count} price{'' if count == 1 else 's'} of {vendor} {region}{_but(left_out)}, fewer "
                f"than half of the {len(kept.listed)} kept, and looks incomplete"
            )

    def _asked(self, vendor: str, region: str, need: Need | None, instance_type: str | None) -> Catalog:
        deadline = time.monotonic() + self.timeout_s
        region_id = self._region_id(vendor, region, deadline)
        place = _place(vendor, region_id)
        queries = [{**place, **_need_query(need)}] if need is not None else []
        if instance_type is not None:
            queries.append({**place, "partial_name_or_id": instance_type, "limit": str(MOST_ROWS)})
        replies = [self._prices(query, vendor, region_id, deadline) for query in queries]
        return _catalog(vendor, region, replies)

    def _region_id(self, vendor: str, region: str, deadline: float) -> str:
        """What the API calls a region."""
        if vendor not in _NUMBERED_REGIONS:
            return region
        found = region_id_in(self._ask("/regions", {"vendor": vendor}, deadline), vendor, region)
        if found is None:
            raise CatalogError(f"{self.base_url}/regions: {vendor} has no region {region}")
        return found

    def _prices(self, query: Mapping[str, str], vendor: str, region_id: str, deadline: float) -> Reply:
        """One reply: from the cache while it is fresh, else from the API, else from a cache that is not too old."""
        cached = self._replies.read(query)
        age_s = math.inf if cached is None else self.now() - cached.at
        if cached is not None and 0 <= age_s <= FRESH_S:
            return cached
        try:
            listed, left_out = read_prices(self._ask("/server_prices", query, deadline), vendor, region_id)
            if left_out and not listed:
                raise CatalogError(f"{self.base_url}/server_prices: no price is usable{_but(left_out)}")
        except CatalogError:
            if cached is not None and 0 <= age_s <= STALE_S:
                return replace(cached, note=CACHED_NOTE)
            raise
        reply = Reply(at=self.now(), listed=tuple(listed), note=_left_out_note(left_out))
        self._replies.write(query, reply)
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


def damage_text(path: str, place: str = "VENDOR REGION") -> str:
    """What to say of a damaged file of the cache."""
    return f"{path} is damaged and left out: `resource-tracker catalog update {place}` fetches its prices anew"


def _place(vendor: str, region_id: str) -> dict[str, str]:
    return {"vendor_regions": f"{vendor}~{region_id}", "allocation": "ondemand", "currency": "USD"}


def _left_out_note(left_out: Counter[str]) -> str | None:
    return f"Live prices were left out: {left_out_text(left_out)}." if left_out else None


def _but(left_out: Counter[str]) -> str:
    return f" ({left_out_text(left_out)} left out)" if left_out else ""


def _need_query(need: Need) -> dict[str, str]:
    """Filters that leave out what is surely not enough; :func:`~resource_tracker.machines.is_enough` is exact."""
    query = {
        "vcpus_min": str(min(MOST_VCPUS, max(1, math.ceil(need.vcpus)))),
        "memory_min": str(math.floor(mib_to_gib(need.memory_mib) * 10) / 10),
        "order_by": "price",
        "order_dir": "asc",
        "limit": str(MOST_ROWS),
    }
    if need.architecture is not None:
        query["architecture"] = need.architecture
    if need.gpu_count:
        query["gpu_min"] = str(need.gpu_count)
        if need.gpu_memory_mib:
            query["gpu_memory_min"] = str(math.floor(mib_to_gib(need.gpu_memory_mib) * 10) / 10)
    return query


def _catalog(vendor: str, region: str, replies: list[Reply]) -> Catalog:
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
