"""Collectors of what waited for the machine: its pressure, its run queue, and the step's threads in it."""

import os

from resource_tracker.errors import ParseError
from resource_tracker.sampler.cgroup import PRESSURES, CounterFile, pressed_s
from resource_tracker.sampler.collector import Collector, Failures, Row, growth
from resource_tracker.sampler.member import Member
from resource_tracker.sampler.procfs import loadavg, pressure, schedstat
from resource_tracker.sampler.procfs.files import KernelFile, read_record
from resource_tracker.sampler.tree import Tree

RECORD_BYTES = 256
MAX_THREADS = 32
"""Threads of the step that are looked at, whole processes at a time: 5 us each."""


class WaitingCollector(Collector):
    """Time in which anything on the machine waited, and how many threads were ready to run, the sampler left out."""

    source = pressure.SOURCE

    def __init__(self, proc: str, failures: Failures, load: loadavg.Loadavg) -> None:
        self._proc = proc
        self._failures = failures
        self._load = load
        self._pressures: dict[str, CounterFile] = {}
        self._load_shows = True
        self._ready = self._looks = 0

    def start(self) -> None:
        for name in PRESSURES:
            path = f"{self._proc}/pressure/{name}"
            self._pressures[name] = CounterFile(path, pressed_s, f"/proc/pressure/{name}", self._failures)

    def sub_sample(self, now_s: float) -> None:
        if not self._load_shows:
            return
        try:
            self._ready += max(0, self._load.running() - 1)
            self._looks += 1
        except (OSError, ParseError) as error:
            self._failures.note(loadavg.SOURCE, error)
            self._load_shows = False

    def read(self, row: Row, interval_s: float) -> None:
        for name, counters in self._pressures.items():
            grown = counters.grown()
            if grown is not None:
                row.system[f"{name}_pressure_s"] = grown[0]
        if not self._looks:
            self.sub_sample(0.0)
        if self._looks:
            row.system["run_queue"] = self._ready / self._looks
        self._ready = self._looks = 0


Threads = dict[int, int]


class RunWaitCollector(Collector):
    """How long threads of the step were ready to run and had to wait for a CPU.

    A lower bound: of many threads only the first are looked at, and what one waited before it ended within a row is
    not known any more. The tree must have been read before in the same row.
    """

    source = schedstat.SOURCE

    def __init__(self, tree: Tree, proc: str) -> None:
        self._tree = tree
        self._proc = proc
        self._waited: dict[Member, Threads] = {}
        self._files: dict[Member, KernelFile] = {}
        self._seen: set[Member] = set()
        self._works = True

    def start(self) -> None:
        self._works = os.path.exists(f"{self._proc}/{self._tree.root.pid}/schedstat")
        self._grown_ns()

    def read(self, row: Row, interval_s: float) -> None:
        if self._works:  # else this kernel does not keep it
            row.process["run_wait_s"] = self._grown_ns() / 1e9

    def _grown_ns(self) -> float:
        grown, waited = 0.0, {}
        members = [member for member in self._tree.members.values() if member.counted and not member.stat.ended]
        for member in self._chosen(members):
            before = self._waited.get(member)
            now = waited[member] = self._threads_of(member)
            if before is None and member in self._seen:
                continue  # older than our look at it: what it waited until now belongs to other rows
            grown += sum(growth((before or {}).get(thread, 0), ns) for thread, ns in now.items())
        if not self._seen:  # at the start all is the past
            grown = 0.0
        self._waited, self._seen = waited, set(members)
        self._files = {member: file for member, file in self._files.items() if member in waited}
        return grown

    def _chosen(self, members: list[Member]) -> list[Member]:
        """Those that are looked at already, then others, as long as their threads fit."""
        chosen: list[Member] = []
        threads = 0
        for member in sorted(members, key=self._is_new):
            threads += member.stat.threads
            if threads > MAX_THREADS and chosen:
                break
            chosen.append(member)
        return chosen

    def _is_new(self, member: Member) -> bool:
        return member not in self._waited

    def _threads_of(self, member: Member) -> Threads:
        if member.stat.threads == 1:  # most are such: their file is held open
            return self._only_thread_of(member)
        tasks = f"{self._proc}/{member.pid}/task"
        found: Threads = {}
        try:
            names = os.listdir(tasks)
        except OSError:
            return found
        for name in names[:MAX_THREADS]:
            try:
                found[int(name)] = schedstat.parse(read_record(f"{tasks}/{name}/schedstat", RECORD_BYTES))
            except (OSError, ParseError):
                continue  # it just ended
        return found

    def _only_thread_of(self, member: Member) -> Threads:
        file = self._files.get(member)
        if file is None:
            file = self._files[member] = KernelFile(f"{self._proc}/{member.pid}/task/{member.pid}/schedstat")
        try:
            return {member.pid: schedstat.parse(file.read_record(RECORD_BYTES))}
        except (OSError, ParseError):
            return {}  # it just ended
