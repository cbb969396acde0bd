"""Replies of the Spare Cores Keeper API: nothing in them is taken for granted.

Source: ``ServerPriceWithPKs`` and ``RegionPKs`` of github.com/SpareCores/sc-keeper (``references.py``), whose fields
are those of github.com/SpareCores/sc-crawler (``table_bases.py``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from resource_tracker.errors import CatalogError
from resource_tracker.plausible import is_plausible
from resource_tracker.records import InstanceType

_ARCHITECTURES = {"i386": "x86_64"}
_THROTTLED = frozenset({"burstable", "shared"})
_LONGEST_TEXT = 200
UNKNOWN_FORM = "of an unknown form"
OTHER_PLACE = "of another vendor or region"
IMPLAUSIBLE = "implausible for the machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One instance type with its price per hour."""

    instance: InstanceType
    price_usd_per_hour: float


def read_prices(reply: Any, vendor: str, region_id: str) -> tuple[list[Listed], Counter[str]]:
    """On-demand Linux prices in USD of a reply of ``/server_prices``, and how many rows were left out, by reason.

    Parameters
    ----------
    vendor, region_id : str
        What was asked for, as the API calls it. A price of another place is none of this one.

    Raises
    ------
    CatalogError
        The reply is not a list, or none of its rows could be read.
    """
    if not isinstance(reply, list):
        raise CatalogError(f"/server_prices: a list was expected, not {type(reply).__name__}")
    listed: list[Listed] = []
    left_out: Counter[str] = Counter()
    for row in reply:
        try:
            if not _is_wanted(row):
                continue
            if (row["vendor_id"], row["region_id"]) != (vendor, region_id):
                left_out[OTHER_PLACE] += 1
                continue
            found = _read_row(row)
        except (KeyError, TypeError, ValueError, AttributeError):
            left_out[UNKNOWN_FORM] += 1
            continue
        if is_plausible(found.instance, found.price_usd_per_hour):
            listed.append(found)
        else:
            left_out[IMPLAUSIBLE] += 1
    if reply and left_out[UNKNOWN_FORM] == len(reply):
        raise CatalogError("/server_prices: no row has the known form")
    return listed, left_out


def left_out_text(left_out: Mapping[str, int]) -> str:
    """How many were left out and why: ``2 of an unknown form, 1 implausible for the machine``; empty for none."""
    return ", ".join(f"{count} {why}" for why, count in sorted(left_out.items()) if count)


def _is_wanted(row: dict[str, Any]) -> bool:
    return bool(
        row["allocation"].lower() == "ondemand"
        and row["operating_system"].lower() == "linux"
        and row["currency"] == "USD"
        and row.get("unit", "hour") == "hour"
    )


def _read_row(row: dict[str, Any]) -> Listed:
    server = row["server"]
    nvidia = (server.get("gpu_manufacturer") or "").upper() == "NVIDIA" and (server.get("gpu_count") or 0) >= 1
    architecture = _text(server["cpu_architecture"]).lower()
    instance = InstanceType(
        vendor=_text(row["vendor_id"]),
        name=_text(server.get("api_reference") or row["server_id"]),
        vcpus=_positive(server["vcpus"]),
        memory_mib=_positive(server["memory_amount"]),
        gpu_count=int(_positive(server["gpu_count"])) if nvidia else 0,
        gpu_model=_text(server["gpu_model"]) if nvidia and server.get("gpu_model") else None,
        gpu_memory_mib=_positive(server["gpu_memory_min"]) if nvidia and server.get("gpu_memory_min") else None,
        architecture=_ARCHITECTURES.get(architecture, architecture),
        storage_gb=_positive(server["storage_size"]) if server.get("storage_size") else None,
        burstable=(server.get("cpu_allocation") or "").lower() in _THROTTLED,
    )
    return Listed(instance=instance, price_usd_per_hour=_positive(row["price"]))


def region_id_in(reply: Any, vendor: str, region: str) -> str | None:
    """The API's identifier of a region, by the vendor's name for it, in a reply of ``/regions``.

    Raises
    ------
    CatalogError
        The reply is not a list of regions.
    """
    try:
        named = {
            name: _text(row["region_id"]) for row in reply if row["vendor_id"] == vendor for name in _names_of(row)
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise CatalogError("/regions: a list of regions was expected") from error
    return named.get(region)


def _names_of(row: dict[str, Any]) -> list[str]:
    """What a region may be called; Hetzner's ``fsn1-dc14`` also by its location, which is what prices go by."""
    names = [row["region_id"], *(row[key] for key in ("api_reference", "name") if row.get(key))]
    return [*names, *(name.partition("-dc")[0] for name in names)]


def listed_to_plain(row: Listed) -> dict[str, Any]:
    """As builtins, for the cache."""
    return {**asdict(row.instance), "price_usd_per_hour": row.price_usd_per_hour}


def listed_from(plain: dict[str, Any]) -> Listed:
    """What :func:`listed_to_plain` gave.

    Raises
    ------
    KeyError, TypeError, ValueError
        It is something else.
    """
    fields = dict(plain)
    price = _positive(fields.pop("price_usd_per_hour"))
    instance = InstanceType(**fields)
    _text(instance.name)
    if not is_plausible(instance, price):
        raise ValueError(f"not plausible: {instance.name}")
    return Listed(instance=instance, price_usd_per_hour=price)


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"not a positive number: {value!r}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise TypeError("not a short text")
    return value
