"""Each core over time, as a picture: a line for each core, or for a few neighbours where there are many."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from resource_tracker.core_use import CORE, core_numbers, mean_shares
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.series import Grid, Resampler, grid_of, packed

MOST_LINES = 64
MOST_POINTS = 96
MOST_CELLS = 4096
"""A letter each, at most: with more lines there are fewer points."""
LEVELS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
"""A level for each 2 %, from 0 to 100."""
_GAP = "."
_UNUSED = 0.05
_ROUND_S = 10.0
_WHOSE = "The machine's cores on which the step was allowed to run; what other processes did there counts, too."


class CorePanel(NamedTuple):
    """What is said of the cores in words; the picture and its table are drawn from :func:`core_data`."""

    summary: str
    note: str


class _Line(NamedTuple):
    label: str
    values: list[float]


def core_panel(record: TaskRecord) -> CorePanel | None:
    """``None`` where the cores were not told apart."""
    frame = record.core_metrics
    means = mean_shares(frame)
    grid = _grid(record)
    if not means or not grid.points:
        return None
    size = lines_together(len(core_numbers(frame)))
    moment_s = (grid.edges[-1] - grid.edges[0]) / grid.points
    moment = fmt.duration(moment_s if moment_s < _ROUND_S else round(moment_s))
    notes = [_WHOSE, f"A cell is the mean of about {moment}."]
    if size > 1:
        notes.append(f"So many cores do not fit: a line is the mean of {size} neighbours.")
    return CorePanel(summary=_summary(means), note=" ".join(notes))


def core_data(record: TaskRecord) -> dict[str, Any] | None:
    """What the page draws: edges in time, and for each line its label, levels, mean and busiest moment.

    Levels are letters of :data:`LEVELS`, ``.`` where nothing is known, each followed by how often it stands there in a
    row where that is more than once.
    """
    grid = _grid(record)
    lines = _lines(record, grid)
    if not lines:
        return None
    weights = [end - start for start, end in zip(grid.edges, grid.edges[1:], strict=False)]
    return {
        "x": packed(list(grid.edges)),
        "lines": [
            [line.label, levels(line.values), fmt.percent(_mean(line.values, weights)), _busiest(line, grid)]
            for line in lines
        ],
    }


def lines_together(cores: int) -> int:
    """How many neighbours share a line of the picture."""
    return max(1, math.ceil(cores / MOST_LINES))


def levels(values: list[float]) -> str:
    """Values between 0 and 1 as letters, runs of the same as one letter and their length."""
    pieces: list[str] = []
    letter, count = "", 0
    for value in [*values, None]:
        found = "" if value is None else _letter(value)
        if found == letter:
            count += 1
            continue
        pieces.append(letter if count < 2 else f"{letter}{count}")
        letter, count = found, 1
    return "".join(pieces)


def _letter(value: float) -> str:
    if value != value:
        return _GAP
    level = round(value * (len(LEVELS) - 1))
    return LEVELS[max(level, 1) if value >= 0.001 else 0]  # what did a little is not drawn as idle


def _grid(record: TaskRecord) -> Grid:
    frame = record.core_metrics
    count = len(core_numbers(frame))
    if not count or not len(frame):
        return Grid(edges=())
    lines = math.ceil(count / lines_together(count))
    return grid_of(frame, record.started_at, min(MOST_POINTS, MOST_CELLS // lines))


def _lines(record: TaskRecord, grid: Grid) -> list[_Line]:
    """Those of which anything is known."""
    if not grid.points:
        return []
    frame: TinyDataFrame = record.core_metrics
    cores, points = core_numbers(frame), Resampler(frame, grid, record.started_at)
    size = lines_together(len(cores))
    lines = []
    for first in range(0, len(cores), size):
        group = cores[first : first + size]
        columns = [points.values(f"{CORE}{core}", "mean") for core in group]
        values = columns[0] if len(group) == 1 else [_together(cells) for cells in zip(*columns, strict=True)]
        label = str(group[0]) if len(group) == 1 else f"{group[0]}–{group[-1]}"
        if any(value == value for value in values):
            lines.append(_Line(label, values))
    return lines


def _together(shares: tuple[float, ...]) -> float:
    known = [share for share in shares if share == share]
    return sum(known) / len(known) if known else math.nan


def _mean(values: list[float], weights: list[float]) -> float:
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value == value]
    whole = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / whole if whole > 0 else math.nan


def _busiest(line: _Line, grid: Grid) -> str:
    place = max(range(len(line.values)), key=lambda index: _or_less(line.values[index]))
    return f"{fmt.percent(line.values[place])} after {fmt.duration(grid.edges[place])}"


def _or_less(value: float) -> float:
    return value if value == value else -1.0


def _summary(means: dict[int, float]) -> str:
    busiest = max(means, key=lambda core: means[core])
    if len(means) == 1:
        return f"1 core, busy for {fmt.percent(means[busiest])} of the time"
    unused = sum(mean < _UNUSED for mean in means.values())
    hardly = f", {unused} hardly used" if unused else ""
    return f"{len(means)} cores{hardly}; core {busiest} was the busiest, for {fmt.percent(means[busiest])} of the time"
