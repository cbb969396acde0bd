"""One process as psutil shows it, in the form that the account of a tree takes."""

from resource_tracker.units import bytes_to_kib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from resource_tracker.sampler.account import Io


class PsutilStat:
    """One reading. Times are ticks, as in :class:`resource_tracker.sampler.procfs.pid_stat.PidStat`; memory is KiB.

    What the system does not tell (children's times and page faults on macOS) is 0.
    """

    __slots__ = (
        "child_major_faults",
        "child_stime",
        "child_utime",
        "major_faults",
        "ppid",
        "rss_kib",
        "start_time",
        "stime",
        "utime",
    )

    def __init__(self, process: "Any", start_time: int, ticks_per_s: int) -> None:
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
            self.ppid = process.ppid()
        self.start_time = start_time
        self.utime, self.stime = times.user * ticks_per_s, times.system * ticks_per_s
        self.child_utime = getattr(times, "children_user", 0.0) * ticks_per_s
        self.child_stime = getattr(times, "children_system", 0.0) * ticks_per_s
        self.major_faults, self.child_major_faults = getattr(memory, "pageins", 0), 0  # only macOS tells
        self.rss_kib = bytes_to_kib(memory.rss)


class PsutilMember:
    """A process by (pid, start time), as :class:`resource_tracker.sampler.member.Member`. Raises psutil.Error."""

    __slots__ = ("_ticks_per_s", "counted", "pid", "process", "stat")

    def __init__(self, process: "Any", ticks_per_s: int) -> None:
        self.process = process
        self.pid: int = process.pid
        self.counted = True
        self._ticks_per_s = ticks_per_s
        self.stat = PsutilStat(process, start_time_of(process), ticks_per_s)

    def read(self) -> None:
        """Takes a new reading. Raises psutil.Error where it ended."""
        self.stat = PsutilStat(self.process, self.stat.start_time, self._ticks_per_s)

    def io(self) -> "Io":
        """Bytes read from and written to storage, where the system has such counters. Raises psutil.Error."""
        found = self.process.io_counters()
        return found.read_bytes, found.write_bytes


def start_time_of(process: "Any") -> int:
    """Microseconds of Unix time at which a process began: with the pid it names the process. Raises psutil.Error."""
    created_s: float = process.create_time()
    return round(created_s * 1e6)
