"""When to sample: as often as is useful, and no more often than the budget allows."""

SUB_SAMPLE_S = 0.1
SUB_SAMPLE_BUDGET = 0.002
"""Share of one core for sub-samples: where they cost more (many processes), they become rarer."""
SWEEP_S = 1.0
SWEEP_BUDGET = 0.005
"""Share of one core for looking at all processes within long rows."""
ROW_BUDGET = 0.015
"""Share of one core for rows: a tree of thousands gets longer rows, and each row says how long it is."""
SMOOTHING = 0.2


class Pace:
    """Times of the next sub-sample, the next sweep and the next row, all monotonic.

    Parameters
    ----------
    interval_s : float
        Length of a row as asked for.
    now_s : float
    """

    def __init__(self, interval_s: float, now_s: float) -> None:
        self._interval_s = interval_s
        self._sub_cost_s = 0.0
        self._sweep_cost_s = 0.0
        self._row_cost_s = 0.0
        self.next_sub_sample_s = now_s + min(SUB_SAMPLE_S, interval_s)
        self.next_sweep_s = now_s + SWEEP_S
        self.next_row_s = now_s + interval_s

    @property
    def next_s(self) -> float:
        """When there is anything to do."""
        return min(self.next_sub_sample_s, self.next_sweep_s, self.next_row_s)

    @property
    def sub_sample_every_s(self) -> float:
        return min(max(SUB_SAMPLE_S, self._sub_cost_s / SUB_SAMPLE_BUDGET), self._interval_s)

    @property
    def sweep_every_s(self) -> float:
        return max(SWEEP_S, self._sweep_cost_s / SWEEP_BUDGET)

    @property
    def row_every_s(self) -> float:
        return max(self._interval_s, self._row_cost_s / ROW_BUDGET)

    def sub_sampled(self, now_s: float, cost_s: float) -> None:
        """A sub-sample was taken, for `cost_s` of CPU time."""
        self._sub_cost_s = _smoothed(self._sub_cost_s, cost_s)
        self.next_sub_sample_s = now_s + self.sub_sample_every_s

    def swept(self, now_s: float, cost_s: float) -> None:
        """All processes were looked at: that is a sub-sample, too."""
        self._sweep_cost_s = _smoothed(self._sweep_cost_s, cost_s)
        self._look_later(now_s)

    def row_closed(self, now_s: float, cost_s: float) -> None:
        """A row was closed in time: the next follows on the grid of intervals, not `cost_s` later."""
        self._row_cost_s = _smoothed(self._row_cost_s, cost_s)
        every_s = self.row_every_s
        self.next_row_s += every_s
        if self.next_row_s <= now_s:  # the machine slept, or we did not run for long
            self.next_row_s = now_s + every_s
        self._look_later(now_s)

    def row_cut(self, now_s: float) -> None:
        """A row was closed early (a mark): the next one begins now."""
        self.next_row_s = now_s + self.row_every_s
        self._look_later(now_s)

    def _look_later(self, now_s: float) -> None:
        self.next_sub_sample_s = now_s + self.sub_sample_every_s
        self.next_sweep_s = now_s + self.sweep_every_s


def _smoothed(mean_s: float, cost_s: float) -> float:
    """One dear sample changes little, not even the first: it reads files that the kernel has to set up."""
    return mean_s + (cost_s - mean_s) * SMOOTHING
