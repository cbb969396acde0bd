"""When the step began and ended, and what the kernel kept of the task at those times, as the task itself sees it."""

from __future__ import annotations

import time

from resource_tracker.sampler.control import STEP_END
from resource_tracker.task_usage import TaskUsage


class Moment:
    """A point in time: Unix time, monotonic time, and what the task used until then, if we are the task."""

    __slots__ = ("monotonic_s", "unix_s", "usage")

    def __init__(self, pid: int) -> None:
        self.unix_s = time.time()
        self.monotonic_s = time.monotonic()
        self.usage = TaskUsage.of(pid)


class Timeline:
    """Start, end of the step's own code, and end of the attempt. Works without any sampler."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.start = self.now()
        self.step_end: Moment | None = None
        self.end: Moment | None = None

    def now(self) -> Moment:
        return Moment(self.pid)

    def mark(self, name: str) -> None:
        """Notes the end of the step; only the first counts."""
        if name == STEP_END and self.step_end is None:
            self.step_end = self.now()

    def stop(self) -> None:
        """Notes the end of the attempt; only the first counts."""
        if self.end is None:
            self.end = self.now()
