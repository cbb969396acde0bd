"""A TinyDataFrame to look at: an aligned grid for terminals, an HTML table for notebooks."""

from __future__ import annotations

import math

from resource_tracker.frame_io import Columns

ELLIPSIS = "…"
MAX_DECIMALS = 4


def columns_to_text(columns: Columns, max_rows: int = 10, max_width: int = 120) -> str:
    """An aligned grid; the middle rows of a long frame are left out, a wide one goes on below itself."""
    rows = _row_count(columns)
    shown = shown_rows(rows, max_rows)
    labels = ["", *(ELLIPSIS if row is None else str(row) for row in shown)]
    index = _aligned(labels)
    blocks: list[list[str]] = []
    for name, cells in _cells(columns, shown).items():
        text = _aligned([name, *cells])
        if not blocks or len(blocks[-1][0]) + 2 + len(text[0]) > max_width:
            blocks.append(index)
        blocks[-1] = [f"{line}  {cell}" for line, cell in zip(blocks[-1], text, strict=True)]
    grid = "\n\n".join("\n".join(block) for block in blocks)
    footer = f"[{rows} rows x {len(columns)} columns]"
    return f"{grid}\n\n{footer}" if grid else footer


def columns_to_html(columns: Columns, max_rows: int = 20) -> str:
    """A table for notebooks, names escaped; the middle rows of a long frame are left out."""
    import html  # its table of entities takes 2 ms, and steps do without

    rows = _row_count(columns)
    shown = shown_rows(rows, max_rows)
    cells = _cells(columns, shown)
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in cells)
    body = "".join(
        f'<tr><th scope="row">{ELLIPSIS if row is None else row}</th>'
        + "".join(f'<td style="text-align:right">{column[place]}</td>' for column in cells.values())
        + "</tr>"
        for place, row in enumerate(shown)
    )
    table = f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x:auto">{table}<p>{rows} rows × {len(columns)} columns</p></div>'


def shown_rows(rows: int, max_rows: int) -> list[int | None]:
    """Numbers of the rows to show; ``None`` stands for those left out."""
    if rows <= max_rows:
        return list(range(rows))
    top = (max_rows + 1) // 2
    return [*range(top), None, *range(rows - (max_rows - top), rows)]


def _row_count(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))


def _cells(columns: Columns, shown: list[int | None]) -> dict[str, list[str]]:
    return {
        name: _formatted([None if row is None else column[row] for row in shown]) for name, column in columns.items()
    }


def _formatted(values: list[float | None]) -> list[str]:
    """Cells of one column with as many decimals as its values need, four at most."""
    decimals = max((_decimals(value) for value in values if value is not None), default=0)
    return [ELLIPSIS if value is None else _number(value, decimals) for value in values]


def _decimals(value: float) -> int:
    if not math.isfinite(value) or _scientific(value):
        return 0
    return len(f"{value:.{MAX_DECIMALS}f}".rstrip("0").partition(".")[2])


def _number(value: float, decimals: int) -> str:
    return f"{value:.{MAX_DECIMALS}e}" if _scientific(value) else f"{value:.{decimals}f}"


def _scientific(value: float) -> bool:
    """Too large or too small to read as a plain number."""
    size = abs(value)
    return math.isfinite(value) and size != 0 and (size >= 1e16 or size < 10**-MAX_DECIMALS)


def _aligned(cells: list[str]) -> list[str]:
    width = max(len(cell) for cell in cells)
    return [cell.rjust(width) for cell in cells]
