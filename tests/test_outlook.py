"""Weighted outcomes and their tail: chances that can be reckoned by hand."""

from __future__ import annotations

import random

import pytest

from resource_tracker.outlook import LEAST_FOR_NEIGHBOURS, Peak, outlooks, trend


def of(*peaks: float) -> list[Peak]:
    return [Peak(peak, None, 10.0) for peak in peaks]


def test_the_next_is_the_highest_with_one_in_n_plus_one() -> None:
    """Four attempts that are alike: the fifth is the highest with 1 / 5."""
    (outlook,) = outlooks(of(1, 2, 3, 4), None)
    assert outlook.tail().chance == pytest.approx(1 / 5)
    assert outlook.chance_above(4) == pytest.approx(1 / 5)
    assert outlook.chance_above(2) == pytest.approx(1 / 5 + 4 / 5 * 2 / 4)
    assert outlook.chance_above(0) == 1


def test_size_for_a_chance_and_back() -> None:
    """The size that is exceeded with 1 % is exceeded with 1 %."""
    (outlook,) = outlooks(of(1000, 1200, 1500), None)
    for chance in (0.2, 0.01, 0.001):
        assert outlook.chance_above(outlook.tail().size_for(chance)) == pytest.approx(chance)


def test_stated_chance_is_kept_on_random_peaks() -> None:
    """Of 2000 short histories, no more fail than was stated; of peaks with a long tail, not three times as many."""
    dice = random.Random(7)
    for draw, times in (
        (lambda: max(1, dice.gauss(1000, 50)), 1.5),
        (lambda: dice.uniform(500, 1500), 1.5),
        (lambda: 1000 + dice.expovariate(1 / 200), 3),
    ):
        failed = 0
        for _ in range(2000):
            (outlook,) = outlooks(of(*(draw() for _ in range(dice.randint(2, 20)))), None)
            failed += draw() > outlook.tail().size_for(0.02)
        assert failed / 2000 < 0.02 * times


def test_weights_count_as_attempts() -> None:
    """A peak of weight two is as good as two of weight one, but for how many attempts there were."""
    (heavy,) = outlooks([Peak(1, None, 1.0), Peak(2, None, 1.0, weight=2.0)], None)
    assert heavy.effective_count() == pytest.approx(9 / 5)
    assert heavy.shares_above()[0][0] == pytest.approx(2 / 3)


def test_line_and_neighbours_appear_when_there_is_enough() -> None:
    """By size only with known sizes that differ, and neighbours only within what has been seen."""
    sized = [Peak(100.0 * k, k * 1e9, 10.0) for k in range(1, LEAST_FOR_NEIGHBOURS + 1)]
    assert [o.method for o in outlooks(sized, None)] == ["all"]
    assert [o.method for o in outlooks(sized[:2], 1e9)] == ["all"]
    assert [o.method for o in outlooks(sized, 5e9)] == ["all", "line", "neighbours"]
    assert [o.method for o in outlooks(sized, 50e9)] == ["all", "line"]
    assert [o.method for o in outlooks([Peak(1.0, 1e9, 1.0)] * 4, 1e9)] == ["all"]


def test_line_passes_through_what_lies_on_it() -> None:
    """Peaks exactly on a line leave no doubt but the tail's."""
    sized = [Peak(50 + 100.0 * k, k * 1e9, 10.0) for k in range(1, 6)]
    line = next(o for o in outlooks(sized, 20e9) if o.method == "line")
    assert line.peaks == pytest.approx([2050.0] * 5)


def test_trend_is_seen_only_where_there_is_one() -> None:
    """Rising peaks give the next on their line; level, falling, few and random ones give none."""
    rising = trend(of(*range(1000, 2000, 50)))
    assert rising is not None and rising.peaks == pytest.approx([2000.0] * 20)
    assert trend(of(*range(2000, 1000, -50))) is None and trend(of(*[1000] * 20)) is None
    assert trend(of(1000, 2000, 3000)) is None
    dice = random.Random(1)
    found = sum(trend(of(*(dice.gauss(1000, 100) for _ in range(20)))) is not None for _ in range(500))
    assert found <= 2
