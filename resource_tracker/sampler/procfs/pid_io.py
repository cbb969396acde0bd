"""``/proc/PID/io``: bytes that a process, and the children it waited for, read from and wrote to storage.

Source: proc(5), and kernel ``fs/proc/base.c`` (do_io_accounting).
"""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import number

SOURCE = "/proc/PID/io"


def parse(data: bytes) -> tuple[int, int]:
    """``(read_bytes, write_bytes)``. Raises ParseError."""
    found = {}
    for line in data.splitlines():
        name, _, value = line.partition(b": ")
        if name in (b"read_bytes", b"write_bytes"):
            found[name] = number(value, SOURCE)
    if len(found) != 2:
        raise ParseError(SOURCE, "no read_bytes or no write_bytes")
    return found[b"read_bytes"], found[b"write_bytes"]
