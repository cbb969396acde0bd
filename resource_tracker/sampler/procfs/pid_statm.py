"""``/proc/PID/statm``: resident memory of a process, and how much of it has a file or shared memory behind it.

Source: proc(5).
"""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import number

SOURCE = "/proc/PID/statm"


def parse(data: bytes) -> tuple[int, int]:
    """``(resident, shared)`` in pages. Raises ParseError."""
    fields = data.split()
    if len(fields) != 7:
        raise ParseError(SOURCE, f"{len(fields)} fields, expected 7")
    return number(fields[1], SOURCE), number(fields[2], SOURCE)
