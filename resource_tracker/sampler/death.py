"""How the watched process ended. It is not our child, so nobody lets us wait for it; but the kernel tells.

Sources: kernel ``include/uapi/linux/pidfd.h`` (PIDFD_GET_INFO, with the exit code since Linux 6.15, once the process
has been waited for); proc(5), the last field of ``/proc/PID/stat`` (while it has not been); ``/proc/vmstat``.
"""

import os
import struct

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import KernelFile, read_record

PIDFD, ZOMBIE = "pidfd", "/proc/PID/stat"
"""Where a status was read."""
_INFO = struct.Struct("=QQ11Ii")
"""Mask, cgroup, eleven ids, exit code: the first version of ``struct pidfd_info``."""
_GET_INFO = 0xC000FF0B | _INFO.size << 16
_HAS_EXIT = 1 << 3
_STATE_AT, _START_TIME_AT, _EXIT_CODE_AT = 0, 19, 49
"""Fields of a process's ``stat``, counted from the one after the name."""
_OOM_KILL = b"\noom_kill "


def exit_status(fd: int, proc: str, pid: int, start_time: int) -> "tuple[int, str] | None":
    """The wait status of a process that has ended, and where it was read; ``None`` where nobody tells.

    `fd` is its pidfd, or -1. Between the two looks its parent may have waited for it: then the first way works.
    """
    for look in (_of_pidfd, _of_zombie, _of_pidfd):
        status = look(fd, proc, pid, start_time)
        if status is not None:
            return status, ZOMBIE if look is _of_zombie else PIDFD
    return None


def _of_pidfd(fd: int, proc: str, pid: int, start_time: int) -> int | None:
    if fd < 0:
        return None
    try:
        import fcntl  # only here: 0.1 MB

        answer = fcntl.ioctl(fd, _GET_INFO, _INFO.pack(_HAS_EXIT, *[0] * 13))
        mask, *_, status = _INFO.unpack(answer)
    except (OSError, ImportError):
        return None  # before Linux 6.13; and before 6.15 of one that has been waited for
    return status if mask & _HAS_EXIT else None


def _of_zombie(fd: int, proc: str, pid: int, start_time: int) -> int | None:
    try:
        data = read_record(f"{proc}/{pid}/stat")
        fields = data[data.rfind(b")") + 1 :].split()
        if fields[_STATE_AT] not in (b"Z", b"X") or int(fields[_START_TIME_AT]) != start_time:
            return None
        status = int(fields[_EXIT_CODE_AT])
        # Of another user's process the kernel shows 0, whatever it was.
        readable = status or os.geteuid() in (0, os.stat(f"{proc}/{pid}").st_uid)
    except (OSError, ValueError, IndexError):
        return None
    return status if readable else None


class MachineKills:
    """How many processes the kernel has just killed for lack of memory, anywhere on the machine.

    Call :meth:`look` once a row.
    """

    def __init__(self, proc: str) -> None:
        self._file = KernelFile(f"{proc}/vmstat")
        self._looks: list[int] = []
        self._works = True

    def look(self) -> None:
        """Notes the count of this moment."""
        if not self._works:
            return
        try:
            self._looks = [*self._looks[-2:], _kills(self._file.read())]
        except (OSError, ParseError):  # before Linux 4.13, or hidden
            self._works = False

    @property
    def recent(self) -> int:
        """Within the last two rows."""
        return self._looks[-1] - self._looks[0] if self._looks else 0


def _kills(data: bytes) -> int:
    at = data.find(_OOM_KILL)
    if at < 0:
        raise ParseError("/proc/vmstat", "no oom_kill")
    number = data[at + len(_OOM_KILL) :].split(b"\n", 1)[0]
    if not number.isdigit():
        raise ParseError("/proc/vmstat", f"{number[:20]!r} is not a number")
    return int(number)
