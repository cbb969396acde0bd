"""Reading small kernel files, and the checks that their parsers share."""

import os

from resource_tracker.errors import ParseError

CHUNK = 1 << 16
MAX_BYTES = 1 << 24
"""No file of interest comes near this; a wrong path (a device, say) must not fill the sampler's memory."""
MAX_DIGITS = 20
"""Digits of 2**64 - 1, the largest number that the kernel prints."""


def read_record(path: str, limit: int = CHUNK) -> bytes:
    """A file that the kernel gives in one piece, up to `limit` bytes. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, limit)
    finally:
        os.close(fd)


def read_whole(path: str) -> bytes:
    """A file of many records, opened anew. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _from_start(fd)
    finally:
        os.close(fd)


class KernelFile:
    """A file that is read again and again: held open, since opening costs as much as reading."""

    __slots__ = ("_fd", "_path")

    def __init__(self, path: str) -> None:
        self._fd = -1
        self._path = path

    def read(self) -> bytes:
        """The whole file as it is now. Raises OSError."""
        return _from_start(self._opened())

    def read_record(self, limit: int = CHUNK) -> bytes:
        """A file that the kernel gives in one piece: to look for more has it made a second time. Raises OSError."""
        return os.pread(self._opened(), limit, 0)

    def close(self) -> None:
        """Lets go of the file; it is opened again when read."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()

    def _opened(self) -> int:
        if self._fd < 0:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        return self._fd


def _from_start(fd: int) -> bytes:
    data = part = os.pread(fd, CHUNK, 0)
    # Files of many records come a page at a time, those of one record at once: only an empty read is the end.
    while part and len(data) < MAX_BYTES:
        part = os.pread(fd, CHUNK, len(data))
        data += part
    return data


def number(field: bytes, source: str) -> int:
    """A plain decimal number below 2**64; ``int()`` alone would take ``+1`` and ``1_0``, too."""
    if field.isdigit() and len(field) <= MAX_DIGITS:
        return int(field)
    raise ParseError(source, f"{field[:40]!r} is not a number")


def numbers(fields: list[bytes], source: str) -> list[int]:
    """As :func:`number`, of many at once: half the time of a reading would else go into the checks."""
    digits = b"".join(fields)
    # An empty field, or one that is too long, does not show in the joined digits.
    if digits.isdigit() and all(fields) and max(map(len, fields)) <= MAX_DIGITS:
        return list(map(int, fields))
    return [number(field, source) for field in fields]


def kib_line(data: bytes, name: bytes) -> int | None:
    """The number of a line such as ``VmHWM:   123 kB``, not the first; ``None`` where there is none of that form."""
    at = data.find(b"\n" + name + b":")
    if at < 0:
        return None
    end = data.find(b"\n", at + 1)
    fields = data[at + len(name) + 2 : end if end >= 0 else len(data)].split()
    is_kib = len(fields) == 2 and fields[1] == b"kB" and fields[0].isdigit() and len(fields[0]) <= MAX_DIGITS
    return int(fields[0]) if is_kib else None


def kib_lines(data: bytes) -> dict[bytes, int]:
    """Lines such as ``MemFree:   123 kB`` by name; lines of another form are left out."""
    found = {}
    for line in data.splitlines():
        name, colon, rest = line.partition(b":")
        fields = rest.split()
        if colon and len(fields) == 2 and fields[1] == b"kB" and fields[0].isdigit() and len(fields[0]) <= MAX_DIGITS:
            found[name] = int(fields[0])
    return found
