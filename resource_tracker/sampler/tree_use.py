"""What the step's processes used: CPU time, page faults, storage bytes. Its cgroup or a clock makes CPU time exact."""

import time

from resource_tracker.sampler.account import ZERO, Account, Amounts, Reading
from resource_tracker.sampler.cgroup_totals import CgroupTotals
from resource_tracker.sampler.collector import Failures, Row
from resource_tracker.sampler.cpu_total import TREE, CpuTotal
from resource_tracker.sampler.cpu_window import CpuWindow
from resource_tracker.sampler.member import Member
from resource_tracker.sampler.tree import Tree
from resource_tracker.sampler.tree_io import TreeIo
from resource_tracker.units import ticks_to_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class TreeUse:
    """Use of all members together, row by row; `window` has their busiest moment.

    `totals` is started before :meth:`start`, and verified before :meth:`fill`.
    """

    def __init__(self, tree: Tree, totals: CgroupTotals, proc: str, ticks_per_s: int, failures: Failures) -> None:
        self._tree = tree
        self._totals = totals
        self._proc = proc
        self._ticks_per_s = ticks_per_s
        self._account = Account()
        self._total = CpuTotal(ticks_per_s)
        self._io = TreeIo(proc, failures, tree.max_open)
        self._before_clock = ZERO
        self.window = CpuWindow(ticks_per_s)

    @property
    def cpu_source(self) -> str:
        return self._total.source

    def start(self, now_s: float) -> None:
        """Takes the cgroup's total, where that is the step's own."""
        self.window.begin(now_s)
        if self._totals.cpu_source:
            self._total.count_with(self._totals.cpu_source, self._totals.cpu_seconds)

    def open_clock(self, read_tree: "Callable[[], None]") -> None:
        """Lets a clock count where there is no cgroup, nothing forbids it, and the kernel has such a thing."""
        if self._total.source != TREE:
            return

        def pids() -> list[int]:
            read_tree()
            return list(self._tree.members)

        try:
            from resource_tracker.sampler import task_clock  # brings ctypes: 4 ms

            clock = task_clock.TaskClock(self._proc, pids)
        except (ImportError, OSError):
            return
        read_at_s = time.monotonic()
        read_tree()
        self._before_clock = self._used()
        unseen_s = time.monotonic() - read_at_s
        self._total.count_with(task_clock.SOURCE, clock.seconds, unseen_s, counts_stolen=True)

    def welcome(self, member: Member, *, from_birth: bool) -> None:
        """Counts a new member: all that it ever used, or only what it uses from now on."""
        self._account.open(member, self._io.read(member, is_root=member is self._tree.root), from_birth=from_birth)

    def fill(self, row: Row, interval_s: float) -> None:
        """What was used since the last row."""
        both = zip(self._used(row.stolen_share), self._before_clock, strict=True)
        utime, stime, faults, read_bytes, write_bytes = (now + before for now, before in both)
        self._before_clock = ZERO
        process = row.process
        process["utime"], process["stime"], process["major_faults"] = utime, stime, faults
        if self._io.works:
            process["read_bytes"], process["write_bytes"] = read_bytes, write_bytes
        if interval_s > 0:
            cores = ticks_to_seconds(utime + stime, self._ticks_per_s) / interval_s
            process["cpu_usage"] = cores
            process["cpu_peak_cores"] = max(self.window.take_peak(), cores)

    def _used(self, stolen_share: float = 0.0) -> Amounts:
        root = self._tree.root
        live: list[Reading] = [
            (member, self._io.read(member, is_root=member is root)) for member in self._tree.members.values()
        ]
        gone = [(member, self._io.forget(member)) for member in self._tree.take_gone()]
        utime, stime, faults, read_bytes, write_bytes = self._account.settle(live, gone)
        return *self._exact(utime, stime, stolen_share), faults, read_bytes, write_bytes

    def _exact(self, utime: float, stime: float, stolen_share: float) -> tuple[float, float]:
        """What was really used, where that is known, split into user and system time as the tree shows them."""
        if not all(member.counted for member in self._tree.members.values()):
            self._total.stop_clock()  # it counts whoever descends from the step, other attempts, too
        seen = utime + stime
        used = self._total.row(seen, stolen_share)
        return (utime * used / seen, stime * used / seen) if seen > 0 else (used, 0.0)
