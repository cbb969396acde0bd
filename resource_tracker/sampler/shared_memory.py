"""Collector of ``/dev/shm``, and what statvfs says of a file system."""

import os

from resource_tracker.sampler.collector import Collector, Row
from resource_tracker.units import bytes_to_kib

SHARED_MEMORY = "/dev/shm"  # noqa: S108 (looked at, not written to)


class SharedMemoryCollector(Collector):
    """What is in use of ``/dev/shm``, a file system in memory that containers have each of their own, often small.

    Nothing is told where that is a folder of another file system, does not exist, or has no size: then the kernel does
    not say what is in use of it, either.
    """

    source = "statvfs of /dev/shm"

    def __init__(self, directory: str = SHARED_MEMORY) -> None:
        self._directory = directory
        self._there = shared_memory_bytes(directory) is not None
        self._peak_kib = 0.0

    def sub_sample(self, now_s: float) -> None:
        if self._there:  # 1 us: it is never on a disk or a network
            self._peak_kib = max(self._peak_kib, bytes_to_kib(used_bytes(os.statvfs(self._directory))))

    def read(self, row: Row, interval_s: float) -> None:
        if self._there:
            self.sub_sample(0.0)
            row.system["shm_used_kib"], self._peak_kib = self._peak_kib, 0.0


def shared_memory_bytes(directory: str = SHARED_MEMORY) -> int | None:
    """Size of the file system that is mounted there; ``None`` where none is, or where it has no limit."""
    try:
        if os.stat(directory).st_dev == os.stat(os.path.dirname(directory)).st_dev:
            return None
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_blocks * found.f_frsize or None


def used_bytes(found: os.statvfs_result) -> int:
    """What is in use of a file system; what is kept free for root counts as free."""
    return (found.f_blocks - found.f_bfree) * found.f_frsize
