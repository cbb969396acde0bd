"""Reads the file of a trace, which anybody may have written in any way."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from resource_tracker.errors import TraceError
from resource_tracker.replay.trace import SHAPE, TraceTask, parse_trace

MOST_BYTES = 64 * 2**20


def read_trace(path: Path) -> list[TraceTask]:
    """The tasks of a CSV file.

    Raises
    ------
    TraceError
        The file cannot be read, or is no trace; the message names it, the line and what is allowed.
    """
    return parse_trace(_text(path), str(path))


def _text(path: Path) -> str:
    """The content of a regular file: a device or a pipe may never end, or never begin."""
    content = _content(path)
    zero = content.find(b"\0")
    if zero >= 0:
        raise TraceError(f"{path}, line {_line_at(content, zero)}: holds a zero byte, and is no text; {SHAPE}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}, line {_line_at(content, error.start)}: not UTF-8 text; {SHAPE}") from None


def _content(path: Path) -> bytes:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise TraceError(f"{path}: is not a regular file: write the trace to one first")
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror or error})") from None
    if len(content) > MOST_BYTES:
        raise TraceError(f"{path}: is larger than {MOST_BYTES // 2**20} MiB: give a part of it")
    return content


def _line_at(content: bytes, offset: int) -> int:
    return content.count(b"\n", 0, offset) + 1
