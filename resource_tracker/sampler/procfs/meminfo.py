"""``/proc/meminfo``: memory of the machine. Source: proc(5)."""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import kib_lines

SOURCE = "/proc/meminfo"


def parse(data: bytes) -> dict[bytes, int]:
    """KiB by name; ``MemTotal`` and ``MemFree`` are always among them. Raises ParseError."""
    lines = kib_lines(data)
    for name in (b"MemTotal", b"MemFree"):
        if name not in lines:
            raise ParseError(SOURCE, f"no line {name.decode()}")
    return lines
