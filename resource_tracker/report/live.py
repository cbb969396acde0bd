"""What a card shows while its step runs: use at this moment, against what was asked for and allowed, and where it goes.

A live update brings the same values again (:func:`live_data`), and the page's script puts them in place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from resource_tracker.records import TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.gpu import has_gpu
from resource_tracker.units import KIB, MIB, kib_to_bytes, mb_to_kib
from resource_tracker.usage import cpu_windows

_FAR = 2.5
"""A request or limit this many times beyond all else would leave nothing to see of a bar."""
_CPU_OVER_S = 0.5
"""A row that ends at a mark may be so short that one clock tick in it looks like a core in use."""
_REFRESH_S = 5.0
"""Between two updates, where nobody says otherwise."""


class Tile(NamedTuple):
    """One resource now: `at` and `peak_at` are parts of its bar in per cent, ``None`` where there is none."""

    key: str
    name: str
    now: str
    note: str
    at: float | None
    peak_at: float | None


class LivePanel(NamedTuple):
    """`elapsed_s` is the length of the attempt at `updated_at`, the Unix time of the last figures.

    Where no more come, the command `why` may tell what became of the attempt.
    `projections` are pairs of kind and sentence.
    """

    elapsed: str
    elapsed_s: float
    updated_at: float
    updated: str
    why: str | None
    tiles: tuple[Tile, ...]
    projections: tuple[tuple[str, str], ...]


def live_panel(record: TaskRecord) -> LivePanel | None:
    """``None`` where the attempt has ended, or is not measured."""
    if record.outcome.status != "running" or record.tracking.mode == "untracked":
        return None
    updated_at = record.started_at + record.usage.duration_s
    return LivePanel(
        elapsed=fmt.running(record.usage.duration_s),
        elapsed_s=round(record.usage.duration_s, 2),
        updated_at=round(updated_at, 2),
        updated=fmt.clock(updated_at),
        why=f"resource-tracker why {record.pathspec}" if record.pathspec else None,
        tiles=_tiles(record),
        projections=tuple((one.kind, fmt.unbroken(one.text)) for one in record.projections),
    )


def live_data(record: TaskRecord, refresh_s: float | None = None) -> dict[str, Any] | None:
    """What changes of the panel, as JSON-able builtins, and after how long the next update is due."""
    panel = live_panel(record)
    if panel is None:
        return None
    return {
        **{name: value for name, value in panel._asdict().items() if name not in ("elapsed", "why")},
        "refresh_s": round(_REFRESH_S if refresh_s is None else refresh_s, 1),
        "tiles": [list(tile) for tile in panel.tiles],
        "projections": [list(projection) for projection in panel.projections],
    }


def _tiles(record: TaskRecord) -> tuple[Tile, ...]:
    usage, request, limits, server = record.usage, record.request, record.limits, record.server
    tiles = [
        _tile(
            "cpu",
            "CPU",
            _cpu_now(record),
            usage.cpu_max_cores,
            {"requested": request.cpu, "allowed": limits.cpus},
            _cores,
        ),
        _tile(
            "memory",
            "Memory",
            _times(_last(record, "memory"), KIB),
            None if usage.memory_peak_kib is None else kib_to_bytes(usage.memory_peak_kib),
            {
                "requested": kib_to_bytes(mb_to_kib(request.memory_mb)) if request.memory_mb else None,
                "allowed": _times(limits.memory_mib, MIB),
            },
            fmt.memory_bytes,
        ),
    ]
    if has_gpu(record):
        allowed = {"requested": request.gpu, "allowed": server.gpu_count or None}
        tiles.append(_tile("gpu", "GPU", _last(record, "gpu_usage"), usage.gpu_usage_max, allowed, fmt.cores))
        vram = {"allowed": _times(server.gpu_memory_mb or None, MIB)}
        peak = _times(usage.gpu_vram_max_mib, MIB)
        tiles.append(_tile("vram", "GPU memory", _times(_last(record, "gpu_vram"), MIB), peak, vram, fmt.memory_bytes))
    return tuple(tiles)


def _tile(
    key: str,
    name: str,
    now: float | None,
    peak: float | None,
    bounds: Mapping[str, float | None],
    text: Callable[[float | None], str],
) -> Tile:
    known = {word: value for word, value in bounds.items() if value}
    if len({text(value) for value in known.values()}) == 1:
        known = dict([next(iter(known.items()))])  # the request was granted: one number says both
    of = ", ".join(f"{text(value)} {word}" for word, value in known.items())
    used = max(now or 0.0, peak or 0.0)
    near = [value for value in known.values() if value <= max(used, min(known.values())) * _FAR]
    end = max(used, *near) if near else 0.0

    def place(value: float | None) -> float | None:
        return None if not end or value is None else round(min(value / end * 100, 100.0), 1)

    note = f"peak {text(peak)}{f' of {of}' if of else ''}"
    return Tile(key=key, name=name, now=text(now), note=note, at=place(now), peak_at=place(peak))


def _cores(value: float | None) -> str:
    text = fmt.cores(value)
    return text if text == fmt.UNKNOWN else f"{text}{fmt.NBSP}{'core' if text == '1' else 'cores'}"


def _cpu_now(record: TaskRecord) -> float | None:
    """In the last row, or where rows are shorter, over as long as the peak is taken over."""
    windows = cpu_windows(record.process_metrics, _CPU_OVER_S)
    return windows[-1][0] if windows else None


def _last(record: TaskRecord, column: str) -> float | None:
    """Of the latest row in which it was measured."""
    frame = record.process_metrics
    values = frame[column] if column in frame else []  # noqa: SIM401 - a frame has no get()
    return next((value for value in reversed(values) if math.isfinite(value)), None)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
