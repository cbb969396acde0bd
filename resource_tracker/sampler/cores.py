"""The use of each core of the machine: a spool of its own, with a column for each core that the task may run on.

It is the machine's: whoever ran there counts. Its rows are few: a picture of the whole attempt is made of them, in
which one row is about a pixel.
"""

import time

from resource_tracker.columns import COUNTER, GAUGE, LAST
from resource_tracker.errors import ParseError, SpoolError
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.layout import PREFIX, Layout
from resource_tracker.sampler.spool import SpoolWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Ticks = dict[int, tuple[float, float]]
    """Busy and all, by the core's number; in any unit."""

NAN = float("nan")
SOURCE = "use of each core"
CORES_PREFIX = "cores-"
FRAME = "cores"
ROWS = 240
MAX_BYTES = 1_000_000
"""Of all its files: the sealed one, its successor while that is written, and a tail of half as many rows."""
CORES_PER_S = 32
"""Read in a second on average, at 2 to 7 µs each: of more cores, the readings are farther apart."""


class CoreSpool:
    """Takes the readings of all cores, and writes a row where one is due. Makes files only then.

    Parameters
    ----------
    directory : str
        The attempt's spool.
    failures : Failures
    allowed : set of int, optional
        The cores that the task may run on as it begins: later its threads may be bound to some of them.
    """

    def __init__(self, directory: str, failures: Failures, allowed: "set[int] | None" = None) -> None:
        self._directory = directory
        self._failures = failures
        self._allowed = allowed
        self._writer: SpoolWriter | None = None
        self._cores: list[int] = []
        self._seen: set[int] = set()
        self._before: Ticks = {}
        self._since_s = 0.0
        self._given_up = False
        self.spent_s = 0.0

    def begin(self, read: "Callable[[], Ticks] | None") -> None:
        """The reading at start: says which cores there are."""
        before_s = time.thread_time()
        ticks = self._ticks(read)
        if not self._given_up:
            self._seen, self._before = set(ticks), ticks
            self._cores = chosen(self._seen, self._allowed)
            if read is not None and not self._cores:
                self._give_up("the kernel does not tell them apart")
        self.spent_s += time.thread_time() - before_s

    def row(
        self,
        phase: int,
        read: "Callable[[], Ticks] | None",
        timestamp: float,
        interval_s: float,
        *,
        last: bool = False,
    ) -> None:
        """Writes a row where one is due, and where it is the `last` of its phase."""
        self._since_s += interval_s
        due_s = len(self._cores) / CORES_PER_S
        if not self._cores or self._given_up or read is None or not (last or self._since_s >= due_s):
            return
        before_s = time.thread_time()
        now = self._ticks(read)
        if not self._given_up:
            shares = [share(self._before.get(core), now.get(core)) for core in self._cores]
            if any(value == value for value in shares):  # else no tick has passed: what follows has its time
                self._write(phase, [timestamp, self._since_s, *shares])
                self._before, self._since_s = now, 0.0
            if not self._seen.issuperset(now):
                self._seen.update(now)
                self._failures.note(SOURCE, "cores that went online later are left out")
        self.spent_s += time.thread_time() - before_s

    def _ticks(self, read: "Callable[[], Ticks] | None") -> "Ticks":
        try:
            return {} if read is None else read()
        except (OSError, ParseError) as error:
            self._given_up = True
            self._failures.note(SOURCE, error)
            return {}

    def _write(self, phase: int, values: list[float]) -> None:
        try:
            if self._writer is None:
                self._writer = self._opened()
            self._writer.row(phase, values)
        except SpoolError as error:
            self._give_up(str(error).rpartition(": ")[2])

    def _opened(self) -> SpoolWriter:
        columns = (
            (FRAME, LAST, "timestamp"),
            (FRAME, COUNTER, "interval_s"),
            *((FRAME, GAUGE, f"core{core}") for core in self._cores),
        )
        layout = Layout({}, columns)
        rows = rows_that_fit(len(self._cores))
        return SpoolWriter(self._directory, layout, tail_rows=max(1, rows // 2), sealed_rows=rows, prefix=CORES_PREFIX)

    def _give_up(self, reason: str) -> None:
        self._given_up = True
        self._failures.note(SOURCE, reason)


def chosen(seen: "set[int]", allowed: "set[int] | None") -> list[int]:
    """Those of the cores that are `seen` on which the task may run.

    lxcfs shows a container as many as it may use, but numbers them anew: then all are its own.
    """
    if allowed is None or len(allowed) == len(seen):
        return sorted(seen)
    return sorted(seen & allowed)


def share(before: "tuple[float, float] | None", now: "tuple[float, float] | None") -> float:
    """Busy part of the time between two readings; nan where there is none, or the core was offline at one of them."""
    if before is None or now is None:
        return NAN
    whole = now[1] - before[1]
    if whole <= 0:
        return NAN
    return min(1.0, max(0.0, (now[0] - before[0]) / whole))


def rows_that_fit(cores: int) -> int:
    """Of the sealed file, where so many cores are told."""
    record = PREFIX.size + 8 * (cores + 2)
    return max(2, min(ROWS, MAX_BYTES * 2 // (5 * record)))
