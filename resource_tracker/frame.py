"""TinyDataFrame: columns of floats, small enough to pickle with every step."""

from __future__ import annotations

import csv as csv_module
import operator
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from resource_tracker.errors import ColumnNotFoundError, FrameError
from resource_tracker.frame_figures import figures_of
from resource_tracker.frame_io import (
    Columns,
    column_of,
    columns_from_csv,
    columns_from_lists,
    columns_from_records,
    columns_from_state,
    columns_to_arrow,
    columns_to_csv,
    columns_to_pandas,
    columns_to_state,
    read_csv_text,
    same_values,
)
from resource_tracker.frame_text import columns_to_html, columns_to_text

if TYPE_CHECKING:
    import pandas
    import pyarrow

Row = dict[str, float]


class TinyDataFrame:
    """A small table of numbers: named columns of floats, all of one length; nan is "not available".

    Parameters
    ----------
    data : dict of lists, list of dicts or TinyDataFrame, optional
        Columns by name, or rows. ``None`` in a cell is nan, and so is a key that a row lacks.
    csv_file_path : str or Path, optional
        CSV file with a header line. An empty cell is nan.
    csv : str, optional
        The text of such a file.

    Raises
    ------
    FrameError
        More than one source, columns of different lengths, a cell that is no number, a header that
        names a column twice. The message names column and row.

    Examples
    --------
    >>> frame = TinyDataFrame({"timestamp": [1.0, 2.0], "cpu_usage": [0.5, 1.5]})
    >>> frame["cpu_usage"]
    [0.5, 1.5]
    >>> frame[-1]
    {'timestamp': 2.0, 'cpu_usage': 1.5}
    >>> frame
    TinyDataFrame with 2 rows and 2 columns. First row as a dict: {'timestamp': 1.0, 'cpu_usage': 0.5}
    """

    # Instances are pickled under this name by every version: artifacts outlive the layout of the package.
    __module__ = "resource_tracker"
    __slots__ = ("_columns",)
    __hash__ = None  # type: ignore[assignment]

    _columns: Columns

    def __init__(
        self,
        data: Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]] | TinyDataFrame | None = None,
        *,
        csv_file_path: str | Path | None = None,
        csv: str | None = None,
    ) -> None:
        if sum(source is not None for source in (data, csv_file_path, csv)) > 1:
            raise FrameError("give one of data, csv_file_path and csv, not several")
        if csv_file_path is not None:
            csv = read_csv_text(Path(csv_file_path))
        if csv is not None:
            self._columns = columns_from_csv(csv)
        elif data is None:
            self._columns = {}
        elif isinstance(data, TinyDataFrame):
            self._columns = {name: column[:] for name, column in data._columns.items()}
        elif isinstance(data, Mapping):
            self._columns = columns_from_lists(data)
        elif isinstance(data, str | bytes) or not isinstance(data, Iterable):
            raise FrameError(f"data must be a dict of lists or a list of dicts, not a {type(data).__name__}")
        else:
            self._columns = columns_from_records(data)

    @classmethod
    def _of(cls, columns: Columns) -> TinyDataFrame:
        """A frame around checked columns, without copying them."""
        frame = cls.__new__(cls)
        frame._columns = columns
        return frame

    # --- shape ---------------------------------------------------------------------------------

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[Row]:
        for values in zip(*self._columns.values(), strict=True):
            yield dict(zip(self._columns, values, strict=True))

    def __eq__(self, other: object) -> bool:
        """Same columns in the same order with the same values; nan equals nan."""
        if not isinstance(other, TinyDataFrame):
            return NotImplemented
        return self.columns == other.columns and all(
            same_values(column, other._columns[name]) for name, column in self._columns.items()
        )

    # --- rows, columns, slices -----------------------------------------------------------------

    @overload
    def __getitem__(self, key: str) -> list[float]: ...
    @overload
    def __getitem__(self, key: slice) -> TinyDataFrame: ...
    @overload
    def __getitem__(self, key: list[str] | tuple[str, ...]) -> TinyDataFrame: ...
    @overload
    def __getitem__(self, key: int) -> Row: ...
    def __getitem__(self, key: str | int | slice | list[str] | tuple[str, ...]) -> list[float] | Row | TinyDataFrame:
        """A column (a new list), some columns (a frame), a row (a dict) or some rows (a frame)."""
        if isinstance(key, str):
            return self._column(key).tolist()
        if isinstance(key, slice):
            return self._of({name: column[key] for name, column in self._columns.items()})
        if isinstance(key, list | tuple):
            return self._of({name: self._column(name)[:] for name in key})
        try:
            index = operator.index(key)
        except TypeError:
            raise FrameError(f"a frame is indexed by column, row number or slice, not by {key!r}") from None
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of a frame of {len(self)} rows")
        return {name: column[index] for name, column in self._columns.items()}

    def __setitem__(self, name: str, values: Iterable[Any]) -> None:
        """Add or replace a column; it must be as long as the frame."""
        others = [column for known, column in self._columns.items() if known != name]
        self._columns[name] = column_of(name, values, len(others[0]) if others else None)

    def __delitem__(self, name: str) -> None:
        self._column(name)
        del self._columns[name]

    def head(self, n: int = 5) -> TinyDataFrame:
        """The first `n` rows."""
        return self[: max(n, 0)]

    def tail(self, n: int = 5) -> TinyDataFrame:
        """The last `n` rows."""
        return self[max(len(self) - max(n, 0), 0) :]

    def rename(self, columns: Mapping[str, str]) -> TinyDataFrame:
        """A frame with other names: ``{"old": "new"}``; the order stays."""
        for name in columns:
            self._column(name)
        renamed: dict[str, array[float]] = {}
        for name, column in self._columns.items():
            new = columns.get(name, name)
            if new in renamed:
                raise FrameError(f"column {new!r} would stand twice")
            renamed[new] = column[:]
        return self._of(renamed)

    def _column(self, name: object) -> array[float]:
        if not isinstance(name, str) or name not in self._columns:
            raise ColumnNotFoundError(f"no column {name!r}; there are: {', '.join(self._columns) or 'none'}")
        return self._columns[name]

    # --- figures -------------------------------------------------------------------------------

    def stats(self, *columns: str, percentiles: Iterable[float] = (50, 95)) -> dict[str, dict[str, float]]:
        """Figures of the columns (all, if none is named): ``{"memory": {"count": 9.0, "mean": ..., "p95": ...}}``.

        ``count``, ``mean``, ``min``, ``max``, ``sum`` and a ``pNN`` for each percentile, interpolated
        linearly between neighbours. nan is left out; where nothing else is there, all but ``count`` are nan.
        """
        wanted = tuple(percentiles)
        for percentile in wanted:
            if not 0 <= percentile <= 100:
                raise FrameError(f"a percentile lies between 0 and 100, not at {percentile!r}")
        return {name: figures_of(self._column(name), wanted) for name in columns or self._columns}

    # --- out -----------------------------------------------------------------------------------

    @overload
    def to_dict(self, orient: Literal["list"] = "list") -> dict[str, list[float]]: ...
    @overload
    def to_dict(self, orient: Literal["records"]) -> list[Row]: ...
    def to_dict(self, orient: Literal["list", "records"] = "list") -> dict[str, list[float]] | list[Row]:
        """``"list"``: a list for each column (the default). ``"records"``: a dict for each row."""
        if orient == "list":
            return {name: column.tolist() for name, column in self._columns.items()}
        if orient == "records":
            return list(self)
        raise FrameError(f'orient is "list" or "records", not {orient!r}')

    def to_csv(self, path: str | Path | None = None, *, quoting: int = csv_module.QUOTE_MINIMAL) -> str | None:
        """CSV with a header line, floats exact, nan as an empty cell: returned, or written to `path`."""
        text = columns_to_csv(self._columns, quoting)
        if path is None:
            return text
        Path(path).write_text(text, encoding="utf-8", newline="\n")
        return None

    def to_pandas(self) -> pandas.DataFrame:
        """A ``pandas.DataFrame`` of float64 columns (needs the extra ``pandas``)."""
        return columns_to_pandas(self._columns)

    def to_arrow(self) -> pyarrow.Table:
        """A ``pyarrow.Table`` of float64 columns (needs the extra ``arrow``); nan becomes null."""
        return columns_to_arrow(self._columns)

    def __repr__(self) -> str:
        text = f"TinyDataFrame with {len(self)} rows and {len(self._columns)} columns."
        return f"{text} First row as a dict: {self[0]}" if len(self) else text

    def __str__(self) -> str:
        return columns_to_text(self._columns)

    def _repr_html_(self) -> str:
        return columns_to_html(self._columns)

    def __getstate__(self) -> dict[str, object]:
        return columns_to_state(self._columns)

    def __setstate__(self, state: object) -> None:
        self._columns = columns_from_state(state)
