"""Traces of tasks: CSV, checked line by line. Pure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping

from resource_tracker.dataclass import dataclass
from resource_tracker.errors import TraceError

COLUMNS = ("task", "started_at", "duration_s", "peak_mib", "input_bytes", "requested_mib")
OPTIONAL_CELLS = ("input_bytes", "requested_mib")
"""May be empty: not known."""
HEADER = ",".join(COLUMNS)
SHAPE = f"its first line should be {HEADER}"
MOST_TASKS = 100_000
"""Such a trace takes hours."""
MOST = {"started_at": 1e15, "duration_s": 1e9, "peak_mib": 1e9, "input_bytes": 1e18, "requested_mib": 1e9}
"""More cannot be: a duration of 30 years, memory of a petabyte."""
LEAST_MIB = 1e-3
_LONGEST_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceTask:
    """One task that ended well: what it is an instance of, when it ran, what it took and what was asked for it."""

    task: str
    started_at: float
    duration_s: float
    peak_mib: float
    input_bytes: float | None = None
    requested_mib: float | None = None


def parse_trace(text: str, name: str) -> list[TraceTask]:
    """The tasks of a CSV text with the columns of :data:`COLUMNS`, in their order, which is that of their start.

    Parameters
    ----------
    name : str
        Of the file, for messages.

    Raises
    ------
    TraceError
        It lacks a column, has no rows, or holds a value that cannot be: the message names the file, the line and what
        is allowed.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        return list(_tasks(reader, name))
    except csv.Error as error:
        raise TraceError(f"{name}, after line {reader.line_num}: not CSV ({error}); {SHAPE}") from None


def _tasks(reader: csv.DictReader[str], name: str) -> Iterator[TraceTask]:
    columns = reader.fieldnames or ()
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        raise TraceError(f"{name}: lacks {', '.join(missing)}; {SHAPE}")
    twice = next((column for column in COLUMNS if columns.count(column) > 1), None)
    if twice is not None:
        raise TraceError(f"{name}, line 1: has the column {twice} more than once")
    last, read = -math.inf, 0
    for read, row in enumerate(reader, start=1):
        where = f"{name}, line {reader.line_num}"
        if read > MOST_TASKS:
            raise TraceError(f"{where}: more than {MOST_TASKS:,} tasks: give a part of them")
        task = _task(row, where)
        if task.started_at < last:
            raise TraceError(
                f"{where}: started_at={task.started_at:g} is earlier than in the line before "
                f"({last:g}): sort the file by started_at, as each task is sized from those before it"
            )
        last = task.started_at
        yield task
    if not read:
        raise TraceError(f"{name}: has no tasks, only a header")


def _task(row: Mapping[str | None, str | list[str] | None], where: str) -> TraceTask:
    if None in row:
        raise TraceError(f"{where}: has more cells than the header")
    name = str(row["task"] or "").strip()
    if not name:
        raise TraceError(f"{where}: task is empty: give the name that instances of a task share")
    numbers = {column: _number(row[column], column, where) for column in COLUMNS[1:]}
    return TraceTask(
        task=name,
        started_at=numbers["started_at"] or 0.0,
        duration_s=numbers["duration_s"] or 0.0,
        peak_mib=numbers["peak_mib"] or 0.0,
        input_bytes=numbers["input_bytes"],
        requested_mib=numbers["requested_mib"],
    )


def _number(cell: object, column: str, where: str) -> float | None:
    text = str(cell if cell is not None else "").strip()
    if not text and column in OPTIONAL_CELLS:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    least = LEAST_MIB if column in ("peak_mib", "requested_mib") else 0.0
    if not least <= value <= MOST[column]:  # nor nan
        empty = ", or leave it empty where it is not known" if column in OPTIONAL_CELLS else ""
        shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
        raise TraceError(
            f"{where}: {column}={shown!r} cannot be: give a number from {least:g} to {MOST[column]:g}{empty}"
        )
    return value


def without_inputs(tasks: Iterable[TraceTask]) -> list[TraceTask]:
    """The same tasks as if nobody knew the size of their input."""
    return [
        TraceTask(
            task=task.task,
            started_at=task.started_at,
            duration_s=task.duration_s,
            peak_mib=task.peak_mib,
            requested_mib=task.requested_mib,
        )
        for task in tasks
    ]
