"""The publisher: a process with Metaflow loaded, which tells of the attempt while it runs, and when it died.

The task left what it needs to know in the spool: the order. The sampler starts it, because the sampler outlives the
task, with the environment that the task was started with.
"""

import _signal as signal  # type: ignore[import-not-found]  # `signal` would bring enum and more: 5 ms, 0.4 MB
import os
import sys
import time

from resource_tracker.sampler.procfs.files import read_whole

ORDER = "order"
"""File in the spool's folder, see :mod:`resource_tracker.flows.order`."""
LIVE = "live"
"""Empty file beside it: the card is to be live."""
LAUNCH = "import sys; sys.path.append(sys.argv[1]); from resource_tracker.flows.publisher.main import main; main()"
AWAITED = "awaited"
"""A further argument: somebody waits for what it tells of a dead task, so it waits for no place among others."""
PROGRAM = b"resource_tracker.flows.publisher"
"""Stands in its command line."""
HANDOVER = b"METAFLOW_RESOURCE_TRACKER_HANDOVER"
"""In the environment of tasks that a runtime on the same machine started."""
LIVE_AFTER = b"METAFLOW_RESOURCE_TRACKER_LIVE_AFTER"

LIVE_AFTER_S = 10.0
"""Most steps are shorter, and would only pay for it."""
LIVE_AFTER_REMOTE_S = 2.0
"""In a container of its own the early record may be all that remains of the attempt."""
LOOK_EVERY_S = 5.0
ORDERED_WITHIN_S = 1.0
AGAIN_AFTER_S, AGAIN_AFTER_MOST_S = 60.0, 960.0
"""Where it ended: killed, no memory, enough others on the machine."""
KILLED_WITHIN_S = 0.25
FINISH_WITHIN_S = 90.0
FINISH_STARTS = 2
"""Publishers that may begin to tell of a death: where memory ends, the kernel kills them, too."""
NOT_TOLD = 3
"""Exit code of one that left before the task's end."""

Environment = dict[bytes, bytes]


def is_ordered(spool: str) -> bool:
    """Whether the task left an order."""
    return os.path.exists(f"{spool}/{ORDER}")


def environment_of(proc: str, pid: int, marker: tuple[str, str] | None) -> Environment | None:
    """What a process was started with, but for the marker by which its own are known; ``None`` where it is hidden."""
    try:
        data = read_whole(f"{proc}/{pid}/environ")
    except OSError:
        return None
    entries = [entry.partition(b"=") for entry in data.split(b"\0")]
    found = {name: value for name, equals, value in entries if equals and name}
    if marker is not None:
        found.pop(os.fsencode(marker[0]), None)
    return found


def start_publisher(spool: str, environment: Environment) -> int:
    """Starts one that works from the order in `spool`, as our child; its pid. Raises OSError."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = [sys.executable, "-I", "-c", LAUNCH, root, spool]
    return os.posix_spawn(sys.executable, command, environment, setsigmask=[signal.SIGTERM])  # it lets it in itself


class Publisher:
    """At most one such process at a time: started where it is worth it, again where it ended, and never left behind.

    `untold` is the spool of another attempt, of which all who could have told were killed: another such process does
    that, at once, and ends by itself, also where this one ends before.

    Attributes
    ----------
    next_s : float
        Monotonic time from which on :meth:`look` has something to do.
    cpu_s, memory_kib : float
        What it used, as far as it ended.
    """

    __slots__ = (
        "_environment",
        "_live_from_s",
        "_pid",
        "_spool",
        "_starts",
        "_teller",
        "_told",
        "_untold",
        "cpu_s",
        "memory_kib",
        "next_s",
    )

    def __init__(self, spool: str, environment: Environment, now_s: float, untold: str = "") -> None:
        self._spool = spool
        self._environment = environment
        self._pid = 0
        self._starts = 0
        self._told = False
        self.cpu_s = 0.0
        self.memory_kib = 0.0
        self._untold, self._teller = untold, 0
        self._live_from_s = now_s + _live_after_s(environment)
        self.next_s = now_s if untold else self._live_from_s

    def look(self, now_s: float) -> None:
        """Starts it where that is due, and sees where it ended."""
        if self._untold or self._teller:
            self._look_at_teller()
        if not self._starts and now_s < self._live_from_s:
            self.next_s = self._live_from_s
        else:
            self._look(now_s)
        if self._teller:
            self.next_s = min(self.next_s, now_s + LOOK_EVERY_S)

    def _look(self, now_s: float) -> None:
        if self._pid and not self._ended():
            self.next_s = now_s + LOOK_EVERY_S
        elif self._starts and now_s < self.next_s:
            return
        elif not is_ordered(self._spool):  # the task is still about to leave its order
            self.next_s = now_s + ORDERED_WITHIN_S
        elif not os.path.exists(f"{self._spool}/{LIVE}"):
            self.next_s = float("inf")
        else:
            self._start()
            self.next_s = now_s + LOOK_EVERY_S

    def hurry(self, now_s: float) -> None:
        """All is about to be stopped (SIGTERM): what is known so far is to be stored at once."""
        if self._pid and not self._ended():
            try:  # noqa: SIM105 (contextlib costs memory)
                os.kill(self._pid, signal.SIGTERM)
            except OSError:
                pass
        else:
            self._live_from_s = self.next_s = now_s
            self.look(now_s)

    def stop(self) -> None:
        """The task ends well, and writes the last card itself: nobody else may write one after that."""
        if self._pid:
            self._kill()

    def finish(self) -> None:
        """The task died: one that is loaded already tells of it, else a new one. Returns once it is told.

        The one that seems to be there may have left before, or just now, by the same killer as the task.
        """
        until_s, starts = time.monotonic() + FINISH_WITHIN_S, 0
        while True:
            while self._pid and not self._ended():
                if time.monotonic() >= until_s:
                    self._kill()
                    return
                time.sleep(0.05)
            if self._told or starts == FINISH_STARTS or not is_ordered(self._spool):
                return
            self._start()
            starts += 1

    def _start(self) -> None:
        try:
            self._pid = start_publisher(self._spool, self._environment)
        except OSError:  # no memory, no process: the next look tries again
            self._pid = 0
        self._starts += 1

    def _look_at_teller(self) -> None:
        """Starts who tells of the other attempt; once it ended, nothing is left of it."""
        try:
            if self._untold:
                self._teller = start_publisher(self._untold, self._environment)
            elif os.waitpid(self._teller, os.WNOHANG)[0]:
                self._teller = 0
        except OSError:
            self._teller = 0
        self._untold = ""

    def _ended(self) -> bool:
        """Whether it ended, and if so, when to try again."""
        try:
            pid, status, usage = os.wait4(self._pid, os.WNOHANG)
        except ChildProcessError:
            pid, status, usage = self._pid, NOT_TOLD, None
        if not pid:
            return False
        self._pid, self._told = 0, status == 0
        if usage is not None:
            self.cpu_s += usage.ru_utime + usage.ru_stime
            self.memory_kib = max(self.memory_kib, float(usage.ru_maxrss))
        self.next_s = time.monotonic() + min(AGAIN_AFTER_S * 2 ** (self._starts - 1), AGAIN_AFTER_MOST_S)
        return True

    def _kill(self) -> None:
        try:  # noqa: SIM105 (contextlib costs memory)
            os.kill(self._pid, signal.SIGKILL)
        except OSError:
            pass
        until_s = time.monotonic() + KILLED_WITHIN_S
        while not self._ended() and time.monotonic() < until_s:  # one that waits for a lost disk stays a while
            time.sleep(0.002)


def _live_after_s(environment: Environment) -> float:
    try:
        return max(0.0, float(environment[LIVE_AFTER]))
    except (KeyError, ValueError):
        return LIVE_AFTER_S if HANDOVER in environment else LIVE_AFTER_REMOTE_S
