"""Traces of tasks: read from CSV, checked line by line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from resource_tracker.dataclass import dataclass
from resource_tracker.errors import TraceError

COLUMNS = ("task", "started_at", "duration_s", "peak_mib", "input_bytes", "requested_mib")
OPTIONAL_CELLS = ("input_bytes", "requested_mib")
"""May be empty: not known."""
HEADER = ",".join(COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceTask:
    """One task that ended well: what it is an instance of, when it ran, what it took and what was asked for it."""

    task: str
    started_at: float
    duration_s: float
    peak_mib: float
    input_bytes: float | None = None
    requested_mib: float | None = None


def read_trace(path: Path) -> list[TraceTask]:
    """The tasks of a CSV file with the columns of :data:`COLUMNS`, in their order, which is that of their start.

    Raises
    ------
    TraceError
        The file cannot be read, lacks a column, has no rows, or holds a value that cannot be: the message names the
        file, the line and what is allowed.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(_tasks(csv.DictReader(file, strict=True), str(path)))
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{path}: not a CSV file ({error}); its first line should be {HEADER}") from None


def _tasks(reader: csv.DictReader[str], name: str) -> Iterator[TraceTask]:
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise TraceError(f"{name}: lacks {', '.join(missing)}; its first line should be {HEADER}")
    last, line = -math.inf, 1
    for row in reader:
        line = reader.line_num
        task = _task(row, f"{name}, line {line}")
        if task.started_at < last:
            raise TraceError(
                f"{name}, line {line}: started_at={task.started_at:g} is earlier than in the line before "
                f"({last:g}): sort the file by started_at, as each task is sized from those before it"
            )
        last = task.started_at
        yield task
    if line == 1:
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
    least = "above 0" if column in ("peak_mib", "requested_mib") else "0 or more"
    if not math.isfinite(value) or value < 0 or (value == 0 and least == "above 0"):
        empty = ", or empty where it is not known" if column in OPTIONAL_CELLS else ""
        raise TraceError(f"{where}: {column}={text!r} cannot be: give a finite number {least}{empty}")
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
