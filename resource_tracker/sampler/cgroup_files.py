"""The files of a cgroup that are read, of both versions.

Source: kernel, Documentation/admin-guide/cgroup-v2.rst, admin-guide/cgroup-v1/{cpuacct,memory}.rst and
scheduler/sched-bwc.rst.
"""

import os

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import MAX_DIGITS, number, read_record
from resource_tracker.units import bytes_to_kib

CPU_STAT, CPUACCT_USAGE = "cpu.stat", "cpuacct.usage"
MEMORY_STAT, MEMORY_EVENTS, OOM_CONTROL = "memory.stat", "memory.events", "memory.oom_control"
PROCS = "cgroup.procs"


def numbers_by_name(data: bytes) -> dict[bytes, int]:
    """Lines such as ``nr_periods 12``, by name; lines of another form are left out."""
    found = {}
    for line in data.splitlines():
        name, _, value = line.partition(b" ")
        if value.isdigit() and len(value) <= MAX_DIGITS:
            found[name] = int(value)
    return found


def cpu_s(data: bytes, name: str) -> float:
    """CPU seconds of all that ever ran in the cgroup, from its file `name`. Raises ParseError."""
    if name == CPUACCT_USAGE:
        return number(data.strip(), name) / 1e9
    found = numbers_by_name(data)
    if b"usage_usec" not in found:
        raise ParseError(name, "no line usage_usec")
    return found[b"usage_usec"] / 1e6


def memory_kib(data: bytes) -> int:
    """Anonymous and shared memory of the cgroup, without those below it on version 1. Raises ParseError.

    The file cache is no part of it, nor are mapped files: the kernel can take both back.
    """
    anonymous = _number_of(data, b"anon")
    if anonymous is None:
        anonymous = _number_of(data, b"rss")  # the name of version 1
    if anonymous is None:
        raise ParseError(MEMORY_STAT, "no line anon or rss")
    return int(bytes_to_kib(anonymous + (_number_of(data, b"shmem") or 0)))


def _number_of(data: bytes, name: bytes) -> int | None:
    """One line's number: of fifty lines, ten times a second, two are of interest."""
    at = 0 if data.startswith(name + b" ") else data.find(b"\n" + name + b" ") + 1
    if not at and not data.startswith(name + b" "):
        return None
    value = data[at + len(name) + 1 :].partition(b"\n")[0]
    return int(value) if value.isdigit() and len(value) <= MAX_DIGITS else None


def throttling(data: bytes) -> tuple[float, ...] | None:
    """``(periods, throttled periods, seconds held back)`` of a ``cpu.stat``; ``None`` where no quota can be set.

    The kernel adds up what each CPU was held back, so the seconds may go faster than the clock.
    """
    found = numbers_by_name(data)
    if b"nr_periods" not in found or b"nr_throttled" not in found:
        return None
    held_back_s = (
        found[b"throttled_usec"] / 1e6 if b"throttled_usec" in found else found.get(b"throttled_time", 0) / 1e9
    )
    return float(found[b"nr_periods"]), float(found[b"nr_throttled"]), held_back_s


def oom_kills(data: bytes) -> tuple[float, ...] | None:
    """Processes of the cgroup that the kernel killed for memory; ``None`` where it does not tell (before 4.13)."""
    kills = numbers_by_name(data).get(b"oom_kill")
    return None if kills is None else (float(kills),)


def has_quota(directory: str) -> bool:
    """Whether a cgroup may use only part of the CPU time, by its own limit."""
    for name in ("cpu.max", "cpu.cfs_quota_us"):
        try:
            words = read_record(f"{directory}/{name}", 256).split()
        except OSError:
            continue
        return bool(words) and words[0].isdigit()
    return False


def is_root(directory: str) -> bool:
    """Whether a cgroup of version 2 is the machine's own, in which all others are: only that has no type."""
    return not os.path.exists(f"{directory}/cgroup.type")


def pids(data: bytes) -> list[int]:
    """Processes of the cgroup, as our pid namespace counts them: 0 is one outside of it. Raises ParseError."""
    return [number(field, PROCS) for field in data.split()]
