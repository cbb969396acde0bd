"""The port that every source of figures joins: what a collector does, and what happens when it fails."""

from resource_tracker.columns import PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.errors import ParseError
from resource_tracker.sampler.layout import INTERNAL_COLUMNS
from resource_tracker.sampler.merge import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from resource_tracker.sampler.gpu.rows import GpuRows

NAN = float("nan")
MAX_FAILURES = 3
"""In a row; then the collector is left alone."""


class Row:
    """The columns of one row, by frame. All are nan until a collector sets them."""

    __slots__ = ("cores", "gpus", "internal", "process", "stolen_share", "system")

    def __init__(self) -> None:
        self.process = dict.fromkeys(PROCESS_NAMES, NAN)
        self.system = dict.fromkeys(SYSTEM_NAMES, NAN)
        self.internal = dict.fromkeys((name for name, _ in INTERNAL_COLUMNS), NAN)
        self.gpus: GpuRows | None = None
        """Each GPU by itself, where there are any: their number is known only when a library is open."""
        self.cores: Callable[[], dict[int, tuple[float, float]]] | None = None
        """Reads busy ticks and all ticks of each core, for who needs them: not every row does."""
        self.stolen_share = 0.0
        """Of the time in which the machine's CPUs had work, what a hypervisor gave to others."""

    def values(self) -> Values:
        """All cells, in the order of :data:`resource_tracker.sampler.layout.COLUMNS`."""
        return [*self.process.values(), *self.system.values(), *self.internal.values()]


class Collector:
    """Reads one source. Subclasses set `source` and override what they need; any method may raise.

    `start` takes the first reading, `begun` runs once the task was told that it may go on, `sub_sample` runs several
    times a second and must be cheap, `sweep` once a second in rows that are longer, `read` fills the columns that are
    its own at the end of a row (`interval_s` is 0 for the reading at start).
    """

    source = ""
    memory_kib = NAN
    """What the step uses, as last seen; nan where this is no source of it."""

    @property
    def is_sub_sampled(self) -> bool:
        """Whether there is anything to do in sub-samples."""
        return type(self).sub_sample is not Collector.sub_sample

    @property
    def described(self) -> dict[str, str]:
        """What there is to say once about its columns, for the head of the spool."""
        return {}

    def start(self) -> None:
        """Takes what later readings are compared with."""

    def begun(self) -> None:
        """Does what takes too long for the task to wait for it."""

    def figures(self) -> dict[str, str]:
        """Where figures come from now that have several sources, by the figure's name."""
        return {}

    def set_apart_s(self) -> dict[str, float]:
        """CPU time spent so far on what keeps to a budget of its own, by source: it is not this source's."""
        return {}

    def sub_sample(self, now_s: float) -> None:
        """Reads what may peak within a row. `now_s` is monotonic."""

    def sweep(self, now_s: float) -> None:
        """Reads what may peak within a long row and is too much for each sub-sample."""

    def read(self, row: Row, interval_s: float) -> None:
        """Fills its columns of `row`."""
        raise NotImplementedError


class Failures:
    """What failed: how often, and why last."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}
        self._told: dict[str, int] = {}

    def note(self, source: str, error: BaseException | str) -> None:
        """Counts a failure of `source`."""
        count, _ = self._found.get(source, (0, ""))
        self._found[source] = count + 1, error if isinstance(error, str) else reason_of(error)

    def news(self, *, final: bool = False) -> list[tuple[str, int, str]]:
        """``(source, count, reason)`` of what is worth a word since the last call: each first time, and at the end all.

        A source that fails at every row would else fill the spool.
        """
        told = [
            (source, count, reason)
            for source, (count, reason) in self._found.items()
            if source not in self._told or (final and self._told[source] != count)
        ]
        self._told.update((source, count) for source, count, _ in told)
        return told


class Guard:
    """Runs a collector; after some failures one after the other it leaves it alone. `spent_s` is what it cost."""

    __slots__ = ("_collector", "_failures", "_in_a_row", "enabled", "spent_s")

    def __init__(self, collector: Collector, failures: Failures) -> None:
        self._collector = collector
        self._failures = failures
        self._in_a_row = 0
        self.enabled = True
        self.spent_s = 0.0

    @property
    def source(self) -> str:
        return self._collector.source

    @property
    def memory_kib(self) -> float:
        return self._collector.memory_kib

    @property
    def is_sub_sampled(self) -> bool:
        return self._collector.is_sub_sampled

    @property
    def is_swept(self) -> bool:
        return type(self._collector).sweep is not Collector.sweep

    @property
    def has_apart(self) -> bool:
        return type(self._collector).set_apart_s is not Collector.set_apart_s

    def start(self) -> None:
        try:
            self._collector.start()
        except Exception as error:  # noqa: BLE001 (a failing source must not end the others)
            self._failed(error)

    def begun(self) -> None:
        if self.enabled:
            try:
                self._collector.begun()
            except Exception as error:  # noqa: BLE001
                self._failed(error)

    def figures(self) -> dict[str, str]:
        return self._collector.figures()

    def set_apart_s(self) -> dict[str, float]:
        return self._collector.set_apart_s()

    def sub_sample(self, now_s: float) -> None:
        if self.enabled:
            try:
                self._collector.sub_sample(now_s)
            except Exception as error:  # noqa: BLE001
                self._failed(error)

    def sweep(self, now_s: float) -> None:
        if self.enabled:
            try:
                self._collector.sweep(now_s)
            except Exception as error:  # noqa: BLE001
                self._failed(error)

    def read(self, row: Row, interval_s: float) -> None:
        if self.enabled:
            try:
                self._collector.read(row, interval_s)
                self._in_a_row = 0
            except Exception as error:  # noqa: BLE001
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._in_a_row += 1
        self.enabled = self._in_a_row < MAX_FAILURES
        self._failures.note(self._collector.source, error)


def reason_of(error: BaseException) -> str:
    """The error in a few words, without the path (which may hold names of the user's)."""
    if isinstance(error, ParseError):
        return error.reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"[:200]


def growth(before: float, now: float) -> float:
    """How much a counter grew; 0 where it went back (a device was replaced, the kernel corrected itself)."""
    return now - before if now > before else 0.0
