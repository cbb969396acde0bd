"""A measurement that another process of this machine began: it can be marked and asked from here, not ended."""

from __future__ import annotations

import os

from resource_tracker.latest import Latest, LatestRows
from resource_tracker.marks import Marks
from resource_tracker.sampler.control import NO_ANSWER, send
from resource_tracker.timeline import Moment, Timeline


class Attached:
    """Speaks to the sampler whose spool lies in `spool_dir`; where it is not there, nothing is known and nothing said.

    Parameters
    ----------
    spool_dir : str or None
        ``None`` where there is no sampler.
    pid : int
        The process that is measured.
    started_at, started_monotonic_s : float
        Unix and monotonic time of the start.
    """

    def __init__(self, spool_dir: str | None, pid: int, started_at: float, started_monotonic_s: float) -> None:
        self.spool_dir = spool_dir
        self.timeline = Timeline(pid, Moment(pid, started_at, started_monotonic_s))
        self.marks = Marks(self.tell)
        self._latest = LatestRows(spool_dir or "/nowhere", os.sysconf("SC_CLK_TCK"))

    def tell(self, word: str, name: str) -> bool:
        """As :meth:`resource_tracker.tracker.SamplerProcess.tell`."""
        if self.spool_dir is None:
            return False
        try:
            send(self.spool_dir, word, name, NO_ANSWER)
        except OSError:
            return False
        return True

    def latest(self) -> Latest:
        """Figures of the last row, and up to it."""
        return self._latest.read()
