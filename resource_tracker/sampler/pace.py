"""When to sample: as often as is useful, and no more often than the budget allows."""

from resource_tracker.sampler.budget import Budget, Purse

SUB_SAMPLE_S = 0.1
SWEEP_S = 1.0
NEVER_S = float("inf")
LONGEST_ROW_S = 10.0
"""Rows of a tree of thousands get longer for the budget's sake, up to this: then they cost more, but there are some."""
SMOOTHING = 0.2
SHORTEST_CUT_S = 0.02
"""Two ticks: of a shorter row there is no telling how busy it was."""


class Pace:
    """Times of the next sub-sample, the next sweep and the next row, all monotonic.

    As long as enough is saved up, all are as often as is useful; the less there is, the closer each keeps to its share.

    Parameters
    ----------
    interval_s : float
        Length of a row as asked for.
    now_s : float
    budget : Budget
    """

    def __init__(self, interval_s: float, now_s: float, budget: Budget) -> None:
        self._interval_s = interval_s
        self._has_sweeps = interval_s > SWEEP_S  # else rows look at all processes often enough, or cannot be afforded
        self._budget = budget
        self._rows_share = budget.rows if self._has_sweeps else budget.rows + budget.sweeps
        self._purse = Purse(budget, now_s)
        self._sub_cost_s = 0.0
        self._sweep_cost_s = 0.0
        self._row_cost_s = 0.0
        self._row_began_s = now_s
        self.next_sub_sample_s = now_s + min(SUB_SAMPLE_S, interval_s)
        self.next_sweep_s = now_s + self.sweep_every_s
        self.next_row_s = now_s + interval_s

    @property
    def next_s(self) -> float:
        """When there is anything to do."""
        return min(self.next_sub_sample_s, self.next_sweep_s, self.next_row_s)

    @property
    def sub_sample_every_s(self) -> float:
        affordable_s = self._affordable_s(self._sub_cost_s, self._budget.sub_samples)
        return min(max(SUB_SAMPLE_S, affordable_s), self.row_every_s)

    @property
    def sweep_every_s(self) -> float:
        if not self._has_sweeps:
            return NEVER_S
        return max(SWEEP_S, self._affordable_s(self._sweep_cost_s, self._budget.sweeps))

    @property
    def row_every_s(self) -> float:
        affordable_s = self._affordable_s(self._row_cost_s, self._rows_share)
        return max(self._interval_s, min(affordable_s, LONGEST_ROW_S))

    def _affordable_s(self, cost_s: float, share: float) -> float:
        return cost_s / share * (1.0 - self._purse.ease)

    def sub_sampled(self, now_s: float, cost_s: float) -> None:
        """A sub-sample was taken, for `cost_s` of CPU time."""
        self._purse.spend(now_s, cost_s)
        self._sub_cost_s = _smoothed(self._sub_cost_s, cost_s)
        self.next_sub_sample_s = now_s + self.sub_sample_every_s

    def swept(self, now_s: float, cost_s: float) -> None:
        """All processes were looked at: that is a sub-sample, too."""
        self._purse.spend(now_s, cost_s)
        self._sweep_cost_s = _smoothed(self._sweep_cost_s, cost_s)
        self._look_later(now_s)

    def row_closed(self, now_s: float, cost_s: float) -> None:
        """A row was closed in time: the next follows on the grid of intervals, not `cost_s` later."""
        self._purse.spend(now_s, cost_s)
        self._row_cost_s = _smoothed(self._row_cost_s, cost_s)
        self._row_began_s = now_s
        every_s = self.row_every_s
        self.next_row_s += every_s
        if self.next_row_s <= now_s:  # the machine slept, or we did not run for long
            self.next_row_s = now_s + every_s
        self._look_later(now_s)

    def may_cut(self, now_s: float) -> bool:
        """Whether a row can be closed early for a mark of the step's, of which there may be any number."""
        return now_s - self._row_began_s >= SHORTEST_CUT_S and self._purse.ease > 0

    def row_cut(self, now_s: float, cost_s: float) -> None:
        """A row was closed early (a mark), for `cost_s` of CPU time: the next one begins now."""
        self._purse.spend(now_s, cost_s)
        self._row_began_s = now_s
        self.next_row_s = now_s + self.row_every_s
        self._look_later(now_s)

    def _look_later(self, now_s: float) -> None:
        self.next_sub_sample_s = now_s + self.sub_sample_every_s
        self.next_sweep_s = now_s + self.sweep_every_s


def _smoothed(mean_s: float, cost_s: float) -> float:
    """One dear sample changes little, not even the first: it reads files that the kernel has to set up."""
    return mean_s + (cost_s - mean_s) * SMOOTHING
