"""Collectors of the machine's figures: CPU and memory."""

from resource_tracker.sampler.collector import Collector, Row, growth
from resource_tracker.sampler.procfs import cpu_cores, cpu_stat, meminfo
from resource_tracker.sampler.procfs.files import KernelFile
from resource_tracker.units import ticks_to_seconds


class CpuCollector(Collector):
    """CPU time of the machine, that of each core for who asks, and the forks since boot."""

    source = cpu_stat.SOURCE

    def __init__(self, proc: str, ticks_per_s: int) -> None:
        self._file = KernelFile(f"{proc}/stat")
        self._ticks_per_s = ticks_per_s
        self._data = b""
        self._last: cpu_stat.CpuStat | None = None

    def start(self) -> None:
        self._last = self._reading()

    def read(self, row: Row, interval_s: float) -> None:
        now = self._reading()
        before = self._last or now
        self._last = now
        data = self._data
        row.cores = lambda: cpu_cores.parse(data)
        system = row.system
        system["processes"] = now.forks
        system["utime"] = growth(before.user, now.user)
        system["stime"] = growth(before.system, now.system)
        stolen = growth(before.stolen, now.stolen)
        if stolen > 0:
            row.stolen_share = stolen / (system["utime"] + system["stime"] + stolen)
        if interval_s > 0:
            used_s = ticks_to_seconds(system["utime"] + system["stime"], self._ticks_per_s)
            used, cores = used_s / interval_s, data.count(b"\ncpu")
            # In a row of a few ms, whole ticks can be more than all cores have done.
            system["cpu_usage"] = min(used, cores) if cores else used

    def _reading(self) -> cpu_stat.CpuStat:
        self._data = self._file.read()
        return cpu_stat.parse(self._data)


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
