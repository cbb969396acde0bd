"""Memory of the tree between full readings.

``smaps_rollup`` is exact but dear; resident memory is cheap, but counts a page once for each process that maps it.
So each process's full reading is the reference, and what its resident memory grew since is added: new pages are
nearly always its own. Forks of one image share most of their pages: they are one family, whose shared pages count
once, and they are read together, since a share is right only beside the others' shares of the same moment.
"""

import os

from resource_tracker.errors import ParseError
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.procfs import pid_statm, pid_status, smaps_rollup
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.units import bytes_to_kib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FIXED_COST_S = 50e-6
COST_S_PER_KIB = 11e-9
"""Expected of a full reading until there is a measured one: 4 KiB pages (45 ms for 4 GiB)."""
BUDGET = 0.001
"""Share of one core for full readings."""
AT_ONCE_S = 0.004
"""What may be spent before anything was saved up: enough for the first reading of an ordinary step."""


class _Part:
    """One process: `private` and `rss` as last read in full; `counts` is what it adds to its family now. KiB."""

    __slots__ = ("counts", "family", "high_water", "now", "private", "rss")

    def __init__(self, family: "_Family", rss: int, private: int) -> None:
        self.family = family
        self.rss = rss
        self.now = rss
        self.private = private
        self.counts = private
        self.high_water = rss


class _Family:
    """Forks of one program image. `shared` is what they share with each other and with strangers, by its share; KiB."""

    __slots__ = ("cost_s_per_kib", "key", "pids", "read_at", "readable", "seen_at", "shared")

    def __init__(self, key: int, now_s: float) -> None:
        self.key = key
        self.pids: set[int] = set()
        self.shared = 0
        self.seen_at = now_s
        self.read_at: float | None = None
        self.readable = True
        self.cost_s_per_kib = COST_S_PER_KIB


class TreeMemory:
    """The memory of all members together, in KiB.

    `cpu_clock` is the sampler's own CPU time: full readings are spaced so that they cost `BUDGET` of a core. Where
    there are none (an old kernel, no permission), resident memory stands alone.
    """

    def __init__(self, proc: str, failures: Failures, cpu_clock: "Callable[[], float]") -> None:
        self._proc = proc
        self._failures = failures
        self._cpu_clock = cpu_clock
        self._page_kib = int(bytes_to_kib(os.sysconf("SC_PAGE_SIZE")))
        self._parts: dict[int, _Part] = {}
        self._families: dict[int, _Family] = {}
        self._allowance_s = AT_ONCE_S
        self._paid_at: float | None = None
        self.total = 0

    def update(self, pid: int, image: int, rss: int, now_s: float) -> None:
        """Takes a new reading of resident memory; `image` is the same number in forks of one program (0: not known)."""
        part = self._parts.get(pid)
        key = image or -pid
        if part is None or part.family.key != key:
            if part is not None:  # it executes another program now
                self.remove(pid)
            self._add(pid, key, rss, now_s)
            return
        counts = max(0, part.private + rss - part.rss)
        self.total += counts - part.counts
        part.counts, part.now = counts, rss

    def _add(self, pid: int, key: int, rss: int, now_s: float) -> None:
        family = self._families.get(key)
        private = 0  # a fork shares all of its memory at first
        if family is None:
            family = self._families[key] = _Family(key, now_s)
            private = max(0, rss - self._with_file(pid))  # libraries: most likely mapped by others, too
        family.pids.add(pid)
        self._parts[pid] = _Part(family, rss, private)
        self.total += private

    def _with_file(self, pid: int) -> int:
        try:
            _, shared = pid_statm.parse(read_record(f"{self._proc}/{pid}/statm", 256))
        except (OSError, ParseError):
            return 0
        return shared * self._page_kib

    def remove(self, pid: int) -> None:
        """A process ended; what it shared with its forks stays with them."""
        part = self._parts.pop(pid, None)
        if part is None:
            return
        family = part.family
        family.pids.discard(pid)
        self.total -= part.counts
        if not family.pids:
            self.total -= family.shared
            del self._families[family.key]
        elif family.read_at is None:
            family.shared += part.counts  # perhaps its own, perhaps shared: the next full reading tells
            self.total += part.counts

    def read_in_full(self, now_s: float) -> None:
        """Reads what is due and affordable, the longest unread first."""
        if self._paid_at is not None:
            self._allowance_s = min(self._allowance_s + (now_s - self._paid_at) * BUDGET, AT_ONCE_S)
        self._paid_at = now_s
        for family in sorted(self._families.values(), key=_last_read):
            if self._allowance_s <= 0:
                return
            if self._is_due(family, now_s):
                self._read_family(family, now_s)

    def _is_due(self, family: _Family, now_s: float) -> bool:
        if not family.readable:
            return False
        cost_s = sum(FIXED_COST_S + self._parts[pid].now * family.cost_s_per_kib for pid in family.pids)
        if family.read_at is None:
            return cost_s <= self._allowance_s or (now_s - family.seen_at) * BUDGET >= cost_s
        return (now_s - family.read_at) * BUDGET >= cost_s

    def _read_family(self, family: _Family, now_s: float) -> None:
        began_s = self._cpu_clock()
        readings = {pid: self._rollup(pid, family) for pid in family.pids}
        spent_s = self._cpu_clock() - began_s
        self._allowance_s -= spent_s
        family.read_at = now_s
        shared = rss = 0
        for pid, reading in readings.items():
            if reading is None:
                continue
            part = self._parts[pid]
            self.total += reading.private - part.counts
            part.private = part.counts = reading.private
            part.rss = part.now = reading.rss
            shared += reading.pss - reading.private
            rss += reading.rss
        if rss > 0:
            family.cost_s_per_kib = max(0.0, spent_s - FIXED_COST_S * len(readings)) / rss
            self.total += shared - family.shared
            family.shared = shared

    def _rollup(self, pid: int, family: _Family) -> smaps_rollup.Rollup | None:
        try:
            return smaps_rollup.parse(read_record(f"{self._proc}/{pid}/smaps_rollup"))
        except (OSError, ParseError) as error:
            ended = isinstance(error, ProcessLookupError) or not os.path.exists(f"{self._proc}/{pid}/stat")
            if not ended:
                family.readable = False
                self._failures.note(smaps_rollup.SOURCE, error)
            return None

    def beyond_samples(self, pids: "Iterable[int]") -> int:
        """How far one of these processes went above its present memory since the last call, at the most.

        The kernel keeps the high-water mark, so no spike is too short. The first call for a process sees what came
        since the process was first seen.
        """
        highest = 0
        for pid in pids:
            part = self._parts.get(pid)
            if part is None:
                continue
            try:
                mark = pid_status.parse(read_record(f"{self._proc}/{pid}/status"))
            except (OSError, ParseError):
                continue  # it just ended
            if mark is None:
                continue
            if mark > part.high_water:
                highest = max(highest, mark - part.now)
            part.high_water = mark
        return highest


def _last_read(family: _Family) -> float:
    return -1.0 if family.read_at is None else family.read_at
