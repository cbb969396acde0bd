"""The collector of what the step's cgroup did to it: held it back, let it wait, killed for memory.

These are counters of the kernel's, so nothing is missed between rows. They hold for all that runs in the cgroup:
whether that is the step alone stands beside them.
"""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.cgroup_files import (
    CPU_STAT,
    MEMORY_EVENTS,
    OOM_CONTROL,
    has_quota,
    is_root,
    oom_kills,
    throttling,
)
from resource_tracker.sampler.cgroup_paths import V2, cgroup_directories
from resource_tracker.sampler.cgroup_totals import CgroupTotals
from resource_tracker.sampler.collector import Collector, Failures, Row, growth
from resource_tracker.sampler.procfs import pressure
from resource_tracker.sampler.procfs.files import KernelFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

Amounts = tuple[float, ...]
PRESSURES = ("cpu", "memory", "io")


class CounterFile:
    """Counters of one kernel file, as what they grew by. One that fails is noted, and left alone from then on."""

    __slots__ = ("_failures", "_file", "_last", "_parse", "_source")

    def __init__(self, path: str, parse: "Callable[[bytes], Amounts | None]", source: str, failures: Failures) -> None:
        self._file = KernelFile(path)
        self._parse = parse
        self._source = source
        self._failures = failures
        self._last = self._at_start()

    def _at_start(self) -> Amounts | None:
        try:
            return self._parse(self._file.read_record())
        except (OSError, ParseError):  # this kernel has none, or it is switched off
            self._file.close()
            return None

    @property
    def there(self) -> bool:
        return self._last is not None

    def grown(self) -> Amounts | None:
        """What each counter grew by since the last call; None where it cannot be told."""
        if self._last is None:
            return None
        before = self._last
        try:
            self._last = self._parse(self._file.read_record())
        except (OSError, ParseError) as error:
            self._failures.note(self._source, error)
            self._file.close()
            self._last = None
        return None if self._last is None else tuple(map(growth, before, self._last))


class CgroupCollector(Collector):
    """Throttling, pressure and kills for memory in the step's cgroup; of quotas also in those above it.

    Parameters
    ----------
    totals : CgroupTotals
        Tells whose a cgroup is.
    proc, root : str
        ``/proc``, and what stands before ``/sys``: empty, but for a fake machine.
    """

    source = "cgroup"

    def __init__(self, totals: CgroupTotals, pid: int, proc: str, root: str, failures: Failures) -> None:
        self._totals = totals
        self._pid = pid
        self._proc = proc
        self._root = root
        self._failures = failures
        self._quotas: list[CounterFile] = []
        self._pressures: dict[str, CounterFile] = {}
        self._kills: CounterFile | None = None
        self._shared: dict[str, str] = {}

    def start(self) -> None:
        found = cgroup_directories(self._proc, self._pid)
        directories = {name: [self._root + path for path in paths] for name, paths in found.items()}
        self._start_quotas(directories)
        self._start_kills(directories)
        unified = directories.get(V2, [""])[0]
        if unified and not is_root(unified):  # of the root's the kernel makes the machine's
            for name in PRESSURES:
                self._pressures[name] = self._counters(f"{unified}/{name}.pressure", pressed_s)

    def _start_quotas(self, directories: dict[str, list[str]]) -> None:
        """The innermost cgroup that can have a quota, and those above it that have one, as a container's pod may."""
        for controller in (V2, "cpu"):
            for directory in directories.get(controller, ()):
                if self._quotas and not has_quota(directory):
                    continue
                counters = self._counters(f"{directory}/{CPU_STAT}", throttling)
                if counters.there:
                    self._shared.setdefault("cpu_cgroup_shared", directory)
                    self._quotas.append(counters)

    def _start_kills(self, directories: dict[str, list[str]]) -> None:
        for controller, name in ((V2, MEMORY_EVENTS), ("memory", OOM_CONTROL)):
            for directory in directories.get(controller, ())[:1]:
                counters = self._counters(f"{directory}/{name}", oom_kills)
                if counters.there:
                    self._shared["memory_cgroup_shared"] = directory
                    self._kills = counters
                    return

    def _counters(self, path: str, parse: "Callable[[bytes], Amounts | None]") -> CounterFile:
        return CounterFile(path, parse, f"cgroup {path.rpartition('/')[2]}", self._failures)

    def read(self, row: Row, interval_s: float) -> None:
        process = row.process
        # A period in which a pod held its container back counts once, even if both ran out of their quota.
        held_back = max(filter(None, [quota.grown() for quota in self._quotas]), key=_throttled, default=None)
        if held_back is not None:
            process["quota_periods"], process["throttled_periods"], process["throttled_s"] = held_back
        for name, counters in self._pressures.items():
            grown = counters.grown()
            if grown is not None:
                process[f"{name}_pressure_s"] = grown[0]
        kills = None if self._kills is None else self._kills.grown()
        if kills is not None:
            process["oom_kills"] = kills[0]
        for column, directory in self._shared.items():
            row.internal[column] = float(not self._totals.is_own(directory))


def pressed_s(data: bytes) -> Amounts:
    """Seconds in which some task waited. Raises ParseError."""
    return (pressure.parse(data) / 1e6,)


def _throttled(amounts: Amounts) -> tuple[float, float]:
    return amounts[1], amounts[2]
