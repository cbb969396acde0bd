"""The collector of the step's own figures: CPU, memory, storage, threads of the tree."""

import os
import time

from resource_tracker.errors import ParseError
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.cgroup_totals import CgroupTotals
from resource_tracker.sampler.collector import Collector, Failures, Row
from resource_tracker.sampler.cpu_total import TREE
from resource_tracker.sampler.member import Member
from resource_tracker.sampler.memory import TreeMemory
from resource_tracker.sampler.procfs import children, loadavg, pid_stat, smaps_rollup
from resource_tracker.sampler.procfs.pid_stat import PidStat
from resource_tracker.sampler.tree import Tree
from resource_tracker.sampler.tree_use import TreeUse
from resource_tracker.units import bytes_to_kib

WATCHED = 4
"""Sub-samples read the root, this many of the largest members, and as many of the busiest."""
MAX_WATCHED = 2 * WATCHED + 1


class ProcessCollector(Collector):
    """The step and its descendants: from their cgroup where they have one of their own, else process by process."""

    source = pid_stat.SOURCE

    def __init__(
        self, tree: Tree, proc: str, ticks_per_s: int, failures: Failures, totals: CgroupTotals, budget: Budget
    ) -> None:
        self._tree = tree
        self._totals = totals
        self._failures = failures
        self._page_kib = int(bytes_to_kib(os.sysconf("SC_PAGE_SIZE")))
        self._use = TreeUse(tree, totals, proc, ticks_per_s, failures)
        self._memory = TreeMemory(proc, failures, time.process_time, budget)
        self._children_show = self._newest_shows = True
        self._newest_sampled: int | None = None
        self._newest_listed: int | None = None
        self._watched: list[Member] = []
        self._someone_acted = True
        self._ticks_before: dict[Member, int] = {}
        self._samples = self._children_peak = 0
        self._memory_sum = self._memory_peak = 0
        self._marked_peak = 0.0

    # --- start ---------------------------------------------------------------------------------

    def start(self) -> None:
        now_s = time.monotonic()
        self._newest_sampled = self._newest_listed = self._newest_pid()
        self._tree.refresh()
        self._totals.start()
        self._use.start(now_s)
        members = list(self._tree.members.values())
        for member in members:
            self._welcome(member, now_s, from_birth=False)
        self._choose_watched()
        self._memory.beyond_samples(member.pid for member in self._watched)  # the past is not the step's

    def begun(self) -> None:
        self._use.open_clock(lambda: self._read_all(time.monotonic()))
        self._choose_watched()

    def figures(self) -> dict[str, str]:
        return {"cpu": self._use.cpu_source, "memory": self._totals.memory_source or TREE}

    def set_apart_s(self) -> dict[str, float]:
        return {smaps_rollup.SOURCE: self._memory.full_readings_s}

    def _welcome(self, member: Member, now_s: float, *, from_birth: bool) -> None:
        self._use.welcome(member, from_birth=from_birth)
        self._take_memory(member, now_s)

    def _take_memory(self, member: Member, now_s: float) -> None:
        if member.counted:
            stat = member.stat
            self._memory.update(member.pid, stat.start_stack, stat.rss_pages * self._page_kib, stat.minor_faults, now_s)

    # --- sub-samples ---------------------------------------------------------------------------

    def sub_sample(self, now_s: float) -> None:
        # In this order: whatever begins later is news at the next look, and how many threads may have forked is known.
        before, self._newest_sampled = self._newest_sampled, self._newest_pid()
        self._someone_acted = len(self._watched) < len(self._tree.members)  # who is not watched may have done anything
        self._watched = [member for member in self._watched if self._sample(member, now_s)]
        new = self._new_children() if before is None or before != self._newest_sampled else []
        for member in new:
            self._welcome(member, now_s, from_birth=True)
            if len(self._watched) < MAX_WATCHED:
                self._watched.append(member)
        if new:
            self._children_peak = max(self._children_peak, len(self._living()) - 1)
        self._use.window.look(now_s)
        self._memory.read_early(now_s)
        self._memory.look(member.pid for member in self._watched)
        self._note_memory()

    def _living(self) -> list[Member]:
        return [member for member in self._tree.members.values() if member.counted and not member.stat.ended]

    def _new_children(self) -> list[Member]:
        """Of the watched members."""
        if not self._children_show:
            return []
        if self._someone_acted:
            self._leave_out_attempts()
        try:
            return self._tree.refresh_children(self._watched)
        except (OSError, ParseError) as error:
            self._failures.note(children.SOURCE, error)
            self._children_show = False  # then only rows look for new processes
            return []

    def _leave_out_attempts(self) -> None:
        """Looked for when anything was forked: an attempt forks its sampler before its step begins."""
        for member in self._tree.leave_out_attempts():
            self._memory.remove(member.pid)

    def _newest_pid(self) -> int | None:
        """``None`` where the kernel does not tell: then anything may have begun."""
        if not self._newest_shows:
            return None
        try:
            return self._tree.newest_pid()
        except (OSError, ParseError) as error:
            self._failures.note(loadavg.SOURCE, error)
            self._newest_shows = False
            return None

    def _sample(self, member: Member, now_s: float) -> bool:
        """Reads a watched member anew; False where it ended."""
        if self._tree.members.get(member.pid) is not member:
            return False
        before = member.stat
        if not self._tree.read(member):
            self._memory.remove(member.pid)
            return False
        if member.stat is not before:  # else it did nothing
            self._someone_acted = self._someone_acted or member is not self._tree.root
            self._take_memory(member, now_s)
            self._add_ticks(member, before)
        return True

    def _add_ticks(self, member: Member, before: PidStat) -> None:
        if member.counted:
            self._use.window.add(member.stat.utime - before.utime + member.stat.stime - before.stime)

    def _note_memory(self) -> None:
        for member in self._watched:
            if member.counted and not member.stat.ended:
                break
        else:
            return  # after the end of the step: not a moment in which it used nothing
        self.memory_kib = now_kib = self._memory_now()
        self._samples += 1
        self._memory_sum += now_kib
        if now_kib > self._memory_peak:
            self._memory_peak = now_kib

    def _memory_now(self) -> int:
        """The cgroup has each page once, and no file that the kernel could drop."""
        of_cgroup = self._totals.memory_kib()
        return self._memory.total if of_cgroup is None else of_cgroup

    # --- all processes -------------------------------------------------------------------------

    def sweep(self, now_s: float) -> None:
        """A long row must not miss what many processes use together for a while."""
        self._read_all(now_s)
        self._use.window.look(now_s)
        self._choose_watched()
        self._read_memory(now_s)

    def _read_all(self, now_s: float) -> None:
        before, self._newest_listed = self._newest_listed, self._newest_pid()
        if before is None or before != self._newest_listed:
            for member in self._tree.refresh():
                self._welcome(member, now_s, from_birth=True)
            self._leave_out_attempts()
        watched = [(member, member.stat) for member in self._watched]
        for member in self._tree.read_all():
            self._memory.remove(member.pid)
        for member, stat in watched:
            self._add_ticks(member, stat)
        children = sum(member is not self._tree.root for member in self._living())
        self._children_peak = max(self._children_peak, children)

    def _read_memory(self, now_s: float) -> None:
        for member in self._tree.members.values():
            if member.counted:
                self._take_memory(member, now_s)
            else:
                self._memory.remove(member.pid)
        self._memory.read_in_full(now_s)
        self._memory.read_early(now_s)
        self._note_memory()
        self._memory.look(member.pid for member in self._watched)
        extra = self._memory.beyond_samples(member.pid for member in self._watched)
        self._marked_peak = max(self._marked_peak, self._memory_now() + extra)

    # --- rows ----------------------------------------------------------------------------------

    def read(self, row: Row, interval_s: float) -> None:
        now_s = time.monotonic()
        self._read_all(now_s)
        self._totals.verify()
        self._use.fill(row, interval_s)
        self._choose_watched()
        self._fill_memory(row, now_s)
        living = self._living()
        process = row.process
        process["pid"] = self._tree.root.pid
        process["children"] = self._children_peak
        process["threads"] = sum(member.stat.threads for member in living)
        process["samples"] = self._samples
        row.internal["attempts_left_out"] = self._tree.attempts_left_out
        self._samples = self._children_peak = 0
        self._memory_sum = self._memory_peak = self._marked_peak = 0

    def _choose_watched(self) -> None:
        """The root, the largest and the busiest."""
        members = [member for member in self._tree.members.values() if member.counted]
        chosen = {self._tree.root} if self._tree.root.pid in self._tree.members else set()
        if len(members) <= MAX_WATCHED:
            chosen.update(members)
        else:
            chosen.update(sorted(members, key=_size)[-WATCHED:])
            chosen.update(sorted(members, key=self._busyness)[-WATCHED:])
        self._ticks_before = {member: member.stat.utime + member.stat.stime for member in members}
        self._watched = list(chosen)

    def _busyness(self, member: Member) -> int:
        ticks = member.stat.utime + member.stat.stime
        return ticks - self._ticks_before.get(member, ticks)

    def _fill_memory(self, row: Row, now_s: float) -> None:
        self._read_memory(now_s)
        if self._samples:
            row.process["memory"] = self._memory_sum / self._samples
            row.internal["memory_sampled_kib"] = self._memory_peak
            row.process["memory_peak_kib"] = max(self._memory_peak, self._marked_peak)
            row.process["memory_exact"] = 1.0 if self._totals.memory_source else self._memory.exact_share()


def _size(member: Member) -> int:
    return member.stat.rss_pages
