"""One process of the step's tree, and how it is read again."""

import os

from resource_tracker.sampler.procfs import pid_stat
from resource_tracker.sampler.procfs.files import KernelFile, read_record, read_whole
from resource_tracker.sampler.procfs.pid_stat import PidStat

STAT_BYTES = 4096


class Member:
    """A process by (pid, start time), with its last reading in `stat`.

    `counted` is False for watchers, and for processes of other attempts that our own started.
    Raises OSError, ParseError.
    """

    __slots__ = ("_children", "_fd", "_path", "_seen", "counted", "pid", "rechecked", "stat")

    def __init__(self, proc: str, pid: int) -> None:
        self.pid = pid
        self.counted = True
        self.rechecked = False
        self._path = f"{proc}/{pid}/stat"
        self._fd = -1
        self._children: KernelFile | None = None  # of thousands of members, few are asked
        data = self._read()
        self._seen = hash(data)  # the bytes themselves would be most of what a member takes
        self.stat: PidStat = pid_stat.parse(data)

    def keep_open(self) -> None:
        """Holds the file open: reading again costs a third, and never meets another process of the same pid."""
        self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bool:
        """Takes a new reading into `stat`; False where the process is gone. Raises ParseError.

        A process that does nothing keeps the very same `stat`: most do, most of the time.
        """
        try:
            data = self._read()
        except OSError:
            return False
        seen = hash(data)
        if seen != self._seen:
            stat = pid_stat.parse(data)
            if stat.start_time != self.stat.start_time:
                return False
            self._seen, self.stat = seen, stat
        return True

    def _read(self) -> bytes:
        return os.pread(self._fd, STAT_BYTES, 0) if self._fd >= 0 else read_record(self._path, STAT_BYTES)

    def read_children(self) -> bytes:
        """The list of what its first thread forked and is still there. Raises OSError."""
        path = self._path.removesuffix("stat") + f"task/{self.pid}/children"
        if self._fd < 0:  # there are many: it is not held open
            return read_whole(path)
        if self._children is None:
            self._children = KernelFile(path)
        return self._children.read()

    def close(self) -> None:
        if self._children is not None:
            self._children.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
