"""Fewer rows that say the same: neighbours merge by the kind of each column."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from operator import mul

from resource_tracker.columns import COUNTER, GAUGE, LAST, PEAK, Column
from resource_tracker.frame import TinyDataFrame

MAX_ROWS = 2048
CELL_BYTES = 8
MAX_BYTES = 900_000
"""Of the frames of an artifact before it is compressed: at most 1 MB in all, even if no two cells are alike."""
"""Rows of a stored frame: with every column at 8 bytes a cell, both frames stay below 1 MB whatever they hold."""

Values = Sequence[float]
Merge = Callable[[Values, Values], float]


def rows_that_fit(columns: int) -> int:
    """How many rows of so many columns an artifact holds, all its frames together."""
    return min(MAX_ROWS, MAX_BYTES // (CELL_BYTES * columns))


def compact(frame: TinyDataFrame, columns: Sequence[Column], max_rows: int = MAX_ROWS) -> TinyDataFrame:
    """At most `max_rows` rows: each of equally many neighbours, merged.

    Counters add, gauges average by ``interval_s``, peaks keep the maximum, stamps keep the last; nan is
    left out, and stays only where nothing else is there. Columns not in `columns` count as gauges.

    Parameters
    ----------
    frame : TinyDataFrame
        Comes back itself where it is short enough.
    columns : sequence of Column
        Kinds by name, from :mod:`resource_tracker.columns`.
    """
    rows = len(frame)
    if rows <= max_rows:
        return frame
    size = -(-rows // max_rows)
    weights = row_weights(frame)
    kinds = {column.name: column.kind for column in columns}
    merged: dict[str, list[float]] = {}
    for name in frame.columns:
        merge = MERGES[kinds.get(name, GAUGE)]
        values = frame[name]
        merged[name] = [merge(values[i : i + size], weights[i : i + size]) for i in range(0, rows, size)]
    return TinyDataFrame(merged)


def conform(frame: TinyDataFrame, columns: Sequence[Column]) -> TinyDataFrame:
    """The frame with all of `columns`, in their order: a missing one as nan, others after them."""
    names = [column.name for column in columns]
    extra = [name for name in frame.columns if name not in names]
    if frame.columns == names + extra:
        return frame
    present, missing = set(frame.columns), [math.nan] * len(frame)
    return TinyDataFrame({name: frame[name] if name in present else missing for name in chain(names, extra)})


def row_weights(frame: TinyDataFrame) -> list[float]:
    """Length of each row in seconds; 1.0 for all where the frame does not say."""
    if "interval_s" not in frame:
        return [1.0] * len(frame)
    return [length if length > 0 else 0.0 for length in frame["interval_s"]]


def weighted_mean(values: Values, weights: Values) -> float:
    """Mean of what is not nan; of equal weights where those are all 0; nan where nothing is there."""
    product: float = sum(map(mul, values, weights))
    weight = sum(weights)
    if product == product and weight > 0:
        return product / weight
    known = [(value, w) for value, w in zip(values, weights, strict=True) if value == value]
    weight = sum(w for _, w in known)
    if weight > 0:
        return sum(value * w for value, w in known) / weight
    return sum(value for value, _ in known) / len(known) if known else math.nan


def total(values: Values, weights: Values = ()) -> float:
    """Sum of what is not nan; nan where nothing is there."""
    quick = sum(values)
    if quick == quick and values:
        return quick  # nan would have shown
    known = [value for value in values if value == value]
    return sum(known) if known else math.nan


def highest(values: Values, weights: Values = ()) -> float:
    """Maximum of what is not nan; nan where nothing is there."""
    quick = max(values, default=math.nan)
    if quick == quick:
        return quick  # a nan hides others only where it stands first
    return max((value for value in values if value == value), default=math.nan)


def _last(values: Values, weights: Values) -> float:
    return next((value for value in reversed(values) if value == value), math.nan)


MERGES: dict[str, Merge] = {
    COUNTER: total,
    GAUGE: weighted_mean,
    PEAK: highest,
    LAST: _last,
}
"""By kind: one value for neighbours, of their values and lengths."""
