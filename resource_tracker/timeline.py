"""When the step began and ended, and what the kernel kept of the task at those times, as the task itself sees it."""

from __future__ import annotations

import time

from resource_tracker.sampler.control import STEP_END
from resource_tracker.task_usage import TaskUsage


class Moment:
    """A point in time: Unix time, monotonic time, and what the task used until then, if we are the task."""

    __slots__ = ("monotonic_s", "unix_s", "usage")

    def __init__(self, pid: int, unix_s: float | None = None, monotonic_s: float | None = None) -> None:
        self.unix_s = time.time() if unix_s is None else unix_s
        self.monotonic_s = time.monotonic() if monotonic_s is None else monotonic_s
        self.usage = TaskUsage.of(pid)


class Timeline:
    """Start, end of the step's own code, and end of the attempt. Works without any sampler.

    `start` is now, unless it was noted by another process: monotonic time is the whole machine's.
    """

    def __init__(self, pid: int, start: Moment | None = None) -> None:
        self.pid = pid
        self.start = start or self.now()
        self.step_end: Moment | None = None
        self.end: Moment | None = None

    def now(self) -> Moment:
        return Moment(self.pid)

    def at(self, unix_s: float) -> Moment:
        """A moment since the start, by the wall clock, which nobody set since."""
        return Moment(self.pid, unix_s, self.start.monotonic_s + (unix_s - self.start.unix_s))

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, until the end of the step's code once that is over."""
        ended = self.step_end or self.end
        return (time.monotonic() if ended is None else ended.monotonic_s) - self.start.monotonic_s

    def mark(self, name: str) -> None:
        """Notes the end of the step; only the first counts."""
        if name == STEP_END and self.step_end is None:
            self.step_end = self.now()

    def stop(self) -> None:
        """Notes the end of the attempt; only the first counts."""
        if self.end is None:
            self.end = self.now()
