"""Each core over time, as a picture: a line for each core, or for a few neighbours where there are many."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from resource_tracker.core_use import CORE, core_numbers, group_label, lines_together, mean_shares
from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import highest, weighted_mean
from resource_tracker.records import TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.series import Grid, Resampler, grid_of, packed

if TYPE_CHECKING:
    from resource_tracker.live_cores import LiveCores

MOST_POINTS = 96
MOST_CELLS = 4096
"""A letter each, at most: with more lines there are fewer points."""
LEVELS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
"""A level for each 2 %, from 0 to 100."""
_TOP = len(LEVELS) - 1
_NO_LEVEL = 2.0
_LETTERS = bytes.maketrans(bytes([*range(len(LEVELS)), round(_NO_LEVEL * _TOP)]), f"{LEVELS}.".encode())
_RUN = re.compile(r"(.)\1+")
_LEAST = 0.001
_TIMES = ("timestamp", "interval_s")
_UNUSED = 0.05
_ROUND_S = 10.0
_WHOSE = "The machine's cores on which the step was allowed to run; what other processes did there counts, too."


class CorePanel(NamedTuple):
    """What is said of the cores in words; the picture and its table are drawn from :func:`core_data`."""

    summary: str
    note: str


class CoreParts(NamedTuple):
    """What is said, and what is drawn."""

    panel: CorePanel
    drawn: dict[str, Any]

    @property
    def texts(self) -> dict[str, str]:
        """For the places of a live page: while the step runs, they go on changing."""
        return {"cores": self.panel.summary, "cores_note": self.panel.note}


def core_panel(record: TaskRecord) -> CorePanel | None:
    """``None`` where the cores were not told apart."""
    means, grid = mean_shares(record.core_metrics), _grid(record)
    return _panel(means, len(core_numbers(record.core_metrics)), grid) if means and grid.points else None


def core_data(record: TaskRecord) -> dict[str, Any] | None:
    """What the page draws: edges in time, and for each line its label, levels, mean and busiest moment.

    Levels are letters of :data:`LEVELS`, ``.`` where nothing is known, each followed by how often it stands there in a
    row where that is more than once.
    """
    grid = _grid(record)
    if not grid.points:
        return None
    together = _lines_of(record.core_metrics)
    points = Resampler(together, grid, record.started_at)
    return _drawn({label: points.values(label, "mean") for label in together.columns if label not in _TIMES}, grid)


def core_parts(record: TaskRecord) -> CoreParts | None:
    """What a card tells of the cores; ``None`` where they were not told apart."""
    panel, drawn = core_panel(record), core_data(record)
    return None if panel is None or drawn is None else CoreParts(panel, drawn)


def live_core_parts(cores: LiveCores, started_at: float) -> CoreParts | None:
    """The same while the step runs; ``None`` also where there is one core, as the chart of CPU says it all."""
    means, lengths = cores.mean_shares(), cores.moments()
    if len(cores.cores) < 2 or not means:
        return None
    grid = Grid(edges=tuple(accumulate(lengths, initial=max(cores.first_start - started_at, 0.0))))
    drawn = _drawn(cores.lines(), grid)
    return None if drawn is None else CoreParts(_panel(means, len(cores.cores), grid), drawn)


def live_core_panel(data: Mapping[str, Any]) -> CorePanel | None:
    """What was last said of an attempt while it ran, by the data of its card; ``None`` where nothing was."""
    texts = data["texts"]
    return CorePanel(summary=texts["cores"], note=texts.get("cores_note", "")) if "cores" in texts else None


def _panel(means: dict[int, float], cores: int, grid: Grid) -> CorePanel:
    size = lines_together(cores)
    moment_s = (grid.edges[-1] - grid.edges[0]) / grid.points
    moment = fmt.duration(moment_s if moment_s < _ROUND_S else round(moment_s))
    notes = [_WHOSE, f"A cell is the mean of about {moment}."]
    if size > 1:
        notes.append(f"So many cores do not fit: a line is the mean of {size} neighbours.")
    return CorePanel(summary=_summary(means), note=" ".join(notes))


def _drawn(lines: dict[str, list[float]], grid: Grid) -> dict[str, Any] | None:
    """Those of which anything is known."""
    weights = [end - start for start, end in zip(grid.edges, grid.edges[1:], strict=False)]
    drawn = [
        [label, levels(values), fmt.percent(weighted_mean(values, weights)), _busiest(values, grid)]
        for label, values in lines.items()
        if any(value == value for value in values)
    ]
    return {"x": packed(list(grid.edges)), "lines": drawn} if drawn else None


def levels(values: list[float]) -> str:
    """Values between 0 and 1 as letters, runs of the same as one letter and their length."""
    known = values if math.isfinite(sum(values)) else [_NO_LEVEL if value != value else value for value in values]
    # What did a little is not drawn as idle. In a loop of its own: it runs for each cell of each update of a live card.
    text = bytes([round(value * _TOP) or value >= _LEAST for value in known]).translate(_LETTERS).decode()
    return _RUN.sub(lambda run: f"{run[1]}{len(run[0])}", text)


def _grid(record: TaskRecord) -> Grid:
    frame = record.core_metrics
    count = len(core_numbers(frame))
    if not count or not len(frame):
        return Grid(edges=())
    lines = math.ceil(count / lines_together(count))
    return grid_of(frame, record.started_at, min(MOST_POINTS, MOST_CELLS // lines))


def _lines_of(frame: TinyDataFrame) -> TinyDataFrame:
    """A column for each line, named as it is labelled; neighbours that share one are averaged row by row."""
    cores, columns = core_numbers(frame), {name: frame[name] for name in _TIMES if name in frame}
    size = lines_together(len(cores))
    for first in range(0, len(cores), size):
        group = cores[first : first + size]
        shares = [frame[f"{CORE}{core}"] for core in group]
        columns[group_label(group)] = (
            shares[0] if len(group) == 1 else [_together(cells) for cells in zip(*shares, strict=True)]
        )
    return TinyDataFrame(columns)


def _together(shares: tuple[float, ...]) -> float:
    quick = sum(shares)
    if quick == quick:
        return quick / len(shares)
    known = [share for share in shares if share == share]
    return sum(known) / len(known) if known else math.nan


def _busiest(values: list[float], grid: Grid) -> str:
    share = highest(values)
    return f"{fmt.percent(share)} after {fmt.duration(grid.edges[values.index(share)])}"


def _summary(means: dict[int, float]) -> str:
    busiest = max(means, key=lambda core: means[core])
    if len(means) == 1:
        return f"1 core, busy for {fmt.percent(means[busiest])} of the time"
    unused = sum(mean < _UNUSED for mean in means.values())
    hardly = f", {unused} hardly used" if unused else ""
    return f"{len(means)} cores{hardly}; core {busiest} was the busiest, for {fmt.percent(means[busiest])} of the time"
