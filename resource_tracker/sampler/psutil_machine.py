"""The collector of the machine's figures through psutil, for systems without ``/proc``."""

import os

from resource_tracker.sampler.collector import Collector, Row, growth
from resource_tracker.units import bytes_to_gb, bytes_to_kib, ticks_to_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PsutilMachineCollector(Collector):
    """The machine: CPU time, memory, disks, network, space. A column that psutil has not here stays nan."""

    source = "psutil"

    def __init__(self, psutil: "Any", ticks_per_s: int, directory: str) -> None:
        self._psutil = psutil
        self._ticks_per_s = ticks_per_s
        self._directory = directory
        self._last: dict[str, float] = {}
        self._peak_gb = 0.0

    def start(self) -> None:
        self._last = self._counters()

    def sweep(self, now_s: float) -> None:
        self._space()

    def read(self, row: Row, interval_s: float) -> None:
        before, self._last = self._last, self._counters()
        cells = row.system
        for name, value in self._last.items():
            cells[name] = growth(before.get(name, value), value)
        if interval_s > 0:
            cells["cpu_usage"] = ticks_to_seconds(cells["utime"] + cells["stime"], self._ticks_per_s) / interval_s
        row.cores = self._core_ticks
        self._fill_memory(row)
        space = self._space()
        cells["disk_space_total_gb"], cells["disk_space_used_gb"] = bytes_to_gb(space.total), bytes_to_gb(space.used)
        cells["disk_space_free_gb"] = bytes_to_gb(space.total - space.used)
        cells["disk_space_used_peak_gb"], self._peak_gb = self._peak_gb, 0.0

    def _fill_memory(self, row: Row) -> None:
        memory, cells = self._psutil.virtual_memory(), row.system
        cells["memory_free"] = bytes_to_kib(memory.free)
        cells["memory_available_kib"] = bytes_to_kib(memory.available)
        cells["swap_used_kib"] = bytes_to_kib(self._psutil.swap_memory().used)
        if hasattr(memory, "cached"):
            cells["memory_buffers"], cells["memory_cached"] = bytes_to_kib(memory.buffers), bytes_to_kib(memory.cached)
            cells["memory_shared_kib"] = bytes_to_kib(memory.shared)
            used = memory.total - memory.free - memory.buffers - memory.cached
            cells["memory_used"] = bytes_to_kib(max(0, used))
        else:
            cells["memory_used"] = bytes_to_kib(memory.used)

    def _space(self) -> "Any":
        try:
            found = self._psutil.disk_usage(self._directory)
        except OSError:
            self._directory = os.sep  # that directory is gone
            found = self._psutil.disk_usage(os.sep)
        self._peak_gb = max(self._peak_gb, bytes_to_gb(found.used))
        return found

    def _core_ticks(self) -> "dict[int, tuple[float, float]]":
        """Busy seconds and all seconds of each core."""
        ticks = {}
        for number, times in enumerate(self._psutil.cpu_times(percpu=True)):
            busy = sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq"))
            rest = sum(getattr(times, name, 0.0) for name in ("idle", "iowait", "steal"))
            ticks[number] = (busy, busy + rest)
        return ticks

    def _counters(self) -> dict[str, float]:
        cpu, disks = self._psutil.cpu_times(), self._psutil.disk_io_counters()
        nets = [found for name, found in self._psutil.net_io_counters(pernic=True).items() if not name.startswith("lo")]
        interrupts = getattr(cpu, "irq", 0.0) + getattr(cpu, "softirq", 0.0)
        counters = {
            "utime": (cpu.user + getattr(cpu, "nice", 0.0)) * self._ticks_per_s,
            "stime": (cpu.system + interrupts) * self._ticks_per_s,
            "net_recv_bytes": sum(found.bytes_recv for found in nets),
            "net_sent_bytes": sum(found.bytes_sent for found in nets),
        }
        if disks is not None:
            counters["disk_read_bytes"], counters["disk_write_bytes"] = disks.read_bytes, disks.write_bytes
        return counters
