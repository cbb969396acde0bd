"""``/proc/meminfo``: memory of the machine. Source: proc(5)."""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import kib_line

SOURCE = "/proc/meminfo"


NAMES = (
    *(b"MemTotal", b"MemFree", b"MemAvailable", b"Buffers", b"Cached", b"SReclaimable"),
    *(b"Active(anon)", b"Inactive(anon)", b"Shmem", b"SwapTotal", b"SwapFree"),
)
"""Lines that are read; the file has five times as many."""


def parse(data: bytes) -> dict[bytes, int]:
    """KiB by name, of those of :data:`NAMES` that are there; always ``MemTotal`` and ``MemFree``. Raises ParseError."""
    data = b"\n" + data
    found = {name: kib for name in NAMES if (kib := kib_line(data, name)) is not None}
    for name in (b"MemTotal", b"MemFree"):
        if name not in found:
            raise ParseError(SOURCE, f"no line {name.decode()}")
    return found
