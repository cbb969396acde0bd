"""``/proc/diskstats``: sectors that each block device read and wrote.

Source: kernel ``Documentation/admin-guide/iostats.rst``.
"""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import number

SOURCE = "/proc/diskstats"


def parse(data: bytes) -> dict[str, tuple[int, int]]:
    """``(sectors read, sectors written)`` by device, partitions and virtual ones included. Raises ParseError."""
    found = {}
    for line in data.splitlines():
        fields = line.split()
        if len(fields) < 14:
            raise ParseError(SOURCE, f"{len(fields)} fields, expected 14 or more")
        name = fields[2].decode("utf-8", "replace")
        found[name] = (number(fields[5], SOURCE), number(fields[9], SOURCE))
    return found
