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
        at_least = "" if record.outcome.status == "ok" else "at least "
        advised = record.recommendation.as_text()
        parts.append(f"next time {at_least}{advised}{_why(record, record.recommendation)}")
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
        if text != "Request at least":  # the line says so already
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
    used = f"peak memory {_beside(kib_to_whole_mb(peak_kib), '', asked.get('memory'), 'MB')}"
    cores = usage.cpu_max_cores
    if cores is not None:
        figure = round(cores, 1)
        used += f", up to {_beside(figure, '<0.1' if cores < _LEAST_CORES else '', asked.get('cpu'), 'CPUs')}"
    return used


def _beside(used: float, text: str, asked: float | None, unit: str) -> str:
    """``726 of 1000 MB``; of more than was asked for, which nothing forbids in a local run, it cannot be a part."""
    text = text or f"{used}"
    if not asked:
        return f"{text} {unit}"
    if used > asked:
        return f"{text} {unit} ({asked:g} asked for)"
    return f"{text} of {asked:g} {'CPU' if unit == 'CPUs' and asked == 1 else unit}"
