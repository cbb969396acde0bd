"""The sampler's life after its first reading: sample, answer, and end with the task."""

import os
import select
import time

from resource_tracker.sampler.alarm import MemoryAlarm, alarm_of
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.collector import reason_of
from resource_tracker.sampler.control import BEGIN, MARK, STEP_END, STOP, STOPPING, WARN, Control, Message
from resource_tracker.sampler.cores import SOURCE as EACH_CORE
from resource_tracker.sampler.cores import CoreSpool
from resource_tracker.sampler.death import MachineKills
from resource_tracker.sampler.gpu.spool import GpuSpool
from resource_tracker.sampler.lifeline import Lifeline
from resource_tracker.sampler.pace import Pace
from resource_tracker.sampler.publisher import Publisher
from resource_tracker.sampler.rows import RowMaker
from resource_tracker.sampler.spans import SPAN_WORDS, Spans
from resource_tracker.sampler.spool import SpoolWriter

STOPPED, TASK_DIED, READER_DIED, SPOOL_GONE = "stopped", "task died", "reader died", "spool gone"
"""Why a sampler ends."""
LATE_S = 1.0
"""A reading that comes later than planned by more than this leaves time in which nothing was looked at."""
IDLE_CHECK_S = 0.25
"""How often to look whether the spool is still there, when nothing is sampled any more."""
GOODBYE_CHECK_S = 0.05
"""Likewise while the last card is written, which takes about so long."""
COSTS_FIRST_TOLD_AT_ROW, COSTS_TOLD_AGAIN_TIMES = 16, 4
"""Rows after which costs are told, for the case that nothing can be told at the end: 16, 64, 256, ..."""
START = "start"
"""What was spent before the loop: the interpreter, imports, the first reading."""
OTHER_THREADS = "GPUs, in threads of their own"
WORTH_TELLING_S = 0.001
DEATH, UNKNOWN = "death", "unknown"
"""Event of the task's death: wait status (or unknown), its source, and recent kills for memory on the machine."""


class Loop:
    """Runs until told to stop, until the task dies, or until nobody can read the spool any more.

    `reader` is the process that started us, where that is not the task: it reads the spool, also after the task's end.
    `before_s` is the CPU time of what started this process. `publisher` tells of the attempt while it runs.
    """

    def __init__(
        self,
        maker: RowMaker,
        spool: SpoolWriter,
        control: Control,
        lifeline: Lifeline,
        interval_s: float,
        budget: Budget,
        reader: Lifeline | None = None,
        gpu_spool: GpuSpool | None = None,
        before_s: float = 0.0,
        publisher: Publisher | None = None,
        core_spool: CoreSpool | None = None,
    ) -> None:
        self._maker = maker
        self._spool = spool
        self._gpu_spool = gpu_spool
        self._core_spool = core_spool
        self._control = control
        self._lifeline = lifeline
        self._reader = reader
        self._before_s = before_s
        self.publisher = publisher
        now_s = time.monotonic()
        self._pace = Pace(interval_s, now_s, budget)
        self._spans = Spans(now_s, os.sysconf("SC_CLK_TCK"))
        self._alarm: MemoryAlarm | None = None
        self._phase = 0
        self._unwatched_s = 0.0
        self._rows = 0
        self._machine_kills = MachineKills("/proc")
        self._tell_costs_at_row = COSTS_FIRST_TOLD_AT_ROW
        self._start_s = self._counted_s = self._apart_s = 0.0
        self._poll = select.poll()
        self._poll.register(control.fd, select.POLLIN)
        self._lifelines = [lifeline] if reader is None else [lifeline, reader]
        for line in self._lifelines:
            if line.fd >= 0:
                self._poll.register(line.fd, select.POLLIN)
        self._must_look = any(line.check_every_s is not None for line in self._lifelines)

    def run(self) -> str:
        """Why it ended. After a fault of its own it says so, and stays only to clean up."""
        try:
            self._maker.begun()
            if self._core_spool is not None:
                self._core_spool.begin(self._maker.first_cores)
            self._counted_s = time.thread_time()
            self._start_s = self._before_s + self._counted_s
            why = self._watch()
        except Exception as error:  # noqa: BLE001 (whatever it is, it must be told)
            self._tell(f"fault\t{reason_of(error)}")
            self._control.close()
            return self._await_end()
        return self._await_reader(self._reader) if why == TASK_DIED and self._reader is not None else why

    def _watch(self) -> str:
        while True:
            ready = self._poll.poll(self._wait_ms())
            self._note_lateness()
            if ready or self._must_look:
                why = self._answer({fd for fd, _ in ready})
                if why is not None:
                    return why
            if not self._sample():
                return SPOOL_GONE

    def _answer(self, ready: set[int]) -> str | None:
        """Acts on messages and on what ended; why that was the end, if it was."""
        if self._control.fd in ready:
            for message in self._control.messages():
                if self._act(message):
                    return STOPPED
        # The task's last words come first: a mark, then its end.
        if _has_ended(self._lifeline, ready):
            found = self._lifeline.exit_status()  # first: soon its parent may have waited for it
            self._end(TASK_DIED, found or (UNKNOWN, ""))
            return TASK_DIED
        if self._reader is not None and _has_ended(self._reader, ready):
            return READER_DIED
        return None

    def _await_reader(self, reader: Lifeline) -> str:
        """Keeps the spool, and its place in the list of the living, until it is read."""
        if self._lifeline.fd >= 0:
            self._poll.unregister(self._lifeline.fd)
        while self._spool.reachable:
            ready = {fd for fd, _ in self._poll.poll(IDLE_CHECK_S * 1000)}
            for message in self._control.messages():
                self._control.answer(message, until_exit=message.word == STOP)
                if message.word == STOP:
                    return STOPPED
            if _has_ended(reader, ready):
                return READER_DIED
        return SPOOL_GONE

    def await_goodbye(self) -> str:
        """Nothing is measured any more, but the task has yet to write its last card: then it deletes the spool.

        Where it dies before, others must do that for it.
        """
        while self._spool.reachable:
            if self._lifeline.ended(wait_s=GOODBYE_CHECK_S) and self._spool.reachable:
                status, source = self._lifeline.exit_status() or (UNKNOWN, "")
                self._tell(f"{DEATH}\t{status}\t{source}\t0")
                self._tell(f"end\t{TASK_DIED}")
                return TASK_DIED
        return STOPPED

    def _await_end(self) -> str:
        """Waits for whoever will read the spool, or for nobody being able to."""
        reader = self._reader or self._lifeline
        while self._spool.reachable:
            if reader.ended(wait_s=IDLE_CHECK_S):
                return TASK_DIED if self._reader is None else READER_DIED
        return SPOOL_GONE

    def _wait_ms(self) -> float:
        next_s = self._pace.next_s if self.publisher is None else min(self._pace.next_s, self.publisher.next_s)
        wait_s = next_s - time.monotonic()
        for line in self._lifelines:
            if line.check_every_s is not None:
                wait_s = min(wait_s, line.check_every_s)
        return max(0.0, wait_s * 1000)

    def _note_lateness(self) -> None:
        """We were stopped or frozen, or the machine had no time for us."""
        late_s = time.monotonic() - self._pace.next_s
        if late_s > LATE_S:
            self._unwatched_s += late_s

    def _sample(self) -> bool:
        """Does what is due; False where nobody can read the spool any more."""
        now_s = time.monotonic()
        if self.publisher is not None and now_s >= self.publisher.next_s:
            self.publisher.look(now_s)
        self._spans.write_now_and_then(self._spool.directory, now_s)
        if now_s >= self._pace.next_row_s:
            self._close_row()
            self._pace.row_closed(now_s, self._take_cost_s())
            return self._spool.reachable
        if now_s >= self._pace.next_sweep_s:
            self._maker.sweep()
            self._pace.swept(now_s, self._take_cost_s())
            return self._spool.reachable
        if now_s >= self._pace.next_sub_sample_s:
            self._maker.sub_sample()
            self._look_at_memory()
            self._pace.sub_sampled(now_s, self._take_cost_s())
        return True

    def _look_at_memory(self) -> None:
        if self._alarm is not None and self._alarm.look(self._maker.memory_kib):
            self._tell("warned\tmemory")

    def _take_cost_s(self) -> float:
        """All CPU time since the last call, waking up included, but for what keeps to a budget of its own."""
        spent_s, apart_s = time.thread_time(), self._maker.set_apart_s
        cost_s = spent_s - self._counted_s - (apart_s - self._apart_s)
        self._counted_s, self._apart_s = spent_s, apart_s
        return max(0.0, cost_s)

    def _close_row(self, *, at_mark: bool = False, last: bool = False) -> None:
        row = self._maker.row()
        row.system["unwatched_s"], self._unwatched_s = self._unwatched_s, 0.0
        self._spool.row(self._phase, row.values())
        ticks, memory_kib = row.process["utime"] + row.process["stime"], row.process["memory_peak_kib"]
        self._spans.row_closed(time.monotonic(), ticks, memory_kib, at_mark=at_mark)
        self._look_at_memory()
        self._machine_kills.look()
        self._rows += 1
        for figure, source in self._maker.changed_figures().items():
            self._tell(f"source\t{figure}\t{source}")
        if self._gpu_spool is not None:
            self._gpu_spool.row(self._phase, row.gpus, row.system["timestamp"], row.system["interval_s"])
        if self._core_spool is not None:
            stamp, length_s = row.system["timestamp"], row.system["interval_s"]
            self._core_spool.row(self._phase, row.cores, stamp, length_s, last=last)
        self._tell_failures(final=False)
        if self._rows >= self._tell_costs_at_row:
            self._tell_costs_at_row *= COSTS_TOLD_AGAIN_TIMES
            self._tell_costs()

    def _tell(self, text: str) -> None:
        self._spool.event(self._phase, time.time(), text)

    def _tell_costs(self) -> None:
        told = {START: self._start_s, **self._maker.spent_s()}
        if self._core_spool is not None:
            told[EACH_CORE] = self._core_spool.spent_s
        others_s = time.process_time() - time.thread_time()
        if others_s >= WORTH_TELLING_S:
            told[OTHER_THREADS] = others_s
        for source, cost_s in told.items():
            self._tell(f"cost\t{source}\t{cost_s:.6f}")

    def _tell_failures(self, *, final: bool) -> None:
        for source, count, reason in self._maker.failures.news(final=final):
            self._tell(f"failed\t{source}\t{count}\t{reason}")

    def _act(self, message: Message) -> bool:
        """Whether that was the end."""
        if message.word == MARK:
            self._close_row(last=True)
            self._tell_costs()
            self._tell(f"mark\t{message.name}")
            if message.name == STEP_END and self._phase == 0:
                self._phase = 1
                self._spans.close()
                self._spans.write(self._spool.directory)
            self._pace.row_cut(time.monotonic(), self._take_cost_s())
            self._control.answer(message)
        elif message.word in SPAN_WORDS:
            self._mark_span(message)
        elif message.word == WARN:
            self._alarm = alarm_of(message.name)
        elif message.word == STOPPING:
            self._tell(STOPPING)
            if self.publisher is not None:
                self.publisher.hurry(time.monotonic())
        elif message.word == STOP:
            if self.publisher is not None:
                self.publisher.stop()
            self._end(STOPPED)
            self._control.answer(message, until_exit=self.publisher is None)
            return True
        return False

    def _mark_span(self, message: Message) -> None:
        """Rows end at marks, as long as that can be afforded: else what a row has is divided by time."""
        self._spans.act(message.word, message.name)
        if message.word != BEGIN and self._pace.may_cut(time.monotonic()):  # a block began at a mark just before
            self._close_row(at_mark=True)
            self._pace.row_cut(time.monotonic(), self._take_cost_s())

    def _end(self, why: str, death: "tuple[int | str, str] | None" = None) -> None:
        self._close_row(last=True)
        if why == STOPPED:
            self._spans.close()
        self._spans.write(self._spool.directory)
        if death is not None:
            self._tell(f"{DEATH}\t{death[0]}\t{death[1]}\t{self._machine_kills.recent}")
        self._tell_failures(final=True)
        self._tell_costs()
        if self.publisher is not None and self.publisher.cpu_s:
            self._tell(f"publisher\t{self.publisher.cpu_s:.3f}\t{self.publisher.memory_kib:.0f}")
        self._tell(f"end\t{why}")


def _has_ended(lifeline: Lifeline, ready: set[int]) -> bool:
    return (lifeline.fd in ready or lifeline.check_every_s is not None) and lifeline.ended()
