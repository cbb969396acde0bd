"""Collector of space and inodes on the file systems that the step writes to."""

import os

from resource_tracker.sampler.collector import Collector, Row
from resource_tracker.sampler.file_systems import MEMORY, NETWORK, FileSystem
from resource_tracker.sampler.shared_memory import used_bytes
from resource_tracker.units import bytes_to_gb

NETWORK_EVERY_S = 10.0
"""Each look at a file system of the network may be a request to its server."""


class _Look:
    """One file system, looked at again and again: what is in use now, and at most since the row began."""

    def __init__(self, system: FileSystem) -> None:
        self.system = system
        self.now = os.statvfs(system.directory)
        self._next_s = 0.0
        self.peak_gb = 0.0

    def again(self, now_s: float) -> None:
        """Raises OSError where the directory is gone."""
        if self.system.kind != NETWORK or now_s >= self._next_s:
            self._next_s = now_s + NETWORK_EVERY_S
            self.now = os.statvfs(self.system.directory)
        self.peak_gb = max(self.peak_gb, self.used_gb)

    @property
    def used_gb(self) -> float:
        return bytes_to_gb(used_bytes(self.now))

    @property
    def size_gb(self) -> float:
        """What is in use and what a user may still fill: some is kept for root."""
        return self.used_gb + bytes_to_gb(self.now.f_bavail * self.now.f_frsize)

    def take_peak(self) -> float:
        peak_gb, self.peak_gb = self.peak_gb, 0.0
        return peak_gb


class SpaceCollector(Collector):
    """The file system of the step's directory, or the root's once that is gone; and the others that it writes to.

    Raises OSError where there is none.
    """

    source = "statvfs"

    def __init__(self, systems: list[FileSystem]) -> None:
        own, *others = systems or [FileSystem("/", "directory")]
        self._own = _Look(own)
        self._others: list[_Look | None] = [_look_at(system) for system in others]
        self._now_s = 0.0

    @property
    def described(self) -> dict[str, str]:
        """What the columns are about, by number: 0 is the one with columns in the frame."""
        looks = [self._own, *self._others]
        return {
            f"file_system_{index}": look.system.described(look.size_gb)
            for index, look in enumerate(looks)
            if look is not None
        }

    def sub_sample(self, now_s: float) -> None:
        self._now_s = now_s
        for look in self._others:
            if look is not None and look.system.kind == MEMORY:
                self._look(look)  # 1 us: never on a disk or a network, and small: it fills up soon

    def sweep(self, now_s: float) -> None:
        # No more often: some file systems take long.
        self._now_s = now_s
        self._look_at_all()

    def read(self, row: Row, interval_s: float) -> None:
        self._look_at_all()
        found, system = self._own.now, row.system
        system["disk_space_total_gb"] = bytes_to_gb(found.f_blocks * found.f_frsize)
        system["disk_space_used_gb"] = self._own.used_gb
        system["disk_space_free_gb"] = bytes_to_gb(found.f_bfree * found.f_frsize)
        system["disk_space_used_peak_gb"] = self._own.take_peak()
        if found.f_files:  # some have no table of inodes: btrfs, and file systems of the network
            system["disk_inodes_used"] = found.f_files - found.f_ffree
            system["disk_inodes_free"] = found.f_ffree
        for index, look in enumerate(self._others, 1):
            if look is not None:
                row.internal[f"space_{index}_used_gb"] = look.take_peak()

    def _look_at_all(self) -> None:
        try:
            self._own.again(self._now_s)
        except OSError:
            if self._own.system.directory == "/":
                raise
            self._own.system.directory = "/"
            self._own.again(self._now_s)
        for look in self._others:
            if look is not None:
                self._look(look)

    def _look(self, look: _Look) -> None:
        try:
            look.again(self._now_s)
        except OSError:  # the folder is gone: nothing more to tell
            self._others[self._others.index(look)] = None


def _look_at(system: FileSystem) -> _Look | None:
    try:
        return _Look(system)
    except OSError:
        return None
