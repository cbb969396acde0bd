"""What the charts show: one small multiple per resource, blue for the step and grey for the machine in each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import total
from resource_tracker.records import TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.gaps import gap_data
from resource_tracker.report.gpu import has_gpu
from resource_tracker.report.series import Merge, Resampler, even_grid, grid_of, packed
from resource_tracker.units import KIB, MIB, mb_to_kib

Unit = Literal["cores", "bytes", "bytes_per_s", "gpus"]
Frame = Literal["process", "system"]
Line = dict[str, Any]


class SeriesSpec(NamedTuple):
    """One line: whose it is (``step`` or ``machine``), which column, and what becomes of rows that share a point."""

    who: Literal["step", "peak", "machine"]
    frame: Frame
    column: str
    merge: Merge
    factor: float = 1.0


class ChartSpec(NamedTuple):
    id: str
    title: str
    unit: Unit
    series: tuple[SeriesSpec, ...]
    gpu: bool = False


def _gauge(who: Literal["step", "machine"], column: str, factor: float = 1.0) -> SeriesSpec:
    return SeriesSpec(
        who=who, frame="process" if who == "step" else "system", column=column, merge="mean", factor=factor
    )


def _rate(who: Literal["step", "machine"], column: str) -> SeriesSpec:
    return SeriesSpec(who=who, frame="process" if who == "step" else "system", column=column, merge="rate")


def _peak(column: str, factor: float = 1.0) -> SeriesSpec:
    return SeriesSpec(who="peak", frame="process", column=column, merge="max", factor=factor)


CHARTS = (
    ChartSpec(
        id="cpu",
        title="CPU",
        unit="cores",
        series=(_gauge("machine", "cpu_usage"), _peak("cpu_peak_cores"), _gauge("step", "cpu_usage")),
    ),
    ChartSpec(
        id="memory",
        title="Memory",
        unit="bytes",
        series=(
            _gauge("machine", "memory_used", KIB),
            _peak("memory_peak_kib", KIB),
            _gauge("step", "memory", KIB),
        ),
    ),
    ChartSpec(
        id="gpu",
        title="GPU",
        unit="gpus",
        series=(_gauge("machine", "gpu_usage"), _gauge("step", "gpu_usage")),
        gpu=True,
    ),
    ChartSpec(
        id="vram",
        title="GPU memory",
        unit="bytes",
        series=(_gauge("machine", "gpu_vram", MIB), _gauge("step", "gpu_vram", MIB)),
        gpu=True,
    ),
    ChartSpec(
        id="disk_read",
        title="Disk read",
        unit="bytes_per_s",
        series=(_rate("machine", "disk_read_bytes"), _rate("step", "read_bytes")),
    ),
    ChartSpec(
        id="disk_write",
        title="Disk written",
        unit="bytes_per_s",
        series=(_rate("machine", "disk_write_bytes"), _rate("step", "write_bytes")),
    ),
    ChartSpec(
        id="net_recv", title="Network received", unit="bytes_per_s", series=(_rate("machine", "net_recv_bytes"),)
    ),
    ChartSpec(id="net_sent", title="Network sent", unit="bytes_per_s", series=(_rate("machine", "net_sent_bytes"),)),
)

_QUIET_BYTES = 1e6
"""Charts of less traffic than this in the whole attempt are one word in a sentence instead."""
_PAIRS = (("disk_read", "disk_write"), ("net_recv", "net_sent"))
"""Drawn side by side, or neither: one alone would leave a hole."""

_LABELS = {"step": "step", "peak": "highest moment", "machine": "machine"}


Highs = Mapping[str, TinyDataFrame]
"""By frame: the highest single row in each row that stands for several."""


def chart_data(record: TaskRecord, highs: Highs | None = None) -> dict[str, Any]:
    """Everything that the page's script draws: the shared time axis and the charts, without the empty ones."""
    base = record.process_metrics if len(record.process_metrics) else record.system_metrics
    # While it runs, points that have been drawn stay where they are.
    if highs:
        grid = even_grid(base, record.started_at)
    else:
        grid = grid_of(base, record.started_at, steady=record.outcome.status == "running")
    known = highs or {}
    frames: dict[Frame, Resampler] = {
        "process": Resampler(record.process_metrics, grid, record.started_at, known.get("process")),
        "system": Resampler(record.system_metrics, grid, record.started_at, known.get("system")),
    }
    quiet = _quiet(record)
    charts = [
        _chart(spec, record, frames) for spec in CHARTS if spec.id not in quiet and (not spec.gpu or has_gpu(record))
    ]
    return {
        "start": round(record.started_at, 3),
        "x": packed(list(grid.edges)) if grid.points else None,
        "gaps": gap_data(record),
        "charts": [chart for chart in charts if chart["series"]],
    }


def quiet_sentence(record: TaskRecord) -> str:
    """Names the charts that are left out because there was nothing to draw; empty where there are none."""
    own = record.usage.process_read_bytes is not None or record.usage.process_write_bytes is not None
    names = {"disk_read": f"disk reads and writes{' of the step' if own else ''}", "net_recv": "network traffic"}
    quiet = _quiet(record)
    parts = [
        f"{name} ({'less than 1 MB' if quiet[chart] else 'none'})" for chart, name in names.items() if chart in quiet
    ]
    return f"Not drawn: {', '.join(parts)}." if parts else ""


def _quiet(record: TaskRecord) -> dict[str, float]:
    """Bytes of the disk and network charts that are not worth drawing, the same for both of a pair."""
    sizes = {spec.id: _traffic(spec, record) for spec in CHARTS if spec.unit == "bytes_per_s"}
    totals = {pair: sum(sizes[chart] for chart in pair) for pair in _PAIRS}
    return {chart: size for pair, size in totals.items() for chart in pair if size < _QUIET_BYTES}


def _traffic(spec: ChartSpec, record: TaskRecord) -> float:
    """Bytes in the whole attempt: the step's own, else its machine's; nan where neither is known."""
    frames = {"process": record.process_metrics, "system": record.system_metrics}
    sizes = [total(frames[s.frame][s.column]) for s in reversed(spec.series) if s.column in frames[s.frame]]
    return next((size for size in sizes if math.isfinite(size)), math.nan)


def _chart(spec: ChartSpec, record: TaskRecord, frames: dict[Frame, Resampler]) -> dict[str, Any]:
    is_running = record.outcome.status == "running"
    series = [_series(one, frames[one.frame], is_running) for one in spec.series]
    return {
        "id": spec.id,
        "title": spec.title,
        "unit": spec.unit,
        "series": [one for one in series if one is not None],
        "lines": _lines(spec.id, record),
    }


def _series(spec: SeriesSpec, frame: Resampler, is_running: bool) -> dict[str, Any] | None:
    data = packed(_times(frame.values(spec.column, spec.merge), spec.factor))
    if data is None:
        return None
    series: dict[str, Any] = {"who": spec.who, "label": _LABELS[spec.who], "data": data}
    if frame.merges and spec.merge in ("mean", "rate") and _merged_peaks_matter(spec):
        highest = frame.values(spec.column, "max" if spec.merge == "mean" else "max_rate")
        high = packed(_times(highest, spec.factor))
        if is_running or high != data:  # else a band without any height, unless it gets one yet
            series["high"] = high
    return series


def _merged_peaks_matter(spec: SeriesSpec) -> bool:
    """Where rows were merged into points, their highest is drawn too, unless memory's peak column does so already."""
    return spec.column not in ("memory", "memory_used")


def _times(values: list[float], factor: float) -> list[float]:
    return values if factor == 1 else [value * factor for value in values]


def _lines(chart: str, record: TaskRecord) -> list[Line]:
    """Horizontal lines: what was asked for and what the kernel allows."""
    request, limits = record.request, record.limits
    lines: list[Line] = []
    if chart == "cpu":
        if request.cpu:
            lines.append(_line("requested", request.cpu, fmt.whole(request.cpu)))
        if limits.cpus and not _same(limits.cpus, lines):
            lines.append(_line("limit", limits.cpus, fmt.whole(limits.cpus)))
    elif chart == "memory":
        if request.memory_mb:
            value = mb_to_kib(request.memory_mb) * KIB
            lines.append(_line("requested", value, fmt.memory_mb(request.memory_mb)))
        if limits.memory_mib and not _same(limits.memory_mib * MIB, lines):
            lines.append(_line("limit", limits.memory_mib * MIB, fmt.memory_mib(limits.memory_mib)))
    elif chart == "gpu" and request.gpu:
        lines.append(_line("requested", request.gpu, str(request.gpu)))
    elif chart == "vram" and record.server.gpu_memory_mb:
        total = record.server.gpu_memory_mb
        lines.append(_line("installed", total * MIB, fmt.memory_mib(total)))
    return lines


def _same(limit: float, lines: list[Line]) -> bool:
    """Whether the limit is what was asked for, as it is where the request was granted: one line says both."""
    return any(abs(limit - line["value"]) <= 0.005 * limit for line in lines)


def _line(kind: str, value: float, text: str) -> Line:
    return {"kind": kind, "value": float(f"{value:.6g}"), "label": f"{kind} {text}"}
