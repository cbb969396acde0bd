"""Collectors of the machine's figures: CPU, memory, disk space."""

import os

from resource_tracker.sampler.collector import Collector, Row, growth
from resource_tracker.sampler.procfs import cpu_stat, meminfo
from resource_tracker.sampler.procfs.files import KernelFile
from resource_tracker.sampler.shared_memory import used_bytes
from resource_tracker.units import bytes_to_gb, ticks_to_seconds


class CpuCollector(Collector):
    """CPU time of the machine, and the forks since boot."""

    source = cpu_stat.SOURCE

    def __init__(self, proc: str, ticks_per_s: int) -> None:
        self._file = KernelFile(f"{proc}/stat")
        self._ticks_per_s = ticks_per_s
        self._last: cpu_stat.CpuStat | None = None

    def start(self) -> None:
        self._last = self._reading()

    def read(self, row: Row, interval_s: float) -> None:
        now = self._reading()
        before = self._last or now
        self._last = now
        system = row.system
        system["processes"] = now.forks
        system["utime"] = growth(before.user, now.user)
        system["stime"] = growth(before.system, now.system)
        if interval_s > 0:
            used_s = ticks_to_seconds(system["utime"] + system["stime"], self._ticks_per_s)
            system["cpu_usage"] = used_s / interval_s

    def _reading(self) -> cpu_stat.CpuStat:
        return cpu_stat.parse(self._file.read())


class MemoryCollector(Collector):
    """Memory of the machine, at the end of the row."""

    source = meminfo.SOURCE

    def __init__(self, proc: str) -> None:
        self._file = KernelFile(f"{proc}/meminfo")

    def read(self, row: Row, interval_s: float) -> None:
        kib = meminfo.parse(self._file.read())
        system = row.system
        buffers = kib.get(b"Buffers", 0)
        cached = kib.get(b"Cached", 0) + kib.get(b"SReclaimable", 0)
        system["memory_free"] = kib[b"MemFree"]
        system["memory_used"] = max(0, kib[b"MemTotal"] - kib[b"MemFree"] - buffers - cached)
        system["memory_buffers"] = buffers
        system["memory_cached"] = cached
        for column, name in (
            ("memory_active", b"Active(anon)"),
            ("memory_inactive", b"Inactive(anon)"),
            ("memory_available_kib", b"MemAvailable"),
            ("memory_shared_kib", b"Shmem"),
        ):
            if name in kib:
                system[column] = kib[name]
        if b"SwapTotal" in kib and b"SwapFree" in kib:
            system["swap_used_kib"] = max(0, kib[b"SwapTotal"] - kib[b"SwapFree"])


class SpaceCollector(Collector):
    """The file system that holds the step's directory; the root's, once that directory is gone."""

    source = "statvfs"

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._peak_gb = 0.0

    def sweep(self, now_s: float) -> None:
        # No more often: on a file system of the network each look may be a request.
        self._look()

    def read(self, row: Row, interval_s: float) -> None:
        found = self._look()
        system = row.system
        system["disk_space_total_gb"] = bytes_to_gb(found.f_blocks * found.f_frsize)
        system["disk_space_used_gb"] = bytes_to_gb(used_bytes(found))
        system["disk_space_free_gb"] = bytes_to_gb(found.f_bfree * found.f_frsize)
        system["disk_space_used_peak_gb"], self._peak_gb = self._peak_gb, 0.0

    def _look(self) -> os.statvfs_result:
        try:
            found = os.statvfs(self._directory)
        except OSError:
            if self._directory == "/":
                raise
            self._directory = "/"
            found = os.statvfs("/")
        self._peak_gb = max(self._peak_gb, bytes_to_gb(used_bytes(found)))
        return found
