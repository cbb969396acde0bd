"""Collectors of what disks and network interfaces moved, each byte counted once."""

import os

from resource_tracker.sampler.collector import Collector, Row, growth
from resource_tracker.sampler.procfs import diskstats, net_dev
from resource_tracker.sampler.procfs.files import KernelFile
from resource_tracker.units import SECTOR_BYTES

VIRTUAL_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
"""Names of block devices that lie on others, are memory, or are no disks: used only where there is no sysfs."""

Amounts = dict[str, tuple[int, int]]


class _Counters:
    """Sums what each device moved since the last reading; a device that appears later counts from its first reading."""

    def __init__(self) -> None:
        self._last: Amounts = {}

    def moved(self, now: Amounts) -> tuple[float, float]:
        first = second = 0.0
        for name, (a, b) in now.items():
            before = self._last.get(name)
            if before is not None:
                first += growth(before[0], a)
                second += growth(before[1], b)
        self._last = now
        return first, second


class DiskCollector(Collector):
    """Bytes to and from whole disks: their partitions, and what is stacked on them, would count twice."""

    source = diskstats.SOURCE

    def __init__(self, proc: str, sys_root: str) -> None:
        self._file = KernelFile(f"{proc}/diskstats")
        self._block = f"{sys_root}/block"
        self._counters = _Counters()
        self._whole: dict[str, bool] = {}

    def start(self) -> None:
        self._counters.moved(self._reading())

    def read(self, row: Row, interval_s: float) -> None:
        sectors_read, sectors_written = self._counters.moved(self._reading())
        row.system["disk_read_bytes"] = sectors_read * SECTOR_BYTES
        row.system["disk_write_bytes"] = sectors_written * SECTOR_BYTES

    def _reading(self) -> Amounts:
        found = diskstats.parse(self._file.read())
        for name in found:
            if name not in self._whole:
                self._whole[name] = self._is_whole(name, found)
        return {name: amounts for name, amounts in found.items() if self._whole[name]}

    def _is_whole(self, name: str, names: Amounts) -> bool:
        if os.path.isdir(self._block):
            # Partitions have no folder of their own here, and only hardware has a device behind it.
            return os.path.exists(f"{self._block}/{name.replace('/', '!')}/device")
        if name.startswith(VIRTUAL_DISKS):
            return False
        base = name.rstrip("0123456789")
        return base == name or not (base in names or (base.endswith("p") and base[:-1] in names))


class NetCollector(Collector):
    """Bytes received and sent by the machine, loopback excluded.

    Where there is hardware, only hardware counts: bridges, bonds, tunnels and the containers' ends pass their bytes
    on to it. Inside a container, what is there counts, but for bridges and bonds, which repeat their members.
    """

    source = net_dev.SOURCE

    def __init__(self, proc: str, sys_root: str) -> None:
        self._file = KernelFile(f"{proc}/net/dev")
        self._class = f"{sys_root}/class/net"
        self._counters = _Counters()
        self._names: frozenset[str] = frozenset()
        self._counted: frozenset[str] = frozenset()

    def start(self) -> None:
        self._counters.moved(self._reading())

    def read(self, row: Row, interval_s: float) -> None:
        received, sent = self._counters.moved(self._reading())
        row.system["net_recv_bytes"] = received
        row.system["net_sent_bytes"] = sent

    def _reading(self) -> Amounts:
        found = net_dev.parse(self._file.read())
        names = frozenset(found)
        if names != self._names:
            self._names = names
            self._counted = frozenset(self._choose(names - {"lo"}))
        return {name: amounts for name, amounts in found.items() if name in self._counted}

    def _choose(self, names: frozenset[str]) -> list[str]:
        hardware = [name for name in names if self._has(name, "device")]
        if hardware:
            # Azure and others pair a virtual function with a master that shows the traffic of both.
            return [name for name in hardware if self._master(name) not in hardware]
        return [name for name in names if not self._has(name, "bridge") and not self._has(name, "bonding")]

    def _has(self, name: str, entry: str) -> bool:
        return os.path.exists(f"{self._class}/{name}/{entry}")

    def _master(self, name: str) -> str | None:
        try:
            return os.path.basename(os.readlink(f"{self._class}/{name}/master"))
        except OSError:
            return None
