"""The one line that a tracked step adds to its log."""

from __future__ import annotations

from resource_tracker.damping import halved
from resource_tracker.records import Recommendation, TaskRecord
from resource_tracker.units import kib_to_mb_ceil


def closing_line(record: TaskRecord, how_to_open: str | None) -> str:
    """What was used, what to ask for next time, how to open the card.

    Parameters
    ----------
    how_to_open : str or None
        The command that opens the card; ``None`` where there is no card.
    """
    parts = [_used(record)]
    if isinstance(record.recommendation, Recommendation):
        parts.append(f"next time {record.recommendation.as_text()}{_stops_short(record)}")
    else:
        parts.append(record.recommendation.reason)
    if how_to_open:
        parts.append(how_to_open)
    return "[track_resources] " + " | ".join(parts)


def _stops_short(record: TaskRecord) -> str:
    """Where the advice cuts the request by half, what was estimated."""
    assert isinstance(record.recommendation, Recommendation)
    estimated = halved(record.recommendation, record.request)
    numbers = ", ".join(f"{name}={number}" for name, number in estimated.items())
    return f" (half of what was asked for; the estimate is {numbers})" if numbers else ""


def _used(record: TaskRecord) -> str:
    usage, request = record.usage, record.request
    peak_kib = usage.overall_memory_peak_kib
    if peak_kib is None:
        return "nothing measured"
    asked_mb = f" of {request.memory_mb:.0f}" if "memory" in request.chosen and request.memory_mb else ""
    used = f"peak memory {kib_to_mb_ceil(peak_kib)}{asked_mb} MB"
    if usage.cpu_max_cores is not None:
        asked_cpu = f" of {request.cpu:g}" if "cpu" in request.chosen and request.cpu else ""
        used += f", up to {usage.cpu_max_cores:.1f}{asked_cpu} CPUs"
    return used
