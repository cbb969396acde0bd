"""The collector of the step's own figures through psutil, for systems without ``/proc`` (macOS).

The sampler of Linux never loads it: psutil is large.
"""

import time

from resource_tracker.sampler.account import Account
from resource_tracker.sampler.attempts import AttemptsBeside
from resource_tracker.sampler.collector import Collector, Row
from resource_tracker.sampler.cpu_total import PSUTIL_TREE
from resource_tracker.sampler.cpu_window import CpuWindow
from resource_tracker.sampler.psutil_member import PsutilMember, start_time_of
from resource_tracker.units import ticks_to_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from resource_tracker.sampler.account import Io, Reading

WATCHED = 8
"""Sub-samples read the root and this many of the largest."""


class PsutilProcessCollector(Collector):
    """A process and its descendants: CPU time, resident memory, storage, threads.

    Once seen, a process stays a member, whatever its parent is later. Memory that processes share counts in each.
    """

    source = "psutil"

    def __init__(self, psutil: "Any", pid: int, ticks_per_s: int, spool: str | None = None) -> None:
        self._psutil = psutil
        self._ticks_per_s = ticks_per_s
        self._has_io = hasattr(psutil.Process, "io_counters")  # not on macOS
        self._attempts = None if spool is None else AttemptsBeside(spool)
        self._root = PsutilMember(psutil.Process(pid), ticks_per_s)
        self._members: dict[int, PsutilMember] = {pid: self._root}
        self._last_io: dict[PsutilMember, Io] = {}
        self._gone: list[PsutilMember] = []
        self._watched: list[PsutilMember] = []
        self._account = Account()
        self._cpu_window = CpuWindow(ticks_per_s)
        self._samples = self._children_peak = self._attempts_left_out = 0
        self._memory_sum = self._memory_peak = 0.0

    # --- which processes -----------------------------------------------------------------------

    def start(self) -> None:
        self._account.open(self._root, self._io(self._root), from_birth=False)
        self._find(from_birth=False)
        self._choose_watched()
        self._cpu_window.begin(time.monotonic())

    def figures(self) -> dict[str, str]:
        return {"cpu": PSUTIL_TREE}

    def _find(self, *, from_birth: bool) -> None:
        """Admits new descendants, of the step's process and of members that were orphaned."""
        found = self._descendants(self._root)
        for member in list(self._members.values()):
            if member is not self._root and member.pid not in found:
                found.update(self._descendants(member))
        for pid, process in found.items():
            known = self._members.get(pid)
            try:
                if known is None or known.stat.start_time != start_time_of(process):
                    self._admit(PsutilMember(process, self._ticks_per_s), from_birth=from_birth)
            except self._psutil.Error:
                continue  # it ended, or is another user's
        self._leave_out_attempts()
        self._children_peak = max(self._children_peak, len(self._counted()) - 1)

    def _descendants(self, member: PsutilMember) -> "dict[int, Any]":
        try:
            return {process.pid: process for process in member.process.children(recursive=True)}
        except self._psutil.Error:
            return {}

    def _admit(self, member: PsutilMember, *, from_birth: bool) -> None:
        before = self._members.get(member.pid)
        if before is not None:
            self._remove(before)
        parent = self._members.get(member.stat.ppid)
        member.counted = parent is None or parent.counted
        self._members[member.pid] = member
        self._account.open(member, self._io(member), from_birth=from_birth)

    def _leave_out_attempts(self) -> None:
        """Members that measure themselves, and their children, are not ours."""
        if self._attempts is None or len(self._members) < 2:
            return
        attempts = self._attempts.now(time.monotonic())
        for member in self._members.values():  # parents before children
            parent = self._members.get(member.stat.ppid)
            is_attempt = member is not self._root and (member.pid, member.stat.start_time) in attempts
            if member.counted and (is_attempt or (parent is not None and not parent.counted)):
                member.counted = False
                self._attempts_left_out += is_attempt

    def _counted(self) -> list[PsutilMember]:
        return [member for member in self._members.values() if member.counted]

    def _choose_watched(self) -> None:
        largest = sorted(self._counted(), key=_size)[-WATCHED:]
        self._watched = largest if self._root in largest else [self._root, *largest]

    # --- readings ------------------------------------------------------------------------------

    def _read(self, member: PsutilMember) -> bool:
        """Reads a member anew; one that ended leaves, and the answer is False."""
        if self._members.get(member.pid) is not member:
            return False
        before = member.stat
        try:
            member.read()
        except self._psutil.Error:
            self._remove(member)
            return False
        if member.counted:
            self._cpu_window.add(member.stat.utime - before.utime + member.stat.stime - before.stime)
        return True

    def _remove(self, member: PsutilMember) -> None:
        del self._members[member.pid]
        self._gone.append(member)

    def _io(self, member: PsutilMember) -> "Io":
        """What was last seen, where it cannot be read (another user's)."""
        before = self._last_io.get(member, (0.0, 0.0))
        if not self._has_io:
            return before
        try:
            self._last_io[member] = found = member.io()
        except self._psutil.Error:
            return before
        return found

    def _note_memory(self) -> None:
        self.memory_kib = total = sum(member.stat.rss_kib for member in self._counted())
        self._samples += 1
        self._memory_sum += total
        self._memory_peak = max(self._memory_peak, total)

    def sub_sample(self, now_s: float) -> None:
        self._watched = [member for member in self._watched if self._read(member)]
        self._cpu_window.look(now_s)
        if self._watched:
            self._note_memory()

    def sweep(self, now_s: float) -> None:
        self._find(from_birth=True)
        for member in list(self._members.values()):
            self._read(member)
        self._cpu_window.look(now_s)
        self._choose_watched()
        if self._members:
            self._note_memory()

    def read(self, row: Row, interval_s: float) -> None:
        self.sweep(time.monotonic())
        live: list[Reading] = [(member, self._io(member)) for member in self._members.values()]
        gone: list[Reading] = [(member, self._last_io.pop(member, (0.0, 0.0))) for member in self._gone]
        self._gone = []
        utime, stime, faults, read_bytes, write_bytes = self._account.settle(live, gone)
        cells = row.process
        cells["pid"], cells["children"] = self._root.pid, self._children_peak
        cells["threads"] = sum(self._threads(member) for member in self._counted())
        cells["utime"], cells["stime"] = utime, stime
        if self._has_io:
            cells["read_bytes"], cells["write_bytes"] = read_bytes, write_bytes
        if self._psutil.MACOS:
            cells["major_faults"] = faults
        cells["samples"] = self._samples
        if self._samples:
            cells["memory"] = self._memory_sum / self._samples
            cells["memory_peak_kib"] = row.internal["memory_sampled_kib"] = self._memory_peak
            cells["memory_exact"] = 0.0  # resident memory counts what is shared in each
        if interval_s > 0:
            cells["cpu_usage"] = cores = ticks_to_seconds(utime + stime, self._ticks_per_s) / interval_s
            cells["cpu_peak_cores"] = max(self._cpu_window.take_peak(), cores)
        row.internal["attempts_left_out"] = self._attempts_left_out
        self._samples = self._children_peak = 0
        self._memory_sum = self._memory_peak = 0.0

    def _threads(self, member: PsutilMember) -> int:
        try:
            found: int = member.process.num_threads()
        except self._psutil.Error:
            return 0
        return found


def _size(member: PsutilMember) -> float:
    return member.stat.rss_kib
