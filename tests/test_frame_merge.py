"""Merging of rows: what is kept, by the kind of each column."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.columns import COUNTER, GAUGE, LAST, PEAK, PROCESS_COLUMNS, PROCESS_NAMES, Column
from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import compact, conform, highest, total, weighted_mean

NAN = math.nan
KINDS = {"timestamp": LAST, "pid": LAST, "read_bytes": COUNTER, "memory": GAUGE, "peak": PEAK, "interval_s": COUNTER}
COLUMNS = tuple(Column(name, "", kind, "", "") for name, kind in KINDS.items())


def frame_of(rows: int) -> TinyDataFrame:
    return TinyDataFrame(
        {
            "timestamp": [100.0 + n for n in range(rows)],
            "pid": [7.0] * rows,
            "read_bytes": [float(n) for n in range(rows)],
            "memory": [float(n % 10) for n in range(rows)],
            "peak": [float(n % 7) for n in range(rows)],
            "interval_s": [1.0] * rows,
        }
    )


def test_each_kind_merges_in_its_way() -> None:
    """Counters add, gauges average by the rows' lengths, peaks keep the maximum, stamps the last."""
    frame = TinyDataFrame(
        {
            "timestamp": [1, 4, 5],
            "pid": [7, 7, 8],
            "read_bytes": [10, 20, 5],
            "memory": [100, 200, 50],
            "peak": [110, 400, 60],
            "interval_s": [1, 3, 1],
            "unheard_of": [1, 5, 9],
        }
    )
    assert compact(frame, COLUMNS, max_rows=2).to_dict() == {
        "timestamp": [4, 5],
        "pid": [7, 8],
        "read_bytes": [30, 5],
        "memory": [175, 50],
        "peak": [400, 60],
        "interval_s": [4, 1],
        "unheard_of": [4, 9],
    }


def test_nan_is_left_out() -> None:
    """What is not available does not spoil its neighbours, and stays where nothing else is there."""
    columns = {name: [1.0, NAN, NAN, NAN] for name in ("timestamp", "pid", "read_bytes", "memory", "peak")}
    found = compact(TinyDataFrame({**columns, "interval_s": [1, 1, 1, 1]}), COLUMNS, max_rows=2)
    for name in columns:
        assert found[name][0] == 1.0, name
        assert math.isnan(found[name][1]), name


def test_short_frame_stays() -> None:
    """A frame that is short enough comes back itself."""
    frame = frame_of(20)
    assert compact(frame, COLUMNS, max_rows=20) is frame


@pytest.mark.parametrize("interval", [[0, 0], [NAN, NAN], None])
def test_rows_without_a_length(interval: list[float] | None) -> None:
    """Where no length is known, rows count alike."""
    data: dict[str, list[float]] = {"memory": [1, 3]}
    if interval is not None:
        data["interval_s"] = interval
    assert compact(TinyDataFrame(data), COLUMNS, max_rows=1)["memory"] == [2.0]


@given(rows=st.integers(1, 300), most=st.integers(1, 50))
def test_what_merging_keeps(rows: int, most: int) -> None:
    """Sums of counters, weighted means, maxima and the end stay the same, and at least half the rows allowed."""
    frame = frame_of(rows)
    found = compact(frame, COLUMNS, max_rows=most)
    assert min(rows, most / 2) <= len(found) <= most or rows <= most
    assert found.columns == frame.columns
    for name in ("read_bytes", "interval_s"):
        assert total(found[name]) == total(frame[name])
    assert weighted_mean(found["memory"], found["interval_s"]) == pytest.approx(
        weighted_mean(frame["memory"], frame["interval_s"])
    )
    assert highest(found["peak"]) == highest(frame["peak"])
    assert found[-1]["timestamp"] == frame[-1]["timestamp"]


def test_conform() -> None:
    """Missing columns come in as nan in their place, unknown ones stay at the end."""
    frame = conform(TinyDataFrame({"mine": [5], "memory": [1], "timestamp": [2]}), PROCESS_COLUMNS)
    assert frame.columns == [*PROCESS_NAMES, "mine"]
    assert frame["memory"] == [1]
    assert math.isnan(frame["pid"][0])
    assert conform(frame, PROCESS_COLUMNS) is frame
    assert len(conform(TinyDataFrame(), PROCESS_COLUMNS)) == 0
