"""Last check of every price: plausible for what the machine is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from catalog_sources.model import Price, Spec, Tally

LEAST_PER_VCPU = 0.001
MOST_PER_VCPU = 0.5
"""USD per vCPU-hour without GPUs. The dearest real ones are machines with tens of GiB for each vCPU."""
MOST_PER_GIB = 0.03
MOST_PER_GPU = 20.0


def plausible(prices: Iterable[Price], specs: Mapping[tuple[str, str], Spec], tally: Tally) -> list[Price]:
    """Prices of types with known specs, each within the bounds for its vCPUs, memory and GPUs; one for each key."""
    kept: dict[tuple[str, str, str], Price] = {}
    for price in prices:
        spec = specs.get((price.vendor, price.name))
        if spec is None:
            tally.drop(price.vendor, "no specs for the type")
        elif price.key in kept:
            tally.drop(price.vendor, "duplicate")
        elif not lowest(spec) <= price.usd_per_hour <= highest(spec):
            tally.drop(price.vendor, "implausible for its size")
        else:
            kept[price.key] = price
    return sorted(kept.values(), key=lambda price: price.key)


def lowest(spec: Spec) -> float:
    return LEAST_PER_VCPU * spec.vcpus


def highest(spec: Spec) -> float:
    return MOST_PER_VCPU * spec.vcpus + MOST_PER_GIB * spec.memory_mib / 1024 + MOST_PER_GPU * spec.gpu_count
