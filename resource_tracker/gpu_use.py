"""What each GPU did during an attempt, and what that says of all of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import highest, row_weights, total, weighted_mean
from resource_tracker.records import GpuFacts, GpuUse, UsageSummary


def gpu_uses(frames: Sequence[TinyDataFrame], facts: Sequence[GpuFacts]) -> tuple[GpuUse, ...]:
    """One for each GPU; figures that were not measured are ``None``."""
    return tuple(_use(frame, fact) for frame, fact in zip(frames, facts, strict=False))


def _use(frame: TinyDataFrame, fact: GpuFacts) -> GpuUse:
    weights = row_weights(frame)

    def mean(name: str) -> float | None:
        return _known(weighted_mean(frame[name], weights)) if name in frame else None

    def most(name: str) -> float | None:
        return _known(highest(frame[name])) if name in frame else None

    return GpuUse(
        name=fact.name,
        memory_mib=fact.memory_mib,
        may_use=fact.may_use,
        usage_mean=mean("usage"),
        usage_max=most("usage_peak"),
        step_usage_mean=mean("step_usage"),
        step_usage_max=most("step_usage"),
        vram_max_mib=most("vram_peak_mib"),
        step_vram_max_mib=most("step_vram_peak_mib"),
        power_mean_w=mean("power_w"),
        energy_j=_known(total(frame["energy_j"])) if "energy_j" in frame else None,
        temperature_max_c=most("temperature_c"),
        throttled_power=mean("throttled_power"),
        throttled_heat=mean("throttled_heat"),
        throttled_other=mean("throttled_other"),
        pcie_received_bytes_per_s=mean("pcie_received_bytes_per_s"),
        pcie_sent_bytes_per_s=mean("pcie_sent_bytes_per_s"),
    )


def given(gpus: Iterable[GpuUse]) -> tuple[GpuUse, ...]:
    """Those that the step may use; all, where that is not known."""
    return tuple(gpu for gpu in gpus if gpu.may_use is not False)


def had_work(gpu: GpuUse) -> bool | None:
    """Whether it ever had work of the step; an instance, which does not tell, if the step held memory of it."""
    if gpu.step_usage_max is not None:
        return gpu.step_usage_max > 0
    return None if gpu.step_vram_max_mib is None else gpu.step_vram_max_mib > 0


def count_with_work(gpus: Iterable[GpuUse]) -> int | None:
    """How many ever had work of the step; ``None`` without any, or where one cannot be told."""
    answers = [had_work(gpu) for gpu in gpus]
    return None if not answers or None in answers else sum(map(bool, answers))


def count_held(gpus: Iterable[GpuUse]) -> int | None:
    """Of how many the step held memory; ``None`` without any, or where one cannot be told."""
    held = [gpu.step_vram_max_mib for gpu in gpus]
    return None if not held or None in held else sum(bool(mib) for mib in held)


def vram_of_fullest_mib(gpus: Iterable[GpuUse]) -> float | None:
    """The most memory that the step held of any one GPU."""
    return max((gpu.step_vram_max_mib for gpu in gpus if gpu.step_vram_max_mib is not None), default=None)


def energy_of(gpus: Iterable[GpuUse]) -> float | None:
    """Of those that the step may use, whoever used them; ``None`` where one does not tell."""
    joules = [gpu.energy_j for gpu in given(gpus)]
    return None if not joules or None in joules else math.fsum(value for value in joules if value is not None)


def vram_each_mib(usage: UsageSummary, count: int) -> float | None:
    """Memory that each of `count` GPUs needs: what the fullest held; without frames of each, an even part of all."""
    fullest = vram_of_fullest_mib(usage.gpus)
    if fullest is not None:
        return fullest or None
    return usage.gpu_vram_max_mib / count if usage.gpu_vram_max_mib and count else None


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
