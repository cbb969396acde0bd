"""What the kernel lets a process use, where that is less than the machine.

CPU comes from the affinity mask, cpusets and cgroup quotas; memory from cgroup limits. Limits nest, so every
cgroup from the process's own up to the root of the mount is read and the lowest wins. A file that is missing,
unreadable or not as documented is passed over: a limit that cannot be read is no reason to fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from resource_tracker.records import Limits
from resource_tracker.sampler.cgroup_paths import V2, cgroup_directories
from resource_tracker.sampler.shared_memory import SHARED_MEMORY, shared_memory_bytes
from resource_tracker.units import bytes_to_mib, kib_to_bytes

_READ_AT_MOST = 256 * 1024
_MEMORY_FILES = (
    (V2, "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Controller, and the files of limit and use, and which part of it is file cache that goes first."""


class Bound(NamedTuple):
    """One limit and the file that states it; of a CPU quota also its period."""

    value: float
    source: str
    period_s: float | None = None


def read_text(root: str, path: str, limit: int = _READ_AT_MOST) -> str | None:
    """Return up to ``limit`` bytes of an absolute path under ``root``; ``None`` if it cannot be read."""
    try:
        with open(root.rstrip("/") + path, "rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except (OSError, ValueError):  # ValueError: a NUL in a path that came from a hostile mountinfo
        return None


def whole_number(text: str) -> int | None:
    """Return a plain decimal number; ``None`` for anything else, such as ``max``, ``-1`` or 10,000 digits."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def parse_cpu_list(text: str) -> int | None:
    """Return how many CPUs a kernel list such as ``0-3,8`` names; ``None`` if it names none or is malformed.

    Source: kernel, Documentation/admin-guide/cputopology.rst.
    """
    cpus = 0
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        low, high = whole_number(first), whole_number(last if dash else first)
        if low is None or high is None or high < low:
            return None
        cpus += high - low + 1
    return cpus


def online_cpus(root: str = "/") -> int | None:
    """Return the number of online CPUs of the machine, ``None`` where the kernel does not tell."""
    online = read_text(root, "/sys/devices/system/cpu/online")
    if online is not None and (cpus := parse_cpu_list(online)):
        return cpus
    stat = read_text(root, "/proc/stat") or ""
    return sum(line[:3] == "cpu" and line[3:4].isdigit() for line in stat.splitlines()) or None


def memory_total_bytes(root: str = "/") -> float | None:
    """Return the machine's memory (``MemTotal``), ``None`` where the kernel does not tell."""
    return meminfo_bytes(root).get("MemTotal")


def meminfo_bytes(root: str = "/") -> dict[str, float]:
    """Return ``/proc/meminfo`` in bytes; empty where there is none."""
    found = {}
    for line in (read_text(root, "/proc/meminfo") or "").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB" and (kib := whole_number(words[0])) is not None:
            found[name] = kib_to_bytes(kib)
    return found


def limits(root: str = "/", pid: int | str = "self") -> Limits:
    """Return what the kernel lets a process use, where that is less than the whole machine.

    Parameters
    ----------
    root : str
        Prefix of ``/proc`` and ``/sys``.
    pid : int or "self"
        The process.

    Returns
    -------
    Limits
        ``cpus`` and ``memory_mib`` are ``None`` where nothing below the machine holds the process back, or where
        the kernel does not tell (no procfs). ``source`` names the file behind each, as in
        ``"cpu: /sys/fs/cgroup/cpu.max, memory: /sys/fs/cgroup/memory.max"``. ``memory_high_mib`` is where the kernel
        begins to slow it down, where that is below its limit; ``swap_mib`` how much swap it may use beside its
        memory, where that is less than the machine has.

    Notes
    -----
    Sources: proc(5), cgroups(7); kernel, Documentation/admin-guide/cgroup-v2.rst, scheduler/sched-bwc.rst and
    cgroup-v1/memory.rst.
    """
    directories = cgroup_directories(root.rstrip("/") + "/proc", pid)
    cpu = _lowest(_cpu_bounds(root, pid, directories), online_cpus(root))
    machine = meminfo_bytes(root)
    memory = _lowest(_memory_bounds(root, directories), machine.get("MemTotal"))
    high = _lowest(_high_bounds(root, directories), memory.value if memory else machine.get("MemTotal"))
    swap = _swap_bytes(root, directories, memory, machine.get("SwapTotal", 0.0))
    sources = [f"{what}: {bound.source}" for what, bound in (("cpu", cpu), ("memory", memory)) if bound]
    return Limits(
        cpus=round(cpu.value, 3) if cpu else None,
        memory_mib=round(bytes_to_mib(memory.value), 3) if memory else None,
        source=", ".join(sources),
        shared_memory_mib=_shared_memory_mib(root),
        cpu_period_s=cpu.period_s if cpu else None,
        memory_high_mib=round(bytes_to_mib(high.value), 3) if high else None,
        swap_mib=None if swap is None else round(bytes_to_mib(swap), 3),
    )


def memory_left_bytes(root: str = "/", pid: int | str = "self") -> float | None:
    """Return what the lowest limit, or the machine, leaves of memory now; ``None`` where the kernel does not tell.

    File cache that can be given back at once counts as free, as it does in ``MemAvailable``.
    """
    directories = cgroup_directories(root.rstrip("/") + "/proc", pid)
    left = [meminfo_bytes(root).get("MemAvailable")]
    for key, limit, used, cache in _MEMORY_FILES:
        for directory in directories.get(key, ()):
            allowed = whole_number(read_text(root, f"{directory}/{limit}") or "")
            in_use = whole_number(read_text(root, f"{directory}/{used}") or "")
            if allowed is not None and in_use is not None:
                left.append(allowed - max(0.0, in_use - _field(root, f"{directory}/memory.stat", cache)))
    return min((max(0.0, size) for size in left if size is not None), default=None)


def _field(root: str, path: str, wanted: str) -> float:
    for line in (read_text(root, path) or "").splitlines():
        name, _, value = line.partition(" ")
        if name == wanted:
            return whole_number(value) or 0.0
    return 0.0


def _shared_memory_mib(root: str) -> float | None:
    size = shared_memory_bytes(os.path.join(root, SHARED_MEMORY.lstrip("/")))
    return None if size is None else bytes_to_mib(size)


def _lowest(bounds: Iterator[Bound], machine: float | None) -> Bound | None:
    """Return the lowest bound that is below the machine. An unlimited v1 group states 2**63 less a page: so none."""
    ceiling = float(2**60) if machine is None else machine
    return min((bound for bound in bounds if 0 < bound.value < ceiling), default=None)


def _cpu_bounds(root: str, pid: int | str, directories: dict[str, list[str]]) -> Iterator[Bound]:
    """Yield every bound on CPUs: affinity, cpusets, quotas."""
    status = f"/proc/{pid}/status"
    for line in (read_text(root, status) or "").splitlines():
        name, _, mask = line.partition(":")
        if name == "Cpus_allowed_list" and (cpus := parse_cpu_list(mask)):
            yield Bound(cpus, f"{status} Cpus_allowed_list")
    for directory in directories.get(V2, ()):
        yield from _cpuset(root, f"{directory}/cpuset.cpus.effective")
        words = (read_text(root, f"{directory}/cpu.max") or "").split()
        if len(words) == 2:
            yield from _quota(words[0], words[1], f"{directory}/cpu.max")
    for directory in directories.get("cpuset", ()):
        yield from _cpuset(root, f"{directory}/cpuset.effective_cpus")
        yield from _cpuset(root, f"{directory}/cpuset.cpus")
    for directory in directories.get("cpu", ()):
        quota = f"{directory}/cpu.cfs_quota_us"
        yield from _quota(read_text(root, quota), read_text(root, f"{directory}/cpu.cfs_period_us"), quota)


def _cpuset(root: str, path: str) -> Iterator[Bound]:
    if (text := read_text(root, path)) and (cpus := parse_cpu_list(text)):
        yield Bound(cpus, path)


def _quota(quota: str | None, period: str | None, source: str) -> Iterator[Bound]:
    """Yield quota per period in CPUs. ``max`` and ``-1`` are no limit; anything but numbers is passed over."""
    run_us, of_us = whole_number(quota or ""), whole_number(period or "")
    if run_us and of_us:
        yield Bound(run_us / of_us, source, of_us / 1e6)


def _memory_bounds(root: str, directories: dict[str, list[str]]) -> Iterator[Bound]:
    """Yield every bound on memory, in bytes."""
    paths = [f"{directory}/memory.max" for directory in directories.get(V2, ())]
    paths += [f"{directory}/memory.limit_in_bytes" for directory in directories.get("memory", ())]
    yield from _sizes(root, paths)
    yield from _hierarchical(root, directories, "hierarchical_memory_limit")


def _high_bounds(root: str, directories: dict[str, list[str]]) -> Iterator[Bound]:
    """Yield every size from which on the kernel takes memory back and slows the taker down; version 2 only."""
    return _sizes(root, [f"{directory}/memory.high" for directory in directories.get(V2, ())])


def _swap_bytes(
    root: str, directories: dict[str, list[str]], memory: Bound | None, machine_bytes: float
) -> float | None:
    """Return how much swap may be used, where that is less than the machine's; 0 is a limit, too.

    Version 1 limits memory and swap together.
    """
    found = [bound.value for bound in _sizes(root, [f"{path}/memory.swap.max" for path in directories.get(V2, ())])]
    together = [
        *_sizes(root, [f"{path}/memory.memsw.limit_in_bytes" for path in directories.get("memory", ())]),
        *_hierarchical(root, directories, "hierarchical_memsw_limit"),
    ]
    if memory is not None:
        found += [max(0.0, bound.value - memory.value) for bound in together]
    lowest = min(found, default=machine_bytes)
    return lowest if lowest < machine_bytes else None


def _sizes(root: str, paths: list[str]) -> Iterator[Bound]:
    """Yield what files state in bytes; ``max`` is no number, and no limit."""
    for path in paths:
        if (size := whole_number(read_text(root, path) or "")) is not None:
            yield Bound(size, path)


def _hierarchical(root: str, directories: dict[str, list[str]], wanted: str) -> Iterator[Bound]:
    """Yield the lowest limit of all ancestors, which version 1 tells also of those that the container cannot see."""
    for directory in directories.get("memory", ())[:1]:
        for line in (read_text(root, f"{directory}/memory.stat") or "").splitlines():
            name, _, value = line.partition(" ")
            if name == wanted and (size := whole_number(value)) is not None:
                yield Bound(size, f"{directory}/memory.stat {wanted}")
