"""``/proc/PID/mountinfo``: what is mounted where. Source: proc(5), kernel ``Documentation/filesystems/proc.rst``."""

from resource_tracker.errors import ParseError

SOURCE = "/proc/PID/mountinfo"


class Mount:
    """One mount: its device, where it stands, the type of its file system, and what the kernel calls its source."""

    __slots__ = ("device", "kind", "point", "source")

    def __init__(self, device: bytes, point: bytes, kind: bytes, source: bytes) -> None:
        self.device = device
        self.point = point
        self.kind = kind
        self.source = source


def parse(data: bytes) -> list[Mount]:
    """In the order in which they were mounted: of two at one place the later hides the other. Raises ParseError."""
    found = []
    for line in data.split(b"\n"):
        if not line:
            continue
        head, separator, tail = line.partition(b" - ")  # optional fields before it, of any number
        before, after = head.split(b" "), tail.split(b" ")
        if not separator or len(before) < 6 or len(after) < 2:
            raise ParseError(SOURCE, f"unexpected line of {len(before)} and {len(after)} fields")
        found.append(Mount(before[2], unescaped(before[4]), after[0], unescaped(after[1])))
    return found


def unescaped(text: bytes) -> bytes:
    r"""Undoes the kernel's octal escapes: ``\040`` is a blank."""
    first, *rest = text.split(b"\\")
    for part in rest:
        code = part[:3]
        octal = len(code) == 3 and not code.strip(b"01234567") and code < b"400"
        first += bytes([int(code, 8)]) + part[3:] if octal else b"\\" + part
    return first
