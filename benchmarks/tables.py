"""Results as tables: with ``rich`` where it is installed, in plain columns otherwise."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

PIPED_WIDTH = 110


@dataclass
class Table:
    """One result. The first column names the row; ``notes`` are sentences below."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells in a table of {len(self.columns)} columns")
        self.rows.append(cells)


def milliseconds(value: float, *, signed: bool = False) -> str:
    sign = "+" if signed and value > 0 else ""
    return f"{sign}{value:,.0f} ms" if abs(value) >= 100 else f"{sign}{value:.1f} ms"


def times(value: float, base: float) -> str:
    """A ratio."""
    return f"{value / base:.2f} x" if base > 0 else "-"


def kilobytes(count: float) -> str:
    return f"{count / 1000:,.1f} kB" if count < 1e6 else f"{count / 1e6:,.2f} MB"


def against(value: float, target: float, text: str) -> str:
    """The target, and whether it is met."""
    return f"{text}: {'met' if value <= target else 'missed'}"


def show(tables: Sequence[Table]) -> None:
    """Print to standard output."""
    try:
        from rich.console import Console
        from rich.table import Table as RichTable
    except ImportError:
        for table in tables:
            print(plain(table))
        return
    console = Console() if sys.stdout.isatty() else Console(width=PIPED_WIDTH)
    for table in tables:
        drawn = RichTable(title=table.title, title_justify="left", title_style="bold")
        for number, name in enumerate(table.columns):
            drawn.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
        for row in table.rows:
            drawn.add_row(*row)
        console.print()
        console.print(drawn)
        for note in table.notes:
            console.print(note, markup=False, highlight=False)


def plain(table: Table) -> str:
    """The table in aligned columns."""
    rows = [table.columns, *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [table.title]
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(["", *lines, *table.notes])


def markdown(table: Table) -> str:
    """The table for a document."""
    rows = [table.columns, ["---", *["---:"] * (len(table.columns) - 1)], *table.rows]
    body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return "\n\n".join([f"### {table.title}", body, *table.notes])
