"""Measuring a step from outside: starts the sampler, talks to it, and reads what it measured.

The code that is measured cannot notice it: the sampler is nobody's child, nothing of it stays open here, and no
thread or signal handler is added.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from resource_tracker.errors import ParseError, SpoolError, TrackerError, is_of_a_signal_handler
from resource_tracker.latest import Latest, LatestRows, with_kernel_peak
from resource_tracker.launch import wait_for
from resource_tracker.marks import Marks
from resource_tracker.measured import last_seen_at, measurements_of
from resource_tracker.options import DEFAULT_OVERHEAD_BUDGET
from resource_tracker.records import Measurements
from resource_tracker.sampler.aftermath import remove_spool
from resource_tracker.sampler.control import MARK, NO_ANSWER, STOP, send
from resource_tracker.sampler.cores import CORES_PREFIX
from resource_tracker.sampler.gpu.find import GPU_PREFIX
from resource_tracker.sampler.layout import Layout
from resource_tracker.sampler.spool import unlink
from resource_tracker.sampler.spool_read import Spool, read_spool, read_spool_beside
from resource_tracker.spool_dirs import sweep_dead_spools
from resource_tracker.starting import START_TIMEOUT_S, Begun, Starting, begin, begin_measuring
from resource_tracker.systems import System
from resource_tracker.timeline import Timeline

if TYPE_CHECKING:
    from resource_tracker.start_end import StartEndReadings

_LOOK_AGAIN_S = 0.005

__all__ = ["SamplerProcess", "finish_start", "start_measuring", "sweep_dead_spools"]


class SamplerProcess:
    """A running sampler, and the spool that it writes. Begin with :meth:`start`.

    Attributes
    ----------
    spool_dir : str
        Private folder of the measurements; :meth:`remove` deletes it.
    sampler_pid : int
    timeline : Timeline
        When it began; and ended, where it did.
    """

    def __init__(self, starting: Starting, sampler_pid: int, timeline: Timeline) -> None:
        self.spool_dir = starting.spool_dir
        self.sampler_pid = sampler_pid
        self._start_time = starting.system.start_time_of(sampler_pid)
        self._system = starting.system
        self._interval_s = starting.interval_s
        self._overhead_budget = starting.overhead_budget
        self.timeline = timeline
        self._stopped = self._late = False
        self._tokens = 0
        self._latest = LatestRows(starting.spool_dir, os.sysconf("SC_CLK_TCK"))
        self.marks = Marks(self.tell)

    @classmethod
    def start(
        cls,
        *,
        pid: int,
        interval_s: float = 1.0,
        overhead_budget: float = DEFAULT_OVERHEAD_BUDGET,
        spool_parents: Sequence[str] | None = None,
        marker: tuple[str, str] | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        adopts: bool = False,
        is_attempt: bool = False,
        system: System | None = None,
    ) -> SamplerProcess:
        """Starts a sampler that watches a process and its descendants; its first reading is taken on return.

        Parameters are those of :func:`resource_tracker.starting.begin`.

        Raises
        ------
        TrackerError
            It could not be started; nothing is left behind.
        """
        return cls.finish(
            begin(
                pid=pid,
                interval_s=interval_s,
                overhead_budget=overhead_budget,
                spool_parents=spool_parents,
                marker=marker,
                start_timeout_s=start_timeout_s,
                adopts=adopts,
                is_attempt=is_attempt,
                system=system,
            )
        )

    @classmethod
    def finish(cls, starting: Starting) -> SamplerProcess:
        """The sampler that was begun; its first reading is taken on return. Raises TrackerError."""
        sampler_pid = starting.finish()
        try:
            # Only now: what the start cost this process is not the step's.
            return cls(starting, sampler_pid, Timeline(starting.pid))
        except BaseException as error:
            starting.abandon()
            if isinstance(error, (OSError, ParseError)):
                raise TrackerError(f"the sampler cannot be started ({error})") from None
            raise

    def mark(self, name: str, timeout_s: float = 0.25) -> bool:
        """Ends a row now, and waits until it is in the spool; False where the sampler is dead or slow.

        ``mark("step_end")`` divides the step from the saving of its artifacts.
        """
        self.timeline.mark(name)
        return not self._stopped and self._ask(MARK, name, timeout_s)

    def tell(self, word: str, name: str) -> bool:
        """Says something that has no answer, such as a mark of the step's code; from any thread, and from forks.

        Does not wait: where nobody listens, or too much was said that is not read yet, it is False.
        """
        try:
            send(self.spool_dir, word, name, NO_ANSWER)
        except OSError:
            return False
        return True

    def latest(self) -> Latest:
        """Figures of the last row, and up to it. Never raises, and does not wait."""
        found = self._latest.read()
        return with_kernel_peak(found, self.timeline)

    def stop(self, timeout_s: float = 0.5, *, spare: bool = False) -> bool:
        """Takes the last reading and ends the sampler, by force where it does not answer in time: then it is False.

        To `spare` one that is late, as on a machine that has no time for it, is to do that in :meth:`remove`.
        """
        if self._stopped:
            return True
        self.timeline.stop()
        answered = self._ask(STOP, "-", timeout_s)
        self._stopped = True
        self._late = not answered
        if self._late and not spare:
            self._end_late()
        return answered

    def measurements(self) -> Measurements:
        """What is known now: while it runs, after a mark, after the end, and after the sampler was killed."""
        try:
            spool = read_spool(self.spool_dir)
        except SpoolError as error:
            return measurements_of(
                Spool(Layout({})),
                self.timeline,
                mode="start_end",
                interval_s=self._interval_s,
                reason=f"the measurements are gone ({error})",
            )
        found = measurements_of(
            spool,
            self.timeline,
            mode="sampler",
            interval_s=self._interval_s,
            overhead_budget=self._overhead_budget,
            ended_early=self._ended_early(spool),
            gpu_spool=read_spool_beside(self.spool_dir, GPU_PREFIX),
            core_spool=read_spool_beside(self.spool_dir, CORES_PREFIX),
        )
        return self.marks.with_left_out(found)

    def is_attended(self) -> bool:
        """Whether the sampler, which has taken its last reading, stays until the spool is gone or the task ends."""
        if not self._system.is_running(self.sampler_pid, self._start_time):
            return False
        return not self._late or self._has_taken_its_last_reading()

    def remove(self) -> None:
        """Deletes the spool. Never raises."""
        if self._late:
            self._end_late()
        remove_spool(self.spool_dir)

    def _end_late(self) -> None:
        self._late = False
        self._system.kill(self.sampler_pid, self._start_time)

    def _has_taken_its_last_reading(self) -> bool:
        try:
            return any(event.text.startswith("end\t") for event in read_spool(self.spool_dir).events)
        except SpoolError:
            return False

    def _ended_early(self, spool: Spool) -> str | None:
        kinds = {event.text.partition("\t")[0]: event.text.partition("\t")[2] for event in spool.events}
        if "end" in kinds:
            return None
        if "fault" in kinds:
            return f"a fault of the sampler: {kinds['fault']}"
        if not self._stopped and self._system.is_running(self.sampler_pid, self._start_time):
            return None
        seen_at = last_seen_at(spool) or self.timeline.start.unix_s
        return f"the sampler ended after {max(0.0, seen_at - self.timeline.start.unix_s):.1f} s"

    def _ask(self, word: str, name: str, timeout_s: float) -> bool:
        """Sends a message and waits for the answer. At STOP, waits for the end of the sampler, too."""
        deadline_s = time.monotonic() + timeout_s
        self._tokens += 1
        token = f"{os.getpid()}x{self._tokens}"
        reply = f"{self.spool_dir}/reply.{token}"
        fd = -1
        try:
            os.mkfifo(reply, 0o600)
            fd = os.open(reply, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self._send(word, name, token, deadline_s)
            answered = wait_for(fd, deadline_s) & select.POLLIN != 0
            if answered and word == STOP:
                os.read(fd, 1)
                wait_for(fd, deadline_s)
            return answered
        except OSError:
            return False
        finally:
            if fd >= 0:
                os.close(fd)
            unlink(reply)

    def _send(self, word: str, name: str, token: str, deadline_s: float) -> None:
        """Sends a message once there is room for it: thousands of marks may not be read yet. Raises OSError."""
        while True:
            try:
                return send(self.spool_dir, word, name, token)
            except BlockingIOError:
                if time.monotonic() >= deadline_s:
                    raise
            time.sleep(_LOOK_AGAIN_S)


def start_measuring(
    *,
    pid: int,
    interval_s: float,
    overhead_budget: float = DEFAULT_OVERHEAD_BUDGET,
    marker: tuple[str, str] | None = None,
    adopts: bool = False,
    is_attempt: bool = False,
) -> SamplerProcess | StartEndReadings:
    """The best way of measuring that works here. Never raises; ``measurements().tracking`` says which, and why.

    Parameters are those of :func:`resource_tracker.starting.begin`.
    """
    return finish_start(
        begin_measuring(
            pid=pid,
            interval_s=interval_s,
            overhead_budget=overhead_budget,
            marker=marker,
            adopts=adopts,
            is_attempt=is_attempt,
        )
    )


def finish_start(begun: Begun) -> SamplerProcess | StartEndReadings:
    """What :func:`resource_tracker.starting.begin_measuring` began; what is measured counts from here. Never raises."""
    reason = begun.reason
    if begun.starting is not None:
        try:
            return SamplerProcess.finish(begun.starting)
        except TrackerError as error:
            reason = str(error)
        except Exception as error:
            if is_of_a_signal_handler(error):
                raise
            reason = f"{type(error).__name__}: {error}"
    from resource_tracker.start_end import StartEndReadings  # most tasks do without

    return StartEndReadings.start(interval_s=begun.interval_s, reason=reason, pid=begun.pid, marker=begun.marker)
