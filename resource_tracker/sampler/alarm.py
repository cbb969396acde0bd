"""A warning in the step's log, once, when its memory passes a threshold."""

import os

MAX_TRIES = 50
TEXT_BYTES = 1000
"""Less than PIPE_BUF: a line is written as a whole or not at all."""


class MemoryAlarm:
    """Says `text` in the log of process `pid` when it uses `threshold_kib` of memory.

    The log is its standard error, as long as that is still the file ``(device, inode)`` that it was at the start: what
    the step has put in its place is the step's.
    """

    def __init__(self, proc: str, pid: int, threshold_kib: float, file: tuple[int, int], text: str) -> None:
        self._path = f"{proc}/{pid}/fd/2"
        self._threshold_kib = threshold_kib
        self._file = file
        self._line = text.encode()[:TEXT_BYTES].decode(errors="ignore").encode() + b"\n"
        self._tries = 0
        self.is_over = False

    def look(self, memory_kib: float) -> bool:
        """Whether the line was written just now; where the log takes nothing at the moment, the next look tries."""
        if self.is_over or not memory_kib >= self._threshold_kib:
            return False
        self._tries += 1
        written = self._write()
        self.is_over = written or self.is_over or self._tries >= MAX_TRIES
        return written

    def _write(self) -> bool:
        try:
            status = os.stat(self._path)
            if (status.st_dev, status.st_ino) != self._file:
                self.is_over = True
                return False
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return os.write(fd, self._line) == len(self._line)
        except OSError:  # full, or nobody reads
            return False
        finally:
            os.close(fd)


def alarm_of(told: str, proc: str = "/proc") -> "MemoryAlarm | None":
    """What a message asks for: ``THRESHOLD_KIB:PID:DEVICE:INODE:TEXT``, the text in hexadecimal; ``None``: nonsense."""
    try:
        kib, pid, device, inode, text = told.split(":")
        return MemoryAlarm(proc, int(pid), float(kib), (int(device), int(inode)), bytes.fromhex(text).decode())
    except ValueError:
        return None
