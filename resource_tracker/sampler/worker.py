"""A thread beside the sampler's loop: a driver or a server that takes its time, or hangs, makes no row late.

While a function of the driver, or of the kernel, runs, Python's lock is free. The thread ends with the process.
"""

import _thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Worker:
    """Does one thing at a time. All methods are the loop's; only the function that is given runs in the thread."""

    def __init__(self) -> None:
        self._wake = _thread.allocate_lock()
        self._wake.acquire()
        self._working = _thread.allocate_lock()
        self._started = self.busy = False
        self._work: Callable[[], object] = object
        self._result: object = None

    def ask(self, work: "Callable[[], object]") -> None:
        """Has `work` done; not while it is busy. Raises RuntimeError where there can be no thread."""
        if not self._started:
            _thread.start_new_thread(self._live, ())
            self._started = True
        self._working.acquire()
        self.busy = True
        self._work = work
        self._wake.release()

    def result(self, wait_s: float = 0.0) -> object:
        """What was returned, or the exception that was raised; ``None`` if it is not done within `wait_s`, or idle."""
        if not self.busy or not self._working.acquire(timeout=wait_s):
            return None
        self._working.release()
        self.busy = False
        return self._result

    def _live(self) -> None:
        while True:
            self._wake.acquire()
            try:
                self._result = self._work()
            except Exception as error:  # noqa: BLE001 (whatever it is, the loop must hear of it)
                self._result = error
            self._working.release()
