"""Last check of every price: plausible for what the machine is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from catalog_sources.model import Price, Spec, Tally
from resource_tracker.plausible import price_bounds


def plausible(prices: Iterable[Price], specs: Mapping[tuple[str, str], Spec], tally: Tally) -> list[Price]:
    """Prices of types with known specs, each within the bounds for its vCPUs, memory and GPUs; one for each key."""
    kept: dict[tuple[str, str, str], Price] = {}
    for price in prices:
        spec = specs.get((price.vendor, price.name))
        if spec is None:
            tally.drop(price.vendor, "no specs for the type")
        elif price.key in kept:
            tally.drop(price.vendor, "duplicate")
        elif not _is_within(price.usd_per_hour, price_bounds(spec.vcpus, spec.memory_mib, spec.gpu_count)):
            tally.drop(price.vendor, "implausible for its size")
        else:
            kept[price.key] = price
    return sorted(kept.values(), key=lambda price: price.key)


def _is_within(usd: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= usd <= bounds[1]
