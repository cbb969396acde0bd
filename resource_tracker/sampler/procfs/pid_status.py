"""``/proc/PID/status``: the highest resident memory that a process ever had. Source: proc(5)."""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import kib_line

SOURCE = "/proc/PID/status"


def parse(data: bytes) -> int | None:
    """``VmHWM`` in KiB; ``None`` for a process without memory of its own (kernel thread, zombie). Raises ParseError."""
    mark = kib_line(data, b"VmHWM")
    if mark is None and b"\nPid:" not in data:
        raise ParseError(SOURCE, "no lines of the expected form")
    return mark
