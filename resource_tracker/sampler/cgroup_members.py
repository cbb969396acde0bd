"""Whether a cgroup is the step's own: then its totals are the step's.

It is where nothing runs in it but the step, the sampler, processes from which the step descends (a container's shell),
and beside it Metaflow's log helpers and what makes the live card. What those use is taken off.
"""

import os

from resource_tracker.errors import ParseError
from resource_tracker.sampler.cgroup_files import PROCS, pids
from resource_tracker.sampler.procfs import pid_stat, pid_statm
from resource_tracker.sampler.procfs.files import KernelFile, read_record, read_whole
from resource_tracker.sampler.publisher import PROGRAM
from resource_tracker.sampler.tree import Tree
from resource_tracker.units import bytes_to_kib, ticks_to_seconds

HELPERS = (b"metaflow.mflog", PROGRAM)
"""In the command lines of what Metaflow lets run beside a step in a container, to keep its log, and of what we do."""
MAX_ANCESTORS = 64
STAT_BYTES = 4096
LINKS_WITHOUT_GROUPS = 2
"""Of a cgroup's directory; each cgroup below it adds one."""
HIDDEN = -1
"""Stands for the start time of a process that ``/proc`` hides from us (``hidepid``): it is another user's."""
MACHINES_PID_NAMESPACE = "pid:[4026531836]"
"""The first pid namespace, in which all processes are seen: kernel ``include/linux/proc_ns.h``, PROC_PID_INIT_INO."""
ONLY_AT_THE_TOP = "release_agent"
"""Of version 1: a file of the machine's own cgroup alone, so where it shows, we see all of the machine's cgroups."""


class Bystander:
    """A process in the step's cgroup that is not the step's. Raises OSError, ParseError.

    `ticks` is the CPU time that it used since it was first seen, or, for one that began later, ever.
    """

    __slots__ = ("_before", "_path", "_start_time", "anonymous_pages", "parent", "ticks")

    def __init__(self, proc: str, pid: int, *, from_birth: bool) -> None:
        self._path = f"{proc}/{pid}"
        stat = pid_stat.parse(read_record(f"{self._path}/stat", STAT_BYTES))
        self._start_time = stat.start_time
        self.parent = stat.ppid
        self._before = 0 if from_birth else stat.utime + stat.stime
        self.ticks = 0
        self.anonymous_pages = 0
        self.read()

    def read(self) -> bool:
        """Takes a new reading; False where it ended."""
        try:
            stat = pid_stat.parse(read_record(f"{self._path}/stat", STAT_BYTES))
            pages = _anonymous_pages(self._path)
        except (OSError, ParseError):
            return False
        if stat.start_time != self._start_time:
            return False
        self.ticks = stat.utime + stat.stime - self._before
        self.anonymous_pages = pages
        return True


class OwnCgroup:
    """A cgroup, and who is in it. `lost` says why its totals are not the step's; empty as long as they are.

    Once lost it stays so: what others used of the totals is not known.
    """

    def __init__(self, directory: str, tree: Tree, proc: str, ticks_per_s: int) -> None:
        self.directory = directory
        self.lost = ""
        self._others_kib = 0.0
        self.sampler_inside = False
        self._tree = tree
        self._proc = proc
        self._ticks_per_s = ticks_per_s
        self._page_kib = bytes_to_kib(os.sysconf("SC_PAGE_SIZE"))
        self._own_pid = os.getpid()
        self._started_by_us = KernelFile(f"{proc}/self/task/{self._own_pid}/children")
        self._bystanders: dict[int, Bystander] = {}
        self._ended_ticks = 0
        self._waited_for_before_s = _waited_for_s()
        self._suspects: dict[int, int] = {}

    @property
    def others_s(self) -> float:
        """CPU time since the start of those in it that are not the step's, without the sampler's.

        What the sampler has started counts in full, also if it began and ended since the last row: the sampler waits
        for it, and the kernel tells what it used until its end.
        """
        ticks = sum(bystander.ticks for bystander in self._bystanders.values())
        ended_s = _waited_for_s() - self._waited_for_before_s if self.sampler_inside else 0.0
        return ticks_to_seconds(self._ended_ticks + ticks, self._ticks_per_s) + ended_s

    def others_kib(self) -> float | None:
        """Memory of those in it that are not the step's, the sampler's included; ``None`` where it changes right now.

        As of the last row, but for processes that the sampler has started: one that loads Metaflow takes 60 MB within
        half a second. One that ends has none any more, while the kernel is still about to take it off the cgroup's.
        """
        pages = [self._pages_of(pid) for pid in self._ours()]
        return None if None in pages else self._others_kib + self._page_kib * sum(filter(None, pages))

    def start(self) -> None:
        """Takes who is in it now. Raises OSError, ParseError."""
        inside = self._inside()
        if not self.lost and may_hide_processes(self.directory, self._proc):
            self.lost = "processes of other pid namespaces may be in it"
        if self.lost:
            return
        # Where no sampler can run, readings are taken in the step's own process.
        self.sampler_inside = self._own_pid in inside and self._own_pid != self._tree.root.pid
        for pid in self._ancestors():
            if pid in inside and pid != self._own_pid:
                self._add(pid, from_birth=False)
        self._judge(inside, at_start=True)
        if not self.lost:
            self._count_others()

    def verify(self) -> bool:
        """Whether its totals are the step's. To be asked once a row, after the tree was read anew."""
        if not self.lost:
            try:
                inside = self._inside()
                if not self.lost:
                    self._read_bystanders()
                    self._judge(inside, at_start=False)
                    self._count_others()
            except (OSError, ParseError) as error:
                self.lost = f"it cannot be read ({error})"
        return not self.lost

    def _read_bystanders(self) -> None:
        for pid, bystander in list(self._bystanders.items()):
            if not bystander.read():
                if not (self.sampler_inside and bystander.parent == self._own_pid):
                    self._ended_ticks += bystander.ticks
                del self._bystanders[pid]

    def _count_others(self) -> None:
        ours = self._ours()
        pages = sum(one.anonymous_pages for pid, one in self._bystanders.items() if pid not in ours)
        if self.sampler_inside:
            pages += _anonymous_pages(f"{self._proc}/self")
        self._others_kib = pages * self._page_kib

    def _ours(self) -> set[int]:
        """What the sampler has started; empty where the kernel does not list it (CONFIG_PROC_CHILDREN)."""
        if not self.sampler_inside:
            return set()
        try:
            return {int(pid) for pid in self._started_by_us.read_record().split()}
        except (OSError, ValueError):
            return set()

    def _pages_of(self, pid: int) -> int | None:
        """``None`` while it ends."""
        try:
            pages = _anonymous_pages(f"{self._proc}/{pid}")
            if pages or pid_stat.parse(read_record(f"{self._proc}/{pid}/stat", STAT_BYTES)).ended:
                return pages
        except (OSError, ParseError):  # it has just ended
            return 0
        return None

    def _inside(self) -> set[int]:
        if os.stat(self.directory).st_nlink > LINKS_WITHOUT_GROUPS:
            self.lost = "there are cgroups below it"
            return set()
        # Opened anew: of version 1, an open file shows for a second who was in it before.
        return set(pids(read_whole(f"{self.directory}/{PROCS}")))

    def _judge(self, inside: set[int], *, at_start: bool) -> None:
        members = self._tree.members
        strangers = inside - members.keys() - self._bystanders.keys() - {self._own_pid}
        if any(not members[pid].counted for pid in inside & members.keys()):
            self.lost = "another attempt is in it"
        elif any(members[pid].counted and self._is_alive(pid) for pid in members.keys() - inside):
            self.lost = "not all of the step is in it"
        suspects: dict[int, int] = {}
        for pid in strangers:
            if self.lost:
                return  # of the machine's own cgroup there may be thousands
            start_time = self._stranger(pid, from_birth=not at_start)
            if start_time is None:
                continue
            # One that is gone at the next row was perhaps a daemon of the step's, perhaps a probe from outside.
            if at_start or pid == 0 or self._suspects.get(pid) == start_time:
                self.lost = "others are in it"
            suspects[pid] = start_time
        self._suspects = suspects

    def _stranger(self, pid: int, *, from_birth: bool) -> int | None:
        """When a process began that has no place here; ``None`` if it ended, is the step's, or is a helper.

        Of another pid namespace (0 in version 2) or user (hidden) it is not known.
        """
        if pid == 0:
            return 0
        try:
            stat = pid_stat.parse(read_record(f"{self._proc}/{pid}/stat", STAT_BYTES))
            command = read_record(f"{self._proc}/{pid}/cmdline", 4096)
            if any(helper in command for helper in HELPERS):
                self._add(pid, from_birth=from_birth)
                return None
        except (OSError, ParseError):
            return HIDDEN if _is_of_another_user(pid) else None
        return None if stat.ended or self._descends(stat.ppid) else stat.start_time

    def _descends(self, pid: int) -> bool:
        """Whether a process is the step's, or one from it that the tree has not seen yet."""
        for _ in range(MAX_ANCESTORS):
            member = self._tree.members.get(pid)
            if member is not None:
                return member.counted
            if pid <= 1:
                return False
            try:
                pid = pid_stat.parse(read_record(f"{self._proc}/{pid}/stat", STAT_BYTES)).ppid
            except (OSError, ParseError):
                return False
        return False

    def _ancestors(self) -> list[int]:
        found: list[int] = []
        pid = self._tree.root.stat.ppid
        while pid > 0 and len(found) < MAX_ANCESTORS:
            found.append(pid)
            try:
                pid = pid_stat.parse(read_record(f"{self._proc}/{pid}/stat", STAT_BYTES)).ppid
            except (OSError, ParseError):
                break
        return found

    def _add(self, pid: int, *, from_birth: bool) -> None:
        try:
            self._bystanders[pid] = Bystander(self._proc, pid, from_birth=from_birth)
        except (OSError, ParseError):
            return  # it just ended

    def _is_alive(self, pid: int) -> bool:
        """Whether a member that is not listed lives elsewhere (a zombie is listed nowhere)."""
        member = self._tree.members[pid]
        try:
            stat = pid_stat.parse(read_record(f"{self._proc}/{pid}/stat", STAT_BYTES))
        except (OSError, ParseError):
            return False
        return stat.start_time == member.stat.start_time and stat.state != b"Z" and not stat.ended


def may_hide_processes(directory: str, proc: str) -> bool:
    """Whether a cgroup of version 1 may hold processes that its list does not show us.

    It leaves out those outside of our pid namespace. A container's cgroup has none; but where the machine's cgroups
    show up to the top, nobody made one for this namespace (``unshare --pid``, Apptainer, Bubblewrap).
    """
    try:
        if os.readlink(f"{proc}/self/ns/pid") == MACHINES_PID_NAMESPACE:
            return False
    except OSError:  # a kernel without such namespaces
        return False
    while os.path.exists(f"{directory}/{PROCS}"):
        if os.path.exists(f"{directory}/{ONLY_AT_THE_TOP}"):
            return True
        directory = os.path.dirname(directory)
    return False


def _is_of_another_user(pid: int) -> bool:
    """Whether there is such a process, and we may send it no signal; unlike ``/proc`` the kernel does not hide it."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _waited_for_s() -> float:
    """CPU time of all that this process has started and waited for."""
    times = os.times()
    return times.children_user + times.children_system


def _anonymous_pages(process: str) -> int:
    resident, shared = pid_statm.parse(read_record(f"{process}/statm", 256))
    return max(0, resident - shared)
