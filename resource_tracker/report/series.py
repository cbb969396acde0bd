"""Rows of a frame to the few hundred points that a chart needs: means stay means, peaks stay peaks."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from resource_tracker.frame import TinyDataFrame

MAX_POINTS = 600
"""Points of a series at most: about two for each pixel of a chart in a card of 810 px."""
_STEPS = 20_000
"""Steps between 0 and a series' largest value: four significant digits where the chart is read."""

Values = list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The points in time of all charts: each covers ``edges[i]`` to ``edges[i + 1]``, seconds since the start."""

    edges: tuple[float, ...]

    @property
    def points(self) -> int:
        return max(len(self.edges) - 1, 0)


def grid_of(frame: TinyDataFrame, started_at: float, max_points: int = MAX_POINTS) -> Grid:
    """The rows' own edges, or where those are too many, edges of neighbouring rows, equally far apart."""
    rows = row_edges(frame, started_at)
    if not rows:
        return Grid(edges=())
    edges = [rows[0][0], *(end for _, end in rows)]
    if len(rows) <= max_points:
        return Grid(edges=tuple(edges))
    first, last = edges[0], edges[-1]
    picked = {round(bisect_left(edges, first + (last - first) * i / max_points)) for i in range(1, max_points)}
    return Grid(edges=(first, *(edges[i] for i in sorted(picked - {0, len(rows)})), last))


def row_edges(frame: TinyDataFrame, started_at: float) -> list[tuple[float, float]]:
    """Start and end of each row in seconds since `started_at`; never running backwards."""
    if not len(frame) or "timestamp" not in frame:
        return []
    stamps = frame["timestamp"]
    lengths = frame["interval_s"] if "interval_s" in frame else [math.nan] * len(stamps)
    first_length = lengths[0] if lengths[0] == lengths[0] else stamps[0] - started_at
    edges: list[tuple[float, float]] = []
    previous = max(stamps[0] - started_at - first_length, 0.0)
    for stamp in stamps:
        end = stamp - started_at
        end = end if end > previous else previous + 1e-6  # the clock was set back: keep the order of the rows
        edges.append((previous, end))
        previous = end
    return edges


def resampled(
    frame: TinyDataFrame, name: str, grid: Grid, started_at: float, how: Literal["mean", "rate", "max", "max_rate"]
) -> Values:
    """Column `name` at the points of `grid`; nan where there is no row, or no such column.

    ``mean`` weighs gauges by the rows' lengths, ``rate`` is a counter's amount over time, ``max`` and
    ``max_rate`` are the highest row. A point within one long row takes that row's value.
    """
    if name not in frame or not grid.points:
        return [math.nan] * grid.points
    rows = row_edges(frame, started_at)
    column = frame[name]
    if how in ("rate", "max_rate"):
        column = [value / (end - start) for value, (start, end) in zip(column, rows, strict=True)]
    members: list[list[int]] = [[] for _ in range(grid.points)]
    for index, (start, end) in enumerate(rows):
        place = bisect_left(grid.edges, (start + end) / 2) - 1
        if 0 <= place < grid.points and column[index] == column[index]:
            members[place].append(index)
    merge = _highest if how in ("max", "max_rate") else _weighted_mean
    return [merge(column, rows, inside) if inside else math.nan for inside in _filled(members, rows, column, grid)]


def _filled(members: list[list[int]], rows: list[tuple[float, float]], column: Values, grid: Grid) -> list[list[int]]:
    """Points without a row of their own get the row that covers their middle (rows longer than points)."""
    ends = [end for _, end in rows]
    for place, inside in enumerate(members):
        if inside:
            continue
        middle = (grid.edges[place] + grid.edges[place + 1]) / 2
        index = bisect_left(ends, middle)
        if index < len(rows) and rows[index][0] <= middle and column[index] == column[index]:
            inside.append(index)
    return members


def _weighted_mean(column: Values, rows: list[tuple[float, float]], inside: list[int]) -> float:
    weights = [rows[i][1] - rows[i][0] for i in inside]
    return sum(column[i] * w for i, w in zip(inside, weights, strict=True)) / sum(weights)


def _highest(column: Values, rows: list[tuple[float, float]], inside: list[int]) -> float:
    return max(column[i] for i in inside)


def packed(values: Values) -> dict[str, object] | None:
    """A series as ``{"q": quantum, "d": [first, difference, ...]}`` with ``None`` for gaps; ``None`` if all gaps.

    Whole multiples of a quantum, written as differences, take about half the bytes of decimal numbers.
    A constant series is ``{"c": value, "n": points}``.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    if low == high and len(finite) == len(values):
        return {"c": float(f"{low:.6g}"), "n": len(values)}
    top = max(abs(low), abs(high))
    quantum = float(f"{top / _STEPS:.3g}")
    if not quantum:  # denormal numbers: nothing that a chart could show
        return {"c": 0, "n": len(values)}
    differences: list[int | None] = []
    previous = 0
    for value in values:
        if not math.isfinite(value):
            differences.append(None)
            continue
        # Never below the value itself: a peak that is drawn low would be a peak lost.
        steps = math.ceil(value / quantum - 1e-9)
        differences.append(steps - previous)
        previous = steps
    return {"q": quantum, "d": differences}
