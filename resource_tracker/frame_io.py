"""Cells in and out of a TinyDataFrame: Python values, CSV text, pickled bytes, pandas and Arrow.

Everything here works on plain ``dict[str, array('d')]``; nan is a value that is not available.
"""

from __future__ import annotations

import csv
import io
import math
import sys
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from resource_tracker.errors import FrameError, MissingExtraError

if TYPE_CHECKING:
    import pandas
    import pyarrow

Columns: TypeAlias = "dict[str, array[float]]"

STATE_VERSION = 1
CELL_BYTES = 8
"""Size of an IEEE 754 double, which array('d') is on every platform that CPython supports."""


def columns_from_lists(data: Mapping[str, Iterable[object]]) -> Columns:
    """Columns from a dict of lists, arrays or other iterables; all must be equally long."""
    columns: Columns = {}
    for name, values in data.items():
        column = _column(_checked_name(name), values)
        first = next(iter(columns), None)
        if first is not None and len(column) != len(columns[first]):
            raise FrameError(f"column {name!r} has {len(column)} rows, but column {first!r} has {len(columns[first])}")
        columns[name] = column
    return columns


def columns_from_records(records: Iterable[object]) -> Columns:
    """Columns from dicts, one a row, in order of first appearance; a key that a row lacks is nan there."""
    columns: Columns = {}
    count = 0
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise FrameError(f"row {index} is a {type(record).__name__}, not a dict")
        for name in record:
            if name not in columns:
                columns[_checked_name(name)] = array("d", [math.nan]) * index
        for name, column in columns.items():
            column.append(_cell(record.get(name), name, index))
        count = index + 1
    if count and not columns:
        raise FrameError(f"the {count} rows hold no column")
    return columns


def column_of(name: str, values: Iterable[object], rows: int | None) -> array[float]:
    """One column to put into a frame of `rows` rows (``None``: of any length)."""
    column = _column(_checked_name(name), values)
    if rows is not None and len(column) != rows:
        raise FrameError(f"column {name!r} has {len(column)} rows, but the frame has {rows}")
    return column


def columns_from_csv(text: str) -> Columns:
    """Columns from CSV text with a header line; an empty cell is nan, blank lines are skipped."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader if line]
    except csv.Error as error:
        raise FrameError(f"line {reader.line_num} of the CSV cannot be read: {error}") from None
    if not lines:
        return {}
    header = lines[0][1]
    for position, name in enumerate(header):
        if name in header[:position]:
            raise FrameError(f"column {name!r} stands twice in the CSV's header")
    columns: Columns = {name: array("d") for name in header}
    for row, (line_number, line) in enumerate(lines[1:]):
        if len(line) != len(header):
            raise FrameError(f"line {line_number} of the CSV has {len(line)} cells, but the header has {len(header)}")
        for name, text_cell in zip(header, line, strict=True):
            columns[name].append(_csv_cell(text_cell, name, row, line_number))
    return columns


def read_csv_text(path: Path) -> str:
    """The text of a CSV file, its line ends as they are."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise FrameError(f"cannot read the CSV file {str(path)!r}: {error}") from error


def columns_to_csv(columns: Columns, quoting: int) -> str:
    """CSV text whose floats read back exactly; nan is an empty cell."""
    if not columns:
        return ""
    out = io.StringIO()
    writer = csv.writer(out, quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]
    header = writer
    if quoting == csv.QUOTE_MINIMAL and any("\r" in name for name in columns):
        # csv quotes a carriage return only from Python 3.13 on, but always reads it as the end of a line
        header = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    try:
        header.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([None if math.isnan(value) else value for value in row])
    except csv.Error as error:
        raise FrameError(f"the frame cannot be written as CSV with this quoting: {error}") from None
    return out.getvalue()


def columns_to_state(columns: Columns) -> dict[str, object]:
    """What is pickled: builtins only, cells as raw bytes of this machine's byte order."""
    return {
        "v": STATE_VERSION,
        "columns": {name: column.tobytes() for name, column in columns.items()},
        "byteorder": sys.byteorder,
    }


def columns_from_state(state: object) -> Columns:
    """Columns from what :func:`columns_to_state` gave, on a machine of either byte order.

    Raises
    ------
    FrameError
        The state is damaged, or written by a later version.
    """
    if not isinstance(state, dict) or type(state.get("v")) is not int:
        raise FrameError("this is not the state of a TinyDataFrame")
    if state["v"] != STATE_VERSION:
        raise FrameError(
            f"this TinyDataFrame has format {state['v']}, but this version reads up to {STATE_VERSION}: "
            "upgrade metaflow-resource-tracker"
        )
    byteorder, raw = state.get("byteorder"), state.get("columns")
    if byteorder not in ("little", "big") or not isinstance(raw, dict):
        raise FrameError("the state of a TinyDataFrame lacks its columns or byte order")
    columns: Columns = {}
    for name, cells in raw.items():
        if not isinstance(name, str) or not isinstance(cells, bytes) or len(cells) % CELL_BYTES:
            raise FrameError(f"column {name!r} of a pickled TinyDataFrame is damaged")
        column = array("d")
        column.frombytes(cells)
        if byteorder != sys.byteorder:
            column.byteswap()
        columns[name] = column
    if len({len(column) for column in columns.values()}) > 1:
        raise FrameError("the columns of a pickled TinyDataFrame differ in length")
    return columns


def same_values(left: array[float], right: array[float]) -> bool:
    """Whether two columns hold the same; nan equals nan."""
    return len(left) == len(right) and all(a == b or (a != a and b != b) for a, b in zip(left, right, strict=True))


def columns_to_pandas(columns: Columns) -> pandas.DataFrame:
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError(_MISSING_EXTRA.format(package="pandas", extra="pandas")) from error
    return pandas.DataFrame({name: column.tolist() for name, column in columns.items()}, dtype="float64")


def columns_to_arrow(columns: Columns) -> pyarrow.Table:
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtraError(_MISSING_EXTRA.format(package="pyarrow", extra="arrow")) from error
    cells = {name: [None if math.isnan(value) else value for value in column] for name, column in columns.items()}
    return pyarrow.table({name: pyarrow.array(values, pyarrow.float64()) for name, values in cells.items()})


_MISSING_EXTRA = "{package} is not installed: pip install 'metaflow-resource-tracker[{extra}]'"


def _checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise FrameError(f"a column's name must be a string, not {name!r}")
    return name


def _column(name: str, values: Iterable[object]) -> array[float]:
    if isinstance(values, array) and values.typecode == "d":
        return values[:]
    if isinstance(values, str | bytes | bytearray | Mapping) or not isinstance(values, Iterable):
        raise FrameError(f"column {name!r} must be a list of numbers, not a {type(values).__name__}")
    cells = values if isinstance(values, array) else list(values)
    try:
        return array("d", cells)
    except (TypeError, ValueError, OverflowError):
        return array("d", [_cell(value, name, row) for row, value in enumerate(cells)])


def _cell(value: object, name: str, row: int) -> float:
    if value is None:
        return math.nan
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise FrameError(f"column {name!r}, row {row}: {value!r} is not a number") from None


def _csv_cell(text: str, name: str, row: int, line_number: int) -> float:
    if not text.strip():
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise FrameError(f"column {name!r}, row {row} (line {line_number}): {text!r} is not a number") from None
