"""Rows to points: nothing high is lost, nothing is invented, and the encoding gives back what went in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resource_tracker.frame import TinyDataFrame
from resource_tracker.report.series import MAX_POINTS, Resampler, even_grid, grid_of, packed, row_edges

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def unpack(data):
    """What the page's script does, in Python."""
    if data is None:
        return None
    if "c" in data:
        return [data["c"]] * data["n"]
    values, steps, number, shift = [], 0, 0, 0
    for character in data["d"]:
        if character == ".":
            values.append(None)
            continue
        digit = BASE64.index(character)
        number |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            steps += -(number >> 1) if number & 1 else number >> 1
            values.append(steps * data["q"])
            number = shift = 0
    return values


def frame_of(values, *, start=1000.0, length=1.0, name="memory_peak_kib"):
    stamps = [start + length * (i + 1) for i in range(len(values))]
    return TinyDataFrame({"timestamp": stamps, "interval_s": [length] * len(values), name: values})


def points(frame, name, merge, *, start=1000.0, max_points=MAX_POINTS):
    return Resampler(frame, grid_of(frame, start, max_points), start).values(name, merge)


@given(st.lists(st.one_of(st.just(math.nan), st.floats(min_value=0, max_value=1e13)), min_size=1, max_size=300))
def test_packing_keeps_values_and_gaps(values):
    """Over three digits of the largest value come back, gaps stay gaps, and no value comes back lower than it was."""
    back = unpack(packed(values))
    finite = [v for v in values if v == v]
    if not finite:
        assert back is None
        return
    top = max(finite)
    for value, returned in zip(values, back, strict=True):
        if value != value:
            assert returned is None
        elif top == 0 or top > 1e-280:
            assert value - top * 1e-9 <= returned <= value + top * 4.1e-4


def test_a_constant_series_is_a_handful_of_bytes():
    """A resource that was never used costs the card nothing."""
    assert packed([0.0] * 600) == {"c": 0.0, "n": 600}


@given(
    rows=st.integers(min_value=1, max_value=3000),
    spike=st.floats(min_value=0, max_value=1),
)
@settings(max_examples=40)
def test_a_spike_of_one_row_survives(rows, spike):
    """However many rows share a point, the highest is still what the peak line shows."""
    values = [100.0] * rows
    values[min(int(spike * rows), rows - 1)] = 5000.0
    assert max(points(frame_of(values), "memory_peak_kib", "max")) == 5000.0


@pytest.mark.parametrize("rows", [1, 2, 599, 600, 601, 2048, 86_400])
def test_never_more_points_than_allowed(rows):
    """Up to the limit each row is a point; beyond it, never more than the limit and not much fewer."""
    grid = grid_of(frame_of([1.0] * rows), 1000.0)
    assert grid.points == rows if rows <= MAX_POINTS else 0.8 * MAX_POINTS <= grid.points <= MAX_POINTS


def test_rates_are_amounts_over_time():
    """Bytes of a row of two seconds are halved; merged rows keep the total."""
    frame = frame_of([100.0, 300.0, 200.0, 0.0], length=2.0, name="read_bytes")
    assert points(frame, "read_bytes", "rate") == [50.0, 150.0, 100.0, 0.0]
    merged = points(frame, "read_bytes", "rate", max_points=2)
    assert merged == [100.0, 50.0]
    assert points(frame, "read_bytes", "max_rate", max_points=2) == [150.0, 100.0]


def test_gauges_are_weighed_by_the_length_of_their_rows():
    """A long row counts for more than a short one."""
    frame = TinyDataFrame({"timestamp": [1001.0, 1010.0], "interval_s": [1.0, 9.0], "cpu_usage": [10.0, 0.0]})
    assert points(frame, "cpu_usage", "mean", max_points=1) == [1.0]


def test_not_measured_stays_a_gap():
    """nan is left out of means and peaks, and is a gap where nothing else is there."""
    frame = frame_of([1.0, math.nan, math.nan, math.nan], name="gpu_usage")
    first, second = points(frame, "gpu_usage", "mean", max_points=2)
    assert first == 1.0 and math.isnan(second)
    assert all(math.isnan(v) for v in points(frame, "no_such_column", "mean"))


def test_frames_of_different_pace_share_one_axis():
    """Rows of the machine land in the points of the step, also where they are longer or slightly late."""
    step = frame_of([1.0] * 4, name="cpu_usage")
    grid = grid_of(step, 1000.0)
    late = TinyDataFrame({"timestamp": [1001.01, 1002.02, 1003.0, 1004.05], "cpu_usage": [1.0, 2.0, 3.0, 4.0]})
    assert Resampler(late, grid, 1000.0).values("cpu_usage", "mean") == [1.0, 2.0, 3.0, 4.0]
    slow = TinyDataFrame({"timestamp": [1002.0, 1004.0], "interval_s": [2.0, 2.0], "cpu_usage": [7.0, 8.0]})
    assert Resampler(slow, grid, 1000.0).values("cpu_usage", "mean") == [7.0, 7.0, 8.0, 8.0]


def test_a_clock_that_was_set_back_does_not_turn_time_around():
    """Edges rise, whatever the stamps do."""
    frame = TinyDataFrame({"timestamp": [1001.0, 999.0, 1002.0], "interval_s": [1.0, 1.0, 1.0]})
    edges = row_edges(frame, 1000.0)
    assert all(start < end for start, end in edges)
    assert [start for start, _ in edges[1:]] == [end for _, end in edges[:-1]]


def test_an_empty_frame_has_no_points():
    """An attempt that was not measured has nothing to draw, and says so without failing."""
    grid = grid_of(TinyDataFrame(), 1000.0)
    assert grid.points == 0
    assert Resampler(TinyDataFrame(), grid, 1000.0).values("cpu_usage", "mean") == []


def test_even_grid_joins_what_is_not_merged_yet():
    """Ten rows of four seconds and ten of one second are points of four seconds, the last one shorter."""
    lengths = [4.0] * 10 + [1.0] * 10
    stamps = [100.0 + sum(lengths[: i + 1]) for i in range(20)]
    grid = even_grid(TinyDataFrame({"timestamp": stamps, "interval_s": lengths}), 100.0)
    steps = [b - a for a, b in zip(grid.edges, grid.edges[1:], strict=False)]
    assert steps == pytest.approx([4.0] * 12 + [2.0])
    assert even_grid(TinyDataFrame({}), 100.0).points == 0
