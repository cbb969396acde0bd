"""``/proc/net/dev``: bytes that each network interface received and sent. Source: proc(5)."""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import number

SOURCE = "/proc/net/dev"


def parse(data: bytes) -> dict[str, tuple[int, int]]:
    """``(bytes received, bytes sent)`` by interface, loopback included. Raises ParseError."""
    lines = data.splitlines()
    if len(lines) < 2 or b"|" not in lines[1]:
        raise ParseError(SOURCE, "no heading")
    found = {}
    for line in lines[2:]:
        name, colon, rest = line.rpartition(b":")  # a name may hold a colon (an alias), the numbers cannot
        fields = rest.split()
        if not colon or len(fields) < 9:
            raise ParseError(SOURCE, f"unexpected line {line[:40]!r}")
        found[name.strip().decode("utf-8", "replace")] = (number(fields[0], SOURCE), number(fields[8], SOURCE))
    return found
