"""The CPU time of the step: what the tree in ``/proc`` shows or, where there is one, what an exact clock counts."""

import os

from resource_tracker.units import seconds_to_ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TREE = "process tree in /proc"
"""A lower bound: nobody waits for some processes, and their last moments are in no record."""
PSUTIL_TREE = "process tree by psutil"
"""The same where there is no ``/proc``."""
MISSED_SHARE = 0.02
MISSED_TICKS = 10
"""A clock that counts less than the tree by more than both of these has lost processes; below that, it is rounding."""


class CpuTotal:
    """Ticks used, row by row. Without a clock they are the tree's.

    A clock may not see all: a program that runs as another user loses it. So the larger of both totals counts.
    """

    def __init__(self, ticks_per_s: int) -> None:
        self._ticks_per_s = ticks_per_s
        self._seconds: Callable[[], float | None] | None = None
        self._missed_ticks: float = MISSED_TICKS
        self._counts_stolen = False
        self._last_s = 0.0
        self._clock_ticks = 0.0
        self._tree_ticks = 0.0
        self._told_ticks = 0.0
        self.source = TREE

    def count_with(
        self,
        source: str,
        seconds: "Callable[[], float | None]",
        unseen_s: float = 0.0,
        *,
        counts_stolen: bool = False,
    ) -> None:
        """From now on a clock counts, too: `seconds` of CPU time since some time, ``None`` once it stopped for good.

        What the tree showed may be `unseen_s` of wall time older than the clock's beginning, on all CPUs. With
        `counts_stolen` the clock runs on while a hypervisor runs somebody else, which the kernel charges to no process.
        """
        self._missed_ticks = MISSED_TICKS + seconds_to_ticks(unseen_s, self._ticks_per_s) * (os.cpu_count() or 1)
        self._seconds = seconds
        self._counts_stolen = counts_stolen
        self._last_s = seconds() or 0.0
        self._clock_ticks = self._told_ticks = self._tree_ticks
        self.source = source

    def stop_clock(self) -> None:
        """Goes on with the tree alone."""
        self._seconds = None
        self.source = TREE

    def row(self, tree_ticks: float, stolen_share: float = 0.0) -> float:
        """Ticks used in a row in which the tree showed `tree_ticks`.

        `stolen_share` of the time in which CPUs had work was stolen: about that much of the step's.
        """
        self._tree_ticks += tree_ticks
        exact = self._exact_ticks(stolen_share)
        if exact is None:
            return tree_ticks
        if self._tree_ticks - exact > max(self._missed_ticks, MISSED_SHARE * self._tree_ticks):
            self.source = TREE
        now = max(exact, self._tree_ticks, self._told_ticks)
        grown, self._told_ticks = now - self._told_ticks, now
        return grown

    def _exact_ticks(self, stolen_share: float) -> float | None:
        exact_s = None if self._seconds is None else self._seconds()
        if exact_s is None:
            self.stop_clock()
            return None
        grown = seconds_to_ticks(exact_s - self._last_s, self._ticks_per_s)
        self._last_s = exact_s
        self._clock_ticks += grown * (1.0 - stolen_share) if self._counts_stolen else grown
        return self._clock_ticks
