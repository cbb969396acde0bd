"""Text and tables for a terminal: with rich where it is installed and a person looks, plain otherwise."""

from __future__ import annotations

import os
import shutil
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from resource_tracker.cli.messages import printable

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod

_GAP = "  "
_NARROWEST = 40
"""Columns below which wrapping makes text no easier to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A small table of text. Columns named in `numbers` are flush right; `strong` is the row to stress.

    A column's name may have several lines.
    """

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

    @property
    def width(self) -> int | None:
        """Columns to write in; ``None`` where nothing is ever wrapped."""
        return self._console.width if self._console else None

    def heading(self, text: str) -> None:
        """A line that begins a section."""
        self.line(text, "bold")

    def line(self, text: str = "", style: str | None = None) -> None:
        """A line of text, as it is; in a style of rich where there are colours."""
        text = printable(text)
        if style and self._console:
            self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        else:
            self._stream.write(text + "\n")

    def paragraph(self, text: str, indent: int = 0, hanging: int = 0) -> None:
        """Text of any length: wrapped where a person looks, its further lines `hanging` deeper; elsewhere one line."""
        first, further = " " * indent, " " * (indent + hanging)
        width = shutil.get_terminal_size().columns if is_terminal(self._stream) else 0
        if width - len(further) < _NARROWEST:
            self.line(first + text)
            return
        wrapper = textwrap.TextWrapper(
            width=width,
            initial_indent=first,
            subsequent_indent=further,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in wrapper.wrap(printable(text)):
            self.line(line)

    def table(self, table: Table) -> None:
        """A table; columns without any value in them are left out."""
        table = _without_empty_columns(table)
        if self._console:
            self._console.print(_rich_table(table))
        else:
            self._stream.write(plain_table(table))


def plain_table(table: Table) -> str:
    """The table as aligned text, two spaces between columns."""
    rows = [[printable(cell) for cell in row] for row in (*_head(table), *table.rows)]
    widths = [max(display_width(row[index]) for row in rows) for index in range(len(table.columns))]
    lines = []
    for row in rows:
        cells = []
        for name, cell, width in zip(table.columns, row, widths, strict=True):
            padding = " " * (width - display_width(cell))
            cells.append(padding + cell if name in table.numbers else cell + padding)
        lines.append(_GAP.join(cells).rstrip() + "\n")
    return "".join(lines)


def _head(table: Table) -> list[list[str]]:
    """The lines of the columns' names, the last lines of all in one."""
    names = [name.split("\n") for name in table.columns]
    height = max(len(lines) for lines in names)
    return [list(line) for line in zip(*([""] * (height - len(lines)) + lines for lines in names), strict=True)]


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

    shown = RichTable(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in table.columns:
        justify: JustifyMethod = "right" if name in table.numbers else "left"
        shown.add_column(Text(name, justify=justify), justify=justify, overflow="fold", vertical="bottom")
    for index, row in enumerate(table.rows):
        style = "bold green" if index == table.strong else None
        shown.add_row(*(Text(printable(cell)) for cell in row), style=style)
    return shown
