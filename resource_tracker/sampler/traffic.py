"""Collectors of what disks and network interfaces moved, each byte counted once."""

import os

from resource_tracker.sampler.collector import Collector, Row, growth
from resource_tracker.sampler.interfaces import Interfaces
from resource_tracker.sampler.procfs import diskstats, net_dev
from resource_tracker.sampler.procfs.files import KernelFile
from resource_tracker.units import SECTOR_BYTES

VIRTUAL_DISKS = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
"""Names of block devices that lie on others, are memory, or are no disks: used only where there is no sysfs."""

Amounts = dict[str, tuple[int, int]]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection


class _Counters:
    """Sums what devices moved since the last reading; one that appears later counts from its first reading.

    One whose counter went back (it wrapped, or the device was replaced) adds nothing for once: too little, never
    too much.
    """

    def __init__(self) -> None:
        self._last: Amounts = {}

    def moved(self, now: Amounts, counted: "Collection[str]") -> tuple[float, float]:
        first = second = 0.0
        for name in counted:
            before = self._last.get(name)
            a, b = now.get(name, (0, 0))
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
        self._counters.moved(*self._reading())

    def read(self, row: Row, interval_s: float) -> None:
        sectors_read, sectors_written = self._counters.moved(*self._reading())
        row.system["disk_read_bytes"] = sectors_read * SECTOR_BYTES
        row.system["disk_write_bytes"] = sectors_written * SECTOR_BYTES

    def _reading(self) -> tuple[Amounts, "Collection[str]"]:
        found = diskstats.parse(self._file.read())
        for name in found:
            if name not in self._whole:
                self._whole[name] = self._is_whole(name, found)
        return found, [name for name in found if self._whole[name] and not _repeats(name, found)]

    def _is_whole(self, name: str, names: Amounts) -> bool:
        if os.path.isdir(self._block):
            # Partitions have no folder of their own here, and only hardware has a device behind it.
            return os.path.exists(f"{self._block}/{name.replace('/', '!')}/device")
        if name.startswith(VIRTUAL_DISKS):
            return False
        base = name.rstrip("0123456789")
        return base == name or not (base in names or (base.endswith("p") and base[:-1] in names))


def _repeats(name: str, found: Amounts) -> bool:
    """Whether this is one of several paths to an NVMe disk (``nvme0c1n1`` to ``nvme0n1``) that counts for itself.

    Before Linux 6.4 only the paths count. Source: kernel ``Documentation/admin-guide/nvme-multipath.rst``.
    """
    if not name.startswith("nvme"):
        return False
    controller, path, rest = name.partition("c")
    disk = f"{controller}n{rest.partition('n')[2]}"
    return bool(path) and any(found.get(disk, (0, 0)))


class NetCollector(Collector):
    """Bytes received and sent by the machine, or in a container by the container, each byte once."""

    source = net_dev.SOURCE

    def __init__(self, proc: str, sys_root: str) -> None:
        self._file = KernelFile(f"{proc}/net/dev")
        self._interfaces = Interfaces(sys_root)
        self._counters = _Counters()
        self._names: frozenset[str] = frozenset()
        self._counted: frozenset[str] = frozenset()

    def start(self) -> None:
        self._counters.moved(*self._reading())

    def read(self, row: Row, interval_s: float) -> None:
        received, sent = self._counters.moved(*self._reading())
        row.system["net_recv_bytes"] = received
        row.system["net_sent_bytes"] = sent

    def _reading(self) -> tuple[Amounts, "Collection[str]"]:
        found = net_dev.parse(self._file.read())
        names = frozenset(found)
        if names != self._names:
            self._names = names
            self._counted = frozenset(self._interfaces.counted(names))
        return found, self._counted
