"""One picture per resource: asked for, allowed, used and recommended on one horizontal scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from resource_tracker.records import NoRecommendation, TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.gpu import has_gpu
from resource_tracker.units import kib_to_bytes, mb_to_kib, mib_to_kib

MARKS = {
    "requested": "requested",
    "limit": "limit",
    "mean": "mean",
    "peak": "peak",
    "saving": "while saving",
    "recommended": "recommended",
}
"""Every scale has these marks, in this order and with these names; an unknown one has no place."""
_FAR = 2.5
"""A request or limit this many times beyond all else would squeeze the rest: it stands at the end, as an arrow."""

_POSSIBLE = {
    "cpu": frozenset(MARKS) - {"saving"},
    "gpu": frozenset(MARKS) - {"saving"},
    "vram": frozenset({"mean", "peak", "limit"}),
}

Text = Callable[[float | None], str]


class Mark(NamedTuple):
    """One value on a scale: `at` in per cent of its width, ``None`` where there is none; `beyond` the end."""

    kind: str
    label: str
    text: str
    at: float | None
    beyond: bool = False


class Tick(NamedTuple):
    """A number below the scale; `shift`, in per cent of its width, keeps those at the ends from sticking out."""

    at: float
    text: str
    shift: int


class Scale(NamedTuple):
    """`hint` says what kind of peak its peak is, where that is not the highest moment."""

    key: str
    name: str
    unit: str
    hint: str
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    reason: str | None
    summary: str

    @property
    def possible(self) -> frozenset[str]:
        """Marks that this resource can have; the others are left blank rather than unknown."""
        return _POSSIBLE.get(self.key, frozenset(MARKS))

    @property
    def shown(self) -> bool:
        return any(mark.at is not None for mark in self.marks)


def scales(record: TaskRecord) -> tuple[Scale, ...]:
    """CPU and memory, and with a GPU its use and its memory."""
    usage, request, limits = record.usage, record.request, record.limits
    advice = None if isinstance(record.recommendation, NoRecommendation) else record.recommendation
    reasons = advice.reasons if advice else {}
    built = [
        _scale(
            "cpu",
            "CPU",
            "cores",
            {
                "mean": usage.cpu_mean_cores,
                "peak": usage.cpu_max_cores,
                "recommended": advice.cpu if advice else None,
                "requested": request.cpu,
                "limit": limits.cpus,
            },
            fmt.cores,
            reasons.get("cpu"),
            f"peak: {_busiest(record)}",
        ),
        _scale(
            "memory",
            "Memory",
            "",
            {
                "mean": _bytes(usage.memory_mean_kib),
                "peak": _bytes(usage.memory_peak_kib),
                "saving": _bytes(usage.persist_memory_peak_kib),
                "recommended": _bytes(mb_to_kib(advice.memory_mb)) if advice else None,
                "requested": _bytes(mb_to_kib(request.memory_mb)) if request.memory_mb else None,
                "limit": _bytes(mib_to_kib(limits.memory_mib)) if limits.memory_mib else None,
            },
            fmt.memory_bytes,
            reasons.get("memory"),
        ),
    ]
    if has_gpu(record):
        built += _gpu_scales(record)
    return tuple(built)


def _busiest(record: TaskRecord) -> str:
    """What the peak of CPU is the mean of: the busiest row, which is mostly a second, and longer in long attempts."""
    rows = len(record.process_metrics)
    length = max(record.tracking.interval_s, record.usage.duration_s / rows if rows else 0.0)
    return "busiest second" if 0.9 < length < 1.1 else f"busiest {fmt.duration(length)}"


def _gpu_scales(record: TaskRecord) -> list[Scale]:
    usage, server = record.usage, record.server
    advice = None if isinstance(record.recommendation, NoRecommendation) else record.recommendation
    use = {
        "mean": usage.gpu_usage_mean,
        "peak": usage.gpu_usage_max,
        "recommended": advice.gpu if advice else None,
        "requested": record.request.gpu,
        "limit": server.gpu_count or None,
    }
    vram = {
        "mean": _bytes(mib_to_kib(usage.gpu_vram_mean_mib)) if usage.gpu_vram_mean_mib is not None else None,
        "peak": _bytes(mib_to_kib(usage.gpu_vram_max_mib)) if usage.gpu_vram_max_mib is not None else None,
        "limit": _bytes(mib_to_kib(server.gpu_memory_mb)) if server.gpu_memory_mb else None,
    }
    reason = advice.reasons.get("gpu") if advice else None
    return [
        _scale("gpu", "GPU", "", use, fmt.cores, reason),
        _scale("vram", "GPU memory", "", vram, fmt.data_size, None),
    ]


def _scale(
    key: str, name: str, unit: str, values: dict[str, float | None], text: Text, reason: str | None, hint: str = ""
) -> Scale:
    end = _end(values)
    marks = tuple(_mark(kind, values.get(kind), end, text) for kind in MARKS)
    spoken = ", ".join(f"{mark.label} {mark.text}" for mark in marks if mark.at is not None)
    return Scale(
        key=key,
        name=name,
        unit=unit,
        hint=hint,
        marks=marks,
        ticks=_ticks(end, text),
        reason=fmt.unbroken(reason) if reason else None,
        summary=f"{name}: {spoken}" if spoken else f"{name}: not measured",
    )


def _end(values: dict[str, float | None]) -> float:
    """Where the scale ends: beyond all that is used or advised, and beyond request and limit unless far off."""
    finite = {kind: v for kind, v in values.items() if v is not None and math.isfinite(v)}
    core = max((v for kind, v in finite.items() if kind not in ("requested", "limit")), default=0.0)
    requested = finite.get("requested", 0.0)
    end = max(core, requested)
    limit = finite.get("limit", 0.0)
    if limit <= end * _FAR or not end:
        end = max(end, limit)
    return end * 1.06 or 1.0


def _mark(kind: str, value: float | None, end: float, text: Text) -> Mark:
    if value is None or not math.isfinite(value):
        return Mark(kind=kind, label=MARKS[kind], text=fmt.UNKNOWN, at=None)
    place = value / end * 100
    return Mark(kind=kind, label=MARKS[kind], text=text(value), at=round(min(place, 100.0), 2), beyond=place > 100)


def _ticks(end: float, text: Text) -> tuple[Tick, ...]:
    step = nice_step(end / 5)
    shares = [(step * i / end, step * i) for i in range(math.floor(end / step) + 1)]
    return tuple(
        Tick(
            at=round(share * 100, 2),
            text=_round_text(text(value)) if value else "0",
            shift=0 if not value else -100 if share > 0.95 else -50,
        )
        for share, value in shares
    )


def _round_text(text: str) -> str:
    """A round number has no use for zeros behind its point: ``5 GB``, not ``5.00 GB``."""
    number, space, unit = text.partition("\u00a0")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + space + unit


def nice_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, at least `rough`."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def _bytes(kib: float | None) -> float | None:
    return None if kib is None else kib_to_bytes(kib)
