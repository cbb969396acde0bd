"""``/proc/PID/stat``: parents, CPU time, faults, threads and resident memory of a process.

Source: proc(5), and kernel ``fs/proc/array.c`` (do_task_stat).
"""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import numbers

SOURCE = "/proc/PID/stat"
FIELDS = (1, 7, 9, 10, 11, 12, 13, 14, 17, 19, 21, 25)
"""Those that are read, counted from the one after the name."""


class PidStat:
    """One reading. Times are clock ticks; `rss_pages` pages; `start_time` ticks since boot.

    `start_stack` names the program image: a fork has its parent's, an exec draws a new one (address space layout
    randomisation). It is 0 where we may not know.
    """

    __slots__ = (
        "child_major_faults",
        "child_stime",
        "child_utime",
        "major_faults",
        "minor_faults",
        "name",
        "ppid",
        "rss_pages",
        "start_stack",
        "start_time",
        "state",
        "stime",
        "threads",
        "utime",
    )

    def __init__(self, data: bytes) -> None:
        opened, closed = data.find(b"("), data.rfind(b")")  # a name may hold spaces and brackets
        if not 0 < opened < closed:
            raise ParseError(SOURCE, "no name in brackets")
        fields = data[closed + 1 :].split()
        if len(fields) < 26:
            raise ParseError(SOURCE, f"{len(fields)} fields after the name, expected 26 or more")
        self.name = data[opened + 1 : closed]
        self.state = fields[0]
        (
            self.ppid,
            self.minor_faults,
            self.major_faults,
            self.child_major_faults,
            self.utime,
            self.stime,
            self.child_utime,
            self.child_stime,
            self.threads,
            self.start_time,
            self.rss_pages,
            self.start_stack,
        ) = numbers([fields[at] for at in FIELDS], SOURCE)

    @property
    def ended(self) -> bool:
        """Dead, only not yet waited for. (A leader may end before its threads: then it is a zombie that still runs.)"""
        return self.state in (b"X", b"x") or (self.state == b"Z" and self.threads <= 1)


def parse(data: bytes) -> PidStat:
    """Raises ParseError."""
    return PidStat(data)
