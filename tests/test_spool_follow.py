"""A spool that is followed while it grows says what a spool that is read at once says, in few rows."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from resource_tracker.errors import SpoolError
from resource_tracker.frame_merge import highest, total
from resource_tracker.sampler.layout import COLUMNS, Layout
from resource_tracker.sampler.spool import SpoolWriter
from resource_tracker.sampler.spool_read import read_spool
from resource_tracker.spool_follow import MOST_ROWS, LiveSpool, SpoolFollower

NAMES = [(frame, name) for frame, _, name in COLUMNS]


def row(second: int, **cells: float) -> list[float]:
    """A row of one second, with what is given and zeros."""
    known = {"timestamp": 1000.0 + second, "interval_s": 1.0, **cells}
    return [known.get(name, 0.0) for _, name in NAMES]


def writer(folder: Path, tail_rows: int | None = None) -> SpoolWriter:
    spool = SpoolWriter(str(folder), Layout({"pid": "1"}), tail_rows=tail_rows, sealed_rows=tail_rows)
    spool.first(row(0))
    return spool


def test_each_look_takes_only_what_is_new(tmp_path: Path) -> None:
    """Rows and events that came since the last look are added, once, and what stands half written waits."""
    spool, follower = writer(tmp_path), SpoolFollower(str(tmp_path), LiveSpool)
    for second in range(1, 4):
        spool.row(0, row(second, read_bytes=float(second)))
        assert [*follower.read().columns["process", "read_bytes"]] == [float(s) for s in range(1, second + 1)]
    spool.event(0, 1003.0, "mark\tstep_end")
    spool.row(1, row(4))
    with open(tmp_path / "rows.0", "ab") as file:
        file.write(b"half a record")
    found, whole = follower.read(), read_spool(str(tmp_path))
    assert found.columns == whole.columns
    assert found.phases == whole.phases == [0, 0, 0, 1]
    assert [event.text for event in found.events] == ["mark\tstep_end"]


def test_few_rows_remain_and_no_peak_or_total_is_lost(tmp_path: Path) -> None:
    """Ten thousand rows are some hundred, whose counters add up, and which know the highest single row."""
    spool, follower = writer(tmp_path), SpoolFollower(str(tmp_path), LiveSpool)
    for second in range(1, 10_001):
        burst = second == 7777
        cells = {"cpu_usage": 31.0 if burst else 1.0, "read_bytes": 5e9 if burst else 10.0}
        spool.row(0, row(second, memory_peak_kib=9e9 if burst else 5.0, **cells))
        if second % 500 == 0:
            found = follower.read()
            assert 40 <= len(found.phases) <= MOST_ROWS
            lengths = found.columns["process", "interval_s"]
            assert max(lengths) <= 3 * min(lengths[:20])  # as fine at the start as later
    assert sum(found.merged) == 10_000
    assert total(found.columns["process", "read_bytes"]) == pytest.approx(9_999 * 10 + 5e9)
    assert highest(found.columns["process", "memory_peak_kib"]) == 9e9
    assert highest(found.columns["process", "cpu_usage"]) < 31.0
    assert highest(found.highs("process")["cpu_usage"]) == 31.0
    assert highest(found.highs("process")["read_bytes"]) == 5e9


def test_a_sealed_spool_is_read_from_its_beginning(tmp_path: Path) -> None:
    """Where the writer seals what was there, nothing is counted twice and nothing is missing."""
    spool, follower = writer(tmp_path, tail_rows=50), SpoolFollower(str(tmp_path), LiveSpool)
    for second in range(1, 331):
        spool.row(0, row(second, read_bytes=1.0))
        if second % 7 == 0:
            assert total(follower.read().columns["process", "read_bytes"]) == second
    assert math.fsum(follower.read().merged) == 330


def test_rows_of_another_byte_order_are_the_same(tmp_path: Path) -> None:
    """What a machine of either byte order wrote is followed as it is read at once, events between rows included."""
    other = "big" if sys.byteorder == "little" else "little"
    spool = SpoolWriter(str(tmp_path), Layout({}, byteorder=other))
    spool.first(row(0))
    for second in range(1, 8):
        spool.row(0, row(second, memory=second / 3))
        spool.event(0, 1000.0 + second, f"number {second}")
    found, whole = SpoolFollower(str(tmp_path), LiveSpool).read(), read_spool(str(tmp_path))
    assert found.columns == whole.columns
    assert (found.phases, found.merged, found.first) == (whole.phases, whole.merged, whole.first)
    assert [event.text for event in found.events] == [f"number {second}" for second in range(1, 8)]


@pytest.mark.parametrize("content", [b"", b"resource_tracker spool 1\nheader"])
def test_what_is_no_spool_is_named(tmp_path: Path, content: bytes) -> None:
    """A damaged or missing file is an error that names it, not an empty card."""
    (tmp_path / "rows.0").write_bytes(content)
    with pytest.raises(SpoolError, match=r"rows\.0"):
        SpoolFollower(str(tmp_path), LiveSpool).read()
    (tmp_path / "rows.0").unlink()
    with pytest.raises(SpoolError, match="no rows file"):
        SpoolFollower(str(tmp_path), LiveSpool).read()
