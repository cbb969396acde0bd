"""TinyDataFrame: repr, printed grid and HTML table."""

from __future__ import annotations

import math
from html.parser import HTMLParser

from hypothesis import given
from strategies import frames

from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_text import columns_to_text, shown_rows

PUBLISHED_ROW = {
    "timestamp": 1741732803.3076203,
    "pid": 777691.0,
    "children": 3.0,
    "utime": 95.0,
    "stime": 13.0,
    "cpu_usage": 1.0796,
    "memory": 563273.0,
    "read_bytes": 52260.0,
    "write_bytes": 0.0,
    "gpu_usage": 0.0,
    "gpu_vram": 0.0,
    "gpu_utilized": 0.0,
}


def test_repr_is_the_published_one() -> None:
    """The repr is that of the published example, word for word."""
    assert repr(TinyDataFrame([PUBLISHED_ROW] * 9)) == (
        "TinyDataFrame with 9 rows and 12 columns. First row as a dict: {'timestamp': 1741732803.3076203, "
        "'pid': 777691.0, 'children': 3.0, 'utime': 95.0, 'stime': 13.0, 'cpu_usage': 1.0796, 'memory': 563273.0, "
        "'read_bytes': 52260.0, 'write_bytes': 0.0, 'gpu_usage': 0.0, 'gpu_vram': 0.0, 'gpu_utilized': 0.0}"
    )


def test_short_grid() -> None:
    """A short frame prints whole: aligned, each column with the decimals that it needs, nan as such."""
    frame = TinyDataFrame({"pid": [7, 12], "cpu_usage": [0.25, 11.0796], "memory": [None, 1e20]})
    assert str(frame).splitlines() == [
        "   pid  cpu_usage      memory",
        "0    7     0.2500         nan",
        "1   12    11.0796  1.0000e+20",
        "",
        "[2 rows x 3 columns]",
    ]


def test_long_grid() -> None:
    """Of a long frame the first and last five rows are shown, with an ellipsis between them."""
    lines = str(TinyDataFrame({"n": range(1000)})).splitlines()
    assert [line.split()[0] for line in lines[1:12]] == [*"01234", "…", "995", "996", "997", "998", "999"]
    assert lines[-1] == "[1000 rows x 1 columns]"


def test_wide_grid() -> None:
    """A wide frame goes on below itself, every part with the row numbers, no line beyond the width."""
    frame = TinyDataFrame({f"a_long_column_name_{n}": [n, n] for n in range(20)})
    text = str(frame)
    assert max(map(len, text.splitlines())) <= 120
    assert all(name in text for name in frame.columns)
    blocks = text.split("\n\n")[:-1]
    assert len(blocks) > 1
    assert all([line[0] for line in block.splitlines()] == [" ", "0", "1"] for block in blocks)


def test_column_wider_than_the_grid() -> None:
    """A name beyond the width stands alone and whole."""
    name = "x" * 200
    assert name in columns_to_text(TinyDataFrame({"a": [1], name: [2], "b": [3]})._columns)


@given(frames(max_rows=20))
def test_every_grid_is_aligned(frame: TinyDataFrame) -> None:
    """Whatever the values, the row count and the number of columns stand below."""
    assert str(frame).endswith(f"[{len(frame)} rows x {len(frame.columns)} columns]")


def test_shown_rows() -> None:
    """Nothing is left out where it would save nothing."""
    assert shown_rows(10, 10) == list(range(10))
    assert shown_rows(11, 10) == [0, 1, 2, 3, 4, None, 6, 7, 8, 9, 10]
    assert shown_rows(5, 3) == [0, 1, None, 4]


class Cells(HTMLParser):
    """Collects the text of every cell, and every tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.cells.append(data)


def test_html_table() -> None:
    """A notebook shows a table: header, row numbers, values, and the size below."""
    found = Cells(TinyDataFrame({"a": [1, None], "b": [0.5, 2]})._repr_html_())
    assert found.cells == ["a", "b", "0", "1", "0.5", "1", "nan", "2.0", "2 rows × 2 columns"]
    assert found.tags.count("tr") == 3


def test_html_leaves_out_the_middle() -> None:
    """A long frame stays a short table."""
    found = Cells(TinyDataFrame({"a": range(10_000)})._repr_html_())
    assert found.tags.count("tr") == 1 + 20 + 1
    assert "…" in found.cells


def test_html_is_escaped() -> None:
    """A hostile column name appears as text."""
    hostile = "</table><img src=x onerror=\"alert('x')\">"
    found = Cells(TinyDataFrame({hostile: [1]})._repr_html_())
    assert "img" not in found.tags
    assert hostile in found.cells


def test_infinities_print() -> None:
    """Infinities and values of every size have a cell."""
    text = str(TinyDataFrame({"a": [math.inf, -math.inf, 1e-9, -0.0, 12345678901234.5]}))
    assert all(cell in text for cell in ("inf", "-inf", "1.0000e-09", "12345678901234.5"))
