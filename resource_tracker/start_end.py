"""Readings at start and end, taken in the task itself: what is left where no sampler can run."""

from __future__ import annotations

import os
import threading
import time

from resource_tracker.errors import ParseError
from resource_tracker.folders import written_folders
from resource_tracker.latest import Latest, latest_of_task
from resource_tracker.marks import Marks
from resource_tracker.measured import measurements_of
from resource_tracker.options import DEFAULT_OVERHEAD_BUDGET
from resource_tracker.records import Measurements
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.collector import Collector, Failures
from resource_tracker.sampler.control import STEP_END
from resource_tracker.sampler.layout import Layout
from resource_tracker.sampler.psutil_machine import PsutilMachineCollector
from resource_tracker.sampler.psutil_source import PsutilProcessCollector
from resource_tracker.sampler.rows import RowMaker, standard_collectors
from resource_tracker.sampler.spans import SPAN_WORDS, Spans
from resource_tracker.sampler.spool_read import Event, Spool
from resource_tracker.systems import shows_another_namespace
from resource_tracker.timeline import Timeline

MAX_ROWS = 1000
"""They are kept in the task's memory, and it is in its time that they are read: beyond this, marks end no row."""
SHORTEST_ROW_S = 0.5


class StartEndReadings:
    """Measures without any process of its own: one row up to each mark, from readings at its two ends.

    For a task that is process 1 or a subreaper (an orphan would come back to it as a child), and wherever the sampler
    cannot start. Without ``/proc`` there is what psutil and getrusage(2) tell.
    """

    def __init__(self, timeline: Timeline, interval_s: float, reason: str) -> None:
        self._owner = os.getpid()
        self.timeline = timeline
        self._interval_s = interval_s
        self._reason = reason
        self._spool = Spool(Layout({}))
        self._maker: RowMaker | None = None
        self._spans = Spans(timeline.start.monotonic_s, os.sysconf("SC_CLK_TCK"))
        self._row_began_s = timeline.start.monotonic_s
        self._lock = threading.RLock()  # marks may come from any thread, and from a signal handler within another one
        self.marks = Marks(self.tell)

    @classmethod
    def start(
        cls,
        *,
        interval_s: float,
        reason: str,
        pid: int | None = None,
        marker: tuple[str, str] | None = None,
        proc: str = "/proc",
    ) -> StartEndReadings:
        """Takes the first reading. Never raises.

        Parameters
        ----------
        interval_s : float
            As asked for; only reported.
        reason : str
            Why there is no sampler, in a few words for people.
        pid : int, optional
            The process to measure; this one if not given.
        marker : tuple of str, optional
            As for :meth:`SamplerProcess.start`.
        """
        pid = os.getpid() if pid is None else pid
        readings = cls(Timeline(pid), interval_s, reason)
        failures = Failures()
        if shows_another_namespace(proc):
            return readings  # what stands there under this pid is another process
        try:
            budget = Budget(DEFAULT_OVERHEAD_BUDGET)  # two readings keep to any
            places = written_folders(_directory())
            collectors = standard_collectors(
                pid, failures, budget=budget, marker=marker, places=places, threads=False, proc=proc
            )
        except (OSError, ParseError):
            collectors = _psutil_collectors(pid)
        if collectors:
            readings._maker = RowMaker(collectors, failures)
            for collector in collectors:
                readings._spool.meta.update(collector.described)
            first = readings._maker.first()
            readings._spool.first = dict(zip(readings._spool.columns, first.values(), strict=True))
        return readings

    def mark(self, name: str, timeout_s: float = 0.25) -> bool:
        """Takes a reading that ends a row. True, as it cannot be late; `timeout_s` is ignored."""
        self._close_row()
        if name == STEP_END and self.timeline.step_end is None:
            self._spool.events.append(Event(0, time.time(), f"mark\t{name}"))
        if name == STEP_END:
            self._spans.close()
        self.timeline.mark(name)
        return True

    def tell(self, word: str, name: str) -> bool:
        """Notes a mark of the step's code; nothing else. Not of forks: nobody listens to them."""
        if word not in SPAN_WORDS or os.getpid() != self._owner:
            return False
        with self._lock:
            self._spans.act(word, name)
            if time.monotonic() - self._row_began_s >= SHORTEST_ROW_S and len(self._spool.phases) < MAX_ROWS:
                self._close_row(at_mark=True)
        return True

    def latest(self) -> Latest:
        """What the kernel tells of this process now."""
        return latest_of_task(self.timeline)

    def stop(self, timeout_s: float = 0.5, *, spare: bool = False) -> bool:
        """Takes the last reading; only the first call does. There is nobody to wait for, or to spare."""
        if self.timeline.end is None:
            self._close_row()
            self._spans.close()
            self.timeline.stop()
        return True

    def measurements(self) -> Measurements:
        """What is known now."""
        if self._maker is not None:
            for source, count, reason in self._maker.failures.news(final=True):
                self._spool.events.append(Event(0, time.time(), f"failed\t{source}\t{count}\t{reason}"))
        self._spool.span_lines = self._spans.lines()
        found = measurements_of(
            self._spool, self.timeline, mode="start_end", interval_s=self._interval_s, reason=self._reason
        )
        return self.marks.with_left_out(found)

    def remove(self) -> None:
        """Nothing to delete: there is no spool."""

    def _close_row(self, *, at_mark: bool = False) -> None:
        if self._maker is None or self.timeline.end is not None or os.getpid() != self._owner:
            return
        phase = 0 if self.timeline.step_end is None else 1
        row = self._maker.row()
        self._spool.add_row(phase, row.values())
        self._row_began_s = time.monotonic()
        ticks, memory_kib = row.process["utime"] + row.process["stime"], row.process["memory_peak_kib"]
        self._spans.row_closed(self._row_began_s, ticks, memory_kib, at_mark=at_mark)


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"


def _psutil_collectors(pid: int) -> list[Collector]:
    """What stands in for ``/proc``; nothing where psutil is missing or cannot read the process."""
    try:
        import psutil

        ticks_per_s = os.sysconf("SC_CLK_TCK")
        return [
            PsutilProcessCollector(psutil, pid, ticks_per_s),
            PsutilMachineCollector(psutil, ticks_per_s, _directory()),
        ]
    except Exception:  # noqa: BLE001 (the watcher meets the user's step)
        return []
