"""``/proc/stat``: CPU time of the machine, and forks since boot. Source: proc(5)."""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import number

SOURCE = "/proc/stat"


class CpuStat:
    """One reading, in clock ticks. `user` has nice and guests in it, `system` interrupts.

    `stolen` is in neither: time for which a hypervisor ran somebody else where a CPU had work here.
    """

    __slots__ = ("forks", "stolen", "system", "user")

    def __init__(self, user: int, system: int, stolen: int, forks: int) -> None:
        self.user = user
        self.system = system
        self.stolen = stolen
        self.forks = forks


def parse(data: bytes) -> CpuStat:
    """Raises ParseError."""
    first, _, rest = data.partition(b"\n")
    fields = first.split()
    if len(fields) < 5 or fields[0] != b"cpu":
        raise ParseError(SOURCE, "the first line is not the sum of all CPUs")
    ticks = [number(field, SOURCE) for field in fields[1:9]] + [0, 0, 0, 0]
    if not any(ticks):  # gVisor
        raise ParseError(SOURCE, "CPU time is not counted")
    user, nice, system, _, _, irq, softirq, stolen = ticks[:8]
    at = rest.find(b"\nprocesses ")
    if at < 0:
        raise ParseError(SOURCE, "no line processes")
    forks = number(rest[at + len(b"\nprocesses ") :].partition(b"\n")[0], SOURCE)
    return CpuStat(user + nice, system + irq + softirq, stolen, forks)
