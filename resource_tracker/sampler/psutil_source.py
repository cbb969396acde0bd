"""Collectors through psutil, for systems without ``/proc`` (macOS). Not for the sampler process: psutil is large."""

import os

from resource_tracker.sampler.collector import Collector, Row, growth
from resource_tracker.units import bytes_to_gb, bytes_to_kib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PsutilProcessCollector(Collector):
    """A process and its present descendants: CPU time, resident memory, threads.

    CPU time of children that ended is missing where the system does not keep it, so it is a lower bound.
    """

    source = "psutil"

    def __init__(self, psutil: "Any", pid: int, ticks_per_s: int) -> None:
        self._psutil = psutil
        self._root = psutil.Process(pid)
        self._ticks_per_s = ticks_per_s
        self._last: dict[tuple[int, float], tuple[float, float]] = {}

    def start(self) -> None:
        self._last = {self._key(process): self._times(process) for process in self._processes()}

    def read(self, row: Row, interval_s: float) -> None:
        now, memory, threads = {}, 0, 0
        user_s = system_s = 0.0
        processes = self._processes()
        for process in processes:
            try:
                key, times = self._key(process), self._times(process)
                memory += process.memory_info().rss
                threads += process.num_threads()
            except self._psutil.Error:
                continue  # it ended, or is another user's
            before = self._last.get(key, (0.0, 0.0))
            user_s += growth(before[0], times[0])
            system_s += growth(before[1], times[1])
            now[key] = times
        self._last = now
        cells = row.process
        cells["pid"], cells["children"], cells["threads"] = self._root.pid, max(0, len(now) - 1), threads
        cells["utime"], cells["stime"] = user_s * self._ticks_per_s, system_s * self._ticks_per_s
        cells["memory"] = cells["memory_peak_kib"] = row.internal["memory_sampled_kib"] = bytes_to_kib(memory)
        cells["samples"] = 1
        if interval_s > 0:
            cells["cpu_usage"] = cells["cpu_peak_cores"] = (user_s + system_s) / interval_s

    def _processes(self) -> "list[Any]":
        return [self._root, *self._root.children(recursive=True)]

    def _key(self, process: "Any") -> tuple[int, float]:
        return process.pid, process.create_time()

    def _times(self, process: "Any") -> tuple[float, float]:
        times = process.cpu_times()
        return times.user + getattr(times, "children_user", 0.0), times.system + getattr(times, "children_system", 0.0)


class PsutilMachineCollector(Collector):
    """The machine: CPU time, memory, disks, network, space."""

    source = "psutil"

    def __init__(self, psutil: "Any", ticks_per_s: int, directory: str) -> None:
        self._psutil = psutil
        self._ticks_per_s = ticks_per_s
        self._directory = directory
        self._last: dict[str, float] = {}

    def start(self) -> None:
        self._last = self._counters()

    def read(self, row: Row, interval_s: float) -> None:
        before, self._last = self._last, self._counters()
        cells = row.system
        for name, value in self._last.items():
            cells[name] = growth(before.get(name, value), value)
        if interval_s > 0:
            cells["cpu_usage"] = (cells["utime"] + cells["stime"]) / self._ticks_per_s / interval_s
        memory = self._psutil.virtual_memory()
        cells["memory_free"], cells["memory_used"] = bytes_to_kib(memory.free), bytes_to_kib(memory.used)
        cells["memory_available_kib"] = bytes_to_kib(memory.available)
        cells["swap_used_kib"] = bytes_to_kib(self._psutil.swap_memory().used)
        space = self._psutil.disk_usage(self._directory if os.path.exists(self._directory) else os.sep)
        cells["disk_space_total_gb"], cells["disk_space_used_gb"] = bytes_to_gb(space.total), bytes_to_gb(space.used)
        cells["disk_space_free_gb"] = bytes_to_gb(space.free)
        cells["disk_space_used_peak_gb"] = cells["disk_space_used_gb"]

    def _counters(self) -> dict[str, float]:
        cpu, disks = self._psutil.cpu_times(), self._psutil.disk_io_counters()
        nets = [found for name, found in self._psutil.net_io_counters(pernic=True).items() if not name.startswith("lo")]
        counters = {
            "utime": (cpu.user + getattr(cpu, "nice", 0.0)) * self._ticks_per_s,
            "stime": cpu.system * self._ticks_per_s,
            "net_recv_bytes": sum(found.bytes_recv for found in nets),
            "net_sent_bytes": sum(found.bytes_sent for found in nets),
        }
        if disks is not None:
            counters["disk_read_bytes"], counters["disk_write_bytes"] = disks.read_bytes, disks.write_bytes
        return counters
