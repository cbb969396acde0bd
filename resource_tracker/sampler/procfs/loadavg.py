"""``/proc/loadavg``: how many threads run now, and the process id that was given out last. Source: proc(5)."""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import number

SOURCE = "/proc/loadavg"


def parse(data: bytes) -> int:
    """The newest process or thread id of our pid namespace: unchanged, nothing was forked. Raises ParseError."""
    newest = number(_fields(data)[4], SOURCE)
    if not newest:  # gVisor: always, whatever begins
        raise ParseError(SOURCE, "the newest process is not told")
    return newest


def running(data: bytes) -> int:
    """Threads of the machine that run or are ready to, the one that reads included. Raises ParseError."""
    return number(_fields(data)[3].partition(b"/")[0], SOURCE)


def _fields(data: bytes) -> list[bytes]:
    fields = data.split()
    if len(fields) != 5:
        raise ParseError(SOURCE, f"{len(fields)} fields, expected 5")
    return fields
