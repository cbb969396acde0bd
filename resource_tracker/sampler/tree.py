"""Which processes belong to the step: its own, their descendants, and those of them that were orphaned.

Once seen, a process stays a member, whatever its parent is later. An orphan that was never seen as a descendant is
known by the marker, a variable in the environment that it began with.
"""

import os
import time

from resource_tracker.errors import ParseError
from resource_tracker.sampler.attempts import AttemptsBeside
from resource_tracker.sampler.member import Member
from resource_tracker.sampler.procfs import children
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.sampler.procfs.loadavg import Loadavg

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_OPEN, FILES_OF_MEMBER = 256, 3
"""Members of which files are held open, at most, and how many each has: its own state, its children, its storage."""
OTHER_FILES = 96
"""What else we may have open: 32 of the root's threads, those of the machine, of cgroups and of the spool."""
FEW_LISTS = 16
PROCESSES_PER_LIST = 8
"""Reading a thread's list of children takes as long as listing this many processes, most of them known already."""
RECORD_BYTES = 1 << 18
WATCHER = b"resource_tracker.sampler.main"
"""In the command line of every sampler, and of what starts it."""


class Tree:
    """Members by pid, parents before children.

    Parameters
    ----------
    proc : str
        ``/proc``, or the root of a fake one.
    root_pid : int
    marker : tuple of str or None
        Name and value of the variable that the step's own processes have.
    spool : str or None
        The attempt's spool: members with one of their own beside it are other attempts.

    Raises
    ------
    OSError, ParseError
        There is no such process, or it cannot be read.
    """

    def __init__(
        self, proc: str, root_pid: int, marker: tuple[str, str] | None = None, spool: str | None = None
    ) -> None:
        self._proc = proc
        self._name = None if marker is None else os.fsencode(marker[0])
        self._value = None if marker is None else os.fsencode(marker[1])
        self._attempts = None if spool is None else AttemptsBeside(spool)
        self.attempts_left_out = 0
        self._own_pid = os.getpid()
        self.load = Loadavg(proc)
        self.max_open = min(MAX_OPEN, max(0, (os.sysconf("SC_OPEN_MAX") - OTHER_FILES) // FILES_OF_MEMBER))
        self._known: set[int] = set()
        self._gone: list[Member] = []
        self._uid = self._uid_of(root_pid)
        self.root = Member(proc, root_pid)
        self.members: dict[int, Member] = {}
        self._admit(self.root)

    def counted_pids(self) -> set[int]:
        """Of the members that count as the step's."""
        return {pid for pid, member in self.members.items() if member.counted}

    def newest_pid(self) -> int:
        """The process or thread id given out last: as long as it stays, nothing began. Raises OSError, ParseError."""
        return self.load.newest_pid()

    def refresh(self) -> list[Member]:
        """Finds and returns new members. Raises OSError where processes cannot be listed."""
        pids = {int(name) for name in os.listdir(self._proc) if name.isdigit()}
        self._known &= pids
        return self._admit_some(pids)

    def refresh_children(self, parents: "Iterable[Member]") -> list[Member]:
        """Finds and returns new descendants of some members: not all of them, but for much less than :meth:`refresh`.

        Listing all processes after a pause of 100 ms takes a quarter of a millisecond, this a tenth of it. Each thread
        has a list of its own: where there are so many that all processes are listed sooner, they are. Raises OSError
        where the kernel has no such list.
        """
        parents = list(parents)
        if sum(parent.stat.threads for parent in parents) > FEW_LISTS + len(self._known) // PROCESSES_PER_LIST:
            return self.refresh()
        found: list[Member] = []
        while parents:  # what a new child forked meanwhile is no news at the next look
            pids: set[int] = set()
            for parent in parents:
                pids.update(self._children_of(parent))
            parents = self._admit_some(pids)
            found += parents
        return found

    def _children_of(self, parent: Member) -> list[int]:
        tasks = f"{self._proc}/{parent.pid}/task"
        pids: list[int] = []
        try:
            if parent.stat.threads == 1:
                return children.parse(parent.read_children())
            for thread in os.listdir(tasks):
                try:
                    pids += children.parse(read_record(f"{tasks}/{thread}/children"))
                except (OSError, ParseError):
                    if os.path.exists(f"{tasks}/{thread}"):
                        raise
        except (OSError, ParseError):
            if os.path.exists(tasks):
                raise
        return pids

    def _admit_some(self, pids: set[int]) -> list[Member]:
        """Those of `pids` that are new and belong to the step."""
        candidates = []
        for pid in pids - self._known - self.members.keys() - {self._own_pid}:
            try:
                candidates.append(Member(self._proc, pid))
            except (OSError, ParseError):
                continue  # it ended meanwhile, or is not ours to see
            self._known.add(pid)
        # A child may have a lower pid than its parent (they wrap), but is never older.
        candidates.sort(key=lambda member: (member.stat.start_time, member.pid))
        return [candidate for candidate in candidates if self._belongs(candidate)]

    def read_all(self) -> list[Member]:
        """Reads all members anew, parents first, and returns those that ended."""
        ended = []
        for member in list(self.members.values()):
            if not self.read(member):
                ended.append(member)
            elif not member.rechecked:
                # A fork has its parent's environment until it executes a program with another.
                member.rechecked = True
                member.counted = member.counted and (member is self.root or not self._is_foreign(member.pid))
        return ended

    def leave_out_attempts(self) -> list[Member]:
        """Members that count no more since the last call.

        A worker of @parallel begins as any child; once it measures itself, it and its own children are not ours.
        """
        left_out: list[Member] = []
        if self._attempts is None or len(self.members) < 2:
            return left_out
        attempts = self._attempts.now(time.monotonic())
        if not attempts and not self.attempts_left_out:
            return left_out
        for member in self.members.values():  # parents before children
            parent = self.members.get(member.stat.ppid)
            is_attempt = member is not self.root and (member.pid, member.stat.start_time) in attempts
            if member.counted and (is_attempt or (parent is not None and not parent.counted)):
                member.counted = False
                left_out.append(member)
                self.attempts_left_out += is_attempt
        return left_out

    def read(self, member: Member) -> bool:
        """Reads one member anew; one that ended leaves, and the answer is False."""
        try:
            if member.read():
                return True
        except ParseError:
            pass
        member.close()
        del self.members[member.pid]
        self._known.discard(member.pid)
        self._gone.append(member)
        return False

    def take_gone(self) -> list[Member]:
        """Those that ended since the last call, as they were last seen."""
        gone, self._gone = self._gone, []
        return gone

    def _belongs(self, candidate: Member) -> bool:
        parent = self.members.get(candidate.stat.ppid)
        if parent is not None and parent.stat.start_time <= candidate.stat.start_time:
            candidate.counted = parent.counted and not self._is_foreign(candidate.pid)
        elif not self._is_marked(candidate.pid):
            return False
        self._admit(candidate)
        return True

    def _admit(self, member: Member) -> None:
        self.members[member.pid] = member
        if len(self.members) <= self.max_open:
            try:
                member.keep_open()
            except OSError:
                return  # ended, or no descriptor left: reading by path tells which

    def _is_foreign(self, pid: int) -> bool:
        if self._name is not None:
            value = self._marker_of(pid)
            if value is not None and value != self._value:
                return True
        return WATCHER in self._read(f"{pid}/cmdline")

    def _is_marked(self, pid: int) -> bool:
        return self._name is not None and self._uid_of(pid) == self._uid and self._marker_of(pid) == self._value

    def _marker_of(self, pid: int) -> bytes | None:
        assert self._name is not None
        _, found, rest = (b"\0" + self._read(f"{pid}/environ")).partition(b"\0" + self._name + b"=")
        return rest.partition(b"\0")[0] if found else None

    def _uid_of(self, pid: int) -> int:
        try:
            return os.stat(f"{self._proc}/{pid}").st_uid
        except OSError:
            return -1

    def _read(self, name: str) -> bytes:
        try:
            return read_record(f"{self._proc}/{name}", RECORD_BYTES)
        except OSError:
            return b""
