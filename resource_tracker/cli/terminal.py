"""Text and tables for a terminal: with rich where it is installed and a person looks, plain otherwise."""

from __future__ import annotations

import os
import shutil
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TextIO

from resource_tracker.cli.messages import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

_GAP = "  "
_WIDEST = 10_000
_LEAST_TEXT = 6
"""Columns that a text keeps, however little room there is."""
_NARROWEST = 40
"""Columns below which wrapping makes text no easier to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A small table of text. Columns named in `numbers` are flush right; `strong` is the row to stress.

    A column's name may have several lines. Where there is not room for all, those of `optional` are left out, the
    first ones first.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[str] = field(default_factory=frozenset)
    strong: int | None = None
    optional: Sequence[str] = ()


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
        """A table; columns without any value in them are left out, and said are those without room for them."""
        table = _without_empty_columns(table)
        if not self._console:
            self._stream.write(plain_table(table))
            return
        table, left_out = self._fitting(table)
        self._console.print(_rich_table(table))
        if left_out:
            self.paragraph(f"Not shown, for lack of room: {', '.join(left_out)}.")

    def _fitting(self, table: Table) -> tuple[Table, list[str]]:
        """The table without the optional columns that there is no room for, and their names."""
        left_out = []
        for name in table.optional:
            if self._console is None or _width_of(table, self._console) <= self._console.width:
                break
            if name in table.columns:
                table = _without(table, name)
                left_out.append(name.replace("\n", " "))
        return table, left_out


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
    return _with(table, [index for index in range(len(table.columns)) if any(row[index] for row in table.rows)])


def _without(table: Table, name: str) -> Table:
    return _with(table, [index for index, column in enumerate(table.columns) if column != name])


def _with(table: Table, kept: Sequence[int]) -> Table:
    return replace(
        table,
        columns=[table.columns[index] for index in kept],
        rows=[[row[index] for index in kept] for row in table.rows],
    )


def _rich_console(stream: TextIO) -> Console | None:
    if not is_terminal(stream) or os.environ.get("TERM") == "dumb":
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream)


def _width_of(table: Table, console: Console) -> int:
    """Columns of the terminal that the table takes where it has all the room it wants."""
    return console.measure(_rich_table(table), options=console.options.update(max_width=_WIDEST)).maximum


def _rich_table(table: Table) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text  # not markup: a name may hold brackets

    shown = RichTable(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for index, name in enumerate(table.columns):
        head, cells = Text(name), [printable(row[index]) for row in table.rows]
        if name in table.numbers:  # cut off rather than broken in two: half of a number looks like another
            head.justify = "right"
            shown.add_column(head, justify="right", overflow="ellipsis", no_wrap=True, vertical="bottom")
        else:
            least = min(_LEAST_TEXT, max([display_width(cell) for cell in cells], default=0))
            shown.add_column(head, overflow="fold", min_width=least, vertical="bottom")
    for index, row in enumerate(table.rows):
        style = "bold green" if index == table.strong else None
        shown.add_row(*(Text(printable(cell)) for cell in row), style=style)
    return shown
