"""Azure: prices by type and region, and the GPUs that the specs do not name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from catalog_sources.model import Price, Source, Spec, Tally, is_same

GPUS = (
    (r"Standard_NC\d+as_T4_v3", "T4", 15360),
    (r"Standard_NC\d+r?s_v3", "V100", 16384),
    (r"Standard_ND40rs_v2", "V100", 32768),
    (r"Standard_NV\d+s_v3", "M60", 7680),
    (r"Standard_ND96asr_v4", "A100", 40960),
    (r"Standard_ND96amsr_A100_v4", "A100", 81920),
    (r"Standard_ND96isr_H100_v5", "H100", 81920),
    (r"Standard_ND96isr_H200_v5", "H200", 144384),
    (r"Standard_NC80adis_H100_v5", "H100", 95830),
    (r"Standard_NC32ads_A10_v4", "A10", 24576),
    (r"Standard_NV(36|72)adm?s_A10_v5", "A10", 24576),
)
"""Pattern of the name, model and MiB of each GPU. Source: "GPU accelerated virtual machine sizes", Microsoft Learn."""


def with_gpus(
    specs: Mapping[tuple[str, str], Spec], counts: Mapping[tuple[str, str], tuple[int, str | None, float | None]]
) -> dict[tuple[str, str], Spec]:
    """Specs with the NVIDIA GPUs of Azure's types, whose maker the source does not state; ``counts`` are its counts."""
    named = dict(specs)
    for (vendor, name), spec in specs.items():
        if vendor != "azure" or spec.gpu_count or (vendor, name) not in counts:
            continue
        match = next(((model, mib) for pattern, model, mib in GPUS if re.fullmatch(pattern, name)), None)
        if match is not None:
            named[vendor, name] = replace(
                spec, gpu_count=counts[vendor, name][0], gpu_model=match[0], gpu_memory_mib=match[1]
            )
    return named


def prices(
    table: Mapping[str, Mapping[str, float]],
    specs: Mapping[tuple[str, str], Spec],
    regions: set[tuple[str, str]],
    source: Source,
    recent: Iterable[Price],
    tally: Tally,
) -> list[Price]:
    """Prices of pay-as-you-go types that are still offered, in regions that are; recent prices where there are any.

    The table writes names in lower case without underscores (``standardd2sv3``), the recent ones without the tier.
    """
    names = {_key(name): name for vendor, name in specs if vendor == "azure"}
    found: dict[tuple[str, str], Price] = {}
    for key, by_region in table.items():
        if key not in names:
            tally.drop("azure", "low priority, promotion, or type no longer offered", len(by_region))
            continue
        for region, usd in by_region.items():
            if ("azure", region) not in regions:
                tally.drop("azure", "region no longer offered, or of a government")
                continue
            found[names[key], region] = Price("azure", names[key], region, float(usd), source)
    for price in recent:
        name = names.get(_key(f"Standard_{price.name}"))
        if name is None:
            tally.drop("azure", "recent price of an unknown type")
            continue
        if (name, price.region) in found:
            same = is_same(found[name, price.region].usd_per_hour, price.usd_per_hour)
            tally.keep("azure", "two sources agree" if same else "sources differ, later taken")
        found[name, price.region] = replace(price, name=name)
    tally.keep("azure", f"from {source.name}", sum(p.source == source for p in found.values()))
    return list(found.values())


def _key(name: str) -> str:
    return name.lower().replace("_", "")
