"""A line that says what is being done, gone when it is done."""

from __future__ import annotations

import os
import shutil
from types import TracebackType
from typing import TextIO

from resource_tracker.cli.live import can_show, may_write
from resource_tracker.cli.messages import printable

_DIM, _PLAIN, _ERASE_LINE = "\x1b[2m", "\x1b[0m", "\r\x1b[K"


class Progress:
    """Shows on a terminal what is being done; writes nothing anywhere else, and leaves nothing behind."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shows = can_show(stream)
        self._written = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._written and may_write(self._stream):
            self._write(_ERASE_LINE)

    def update(self, text: str) -> None:
        """Say what is being done now."""
        if self._shows and may_write(self._stream):
            columns = shutil.get_terminal_size().columns
            style, plain = ("", "") if os.environ.get("NO_COLOR") else (_DIM, _PLAIN)
            self._write(f"{_ERASE_LINE}{style}{printable(text)[: columns - 1]}{plain}")
            self._written = True

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
