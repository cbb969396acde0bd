"""The one line that a tracked step adds to its log."""

from __future__ import annotations

import math

from resource_tracker.damping import asked_for, halved
from resource_tracker.records import Recommendation, TaskRecord
from resource_tracker.units import kib_to_whole_mb

_LEAST_CORES = 0.05
"""Below it, one decimal would say that nothing was used."""


def closing_line(record: TaskRecord, how_to_open: str | None) -> str:
    """What was used, what to ask for next time, how to open the card.

    Parameters
    ----------
    how_to_open : str or None
        The command that opens the card; ``None`` where there is no card.
    """
    parts = [_used(record)]
    if isinstance(record.recommendation, Recommendation):
        parts.append(f"next time {record.recommendation.as_text()}{_why(record, record.recommendation)}")
    else:
        parts.append(record.recommendation.reason)
    if how_to_open:
        parts.append(how_to_open)
    return "[track_resources] " + " | ".join(parts)


def _why(record: TaskRecord, advice: Recommendation) -> str:
    """Why more memory than was asked for; where the advice cuts the request by half, what was estimated."""
    said = []
    if advice.memory_mb > asked_for(record.request).get("memory", math.inf):
        from resource_tracker.report.verdict import verdict  # mostly not needed

        text = verdict(record, advice).replace("\u00a0", " ")
        said.append(text[:1].lower() + text[1:])
    estimated = halved(advice, record.request)
    if estimated:
        numbers = ", ".join(f"{name}={number}" for name, number in estimated.items())
        said.append(f"half of what was asked for; the estimate is {numbers}")
    return "".join(f" ({text})" for text in said)


def _used(record: TaskRecord) -> str:
    usage, request = record.usage, record.request
    peak_kib = usage.overall_memory_peak_kib
    if peak_kib is None:
        return "nothing measured"
    asked = asked_for(request)
    asked_mb = f" of {asked['memory']:.0f}" if "memory" in asked else ""
    used = f"peak memory {kib_to_whole_mb(peak_kib)}{asked_mb} MB"
    if usage.cpu_max_cores is not None:
        cores = "<0.1" if usage.cpu_max_cores < _LEAST_CORES else f"{usage.cpu_max_cores:.1f}"
        asked_cpu = f" of {asked['cpu']:g}" if "cpu" in asked else ""
        used += f", up to {cores}{asked_cpu} {'CPU' if asked.get('cpu') == 1 else 'CPUs'}"
    return used
