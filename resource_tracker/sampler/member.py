"""One process of the step's tree, and how it is read again."""

import os

from resource_tracker.sampler.procfs import pid_stat
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.sampler.procfs.pid_stat import PidStat

STAT_BYTES = 4096


class Member:
    """A process by (pid, start time), with its last reading in `stat`.

    `counted` is False for watchers, and for processes of other attempts that our own started.
    Raises OSError, ParseError.
    """

    __slots__ = ("_fd", "_path", "counted", "pid", "rechecked", "stat")

    def __init__(self, proc: str, pid: int) -> None:
        self.pid = pid
        self.counted = True
        self.rechecked = False
        self._path = f"{proc}/{pid}/stat"
        self._fd = -1
        self.stat: PidStat = self._reading()

    def keep_open(self) -> None:
        """Holds the file open: reading again costs a third, and never meets another process of the same pid."""
        self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bool:
        """Takes a new reading into `stat`; False where the process is gone. Raises ParseError."""
        try:
            stat = self._reading()
        except OSError:
            return False
        if stat.start_time != self.stat.start_time:
            return False
        self.stat = stat
        return True

    def _reading(self) -> PidStat:
        data = os.pread(self._fd, STAT_BYTES, 0) if self._fd >= 0 else read_record(self._path, STAT_BYTES)
        return pid_stat.parse(data)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
