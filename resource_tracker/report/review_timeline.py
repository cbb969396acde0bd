"""The run as a picture: for each step its attempts as bars over the time of the run, in as few lines as they fit."""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

from resource_tracker.report import format as fmt
from resource_tracker.review_records import AttemptReview, StepReview

WIDTH = 1000.0
"""Units across, of a drawing that is stretched to the page; down, units are pixels."""
_LEAST = 3.0
"""Width of the shortest bar, so that it is seen."""
_GAP = 1.2
"""Left free after a bar that is wide enough, so that the next one is told apart."""
_HEIGHTS = ((1, 12.0), (3, 9.0), (8, 7.0), (24, 4.5))
_HIGHEST = 112.0
_TICKS = 6
_STEPS_S = (
    *(unit * size for unit in (0.001, 0.01, 0.1) for size in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30),
    *(60 * n for n in (1, 2, 5, 10, 15, 30)),
    *(3600 * n for n in (1, 2, 3, 6, 12)),
)


class Tick(NamedTuple):
    """A mark of the time axis; ``at`` is in per cent of it."""

    at: float
    text: str


class Shape(NamedTuple):
    """All bars of one kind (``ok``, ``lost``, ``untracked`` or ``running``), as one SVG path of strokes."""

    kind: str
    path: str


class Lane(NamedTuple):
    """The drawing of a step, ``height`` pixels high, with strokes of ``stroke`` pixels."""

    height: float
    stroke: float
    shapes: tuple[Shape, ...]
    summary: str


def ticks(length_s: float) -> tuple[Tick, ...]:
    """Round times from the start of the run, few enough to have room."""
    if not length_s > 0:
        return (Tick(0.0, "0"),)
    fitting = (step for step in _STEPS_S if length_s / step <= _TICKS)
    step = next(fitting, 86400.0 * math.ceil(length_s / 86400 / _TICKS))
    count = int(length_s / step) + 1
    return tuple(
        Tick(round(100 * i * step / length_s, 3), "0" if i == 0 else fmt.duration(i * step)) for i in range(count)
    )


def kind_of(one: AttemptReview, tracked: bool) -> str:
    if one.attempt.lost:
        return "lost"
    if one.attempt.status == "running":
        return "running"
    return "ok" if tracked else "untracked"


def lane(step: StepReview, started_at: float, length_s: float) -> Lane:
    """The bars of a step's attempts. An attempt that still runs reaches to the end of the picture."""
    bars = []
    for one in step.attempts:
        begin = one.attempt.started_at
        if begin is not None:
            end = one.attempt.ended_at
            if end is None:
                end = begin + (one.duration_s or 0.0) if one.attempt.status != "running" else started_at + length_s
            bars.append((begin - started_at, max(begin, end) - started_at, kind_of(one, step.tracked)))
    rows, used = _packed([(begin, end) for begin, end, _ in bars])
    pitch = next((height for most, height in _HEIGHTS if used <= most), _HIGHEST / max(used, 1))
    scale = WIDTH / length_s if length_s > 0 else 0.0
    paths: dict[str, list[str]] = {}
    for (begin, end, kind), row in zip(bars, rows, strict=True):
        paths.setdefault(kind, []).append(_stroke(begin * scale, end * scale, (row + 0.5) * pitch))
    shapes = tuple(
        Shape(kind, "".join(paths[kind])) for kind in ("untracked", "ok", "running", "lost") if kind in paths
    )
    return Lane(
        height=round(max(1, used) * pitch, 1),
        stroke=round(pitch * (0.85 if used > 1 else 1.0), 2),
        shapes=shapes,
        summary=_summary(step, started_at),
    )


def _stroke(begin: float, end: float, y: float) -> str:
    width = max(_LEAST, end - begin - (_GAP if end - begin > 4 * _GAP else 0.0))
    return f"M{min(begin, WIDTH - _LEAST):.1f} {y:.2f}h{width:.1f}"


def _packed(bars: list[tuple[float, float]]) -> tuple[list[int], int]:
    """A row for each bar, given in the order in which they begin, so that none lie on another; how many rows."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    rows = []
    used = 0
    for begin, end in bars:
        while busy and busy[0][0] <= begin:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            row = heapq.heappop(free)
        else:
            row, used = used, used + 1
        heapq.heappush(busy, (end, row))
        rows.append(row)
    return rows, used


def _summary(step: StepReview, started_at: float) -> str:
    if step.started_at is None or step.ended_at is None:
        return f"{step.name}: when it ran is not known"
    begin, end = fmt.duration(step.started_at - started_at), fmt.duration(step.ended_at - started_at)
    return f"{step.name}: from {begin} to {end} after the start of the run"
