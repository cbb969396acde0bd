"""The GPUs one by one: how busy each was over time, its memory, power, heat, and whether something slowed it down."""

from __future__ import annotations

import math
from typing import NamedTuple

from resource_tracker.frame import TinyDataFrame
from resource_tracker.gpu_use import count_with_work, given, had_work
from resource_tracker.records import GpuUse, TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.series import Resampler, grid_of

POINTS = 60
"""Bars over the time of the attempt."""
SLOWED = 0.01
"""Share of the time from which being slowed down is worth a word."""
_CAUSES = (("throttled_power", "power"), ("throttled_heat", "heat"), ("throttled_other", "other"))


class GpuRow(NamedTuple):
    """One GPU as text; `bars` is the path of an SVG of 100 by 100, empty where its use is not known."""

    number: str
    name: str
    tag: str
    bars: str
    busy: str
    memory: str
    share: float | None
    power: str
    energy: str
    temperature: str
    slowed: str
    is_slowed: bool


class GpuTable(NamedTuple):
    summary: str
    bar_width: float
    rows: tuple[GpuRow, ...]
    note: str


def gpu_table(record: TaskRecord) -> GpuTable | None:
    """``None`` where no GPU was watched by itself."""
    gpus = record.usage.gpus
    if not gpus:
        return None
    frames = [record.gpu_metrics.get(f"gpu{place}", TinyDataFrame()) for place in range(len(gpus))]
    rows = tuple(
        _row(place, gpu, frame, record.started_at) for place, (gpu, frame) in enumerate(zip(gpus, frames, strict=True))
    )
    others = any(gpu.usage_mean is not None and _is_others(gpu) for gpu in gpus)
    note = "Busy: share of the time in which anything ran on the GPU; bars reach to 100 %."
    if others:
        note += " Where others use it, too: the step's part of it all."
    return GpuTable(summary=_summary(gpus), bar_width=round(70 / POINTS, 2), rows=rows, note=note)


def _summary(gpus: tuple[GpuUse, ...]) -> str:
    ours = given(gpus)
    worked = count_with_work(ours)
    if worked is None:
        return fmt.plural(len(gpus), "GPU")
    if len(ours) == 1:
        return "1 GPU" if worked else "1 GPU, never used"
    whose = f"{len(ours)} of {len(gpus)} GPUs are the step's, " if len(ours) < len(gpus) else f"{len(ours)} GPUs, "
    idle = len(ours) - worked
    return whose + ("all of them used" if not idle else f"{idle} of them never used")


def _row(place: int, gpu: GpuUse, frame: TinyDataFrame, started_at: float) -> GpuRow:
    memory = gpu.vram_max_mib if gpu.step_vram_max_mib is None else gpu.step_vram_max_mib
    causes = [
        f"{name} {fmt.percent(share)}"
        for field, name in _CAUSES
        if (share := getattr(gpu, field)) is not None and share >= SLOWED
    ]
    is_known = any(getattr(gpu, field) is not None for field, _ in _CAUSES)
    return GpuRow(
        number=str(place),
        name=gpu.name,
        tag=_tag(gpu),
        bars=_bars(frame, started_at),
        busy=_busy(gpu),
        memory=f"{fmt.memory_mib(memory)} of {fmt.memory_mib(gpu.memory_mib)}",
        share=None if memory is None or not gpu.memory_mib else round(min(100.0, memory / gpu.memory_mib * 100), 1),
        power=fmt.UNKNOWN if gpu.power_mean_w is None else f"{fmt.number(gpu.power_mean_w)}{fmt.NBSP}W",
        energy=fmt.energy(gpu.energy_j),
        temperature=fmt.UNKNOWN if gpu.temperature_max_c is None else f"{gpu.temperature_max_c:.0f}{fmt.NBSP}°C",
        slowed=", ".join(causes) if causes else "no" if is_known else fmt.UNKNOWN,
        is_slowed=bool(causes),
    )


def _tag(gpu: GpuUse) -> str:
    if gpu.may_use is False:
        return "not the step's"
    return "never used" if had_work(gpu) is False else ""


def _busy(gpu: GpuUse) -> str:
    own, whole = gpu.step_usage_mean, gpu.usage_mean
    if own is None:
        return fmt.percent(whole)
    return f"{fmt.percent(own)} of {fmt.percent(whole)}" if _is_others(gpu) else fmt.percent(own)


def _is_others(gpu: GpuUse) -> bool:
    own, whole = gpu.step_usage_mean, gpu.usage_mean
    return own is not None and whole is not None and whole - own > SLOWED


def _bars(frame: TinyDataFrame, started_at: float) -> str:
    """A line up for each point in which it was busy."""
    grid = grid_of(frame, started_at, POINTS)
    if not grid.points:
        return ""
    values = Resampler(frame, grid, started_at).values("usage", "mean")
    first, last = grid.edges[0], grid.edges[-1]
    pieces = []
    for index, value in enumerate(values):
        if math.isfinite(value) and value >= 0.005:
            middle = (grid.edges[index] + grid.edges[index + 1]) / 2
            at = (middle - first) / (last - first) * 100 if last > first else 50.0
            pieces.append(f"M{at:.1f} 100V{100 - 100 * min(value, 1.0):.0f}")
    return "".join(pieces)
