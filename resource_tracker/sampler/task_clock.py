"""CPU time of the step's processes to the nanosecond, by a counter that the kernel hands on to all that they start.

A process of a millisecond, one that nobody waits for, a daemon of a daemon: each inherits the counter as it is forked,
and what it used is in the counter after its end. ``/proc`` shows neither.

Source: perf_event_open(2), ``PERF_COUNT_SW_TASK_CLOCK`` with ``inherit``; kernel, include/uapi/linux/perf_event.h.
"""

import ctypes
import errno
import os
import struct

SOURCE = "task clock (perf_event_open)"
SYSCALLS = {"x86_64": 298, "aarch64": 241, "ppc64le": 319, "s390x": 331, "riscv64": 241, "loongarch64": 241}
"""Number of the system call, by machine; of 64-bit processes only."""
MAX_THREADS = 64
"""Each thread that runs already when the counting begins needs a descriptor; later ones inherit."""
PASSES = 3
_SOFTWARE, _TASK_CLOCK = 1, 1
_ATTRIBUTES_BYTES = 128
_INHERIT, _NO_KERNEL, _NO_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
"""Without the last two, ``perf_event_paranoid`` of 2 forbids it. A clock counts time in the kernel all the same."""
_CLOSE_ON_EXEC = 8
_COUNT = struct.Struct("=Q")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class TaskClock:
    """Counts from now on what some processes use, and all that they start.

    Parameters
    ----------
    proc : str
        ``/proc``.
    pids : callable
        The processes, as they are now: asked again until none is new.

    Raises
    ------
    OSError
        The kernel does not permit it (as in most containers), has no such counter, or there are too many threads.
    """

    def __init__(self, proc: str, pids: "Callable[[], Iterable[int]]") -> None:
        self._fds: dict[int, int] = {}
        try:
            self._open_all(proc, pids)
        except OSError:
            self.close()
            raise

    def _open_all(self, proc: str, pids: "Callable[[], Iterable[int]]") -> None:
        open_counter = _counter_opener()
        for _ in range(PASSES):  # whoever began before its parent was counted has not inherited anything
            new = [thread for pid in pids() for thread in _threads(proc, pid) if thread not in self._fds]
            if not new:
                return
            if len(self._fds) + len(new) > MAX_THREADS:
                raise OSError(errno.EMFILE, "too many threads")
            for thread in new:
                try:
                    self._fds[thread] = open_counter(thread)
                except ProcessLookupError:
                    continue  # it just ended

    def seconds(self) -> float | None:
        """CPU time since the counting began; ``None`` where it cannot be read any more."""
        try:
            nanoseconds: int = sum(_COUNT.unpack(os.read(fd, _COUNT.size))[0] for fd in self._fds.values())
        except OSError:
            return None
        return nanoseconds / 1e9

    def close(self) -> None:
        """The watched processes are rid of the counters, too."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()


def _threads(proc: str, pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"{proc}/{pid}/task")]
    except OSError:
        return []


def _counter_opener() -> "Callable[[int], int]":
    number = SYSCALLS.get(os.uname().machine)
    if number is None or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise OSError(errno.ENOSYS, "the number of the system call is not known")
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    flags = _INHERIT | _NO_KERNEL | _NO_HYPERVISOR
    fields = struct.pack("=IIQQQQQ", _SOFTWARE, _ATTRIBUTES_BYTES, _TASK_CLOCK, 0, 0, 0, flags)
    attributes = ctypes.create_string_buffer(fields, _ATTRIBUTES_BYTES)

    def open_counter(thread: int) -> int:
        fd: int = syscall(
            ctypes.c_long(number),
            attributes,
            ctypes.c_int(thread),
            ctypes.c_int(-1),
            ctypes.c_int(-1),
            ctypes.c_ulong(_CLOSE_ON_EXEC),
        )
        if fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return fd

    return open_counter
