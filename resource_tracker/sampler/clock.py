"""The clocks of this machine: rates go by the monotonic one, stamps by the wall's.

``CLOCK_MONOTONIC`` is never set, and stands still while the machine sleeps; ``CLOCK_BOOTTIME`` goes on: what one gained
on the other was sleep. Source: clock_gettime(2).
"""

import time

SHORTEST_SLEEP_S = 0.1
"""The two are read one after the other: between them the sampler may have had to wait."""


class Clock:
    """Seconds of each clock."""

    def monotonic(self) -> float:
        """Never goes back, and does not count sleep."""
        return time.monotonic()

    def wall(self) -> float:
        """Unix time. Somebody may set it."""
        return time.time()

    def boottime(self) -> float | None:
        """As `monotonic`, but counts sleep; ``None`` where the system has no such clock."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else None


class Sleep:
    """How long the machine slept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        first, second = self._ahead(), self._ahead()
        self._ahead_s = None if first is None or second is None else max(first, second)

    def since_last(self) -> float:
        """Seconds of sleep since the last call; nan where it cannot be told."""
        now_s = self._ahead()
        if now_s is None or self._ahead_s is None:
            return float("nan")
        slept_s = now_s - self._ahead_s
        if slept_s < SHORTEST_SLEEP_S:
            return 0.0
        self._ahead_s = now_s
        return slept_s

    def _ahead(self) -> float | None:
        """How far boot time is ahead. Read in this order a delay between the two makes it less, not more."""
        boot_s = self._clock.boottime()
        return None if boot_s is None else boot_s - self._clock.monotonic()
