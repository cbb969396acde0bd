"""Collector of space and inodes on the file systems that the step writes to."""

import os
import time

from resource_tracker.sampler.collector import Collector, Failures, Row, reason_of
from resource_tracker.sampler.file_systems import MEMORY, FileSystem
from resource_tracker.sampler.shared_memory import used_bytes
from resource_tracker.sampler.worker import Worker
from resource_tracker.units import bytes_to_gb

DISTANT_EVERY_S = 10.0
"""Each look at a file system of the network may be a request to its server."""
FIRST_ANSWER_S = 0.05
"""How long the start waits for it."""
SILENT_AFTER_S = 5.0
"""Without an answer for so long, what was last known is not the present any more."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[str], os.statvfs_result]


class _Look:
    """One file system, looked at again and again: what is in use now, and at most since the row began."""

    def __init__(self, system: FileSystem) -> None:
        self.system = system
        self.now: os.statvfs_result | None = None
        self.peak_gb = 0.0

    def again(self) -> None:
        """Raises OSError where the directory is gone."""
        self._take(os.statvfs(self.system.directory))

    def _take(self, found: os.statvfs_result) -> None:
        self.now = found
        self.peak_gb = max(self.peak_gb, _used_gb(found))

    @property
    def size_gb(self) -> float:
        """What is in use and what a user may still fill: some is kept for root. 0 where it is not known."""
        return 0.0 if self.now is None else _used_gb(self.now) + bytes_to_gb(self.now.f_bavail * self.now.f_frsize)

    def take_peak(self) -> float:
        """The highest since the last call; nan where it is not known."""
        peak_gb, self.peak_gb = self.peak_gb, 0.0
        return float("nan") if self.now is None else peak_gb


class DistantLook(_Look):
    """The same of a file system whose server may not answer: a thread waits for that, not the rows.

    As long as it is silent, or says that it cannot, nothing is known.

    Parameters
    ----------
    system : FileSystem
    failures : Failures
        Where silence is noted.
    ask : callable, optional
        What stands in for ``os.statvfs``.
    """

    def __init__(self, system: FileSystem, failures: Failures, ask: "Ask" = os.statvfs) -> None:
        super().__init__(system)
        self._failures = failures
        self._ask = ask
        self._worker = Worker()
        self._asked_s = -DISTANT_EVERY_S
        self._wait_s = FIRST_ANSWER_S
        self._silent = False

    def again(self) -> None:
        self._take_answer(0.0)
        now_s = time.monotonic()
        if not self._worker.busy and now_s - self._asked_s >= DISTANT_EVERY_S:
            self._asked_s = now_s
            try:
                self._worker.ask(self._look)
            except RuntimeError as error:  # there can be no thread now
                self._fail(str(error))
            self._take_answer(self._wait_s)
            self._wait_s = 0.0
        if self._worker.busy and not self._silent and now_s - self._asked_s >= SILENT_AFTER_S:
            self._silent = True
            self._fail("no answer")
        if self.now is not None:
            self._take(self.now)

    def _look(self) -> os.statvfs_result:
        return self._ask(self.system.directory)

    def _take_answer(self, wait_s: float) -> None:
        answer = self._worker.result(wait_s)
        if isinstance(answer, os.statvfs_result):
            self._silent = False
            self._take(answer)
        elif isinstance(answer, FileNotFoundError):
            raise answer
        elif isinstance(answer, Exception):
            self._fail(reason_of(answer))

    def _fail(self, reason: str) -> None:
        self.now = None
        self._failures.note(f"{SpaceCollector.source} ({self.system.type})", reason)


class _Unasked(_Look):
    """A distant file system where nothing may be asked."""

    def again(self) -> None:
        """It stays unknown."""


class SpaceCollector(Collector):
    """The file system of the step's directory, or the root's once that is gone; and the others that it writes to.

    Parameters
    ----------
    systems : list of FileSystem
        That of the step's directory first.
    failures : Failures
        Where servers that do not answer are noted.
    threads : bool
        Whether there may be threads, in which servers are asked. Else distant file systems stay unknown.

    Raises
    ------
    OSError
        The root's cannot be looked at, either.
    """

    source = "statvfs"

    def __init__(self, systems: list[FileSystem], failures: Failures, *, threads: bool = True) -> None:
        def look_for(system: FileSystem) -> _Look:
            if not system.distant:
                return _Look(system)
            return DistantLook(system, failures) if threads else _Unasked(system)

        own, *others = systems or [FileSystem("/", "directory")]
        self._own = look_for(own)
        self._others: list[_Look | None] = [look_for(system) for system in others]
        self._in_memory = [look for look in self._others if look is not None and look.system.kind == MEMORY]
        self._look_at_all()

    @property
    def described(self) -> dict[str, str]:
        """What the columns are about, by number: 0 is the one with columns in the frame."""
        looks = [self._own, *self._others]
        return {
            f"file_system_{index}": look.system.described(look.size_gb)
            for index, look in enumerate(looks)
            if look is not None
        }

    @property
    def is_sub_sampled(self) -> bool:
        return bool(self._in_memory)

    def sub_sample(self, now_s: float) -> None:
        for look in self._in_memory:
            self._look(look)  # 1 us: never on a disk or a network, and small: it fills up soon

    def sweep(self, now_s: float) -> None:
        self._look_at_all()  # no more often: some file systems take long

    def read(self, row: Row, interval_s: float) -> None:
        self._look_at_all()
        self._fill(row.system)
        for index, look in enumerate(self._others, 1):
            if look is not None:
                row.internal[f"space_{index}_used_gb"] = look.take_peak()

    def _fill(self, system: dict[str, float]) -> None:
        found = self._own.now
        system["disk_space_used_peak_gb"] = self._own.take_peak()
        if found is None:
            return
        system["disk_space_total_gb"] = bytes_to_gb(found.f_blocks * found.f_frsize)
        system["disk_space_used_gb"] = _used_gb(found)
        system["disk_space_free_gb"] = bytes_to_gb(found.f_bfree * found.f_frsize)
        if found.f_files:  # some have no table of inodes: btrfs, and file systems of the network
            system["disk_inodes_used"] = found.f_files - found.f_ffree
            system["disk_inodes_free"] = found.f_ffree

    def _look_at_all(self) -> None:
        try:
            self._own.again()
        except OSError:
            if self._own.system.directory == "/":
                raise
            self._own.system.directory = "/"
            self._own = _Look(self._own.system)
            self._own.again()
        for look in self._others:
            if look is not None:
                self._look(look)

    def _look(self, look: _Look) -> None:
        try:
            look.again()
        except OSError:  # the folder is gone: nothing more to tell
            self._others[self._others.index(look)] = None
            self._in_memory = [other for other in self._in_memory if other is not look]


def _used_gb(found: os.statvfs_result) -> float:
    return bytes_to_gb(used_bytes(found))
