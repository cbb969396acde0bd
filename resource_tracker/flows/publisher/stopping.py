"""SIGTERM: whoever shuts down a machine or stops a container sends it to everybody, some seconds before SIGKILL.

The publisher does not end by it, but writes at once what may be the last record of the attempt.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress

from resource_tracker.sampler.lifeline import Lifeline


class Stopping:
    """From now on SIGTERM is noted; one that came since this process began counts, too.

    Attributes
    ----------
    at : float or None
        Unix time of the first one.
    """

    def __init__(self) -> None:
        self.at: float | None = None
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGTERM, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # whoever started this has blocked it

    def is_recent(self, seconds: float) -> bool:
        """Whether it came, and no longer ago than this."""
        return self.at is not None and time.time() - self.at <= seconds

    def wait(self, task: Lifeline, most_s: float) -> None:
        """Until the task ends or SIGTERM comes, or for so long; where only looking tells of the end, perhaps less."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if task.check_every_s is None:
            poll.register(task.fd, select.POLLIN)
        else:
            most_s = min(most_s, task.check_every_s)
        if self._reader in dict(poll.poll(most_s * 1000)):
            os.read(self._reader, 64)

    def _note(self, number: int, frame: object) -> None:
        if self.at is None:
            self.at = time.time()
        with suppress(BlockingIOError):  # it wakes up for fewer, too
            os.write(self._writer, b"!")
