"""Readings at start and end, taken in the task itself: what is left where no sampler can run."""

from __future__ import annotations

import os
import time

from resource_tracker.errors import ParseError
from resource_tracker.folders import written_folders
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
from resource_tracker.sampler.spool_read import Event, Spool
from resource_tracker.timeline import Timeline


class StartEndReadings:
    """Measures without any process of its own: one row up to each mark, from readings at its two ends.

    For a task that is process 1 or a subreaper (an orphan would come back to it as a child), and wherever the sampler
    cannot start. Without ``/proc`` there is what psutil and getrusage(2) tell.
    """

    def __init__(self, timeline: Timeline, interval_s: float, reason: str) -> None:
        self._owner = os.getpid()
        self._timeline = timeline
        self._interval_s = interval_s
        self._reason = reason
        self._spool = Spool(Layout({}))
        self._maker: RowMaker | None = None

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
        if name == STEP_END and self._timeline.step_end is None:
            self._spool.events.append(Event(0, time.time(), f"mark\t{name}"))
        self._timeline.mark(name)
        return True

    def stop(self, timeout_s: float = 0.5) -> bool:
        """Takes the last reading; only the first call does."""
        if self._timeline.end is None:
            self._close_row()
            self._timeline.stop()
        return True

    def measurements(self) -> Measurements:
        """What is known now."""
        if self._maker is not None:
            for source, count, reason in self._maker.failures.news(final=True):
                self._spool.events.append(Event(0, time.time(), f"failed\t{source}\t{count}\t{reason}"))
        return measurements_of(
            self._spool, self._timeline, mode="start_end", interval_s=self._interval_s, reason=self._reason
        )

    def remove(self) -> None:
        """Nothing to delete: there is no spool."""

    def _close_row(self) -> None:
        if self._maker is None or self._timeline.end is not None or os.getpid() != self._owner:
            return
        phase = 0 if self._timeline.step_end is None else 1
        self._spool.add_row(phase, self._maker.row().values())


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
