"""The sampler's budget: as many looks as are useful, for no more than what was given."""

from __future__ import annotations

import pytest

from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.pace import LONGEST_ROW_S, SUB_SAMPLE_S, Pace

BUDGET = Budget(0.005)


class Life:
    """A loop as the sampler's, in made-up time: what each look costs is given, and how much was spent is counted."""

    def __init__(self, budget: Budget, interval_s: float, sub_s: float, row_s: float, sweep_s: float = 0.0) -> None:
        self._pace = Pace(interval_s, 0.0, budget)
        self._costs = sub_s, row_s, sweep_s
        self.spent_s = 0.0
        self.sub_samples = self.rows = self.sweeps = 0

    def until(self, end_s: float) -> Life:
        sub_s, row_s, sweep_s = self._costs
        while (now_s := self._pace.next_s) < end_s:
            if now_s >= self._pace.next_row_s:
                self._pace.row_closed(now_s, row_s)
                self.rows += 1
                self.spent_s += row_s
            elif now_s >= self._pace.next_sweep_s:
                self._pace.swept(now_s, sweep_s)
                self.sweeps += 1
                self.spent_s += sweep_s
            else:
                self._pace.sub_sampled(now_s, sub_s)
                self.sub_samples += 1
                self.spent_s += sub_s
        return self


def test_shares_are_the_budget() -> None:
    """The parts that may be spent when nothing is saved up are together what was given."""
    budget = Budget(0.02)
    assert budget.full_readings + budget.sub_samples + budget.rows + budget.sweeps == pytest.approx(0.02)


def test_pace_of_cheap_samples() -> None:
    """Ten sub-samples a second, and rows on the grid of intervals, for hours."""
    pace = Pace(1.0, 100.0, BUDGET)
    assert pace.next_sub_sample_s == pytest.approx(100 + SUB_SAMPLE_S)
    pace.sub_sampled(100.1, 50e-6)
    assert pace.next_sub_sample_s == pytest.approx(100.2)
    pace.row_closed(101.004, 1e-3)
    assert pace.next_row_s == pytest.approx(102.0)
    life = Life(BUDGET, 1.0, sub_s=150e-6, row_s=1.5e-3).until(3600)
    assert life.rows == 3599
    assert life.sub_samples >= 9 * 3599


@pytest.mark.parametrize("share", [0.0005, 0.005, 0.05])
@pytest.mark.parametrize(
    ("interval_s", "sub_s", "row_s", "sweep_s"),
    [(1.0, 2e-4, 1e-3, 1e-3), (1.0, 1e-3, 4e-3, 4e-3), (0.05, 1e-4, 1e-3, 1e-3), (60.0, 3e-4, 8e-3, 5e-3)],
    ids=["idle", "many processes", "short rows", "long rows"],
)
def test_pace_keeps_its_budget(share: float, interval_s: float, sub_s: float, row_s: float, sweep_s: float) -> None:
    """An hour costs no more than the budget, and what may be saved up for a start: rows at their longest aside."""
    budget = Budget(share)
    life = Life(budget, interval_s, sub_s, row_s, sweep_s).until(3600)
    beyond_s = 3600 * max(0.0, row_s / max(interval_s, LONGEST_ROW_S) - budget.rows)
    assert life.spent_s <= 3600 * (budget.share - budget.full_readings) * 1.05 + budget.saved_s + row_s + beyond_s
    assert life.rows >= 3600 / max(interval_s, LONGEST_ROW_S) - 2


def test_a_short_step_has_the_full_pace() -> None:
    """What is saved up lets a step of ten seconds have every row, however short, though it could not go on so."""
    assert Life(BUDGET, 0.2, sub_s=1e-4, row_s=1e-3).until(10).rows >= 48
    assert Life(BUDGET, 0.2, sub_s=1e-4, row_s=1e-3).until(3600).rows < 0.8 * 3600 / 0.2


def test_a_budget_is_spent() -> None:
    """Where more would be useful than may be spent, most of the budget is."""
    life = Life(BUDGET, 1.0, sub_s=1e-3, row_s=20e-3).until(3600)
    assert life.spent_s >= 0.75 * 3600 * (BUDGET.share - BUDGET.full_readings)
    rich = Life(Budget(0.05), 1.0, sub_s=1e-3, row_s=20e-3).until(3600)
    assert rich.rows > 3 * life.rows
    assert rich.sub_samples > 3 * life.sub_samples


def test_rows_of_a_tree_of_thousands() -> None:
    """They are no longer than ten seconds, though that costs more than the budget."""
    life = Life(BUDGET, 1.0, sub_s=3e-4, row_s=0.15).until(3600)
    assert 358 <= life.rows <= 370
    assert life.spent_s < 0.03 * 3600


def test_sweeps_of_long_rows() -> None:
    """In long rows all processes are looked at once a second, or as often as their share of the budget allows."""
    assert Life(BUDGET, 60.0, sub_s=1e-4, row_s=1e-3, sweep_s=1e-3).until(3600).sweeps >= 3500
    assert Life(BUDGET, 60.0, sub_s=1e-4, row_s=0.05, sweep_s=0.05).until(3600).sweeps < 1000


def test_pace_after_one_dear_sample() -> None:
    """One dear sub-sample does not make a pause in which a spike could hide."""
    pace = Pace(60.0, 0.0, BUDGET)
    pace.sub_sampled(0.1, 1e-3)
    assert pace.next_sub_sample_s == pytest.approx(0.2)


def test_pace_after_a_pause() -> None:
    """After the machine slept the missed rows are not made up for."""
    pace = Pace(1.0, 0.0, BUDGET)
    pace.row_closed(500.0, 1e-3)
    assert pace.next_row_s == pytest.approx(501.0)


def test_pace_of_short_rows() -> None:
    """Rows shorter than a sub-sample's distance have one each."""
    assert Pace(0.02, 0.0, BUDGET).sub_sample_every_s == pytest.approx(0.02)
