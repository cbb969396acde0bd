"""``/proc/PID/task/TID/schedstat``: how long a thread was ready to run, but had to wait for a CPU.

Source: kernel, Documentation/scheduler/sched-stats.rst.
"""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import number

SOURCE = "/proc/PID/schedstat"


def parse(data: bytes) -> int:
    """Nanoseconds waited since the thread began. Raises ParseError."""
    fields = data.split()
    if len(fields) != 3:
        raise ParseError(SOURCE, f"{len(fields)} fields, expected 3")
    return number(fields[1], SOURCE)
