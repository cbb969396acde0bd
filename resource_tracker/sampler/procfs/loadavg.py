"""``/proc/loadavg``: how many threads run now, and the process id that was given out last. Source: proc(5)."""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import KernelFile, number

SOURCE = "/proc/loadavg"
RECORD_BYTES = 256


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


class Loadavg:
    """The file, held open: what it says is asked for twice in each sub-sample, and read once."""

    def __init__(self, proc: str) -> None:
        self._file = KernelFile(f"{proc}/loadavg")
        self._unused = b""
        self._last_field = b""
        self._newest = 0

    def newest_pid(self) -> int:
        """As :func:`parse`, of now."""
        self._unused = data = self._file.read_record(RECORD_BYTES)
        last_field = data[data.rfind(b" ") :]
        if last_field != self._last_field:
            self._newest, self._last_field = parse(data), last_field
        return self._newest

    def running(self) -> int:
        """As :func:`running`, of the last reading where nobody asked that of it yet."""
        data, self._unused = self._unused, b""
        return running(data or self._file.read_record(RECORD_BYTES))
