"""What the sampler may use of one core, and how that is divided: every share stands here. Pure."""

FULL_READINGS, SUB_SAMPLES, ROWS, SWEEPS = 0.2, 0.4, 0.25, 0.15
"""Parts of the budget that each may spend when nothing is saved up: together all of it."""
SAVED_FOR_S = 10.0
"""What is not spent is saved up, to this many seconds' worth of the budget: enough for a short step at full pace."""
DEBT = 10.0
"""What one dear look costs beyond it is saved later; more than so many times as much is forgiven."""
EARLY_AT_ONCE_FOR_S = 20.0
"""As much of it for early readings at once: 0.1 s by default, 9 GiB of 4 KiB pages over all forks."""
FULL_AT_ONCE_FOR_S = 0.8
"""As much of it for full readings at once: 4 ms by default, the first reading of an ordinary step."""


class Budget:
    """Shares of one core.

    `full_readings`, `sub_samples`, `rows` and `sweeps` are parts of `share`. `early_readings` comes on top, only while
    forks write to what they share. The ``_s`` are seconds of CPU time that may be spent at once.
    """

    __slots__ = (
        "early_at_once_s",
        "early_readings",
        "full_at_once_s",
        "full_readings",
        "rows",
        "saved_s",
        "share",
        "sub_samples",
        "sweeps",
    )

    def __init__(self, share: float) -> None:
        self.share = share
        self.full_readings = FULL_READINGS * share
        self.sub_samples = SUB_SAMPLES * share
        self.rows = ROWS * share
        self.sweeps = SWEEPS * share
        self.early_readings = share
        self.full_at_once_s = FULL_AT_ONCE_FOR_S * share
        self.early_at_once_s = EARLY_AT_ONCE_FOR_S * share
        self.saved_s = SAVED_FOR_S * share


class Purse:
    """What is saved up of the budget, full readings aside: they have an account of their own.

    `ease` is 1 where there is plenty and 0 where there is nothing; below 1 the sampler slows down, so that what it
    spends settles at what comes in.
    """

    def __init__(self, budget: Budget, now_s: float) -> None:
        self._income = budget.share - budget.full_readings
        self._most_s = budget.saved_s
        self._saved_s = self._most_s
        self._at_s = now_s

    def spend(self, now_s: float, cost_s: float) -> None:
        """Takes `cost_s` out, after what came in since the last call."""
        came_s = (now_s - self._at_s) * self._income
        self._at_s = now_s
        left_s = min(self._saved_s + came_s, self._most_s) - cost_s
        self._saved_s = max(left_s, -DEBT * self._most_s)

    @property
    def ease(self) -> float:
        return max(0.0, min(1.0, 2.0 * self._saved_s / self._most_s))
