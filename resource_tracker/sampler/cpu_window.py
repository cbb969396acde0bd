"""The busiest moment within a row, from ticks that sub-samples see."""

from resource_tracker.units import ticks_to_seconds

CPU_WINDOW_S = 0.25
"""CPU time comes in ticks of 10 ms: over less than this, a tick more or less would look like a peak."""


class CpuWindow:
    """Adds up ticks until a window is long enough, and keeps the highest use in cores."""

    def __init__(self, ticks_per_s: int) -> None:
        self._ticks_per_s = ticks_per_s
        self._from_s = 0.0
        self._ticks = 0.0
        self._peak_cores = 0.0

    def begin(self, now_s: float) -> None:
        """The first window begins."""
        self._from_s = now_s

    def add(self, ticks: float) -> None:
        """Ticks that were used since the last look."""
        self._ticks += ticks

    def look(self, now_s: float) -> None:
        """Ends the window where it is long enough."""
        length_s = now_s - self._from_s
        if length_s >= CPU_WINDOW_S:
            cores = ticks_to_seconds(self._ticks, self._ticks_per_s) / length_s
            self._peak_cores = max(self._peak_cores, cores)
            self._ticks = 0.0
            self._from_s = now_s

    def take_peak(self) -> float:
        """The highest since the last call, in cores."""
        peak, self._peak_cores = self._peak_cores, 0.0
        return peak
