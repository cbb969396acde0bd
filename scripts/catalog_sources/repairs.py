"""What the specs do not state, or state wrongly: makers of GPUs, their memory, Arm machines, burstable families."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from catalog_sources.model import Spec, Tally

NVIDIA = {
    "A10": 24576,
    "A30": 24576,
    "A100": 40960,
    "A100 80G": 81920,
    "A800": 81920,
    "A800 40G": 40960,
    "B200": 183359,
    "L20": 49152,
    "M40": 12288,
    "P100": 16384,
    "P4": 8192,
    "RTX 5000": 15360,
    "RTX 5880": 49152,
    "RTX 6000": 24576,
    "RTX Pro 6000": 97887,
    "T4": 16384,
    "V100": 16384,
}
"""Models that are NVIDIA's though the source names no maker, and MiB where it states none.

Source: NVIDIA's data sheets; of B200 what the same source states for AWS. Not here: fractions of a GPU (``A10*1/3``),
Alibaba's own and undisclosed ones (``G49``, ``GPU H``, ``PPU 810``).
"""
_SAME_MODEL = {"Nvidia Tesla V100": "V100", "5880": "RTX 5880"}
ARM_FAMILIES = {
    "gcp": ("c4a-", "n4a-", "t2a-"),
    "alicloud": ("ecs.c6r.", "ecs.g6r.", "ecs.c8y.", "ecs.g8y.", "ecs.r8y."),
}
"""Source: "Arm VMs on Compute Engine", Google; the source lists c4a and n4a as x86."""
BURSTABLE = {"alicloud": r"ecs\.t[1-6][.-].*"}
"""Source: "Burstable instance families", Alibaba Cloud; the source lists them as dedicated."""
Gpu = tuple[int, str | None, float | None]
"""Count, model and MiB of each, as stated."""


def repaired(
    specs: Mapping[tuple[str, str], Spec], gpus: Mapping[tuple[str, str], Gpu], tally: Tally
) -> dict[tuple[str, str], Spec]:
    """Specs with what is known besides; ``gpus`` are those of types whose maker is not stated."""
    found = {}
    for key, spec in specs.items():
        vendor, name = key
        fixed = _with_gpu(spec, gpus.get(key), tally)
        if name.startswith(ARM_FAMILIES.get(vendor, ())) and spec.architecture != "arm64":
            fixed = replace(fixed, architecture="arm64")
            tally.keep(vendor, "architecture corrected to Arm")
        if re.fullmatch(BURSTABLE.get(vendor, "-"), name) and not spec.burstable:
            fixed = replace(fixed, burstable=True)
            tally.keep(vendor, "marked as burstable")
        found[key] = fixed
    return found


def _with_gpu(spec: Spec, stated: Gpu | None, tally: Tally) -> Spec:
    if spec.gpu_count or stated is None:
        return spec
    count, model, memory_mib = stated
    model = _SAME_MODEL.get(model or "", model)
    if model not in NVIDIA:
        tally.drop(spec.vendor, "GPUs that are not NVIDIA's, shared, or undisclosed: counted as none")
        return spec
    usual = NVIDIA[model]
    if memory_mib is not None and memory_mib < usual / 2:
        tally.drop(spec.vendor, "GPUs that are not NVIDIA's, shared, or undisclosed: counted as none")
        return spec
    tally.keep(spec.vendor, "GPU's maker or memory filled in")
    return replace(spec, gpu_count=count, gpu_model=model, gpu_memory_mib=memory_mib or usual)
