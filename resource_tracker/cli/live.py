"""The live status of a running command, at the right edge of the terminal's current line.

The command writes to the same terminal. So the cursor is put back where it was, and what stands to the left,
a prompt or half a line, stays: nothing but the right edge is ever written or erased.
"""

from __future__ import annotations

import os
import termios
from collections.abc import Callable
from typing import TextIO

from resource_tracker.cli.terminal import is_terminal

_SAVE, _RESTORE = "\x1b7", "\x1b8"
_FAR_RIGHT, _LEFT = "\x1b[999C", "\x1b[{}D"
_DIM, _PLAIN, _ERASE = "\x1b[2m", "\x1b[0m", "\x1b[K"
_NARROWEST = 60
"""Columns below which the status would be in the way."""


class LiveLine:
    """Shows what `describe` says, whenever :meth:`update` is called and it does no harm."""

    def __init__(self, stream: TextIO, describe: Callable[[], str | None]) -> None:
        self._stream = stream
        self._describe = describe
        self._width = 0

    def update(self) -> None:
        """Write the status anew; not over a full-screen program, a password prompt, or from the background."""
        if not may_write(self._stream):
            return
        text = self._describe()
        if text is None or os.get_terminal_size(self._stream.fileno()).columns < _NARROWEST:
            return
        self._write(text)

    def clear(self) -> None:
        """Erase the status."""
        if self._width and may_write(self._stream):
            self._write("")

    def _write(self, text: str) -> None:
        width = max(self._width, len(text))
        erased = f"{_FAR_RIGHT}{_LEFT.format(width)}{_ERASE}" if self._width else ""
        shown = f"{_FAR_RIGHT}{_LEFT.format(len(text))}{_DIM}{text}{_PLAIN}" if text else ""
        self._stream.write(f"{_SAVE}{erased}{_RESTORE}{_SAVE}{shown}{_RESTORE}")
        self._stream.flush()
        self._width = len(text)


def can_show(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that knows how to move its cursor."""
    return is_terminal(stream) and os.environ.get("TERM", "dumb") != "dumb"


def may_write(stream: TextIO) -> bool:
    """Whether the terminal is ours to write to: in the foreground, in line mode, echoing."""
    try:
        descriptor = stream.fileno()
        local_modes = termios.tcgetattr(descriptor)[3]
        in_front = os.tcgetpgrp(descriptor) == os.getpgrp()
    except (OSError, termios.error, ValueError):
        return False
    return in_front and bool(local_modes & termios.ICANON) and bool(local_modes & termios.ECHO)
