"""How the sampler learns that the step's process ended."""

import os
import select

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs import pid_stat
from resource_tracker.sampler.procfs.files import read_record

CHECK_EVERY_S = 0.25
"""Without a pidfd (before Linux 5.3 and Python 3.9, or forbidden): how often to look."""


class Lifeline:
    """The life of one process, by pid and start time."""

    def __init__(self, proc: str, pid: int, start_time: int) -> None:
        self._proc = proc
        self._pid = pid
        self._path = f"{proc}/{pid}/stat"
        self._start_time = start_time
        try:
            self.fd = os.pidfd_open(pid)
        except (OSError, AttributeError):
            self.fd = -1
        # Only now: were the pid another process's already, the descriptor would be, too.
        self._ended = not self._still_there()

    @property
    def check_every_s(self) -> float | None:
        """How often `ended` must be asked; ``None`` where the descriptor `fd` becomes readable at the end."""
        return None if self.fd >= 0 else CHECK_EVERY_S

    def ended(self, wait_s: float = 0.0) -> bool:
        """Whether it ended, or does within about `wait_s`."""
        if not self._ended:
            poll = select.poll()
            if self.fd >= 0:
                poll.register(self.fd, select.POLLIN)
            self._ended = bool(poll.poll(wait_s * 1000)) or (self.fd < 0 and not self._still_there())
        return self._ended

    def exit_status(self) -> "tuple[int, str] | None":
        """How it ended, once it has: its wait status, and where that was read; ``None`` where nobody tells."""
        from resource_tracker.sampler.death import exit_status  # hardly ever needed

        return exit_status(self.fd, self._proc, self._pid, self._start_time)

    def _still_there(self) -> bool:
        try:
            stat = pid_stat.parse(read_record(self._path))
        except (OSError, ParseError):
            return False
        return stat.start_time == self._start_time and not stat.ended
