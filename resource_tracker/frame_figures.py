"""Figures of a column: mean, extremes, sum, percentiles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def figures_of(column: Iterable[float], percentiles: Iterable[float]) -> dict[str, float]:
    """Count, mean, min, max, sum and percentiles of what is not nan; nan where nothing else is there."""
    values = sorted(value for value in column if value == value)
    total = sum(values) if values else math.nan
    figures = {
        "count": float(len(values)),
        "mean": total / len(values) if values else math.nan,
        "min": values[0] if values else math.nan,
        "max": values[-1] if values else math.nan,
        "sum": total,
    }
    figures.update({f"p{percentile:g}": percentile_of(values, percentile) for percentile in percentiles})
    return figures


def percentile_of(ordered: Sequence[float], percentile: float) -> float:
    """The value below which `percentile` percent of the sorted values lie, linear between neighbours."""
    if not ordered:
        return math.nan
    place = (len(ordered) - 1) * percentile / 100
    low = math.floor(place)
    share = place - low
    if not share or ordered[low] == ordered[low + 1]:
        return ordered[low]
    return ordered[low] * (1 - share) + ordered[low + 1] * share
