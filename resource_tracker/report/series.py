"""Rows of a frame to the few hundred points that a chart needs: means stay means, peaks stay peaks."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache
from typing import Literal, NamedTuple

from resource_tracker.frame import TinyDataFrame

MAX_POINTS = 448
"""Points of a series at most: six for every five pixels of a chart in a card of 810 px."""
_STEPS = 2_500
"""Steps between 0 and a series' largest value at least: more than three digits, of which a chart shows two or three."""
_ALIKE = 1.05
"""Rows are a little longer or shorter than they should be."""
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_GAP = "."

Values = list[float]
Edges = tuple[tuple[float, float], ...]
"""Start and end of each row."""
Merge = Literal["mean", "rate", "max", "max_rate"]


class Grid(NamedTuple):
    """The points in time of all charts: each covers ``edges[i]`` to ``edges[i + 1]``, seconds since the start."""

    edges: tuple[float, ...]

    @property
    def points(self) -> int:
        return max(len(self.edges) - 1, 0)


def grid_of(frame: TinyDataFrame, started_at: float, max_points: int = MAX_POINTS, *, steady: bool = False) -> Grid:
    """The rows' own edges, or where those are too many, edges of neighbouring rows, equally far apart.

    A `steady` grid is for rows that go on growing: its points stay as they are when rows are added, until there are too
    many of them, when they become twice as long.
    """
    rows = row_edges(frame, started_at)
    if not rows:
        return Grid(edges=())
    edges = [rows[0][0], *(end for _, end in rows)]
    if len(rows) <= max_points:
        return Grid(edges=tuple(edges))
    first, last = edges[0], edges[-1]
    if steady:
        return Grid(edges=_steady_edges(edges, max_points))
    picked = {round(bisect_left(edges, first + (last - first) * i / max_points)) for i in range(1, max_points)}
    return Grid(edges=(first, *(edges[i] for i in sorted(picked - {0, len(rows)})), last))


def even_grid(frame: TinyDataFrame, started_at: float) -> Grid:
    """For rows of which the older ones are merged, the latest not yet: as many together as the longest is long."""
    rows = row_edges(frame, started_at)
    if not rows:
        return Grid(edges=())
    longest = max(end - start for start, end in rows) * _ALIKE
    edges = [rows[0][0], rows[0][1]]
    for _, end in rows[1:]:
        if end - edges[-2] <= longest:
            edges[-1] = end
        else:
            edges.append(end)
    return Grid(edges=tuple(edges))


def _steady_edges(edges: list[float], max_points: int) -> tuple[float, ...]:
    """The first edge at or after each whole multiple of a power of two seconds; the last point may still grow."""
    first, last = edges[0], edges[-1]
    length = 2.0 ** math.ceil(math.log2((last - first) / (max_points - 1)))
    picked = {bisect_left(edges, length * place) for place in range(math.ceil(first / length), int(last / length) + 1)}
    return (first, *(edges[i] for i in sorted(picked - {0, len(edges) - 1, len(edges)})), last)


def row_edges(frame: TinyDataFrame, started_at: float) -> Edges:
    """Start and end of each row in seconds since `started_at`: one after the other, each as long as it was.

    Time in which the machine slept is in none of them, and a wall clock that was set moves none. Where a row does not
    say how long it was, its stamp does.
    """
    if not len(frame) or "timestamp" not in frame:
        return ()
    stamps = frame["timestamp"]
    lengths = frame["interval_s"] if "interval_s" in frame else [math.nan] * len(stamps)
    return _edges(tuple(stamps), tuple(lengths), started_at)


@lru_cache(maxsize=4)
def _edges(stamps: tuple[float, ...], lengths: tuple[float, ...], started_at: float) -> Edges:
    """The frames of an attempt share their rows, and are asked for them again and again."""
    first_length = lengths[0] if lengths[0] == lengths[0] else stamps[0] - started_at
    edges: list[tuple[float, float]] = []
    previous = max(stamps[0] - started_at - first_length, 0.0)
    for stamp, length in zip(stamps, lengths, strict=True):
        end = previous + length if length == length else stamp - started_at
        end = end if end > previous else previous + 1e-6
        edges.append((previous, end))
        previous = end
    return tuple(edges)


class Resampler:
    """The columns of a frame at the points of a grid.

    Parameters
    ----------
    frame : TinyDataFrame
        With a ``timestamp`` at the end of each row; where it lacks a column, that is nan throughout.
    grid : Grid
        A row belongs to the point in which its middle lies. A point without a row of its own, because rows are longer
        than points, takes the row that covers its middle.
    highs : TinyDataFrame, optional
        Where the rows themselves are merged: the highest single one in each, counters a second.
    """

    def __init__(self, frame: TinyDataFrame, grid: Grid, started_at: float, highs: TinyDataFrame | None = None) -> None:
        self._frame = frame
        self._grid = grid
        self._highs = highs
        rows = row_edges(frame, started_at)
        self._lengths = [end - start for start, end in rows]
        self._own = 0 < len(rows) == grid.points and [rows[0][0], *(end for _, end in rows)] == list(grid.edges)
        """Each point is a row, as is usual."""
        self._members = () if self._own else _by_point(rows, grid)

    @property
    def merges(self) -> bool:
        """Whether a point stands for several rows, so that its mean hides the highest."""
        return self._highs is not None or len(self._frame) > self._grid.points

    def values(self, name: str, merge: Merge) -> Values:
        """Column `name` at each point; nan where nothing was measured.

        ``mean`` weighs gauges by the rows' lengths, ``rate`` is a counter's amount over time; ``max`` and ``max_rate``
        are the highest row.
        """
        if name not in self._frame:
            return [math.nan] * self._grid.points
        column, lengths = self._frame[name], self._lengths
        highest = merge in ("max", "max_rate")
        if highest and self._highs is not None and name in self._highs:
            column = self._highs[name]
        elif merge in ("rate", "max_rate"):
            column = [value / length for value, length in zip(column, lengths, strict=True)]
        if self._own:
            return column
        return [
            column[inside[0]] if len(inside) == 1 else _merged(column, lengths, inside, highest=highest)
            for inside in self._members
        ]


@lru_cache(maxsize=4)
def _by_point(rows: Edges, grid: Grid) -> tuple[list[int], ...]:
    """The rows of each point."""
    members: tuple[list[int], ...] = tuple([] for _ in range(grid.points))
    for index, (start, end) in enumerate(rows):
        place = bisect_left(grid.edges, (start + end) / 2) - 1
        if 0 <= place < len(members):
            members[place].append(index)
    ends = [end for _, end in rows]
    for place, inside in enumerate(members):
        middle = 0.0 if inside else (grid.edges[place] + grid.edges[place + 1]) / 2
        index = bisect_left(ends, middle)
        if not inside and index < len(rows) and rows[index][0] <= middle:
            inside.append(index)
    return members


def _merged(column: Values, lengths: Values, inside: list[int], *, highest: bool) -> float:
    known = [index for index in inside if column[index] == column[index]]
    if not known:
        return math.nan
    if highest:
        return max(column[index] for index in known)
    return sum(column[index] * lengths[index] for index in known) / sum(lengths[index] for index in known)


def packed(values: Values) -> dict[str, object] | None:
    """A series in few bytes; ``None`` if there is no number in it.

    ``{"q": quantum, "d": text}``: each value as a whole number of quanta, written as the difference to the one before
    in the variable-length base64 of source maps, ``.`` for a gap: a third of the bytes of decimal numbers.
    ``{"c": value, "n": points}`` where all are the same.
    """
    known = values if math.isfinite(sum(values)) else [value for value in values if math.isfinite(value)]
    if not known:
        return None
    low, high = min(known), max(known)
    if low == high and len(known) == len(values):
        return {"c": float(f"{low:.10g}"), "n": len(values)}
    quantum = _quantum(max(abs(low), abs(high)))
    # Never below the value itself: a peak that is drawn low would be a peak lost.
    steps = [math.ceil(value / quantum - 1e-9) for value in known]
    pieces = [_base64(step - before) for step, before in zip(steps, [0, *steps[:-1]], strict=True)]
    if len(known) == len(values):
        return {"q": quantum, "d": "".join(pieces)}
    rest = iter(pieces)
    return {"q": quantum, "d": "".join(next(rest) if math.isfinite(value) else _GAP for value in values)}


def _quantum(largest: float) -> float:
    """1, 2 or 5 times a power of ten: while a series grows it rarely changes, nor do the points that were drawn."""
    least = largest / _STEPS
    if not least > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return float(f"{next((digit for digit in (5, 2) if digit * power <= least), 1) * power:.1g}") or 1.0


@lru_cache(maxsize=16_384)
def _base64(number: int) -> str:
    """Sign in the lowest bit, then five bits a digit, the lowest first; 32 says that another digit follows."""
    rest = (-number << 1) | 1 if number < 0 else number << 1
    text = ""
    while True:
        digit, rest = rest & 31, rest >> 5
        text += _BASE64[digit | 32 if rest else digit]
        if not rest:
            return text
