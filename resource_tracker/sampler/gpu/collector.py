"""The collector of GPUs: asks for readings in turns, and makes rows of what came back."""

import time

from resource_tracker.sampler.collector import Collector, Failures, Row, reason_of
from resource_tracker.sampler.gpu.ownership import Ownership
from resource_tracker.sampler.gpu.port import Backend, Gpu, GpuError
from resource_tracker.sampler.gpu.readings import USE, Group, Reader, Result
from resource_tracker.sampler.gpu.rota import Rota
from resource_tracker.sampler.gpu.rows import GpuRows, fill_sums
from resource_tracker.sampler.gpu.visible import visible_gpus
from resource_tracker.sampler.gpu.watch import Watch
from resource_tracker.sampler.worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

START_WAIT_S = 0.4
"""At the start, for a driver that somebody uses already; one that has to start first takes seconds."""
ROW_WAIT_S = 0.05
"""How long a row waits where none of a GPU came yet: a short one, or that of a mark."""
BACK_OFF_S, LONGEST_BACK_OFF_S = 1.0, 60.0
HANGS_AFTER_S = 10.0
TURN_EVERY_S = 0.15
"""At every second sub-sample."""
EXTRA_TURNS = 4.0
"""For start, marks and end."""


class GpuCollector(Collector):
    """All GPUs that a library shows.

    Parameters
    ----------
    backend : Backend
        Opened at once, beside the loop, and again where the driver was reloaded.
    member_pids : callable
        The processes of the step, as they are now.
    failures : Failures
        Where what cannot be read is noted; the rest is read all the same.
    ownership : Ownership
    chosen : tuple of str or None
        ``CUDA_VISIBLE_DEVICES`` and ``CUDA_DEVICE_ORDER`` of the step.
    expected : bool
        Whether a GPU is known to be there: else a library that cannot be opened means that there is none.
    worker : Worker
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        backend: Backend,
        member_pids: "Callable[[], Collection[int]]",
        failures: Failures,
        ownership: Ownership,
        chosen: tuple[str | None, str | None] = (None, None),
        *,
        expected: bool = True,
        worker: Worker | None = None,
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        self.source = backend.source
        self._backend = backend
        self._member_pids = member_pids
        self._failures = failures
        self._ownership = ownership
        self._chosen = chosen
        self._worker = worker or Worker()
        self._clock = clock
        self._reader = Reader(ownership, clock)
        self._gpus: list[Gpu | None] = []
        self._keys: list[str] = []
        self._watches: list[Watch] = []
        self._visible: frozenset[int] | None = None
        self._rota = Rota(0, 0.0)
        self._meta: dict[str, str] = {}
        self._back_off_s: dict[int, float] = {}
        self._expected = expected
        self._opened = self._absent = False
        self._open_at_s, self._open_back_off_s = 0.0, BACK_OFF_S
        self._asked_at_s = self._next_turn_s = 0.0
        self._late = self._hangs = False
        self._extra, self._extra_at_s = EXTRA_TURNS, clock()
        self._ask(self._open)

    # --- turns ---------------------------------------------------------------------------------

    def sub_sample(self, now_s: float) -> None:
        now_s = self._clock()
        if now_s < self._next_turn_s:
            return  # sub-samples are for what peaks more quickly
        self._next_turn_s = now_s + TURN_EVERY_S
        self._take(0.0)
        if self._worker.busy:
            self._note_hanging(now_s)
        elif not self._opened:
            if now_s >= self._open_at_s and not self._absent:
                self._ask(self._open)
        elif due := self._rota.due(now_s):
            self._ask_for(due)

    def _ask(self, work: "Callable[[], object]") -> None:
        self._asked_at_s = self._clock()
        self._worker.ask(work)

    def _ask_for(self, jobs: list[tuple[int, Group]]) -> None:
        pids = frozenset(self._member_pids())
        self._ask(lambda: self._read(jobs, pids))

    def _open(self) -> list[Gpu]:
        """In the worker."""
        self._backend.close()
        self._reader.reopened()
        return self._backend.open()

    def _read(self, jobs: list[tuple[int, Group]], pids: frozenset[int]) -> list[Result]:
        """In the worker. Of a GPU or a driver that went away nothing more is asked."""
        results: list[Result] = []
        lost: set[int] = set()
        for place, group in jobs:
            if place in lost:
                continue
            gpu = self._gpus[place]
            if gpu is None:
                result = Result(place, group)
                result.lost, result.at_s = "the driver no longer shows it", self._clock()
            else:
                result = self._reader.read(place, gpu, group, pids, visible=self._may_use(place))
            results.append(result)
            if result.lost is not None:
                lost.add(place)
            if result.closed is not None:
                break
        return results

    def _note_hanging(self, now_s: float) -> None:
        if not self._hangs and now_s - self._asked_at_s > HANGS_AFTER_S:
            self._hangs = True
            self._failures.note(self.source, f"the driver did not answer for {HANGS_AFTER_S:.0f} s")

    # --- results -------------------------------------------------------------------------------

    def _take(self, wait_s: float) -> bool:
        """Takes in what the worker has done; False where it is not done within `wait_s`."""
        found = self._worker.result(wait_s)
        if found is None:
            return not self._worker.busy
        self._late = self._hangs = False
        if isinstance(found, Exception):
            self._closed(str(found) if isinstance(found, GpuError) else reason_of(found))
        elif not self._opened:
            self._take_gpus(found)  # type: ignore[arg-type]
        else:
            for result in found:  # type: ignore[attr-defined]
                self._take_result(result)
        return True

    def _take_gpus(self, gpus: list[Gpu]) -> None:
        """What is there now. Frames belong to the GPUs of the beginning: one that comes later has none."""
        for reason in self._backend.unreadable:
            self._failures.note(self.source, reason)
        if not self._keys:
            self._keys = [gpu.key for gpu in gpus]
            self._watches = [Watch() for _ in gpus]
            self._visible = visible_gpus(*self._chosen, gpus)
            self._rota = Rota(len(gpus), self._clock())
            self._meta = {"driver": self._backend.driver}
            for place, gpu in enumerate(gpus):
                visible = "unknown" if self._visible is None else "yes" if place in self._visible else "no"
                self._meta[f"gpu{place}"] = f"{gpu.memory_mib:.10g} {visible} {' '.join(gpu.name.split())}"
        by_key = {gpu.key: gpu for gpu in gpus}
        self._gpus = [by_key.get(key) for key in self._keys]
        self._opened, self._open_back_off_s = True, BACK_OFF_S

    def _take_result(self, result: Result) -> None:
        watch = self._watches[result.place]
        self._rota.taken(result.group, result.at_s, result.wall_s, result.cpu_s)
        if result.closed is not None:
            self._closed(result.closed)
        elif result.lost is not None:
            watch.forget()
            self._failures.note(self.source, f"GPU {result.place}: {result.lost}")
            wait_s = self._back_off_s.get(result.place, BACK_OFF_S)
            self._back_off_s[result.place] = min(LONGEST_BACK_OFF_S, 2 * wait_s)
            self._rota.postpone(result.place, self._clock() + wait_s)
        else:
            self._back_off_s.pop(result.place, None)
            watch.add(result.figures, result.at_s, self._rota.period_s(result.group))
        for what, reason in result.failed:
            self._failures.note(self.source, f"GPU {result.place}, {what}: {reason}")

    def _closed(self, reason: str) -> None:
        """The library has to be opened, or opened again: later."""
        self._absent = not self._keys and not self._expected
        if not self._absent:
            self._failures.note(self.source, reason)
        for watch in self._watches:
            watch.forget()
        self._opened = False
        self._open_at_s = self._clock() + self._open_back_off_s
        self._open_back_off_s = min(LONGEST_BACK_OFF_S, 2 * self._open_back_off_s)

    # --- rows ----------------------------------------------------------------------------------

    def read(self, row: Row, interval_s: float) -> None:
        self._catch_up(START_WAIT_S if interval_s == 0 else ROW_WAIT_S)
        cells = [watch.take(self._clock()) for watch in self._watches]
        if cells or self._opened or self._absent:
            fill_sums(row, ((figures, self._may_use(place)) for place, figures in enumerate(cells)))
        if cells:
            row.gpus = GpuRows(cells, self._meta, self._ownership.source)

    def _catch_up(self, wait_s: float) -> None:
        """Waits a little where nothing was read in this row; not again, as long as a driver is late with that.

        Where even this would be more than the budget allows, the last reading counts, if it is not too old.
        """
        until_s = time.monotonic() + wait_s
        while not self._late and not self._absent:
            if not self._take(max(0.0, until_s - time.monotonic())):
                self._late = True
                return
            unread = [place for place, watch in enumerate(self._watches) if self._is_wanted(place, watch)]
            if not self._opened or not unread or not self._afford_extra():
                return
            self._ask_for([(place, USE) for place in unread])

    def _is_wanted(self, place: int, watch: Watch) -> bool:
        return not watch.was_read and place not in self._back_off_s

    def _afford_extra(self) -> bool:
        """Whether all GPUs may be read out of turn: a few times, and then as often as they are read in turn."""
        now_s = self._clock()
        regained = (now_s - self._extra_at_s) / self._rota.period_s(USE)
        self._extra, self._extra_at_s = min(EXTRA_TURNS, self._extra + regained), now_s
        if self._extra < 1:
            return False
        self._extra -= 1
        return True

    def _may_use(self, place: int) -> bool:
        return self._visible is None or place in self._visible
