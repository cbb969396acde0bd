"""Memory of the tree between full readings.

``smaps_rollup`` is exact but dear; resident memory is cheap, but counts a page once for each process that maps it.
So each process's full reading is the reference, and what its resident memory grew since is added: new pages are
nearly always its own. Forks of one image share most of their pages: they are one family, whose shared pages count
once, and they are read together, since a share is right only beside the others' shares of the same moment. A fork that
writes to what it inherited gets a copy of each page: resident memory stays the same, only minor faults tell. They do
not tell how much (memory that is given back and taken again faults, too), so they make a full reading due early.
"""

import os

from resource_tracker.errors import ParseError
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.family import Family, Part
from resource_tracker.sampler.procfs import pid_statm, pid_status, smaps_rollup
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.units import bytes_to_kib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FIXED_COST_S = 50e-6
"""Of a full reading, whatever its size."""
EARLY_SHARE = 0.04
"""They are read early when this share of all memory may have become copies unseen."""
LONGEST_WALK_S = 0.02
"""While the kernel walks a process's page tables, mmap and munmap wait in it. So a process that is larger (1.8 GiB of
4 KiB pages) is read in full only beside forks, with which it may share its memory: alone, its resident memory tells."""
UNCHANGED_FOR_S = 30.0
"""Where no process of the tree came, went or had a page fault, only strangers can have changed what is shared."""
CALM_S, CALM_BEFORE_THE_ONLY_S = 0.5, 2.0
"""A reading amid the writing would miss the rest of it: so long it is put off at most, longer if it is the only one."""


class TreeMemory:
    """The memory of all members together, in KiB.

    `cpu_clock` is the sampler's own CPU time: full readings are spaced so that they keep to their share of the budget;
    `full_readings_s` is what they cost so far. Where there are none (an old kernel, no permission), resident memory
    stands alone.
    """

    def __init__(self, proc: str, failures: Failures, cpu_clock: "Callable[[], float]", budget: Budget) -> None:
        self._proc = proc
        self._failures = failures
        self._cpu_clock = cpu_clock
        self._page_kib = int(bytes_to_kib(os.sysconf("SC_PAGE_SIZE")))
        self._parts: dict[int, Part] = {}
        self._families: dict[int, Family] = {}
        self._forked: set[Family] = set()
        self._budget = budget
        self._changes = 0
        self._allowance_s = budget.full_at_once_s
        self._paid_at: float | None = None
        self._early_allowance_s = budget.early_at_once_s
        self._early_paid_at: float | None = None
        self.full_readings_s = 0.0
        self.total = 0

    def update(self, pid: int, image: int, rss: int, faults: int, now_s: float) -> None:
        """Takes a new reading of resident memory and of minor faults.

        `image` is the same number in forks of one program (0: not known).
        """
        part = self._parts.get(pid)
        key = image or -pid
        if part is None or part.family.key != key:
            if part is not None:  # it executes another program now
                self.remove(pid)
            self._add(pid, key, rss, faults, now_s)
            return
        if rss == part.told and faults == part.faults_now:
            return
        self._changes += 1
        part.told = rss
        counts = max(0, part.private + rss - part.rss)
        self.total += counts - part.counts
        part.counts, part.now, part.faults_now = counts, rss, faults
        if len(part.family.pids) > 1:
            part.note_unseen(self._page_kib)

    def _add(self, pid: int, key: int, rss: int, faults: int, now_s: float) -> None:
        self._changes += 1
        family = self._families.get(key)
        private = 0  # a fork shares all of its memory at first, and has had no fault then
        faults_before = 0
        if family is None:
            family = self._families[key] = Family(key, now_s)
            faults_before = faults
            private = max(0, rss - self._with_file(pid))  # libraries: most likely mapped by others, too
        family.pids.add(pid)
        part = self._parts[pid] = Part(family, rss, private, faults_before)
        part.faults_now = faults
        self.total += private
        if len(family.pids) > 1:
            self._forked.add(family)
            part.note_unseen(self._page_kib)

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
        self._changes += 1
        family = part.family
        family.pids.discard(pid)
        family.unseen -= part.unseen
        self.total -= part.counts
        if len(family.pids) < 2:
            self._forked.discard(family)
            family.unseen_since = None
        if not family.pids:
            self.total -= family.shared
            del self._families[family.key]
        elif family.read_at is None:
            family.shared += part.counts  # perhaps its own, perhaps shared: the next full reading tells
            self.total += part.counts

    def read_in_full(self, now_s: float) -> None:
        """Reads what is due and affordable, the longest unread first."""
        if self._paid_at is not None:
            saved_s = (now_s - self._paid_at) * self._budget.full_readings
            self._allowance_s = min(self._allowance_s + saved_s, self._budget.full_at_once_s)
        self._paid_at = now_s
        for family in sorted(self._families.values(), key=_last_read):
            if self._allowance_s <= 0:
                return
            if self._is_due(family, now_s):
                self._allowance_s -= self._read_family(family, now_s)

    def read_early(self, now_s: float) -> None:
        """Reads forks that may have copied much of what they shared, once they are through with it."""
        if self._early_paid_at is not None:
            saved_s = (now_s - self._early_paid_at) * self._budget.early_readings
            self._early_allowance_s = min(self._early_allowance_s + saved_s, self._budget.early_at_once_s)
        self._early_paid_at = now_s
        for family in self._forked:
            if family.unseen <= EARLY_SHARE * self.total or not family.readable:
                family.unseen_since = None
            elif self._has_calmed(family, now_s) and self._may_read_early(family, now_s):
                self._early_allowance_s -= self._read_family(family, now_s)
            family.unseen_before = family.unseen

    def _has_calmed(self, family: Family, now_s: float) -> bool:
        if family.unseen_since is None:
            family.unseen_since = now_s
        writing = family.unseen - family.unseen_before > EARLY_SHARE / 4 * self.total
        is_only = 2 * self._cost_s_of(family) > self._early_allowance_s
        patience_s = CALM_BEFORE_THE_ONLY_S if is_only else CALM_S
        return not writing or now_s - family.unseen_since >= patience_s

    def _may_read_early(self, family: Family, now_s: float) -> bool:
        cost_s = self._cost_s_of(family)
        last_s = family.seen_at if family.read_at is None else family.read_at
        return cost_s <= self._early_allowance_s or (now_s - last_s) * self._budget.early_readings >= cost_s

    def _cost_s_of(self, family: Family) -> float:
        return sum(FIXED_COST_S + self._parts[pid].now * family.cost_s_per_kib for pid in family.pids)

    def _is_due(self, family: Family, now_s: float) -> bool:
        cost_s = self._cost_s_of(family)
        if not family.readable or (len(family.pids) < 2 and cost_s > LONGEST_WALK_S):
            return False
        if family.read_at is None:
            return cost_s <= self._allowance_s or (now_s - family.seen_at) * self._budget.full_readings >= cost_s
        if family.read_at_change == self._changes and now_s - family.read_at < UNCHANGED_FOR_S:
            return False
        return (now_s - family.read_at) * self._budget.full_readings >= cost_s

    def _read_family(self, family: Family, now_s: float) -> float:
        """The CPU time that it cost."""
        began_s = self._cpu_clock()
        readings = {pid: self._rollup(pid, family) for pid in family.pids}
        spent_s = self._cpu_clock() - began_s
        self.full_readings_s += spent_s
        family.read_at, family.read_at_change = now_s, self._changes
        family.unseen = 0
        family.unseen_since = None
        shared = rss = 0
        for pid, reading in readings.items():
            part = self._parts[pid]
            part.faults, part.unseen = part.faults_now, 0
            if reading is None:
                continue
            self.total += reading.private - part.counts
            part.private = part.counts = reading.private
            part.rss = part.now = reading.rss
            shared += reading.pss - reading.private
            rss += reading.rss
        if rss > 0:
            family.learn_cost(spent_s - FIXED_COST_S * len(readings), rss)
            self.total += shared - family.shared
            family.shared = shared
        return spent_s

    def _rollup(self, pid: int, family: Family) -> smaps_rollup.Rollup | None:
        try:
            return smaps_rollup.parse(read_record(f"{self._proc}/{pid}/smaps_rollup"))
        except (OSError, ParseError) as error:
            ended = isinstance(error, ProcessLookupError) or not os.path.exists(f"{self._proc}/{pid}/stat")
            if not ended:
                family.readable = False
                self._failures.note(smaps_rollup.SOURCE, error)
            return None

    def exact_share(self) -> float:
        """The share of all memory that was read in full, not estimated; nan where there is no memory."""
        exact = sum(
            family.exact_kib(self._parts[pid] for pid in family.pids)
            for family in self._families.values()
            if family.read_at is not None
        )
        return min(1.0, exact / self.total) if self.total > 0 else float("nan")

    def look(self, pids: "Iterable[int]") -> None:
        """Notes what stood beside each of these processes, for :meth:`beyond_samples`."""
        for pid in pids:
            part = self._parts.get(pid)
            if part is not None:
                part.note_beside(self.total - part.counts)

    def beyond_samples(self, pids: "Iterable[int]") -> float:
        """How far all went above their present memory since the last call, by the highest moment of one of these.

        The kernel keeps the high-water mark, so no spike is too short. The first call for a process sees what came
        since the process was first seen.
        """
        highest = 0.0
        for pid in pids:
            part = self._parts.get(pid)
            if part is None or part.faults_at_mark == part.faults_now:
                continue  # without a fault there is no more memory
            part.faults_at_mark = part.faults_now
            try:
                mark = pid_status.parse(read_record(f"{self._proc}/{pid}/status"))
            except (OSError, ParseError):
                continue  # it just ended
            if mark is None:
                continue
            if mark > part.high_water:
                highest = max(highest, part.above(mark, self.total - part.counts))
            part.high_water = mark
            part.beside = float("nan")
        return highest


def _last_read(family: Family) -> float:
    return -1.0 if family.read_at is None else family.read_at
