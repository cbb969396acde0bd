"""The cores of a step that runs: few moments, whatever came in and however it was read."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.columns import COUNTER, GAUGE, LAST
from resource_tracker.live_cores import MOST_MOMENTS, LiveCores
from resource_tracker.report.cores import live_core_parts
from resource_tracker.sampler.cores import FRAME
from resource_tracker.sampler.layout import Layout

Row = tuple[float, list[float]]
"""Seconds, and the share of each core."""

lengths = st.floats(0.01, 100.0)
shares = st.one_of(st.just(math.nan), st.floats(0.0, 1.0))
chunks = st.lists(st.tuples(lengths, st.lists(shares, min_size=3, max_size=3)), max_size=30)


def of(cores: int) -> LiveCores:
    columns = ((FRAME, LAST, "timestamp"), (FRAME, COUNTER, "interval_s"))
    return LiveCores(Layout({}, (*columns, *((FRAME, GAUGE, f"core{core}") for core in range(cores)))))


def take(cores: LiveCores, rows: list[Row], at: float = 0.0, phase: int = 0) -> float:
    """Counts rows in as one look at the spool does; returns when the last one ended."""
    stamps = []
    for seconds, _ in rows:
        at += seconds
        stamps.append(at)
    values = zip(*(row for _, row in rows), strict=True)
    columns = [array("d", column) for column in (stamps, [seconds for seconds, _ in rows], *values)]
    cores.add_rows(bytes([phase] * len(rows)), [1] * len(rows), columns)
    return at


def mean(rows: list[Row], core: int) -> float:
    known = [(seconds, row[core]) for seconds, row in rows if row[core] == row[core]]
    return math.fsum(s * v for s, v in known) / math.fsum(s for s, _ in known) if known else math.nan


@given(st.lists(chunks.filter(bool), min_size=1, max_size=12))
def test_means_stay_and_no_peak_is_invented(looks: list[list[Row]]) -> None:
    """However rows come, few moments remain; what each core did on average is known to the end, and none did more."""
    cores, rows, at = of(3), [row for look in looks for row in look], 100.0
    for look in looks:
        at = take(cores, look, at)
        assert 1 <= len(cores.moments()) <= MOST_MOMENTS
    assert cores.first_start == pytest.approx(100.0, abs=1e-9)
    assert math.fsum(cores.moments()) == pytest.approx(math.fsum(seconds for seconds, _ in rows))
    wanted = {core: mean(rows, core) for core in range(3)}
    assert cores.mean_shares() == pytest.approx({core: value for core, value in wanted.items() if value == value})
    for core, drawn in enumerate(cores.lines().values()):
        known = [row[core] for _, row in rows if row[core] == row[core]]
        cells = [value for value in drawn if value == value]
        assert bool(cells) == bool(known)
        assert not cells or min(known) - 1e-9 <= min(cells) <= max(cells) <= max(known) + 1e-9


@pytest.mark.parametrize("cores", [4, 192])
def test_a_long_step(cores: int) -> None:
    """Moments are about as long as one another, in whichever half one core was busy; so are those of shared lines."""
    live, at = of(cores), 0.0
    idle, size = [0.0] * cores, max(1, cores // 64)
    for look in range(720):  # a day, seen every two minutes
        busy = [1.0 if core < size else 0.25 if core == size and look < 360 else 0.0 for core in range(cores)]
        at = take(live, [(24.0, busy if look < 540 else idle)] * 5, at)
    moments, drawn = live.moments(), [*live.lines().values()]
    assert MOST_MOMENTS // 2 <= len(moments) <= MOST_MOMENTS
    assert max(moments) <= 1.5 * min(moments[:-1])
    assert len(drawn) == min(cores, 64)
    quarter, half = len(moments) * 3 // 4, len(moments) // 2
    assert (drawn[0][quarter - 2], drawn[0][quarter + 2]) == pytest.approx((1.0, 0.0))
    assert (drawn[1][half - 2], drawn[1][half + 2]) == pytest.approx((0.25 / size, 0.0))
    assert live.mean_shares()[0] == pytest.approx(0.75)


def test_after_the_step_nothing_counts() -> None:
    """Rows while artifacts are saved are not the step's, also where they come with its last one."""
    live = of(2)
    take(live, [(1.0, [0.5, 0.0])])
    columns = [array("d", cells) for cells in ([2.0, 3.0], [1.0, 1.0], [0.5, 1.0], [0.0, 1.0])]
    live.add_rows(bytes([0, 1]), [1, 1], columns)
    take(live, [(9.0, [1.0, 1.0])], phase=1)
    assert (live.moments(), live.mean_shares()) == ([1.0, 1.0], {0: 0.5, 1: 0.0})


def test_unknown_cells_are_left_out() -> None:
    """A core that was offline for half of a moment counts with the other half; one never seen is not drawn."""
    live = of(2)
    for second in range(MOST_MOMENTS + 2):
        take(live, [(1.0, [0.5 if second % 2 else math.nan, math.nan])], float(second))
    assert live.mean_shares() == {0: 0.5}
    assert live.lines()["0"][0] == 0.5 and math.isnan(live.lines()["1"][0])
    parts = live_core_parts(live, 0.0)
    assert parts is not None and [line[0] for line in parts.drawn["lines"]] == ["0"]
    assert live_core_parts(of(2), 0.0) is None  # nothing read yet
