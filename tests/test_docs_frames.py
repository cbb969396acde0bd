"""The pages on columns and on TinyDataFrame: generated from, and run against, the code."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from resource_tracker.columns import COUNTER, GAUGE, GPU_COLUMNS, LAST, PEAK, PROCESS_COLUMNS, SYSTEM_COLUMNS, Column
from resource_tracker.frame import TinyDataFrame

DOCS = Path(__file__).parent.parent / "docs"
PUBLISHED = {"process_metrics": 12, "system_metrics": 21, "gpu_metrics": len(GPU_COLUMNS)}


def rows_of(columns: tuple[Column, ...], published: int) -> list[str]:
    """The page's table of a frame, one line a column."""
    lines = ["| column | unit | when rows merge | source | meaning |", "|---|---|---|---|---|"]
    for number, column in enumerate(columns):
        name = f"`{column.name}`" if number < published else f"`{column.name}` (ours)"
        source = f"`{column.source}`" if column.source.startswith("/") else column.source
        lines.append(f"| {name} | {column.unit} | {column.kind} | {source} | {column.meaning} |")
    return lines


@pytest.mark.parametrize(
    ("frame", "columns"),
    [("process_metrics", PROCESS_COLUMNS), ("system_metrics", SYSTEM_COLUMNS), ("gpu_metrics", GPU_COLUMNS)],
)
def test_every_column_is_documented(frame: str, columns: tuple[Column, ...]) -> None:
    """The page has each column with its unit, kind, source and meaning, in order, and no other."""
    page = (DOCS / "columns.md").read_text(encoding="utf-8")
    section = page.split(f"\n## `{frame}`\n")[1].split("\n## ")[0]
    found = [line for line in section.splitlines() if line.startswith("|")]
    expected = rows_of(columns, PUBLISHED[frame])
    assert found == expected, "replace the table in docs/columns.md by:\n" + "\n".join(expected)


def test_every_kind_is_explained() -> None:
    """What the kinds mean stands on the page."""
    page = (DOCS / "columns.md").read_text(encoding="utf-8")
    assert all(f"| {kind} |" in page.split("\n## `process_metrics`")[0] for kind in (COUNTER, GAUGE, PEAK, LAST))


def test_tinydataframe_page_runs() -> None:
    """Every example of the page gives what the page says, in one session from top to bottom."""
    text = (DOCS / "tinydataframe.md").read_text(encoding="utf-8").replace("\n```", "\n")
    examples = doctest.DocTestParser().get_doctest(text, {}, "tinydataframe.md", None, 0)
    assert len(examples.examples) > 20
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples).failed == 0


def test_tinydataframe_page_names_every_method() -> None:
    """Each public method and property stands on the page."""
    page = (DOCS / "tinydataframe.md").read_text(encoding="utf-8")
    public = [name for name in vars(TinyDataFrame) if not name.startswith("_")]
    assert [name for name in public if name not in page] == []
