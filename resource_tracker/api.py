"""Measuring from Python, without Metaflow: :class:`ResourceTracker`."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from resource_tracker.cloud_cache import cached_discover
from resource_tracker.errors import SettingError, TrackerError
from resource_tracker.export import from_snapshot
from resource_tracker.frame import TinyDataFrame
from resource_tracker.host import server_info
from resource_tracker.in_log import ask_for_warning
from resource_tracker.marks import Mark
from resource_tracker.memory_warning import memory_warning
from resource_tracker.options import DEFAULT_OVERHEAD_BUDGET
from resource_tracker.record_views import RecordViews
from resource_tracker.records import CloudInfo, Measurements, Outcome, ResourceRequest, TaskRecord
from resource_tracker.report_file import Report
from resource_tracker.settings import interval_of, overhead_budget_of, warn_memory_fraction_of
from resource_tracker.standalone import Surroundings
from resource_tracker.start_end import StartEndReadings
from resource_tracker.step_resources import StepResources
from resource_tracker.tracker import SamplerProcess, start_measuring

__all__ = ["Report", "ResourceTracker"]


class ResourceTracker(RecordViews):
    """Measures this process, or another, with all its descendants, from a small process outside it.

    Parameters
    ----------
    pid : int, optional
        The process to measure; this one if not given.
    interval : float
        Seconds between rows, above 0 and at most a day.
    autostart : bool
        Start at once.
    title : str, optional
        Name of the measurement in the report; by default the name of the running script.
    overhead_budget : float
        Share of one core that measuring may use, from 0.0005 to 0.1. With less, it looks less often.
    warn_memory_fraction : float, optional
        Part of the memory limit, or of the machine's memory, from which on a line on standard error warns, once, such
        as 0.9. By default nothing is said.

    Raises
    ------
    SettingError
        An argument is unusable; the message shows it and what is allowed.

    Notes
    -----
    Where the sampler cannot start, the code that is measured runs all the same, and ``tracker.record.tracking``
    says what was measured instead, and why. A tracker that is forgotten ends with its process.

    Examples
    --------
    >>> from resource_tracker import ResourceTracker
    >>> with ResourceTracker(interval=0.2) as tracker:
    ...     numbers = [n * n for n in range(100_000)]
    >>> tracker.stats()["duration"] > 0
    True
    """

    def __init__(
        self,
        pid: int | None = None,
        interval: float = 1.0,
        *,
        autostart: bool = False,
        title: str | None = None,
        overhead_budget: float = DEFAULT_OVERHEAD_BUDGET,
        warn_memory_fraction: float | None = None,
    ) -> None:
        self._pid = os.getpid() if pid is None else _checked_pid(pid)
        self._owner = os.getpid()
        self._interval_s = interval_of(interval, "ResourceTracker")
        self._overhead_budget = overhead_budget_of(overhead_budget, "ResourceTracker")
        self._warn_memory_fraction = warn_memory_fraction_of(warn_memory_fraction, "ResourceTracker")
        self._title = title or _default_title(self._pid)
        self._outcome = Outcome(status="running")
        self._surroundings = Surroundings(self._pid)
        self._measuring: SamplerProcess | StartEndReadings | None = None
        self._measurements: Measurements | None = None
        self._record: TaskRecord | None = None
        self._cloud: CloudInfo | None = None
        self._live: StepResources | None = None
        if autostart:
            self.start()

    # --- running -------------------------------------------------------------------------------

    def start(self) -> ResourceTracker:
        """Begin to measure; the first reading is taken on return.

        Returns
        -------
        ResourceTracker
            Itself.

        Raises
        ------
        TrackerError
            It was started before, or there is no such process.
        """
        if self._measuring is not None or self._record is not None:
            raise TrackerError("this tracker was started before: make a new ResourceTracker for each measurement")
        if self._pid != os.getpid() and not _exists(self._pid):
            raise TrackerError(f"there is no process {self._pid}: give the pid of one that is running")
        self._owner = os.getpid()
        self._measuring = start_measuring(
            pid=self._pid, interval_s=self._interval_s, overhead_budget=self._overhead_budget
        )
        # Where stop() is forgotten: runs when the tracker is collected, or when the interpreter exits.
        self._forgotten = weakref.finalize(self, _end, self._measuring, self._owner)
        limits = self._surroundings.limits  # read while the process lives
        fraction = self._warn_memory_fraction
        if fraction is not None:
            warning = memory_warning(fraction, limits, server_info(ask_gpus=False), speaker="resource_tracker")
            ask_for_warning(self._measuring, warning)
        return self

    def stop(self) -> None:
        """Take the last reading and end the measurement; does nothing the second time.

        Raises
        ------
        TrackerError
            It was never started, or it was started by the process that this one was forked from.
        """
        self._finish(Outcome(status="ok"))

    def __enter__(self) -> ResourceTracker:
        return self if self.is_running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the measurement; an exception of the body is noted by its type, and passes."""
        if os.getpid() == self._owner and self.is_running:
            self._finish(_outcome_of(error))

    @property
    def is_running(self) -> bool:
        """Whether it was started and not yet stopped."""
        return self._measuring is not None and self._measurements is None

    def _finish(self, outcome: Outcome) -> None:
        measuring = self._started()
        if self._measurements is not None:
            return
        if os.getpid() != self._owner:
            raise TrackerError("this tracker belongs to the process that this one was forked from: stop it there")
        self._outcome = outcome
        try:
            measuring.stop()
            self._measurements = measuring.measurements()
        finally:
            measuring.remove()
            self._forgotten.detach()

    def _started(self) -> SamplerProcess | StartEndReadings:
        if self._measuring is None:
            raise TrackerError("nothing was measured yet: call start(), or use the tracker in a with statement")
        return self._measuring

    # --- while it runs -------------------------------------------------------------------------

    def mark(self, label: str) -> Mark:
        """Name what was done since the last mark, or with ``with`` what the block does.

        It becomes a span of the record and of the report's charts, with its time, CPU time and highest memory. Takes
        about 0.1 ms, and never waits.

        Parameters
        ----------
        label : str
            A few words.

        Returns
        -------
        Mark
            For the ``with`` statement.

        Raises
        ------
        TrackerError
            Nothing is measured yet.
        """
        return self._started().marks.mark(label)

    @property
    def live(self) -> StepResources:
        """Figures of the last row, such as ``live.memory_mib``, without the work of a whole record.

        Raises
        ------
        TrackerError
            Nothing is measured yet.
        """
        measuring = self._started()
        if self._live is None:
            usable_mib = server_info(ask_gpus=False).usable_memory_mb if self._pid == os.getpid() else None
            self._live = StepResources(measuring, self._surroundings.limits, ResourceRequest(), usable_mib)
        return self._live

    # --- what was measured ---------------------------------------------------------------------

    @property
    def process_metrics(self) -> TinyDataFrame:
        """A row for each interval of the process and its descendants; while it runs, those so far."""
        return self._record.process_metrics if self._record else self._now().process

    @property
    def system_metrics(self) -> TinyDataFrame:
        """A row for each interval of the machine; while it runs, those so far."""
        return self._record.system_metrics if self._record else self._now().system

    @property
    def record(self) -> TaskRecord:
        """Everything: measurements, machine, cloud, advice, prices. While it runs, as of now.

        The first use may take a second: it asks for the cloud, once per boot of the machine.
        """
        if self._record is not None:
            return self._record
        measurements = self._now()
        if self._cloud is None:
            self._cloud = cached_discover()
        record = self._record_of(measurements, self._cloud)
        if self._measurements is not None:
            self._record = record
        return record

    # --- what was kept -------------------------------------------------------------------------

    @classmethod
    def from_snapshot(cls, snapshot: Mapping[str, Any] | str) -> ResourceTracker:
        """A stopped tracker that holds what was measured elsewhere.

        Parameters
        ----------
        snapshot : dict or str
            From :meth:`snapshot`, :meth:`to_json` or a Metaflow artifact.

        Raises
        ------
        ArtifactError
            It is something else, is damaged, or comes from a later version.
        """
        record = from_snapshot(snapshot)
        tracker = cls(title=record.title)
        tracker._record = record
        tracker._outcome = record.outcome
        return tracker

    def __repr__(self) -> str:
        if self._record is None and self._measuring is None:
            state = "not started"
        else:
            state = "running" if self.is_running else self._outcome.status
        return f"<ResourceTracker {self._title!r}: {state}>"

    def _now(self) -> Measurements:
        return self._measurements or self._started().measurements()

    def _without_cloud(self) -> TaskRecord:
        return self._record or self._record_of(self._now(), CloudInfo())

    def _record_of(self, measurements: Measurements, cloud: CloudInfo) -> TaskRecord:
        return self._surroundings.record(measurements, title=self._title, outcome=self._outcome, cloud=cloud)


def _end(measuring: SamplerProcess | StartEndReadings, owner: int) -> None:
    """Leave nothing behind; a fork of the owner leaves it alone."""
    if os.getpid() == owner:
        measuring.stop()
        measuring.remove()


def _checked_pid(pid: object) -> int:
    if isinstance(pid, bool) or not isinstance(pid, int) or pid < 1:
        raise SettingError(f"ResourceTracker: pid={pid!r} cannot be used: give the number of a running process")
    return pid


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _default_title(pid: int) -> str:
    if pid != os.getpid():
        return f"process {pid}"
    return Path(sys.argv[0]).name if sys.argv and sys.argv[0] not in ("", "-c", "-m") else "python"


def _outcome_of(error: BaseException | None) -> Outcome:
    """Type only: a message may hold secrets. ``sys.exit(0)`` is no failure."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return Outcome(status="ok")
    return Outcome(status="failed", exception_type=type(error).__name__)
