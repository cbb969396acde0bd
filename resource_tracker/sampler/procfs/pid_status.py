"""``/proc/PID/status``: the highest resident memory a process had, and where it may run. Source: proc(5)."""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import kib_line

SOURCE = "/proc/PID/status"
_ALLOWED = b"\nCpus_allowed_list:"
_MOST_CPUS = 1 << 16


def parse(data: bytes) -> int | None:
    """``VmHWM`` in KiB; ``None`` for a process without memory of its own (kernel thread, zombie). Raises ParseError."""
    mark = kib_line(data, b"VmHWM")
    if mark is None and b"\nPid:" not in data:
        raise ParseError(SOURCE, "no lines of the expected form")
    return mark


def allowed_cpus(data: bytes) -> "set[int] | None":
    """The CPUs of ``Cpus_allowed_list`` (its affinity, within its cpuset); ``None`` where that is not told."""
    at = data.find(_ALLOWED)
    if at < 0:
        return None
    cpus: set[int] = set()
    for part in data[at + len(_ALLOWED) :].partition(b"\n")[0].strip().split(b","):
        first, dash, last = part.partition(b"-")
        last = last if dash else first
        if not (first.isdigit() and last.isdigit() and int(last) < _MOST_CPUS):
            return None
        cpus.update(range(int(first), int(last) + 1))
    return cpus
