"""Text and tables for a terminal: with rich where it is installed and a person looks, plain otherwise."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from resource_tracker.cli.messages import printable

if TYPE_CHECKING:
    from rich.console import Console

_GAP = "  "


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A small table of text. Columns named in `numbers` are flush right; `strong` is the row to stress."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[str] = field(default_factory=frozenset)
    strong: int | None = None


class Terminal:
    """Writes to a stream in the way that suits it.

    Colours and rules come from rich, and only where the stream is a terminal; rich itself heeds ``NO_COLOR``.
    What goes into a pipe or a file is plain and never wrapped.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = _rich_console(stream)

    def heading(self, text: str) -> None:
        """A line that begins a section."""
        text = printable(text)
        if self._console:
            self._console.print(text, style="bold", markup=False, highlight=False, soft_wrap=True)
        else:
            self.line(text)

    def line(self, text: str = "") -> None:
        """A line of text, as it is."""
        self._stream.write(printable(text) + "\n")

    def table(self, table: Table) -> None:
        """A table; columns without any value in them are left out."""
        table = _without_empty_columns(table)
        if self._console:
            self._console.print(_rich_table(table))
        else:
            self._stream.write(plain_table(table))


def plain_table(table: Table) -> str:
    """The table as aligned text, two spaces between columns."""
    rows = [[printable(cell) for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(display_width(row[index]) for row in rows) for index in range(len(table.columns))]
    lines = []
    for row in rows:
        cells = []
        for name, cell, width in zip(table.columns, row, widths, strict=True):
            padding = " " * (width - display_width(cell))
            cells.append(padding + cell if name in table.numbers else cell + padding)
        lines.append(_GAP.join(cells).rstrip() + "\n")
    return "".join(lines)


def display_width(text: str) -> int:
    """Columns that a text takes: wide East Asian characters two, combining ones none."""
    width = 0
    for char in text:
        if not unicodedata.combining(char):
            width += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return width


def is_terminal(stream: TextIO) -> bool:
    """Whether a person may be looking; False for a closed stream."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def _without_empty_columns(table: Table) -> Table:
    kept = [index for index in range(len(table.columns)) if any(row[index] for row in table.rows)]
    return Table(
        columns=[table.columns[index] for index in kept],
        rows=[[row[index] for index in kept] for row in table.rows],
        numbers=table.numbers,
        strong=table.strong,
    )


def _rich_console(stream: TextIO) -> Console | None:
    if not is_terminal(stream) or os.environ.get("TERM") == "dumb":
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream)


def _rich_table(table: Table) -> object:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text  # not markup: a name may hold brackets

    shown = RichTable(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for name in table.columns:
        shown.add_column(Text(name), justify="right" if name in table.numbers else "left", overflow="fold")
    for index, row in enumerate(table.rows):
        style = "bold green" if index == table.strong else None
        shown.add_row(*(Text(printable(cell)) for cell in row), style=style)
    return shown
