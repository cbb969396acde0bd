"""CPU time and memory of the step from its own cgroup: exact, however short its processes live, whoever reaps them."""

import time

from resource_tracker.errors import ParseError
from resource_tracker.sampler.cgroup_files import CPU_STAT, CPUACCT_USAGE, MEMORY_STAT, cpu_s, memory_kib
from resource_tracker.sampler.cgroup_members import OwnCgroup
from resource_tracker.sampler.cgroup_paths import V2, cgroup_directories
from resource_tracker.sampler.procfs.files import KernelFile
from resource_tracker.sampler.tree import Tree

CPU_FILES = ((V2, CPU_STAT), ("cpuacct", CPUACCT_USAGE))
MEMORY_FILES = ((V2, MEMORY_STAT), ("memory", MEMORY_STAT))
"""Controllers and their files; the first that is there. Where versions are mixed, each has some of them."""


class CgroupTotals:
    """What the step used, where a cgroup is its own.

    Call :meth:`start` once the tree is known, and :meth:`verify` once a row, before the figures of the row are asked
    for. `cpu_source` and `memory_source` name the file behind each figure, None where there is none; `cpu_missing`
    and `memory_missing` say why then.

    Parameters
    ----------
    tree : Tree
        The step; read anew before each call of `verify`.
    proc : str
        ``/proc``, or that of a fake machine.
    root : str
        What stands before ``/sys``: empty, but for a fake machine.
    ticks_per_s : int
    """

    def __init__(self, tree: Tree, proc: str, root: str, ticks_per_s: int) -> None:
        self._tree = tree
        self._proc = proc
        self._root = root
        self._ticks_per_s = ticks_per_s
        self._groups: dict[str, OwnCgroup] = {}
        self._cpu: _Figure | None = None
        self._memory: _Figure | None = None
        self._cpu_before_s = 0.0
        self.cpu_missing = self.memory_missing = "there is no cgroup"

    def start(self) -> None:
        """Takes what later readings are compared with. Never raises."""
        directories = cgroup_directories(self._proc, self._tree.root.pid)
        self._cpu, self.cpu_missing = self._choose(CPU_FILES, directories)
        self._memory, self.memory_missing = self._choose(MEMORY_FILES, directories)
        self._cpu_before_s = self._cpu_used_s() or 0.0
        self.memory_kib()  # a file of another form is no source

    def verify(self) -> None:
        """Gives up a figure for good once others are in the cgroup, or part of the step is not."""
        for group in self._groups.values():
            group.verify()
        for figure in (self._cpu, self._memory):
            if figure is not None and figure.group.lost:
                self._give_up(figure, figure.group.lost)

    def _give_up(self, figure: "_Figure", why: str) -> None:
        if figure is self._cpu:
            self._cpu, self.cpu_missing = None, why
        else:
            self._memory, self.memory_missing = None, why

    def is_own(self, directory: str) -> bool:
        """Whether nothing but the step runs in a cgroup, as of the last :meth:`verify`."""
        return not self._group(directory).lost

    @property
    def cpu_source(self) -> str | None:
        return None if self._cpu is None else self._cpu.name

    @property
    def memory_source(self) -> str | None:
        return None if self._memory is None else self._memory.name

    def cpu_seconds(self) -> float | None:
        """CPU time of the step since the start, of all its processes, dead or alive; None where it is not known.

        The sampler's own, and that of others that were told apart, is taken off: theirs is exact to a tick each.
        """
        used_s = self._cpu_used_s()
        return None if used_s is None else max(0.0, used_s - self._cpu_before_s)

    def memory_kib(self) -> int | None:
        """Anonymous and shared memory of the step now, each page once; None where it is not known. Cheap (30 us)."""
        if self._memory is None:
            return None
        try:
            others_kib = self._memory.group.others_kib()  # first: what grows meanwhile is never taken off too much
            if others_kib is None:
                return None
            return max(0, round(memory_kib(self._memory.file.read_record()) - others_kib))
        except (OSError, ParseError) as error:
            self._give_up(self._memory, str(error))
            return None

    def _choose(
        self, files: tuple[tuple[str, str], ...], directories: dict[str, list[str]]
    ) -> "tuple[_Figure | None, str]":
        missing = "there is no cgroup"
        for controller, name in files:
            if controller not in directories:
                continue
            directory = self._root + directories[controller][0]
            figure = _Figure(self._group(directory), name)
            if not figure.readable():
                continue
            if not figure.group.lost:
                return figure, ""
            missing = figure.group.lost
        return None, missing

    def _group(self, directory: str) -> OwnCgroup:
        if directory not in self._groups:
            group = self._groups[directory] = OwnCgroup(directory, self._tree, self._proc, self._ticks_per_s)
            try:
                group.start()
            except (OSError, ParseError) as error:
                group.lost = f"it cannot be read ({error})"
        return self._groups[directory]

    def _cpu_used_s(self) -> float | None:
        """Of the step, and of what was before. The sampler's own time is read last: so it is too little, by 0.1 ms."""
        if self._cpu is None:
            return None
        group = self._cpu.group
        try:
            used_s = cpu_s(self._cpu.file.read_record(), self._cpu.file_name) - group.others_s
        except (OSError, ParseError) as error:
            self._give_up(self._cpu, str(error))
            return None
        return used_s - time.process_time() if group.sampler_inside else used_s


class _Figure:
    """A file of a cgroup, held open."""

    __slots__ = ("file", "file_name", "group")

    def __init__(self, group: OwnCgroup, name: str) -> None:
        self.group = group
        self.file_name = name
        self.file = KernelFile(f"{group.directory}/{name}")

    @property
    def name(self) -> str:
        return f"own cgroup ({self.file_name})"

    def readable(self) -> bool:
        """Whether there is such a file: a controller that is not switched on has none."""
        try:
            return bool(self.file.read_record())
        except OSError:
            return False
