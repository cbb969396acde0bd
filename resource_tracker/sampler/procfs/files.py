"""Reading small kernel files, and the checks that their parsers share."""

import os

from resource_tracker.errors import ParseError

CHUNK = 1 << 16
MAX_BYTES = 1 << 24
"""No file of interest comes near this; a wrong path (a device, say) must not fill the sampler's memory."""
MAX_DIGITS = 20
"""Digits of 2**64 - 1, the largest number that the kernel prints."""


def read_bytes(path: str) -> bytes:
    """The whole file. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, CHUNK)
        if not data:
            return data
        # Files of many records come a page at a time, so only an empty read is the end.
        parts = [data]
        size = len(data)
        while data and size < MAX_BYTES:
            data = os.read(fd, CHUNK)
            parts.append(data)
            size += len(data)
        return b"".join(parts)
    finally:
        os.close(fd)


def read_record(path: str, limit: int = CHUNK) -> bytes:
    """A file that the kernel gives in one piece, up to `limit` bytes. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, limit)
    finally:
        os.close(fd)


def number(field: bytes, source: str) -> int:
    """A plain decimal number below 2**64; ``int()`` alone would take ``+1`` and ``1_0``, too."""
    if field.isdigit() and len(field) <= MAX_DIGITS:
        return int(field)
    raise ParseError(source, f"{field[:40]!r} is not a number")


def kib_lines(data: bytes) -> dict[bytes, int]:
    """Lines such as ``MemFree:   123 kB`` by name; lines of another form are left out."""
    found = {}
    for line in data.splitlines():
        name, colon, rest = line.partition(b":")
        fields = rest.split()
        if colon and len(fields) == 2 and fields[1] == b"kB" and fields[0].isdigit() and len(fields[0]) <= MAX_DIGITS:
            found[name] = int(fields[0])
    return found
