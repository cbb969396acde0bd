"""``/proc/PID/stat``: parents, CPU time, faults, threads and resident memory of a process.

Source: proc(5), and kernel ``fs/proc/array.c`` (do_task_stat).
"""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import number

SOURCE = "/proc/PID/stat"


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
        self.ppid = number(fields[1], SOURCE)
        self.minor_faults = number(fields[7], SOURCE)
        self.major_faults = number(fields[9], SOURCE)
        self.child_major_faults = number(fields[10], SOURCE)
        self.utime = number(fields[11], SOURCE)
        self.stime = number(fields[12], SOURCE)
        self.child_utime = number(fields[13], SOURCE)
        self.child_stime = number(fields[14], SOURCE)
        self.threads = number(fields[17], SOURCE)
        self.start_time = number(fields[19], SOURCE)
        self.rss_pages = number(fields[21], SOURCE)
        self.start_stack = number(fields[25], SOURCE)

    @property
    def ended(self) -> bool:
        """Dead, only not yet waited for. (A leader may end before its threads: then it is a zombie that still runs.)"""
        return self.state in (b"X", b"x") or (self.state == b"Z" and self.threads <= 1)


def parse(data: bytes) -> PidStat:
    """Raises ParseError."""
    return PidStat(data)
