"""How processes are known, and which sampler runs: on Linux, and where there is no ``/proc``."""

from __future__ import annotations

import os
import signal
from typing import Any, Protocol

from resource_tracker.errors import ParseError, TrackerError
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.spool_dirs import is_running, start_time_of


class System(Protocol):
    """What differs between systems when a sampler is started, asked for, and ended."""

    entry: str
    """Module whose ``main`` the sampler runs."""

    def start_time_of(self, pid: int) -> int:
        """A number that with the pid names the process. Raises OSError, ParseError."""

    def is_running(self, pid: int, start_time: int) -> bool:
        """Whether that very process is there and has not ended."""

    def kill(self, pid: int, start_time: int) -> None:
        """Kills that very process, if it is there."""

    def has_argument(self, pid: int, argument: str) -> bool:
        """Whether a process was started with it: one that took the pid since was not."""

    def directory_of(self, pid: int) -> str:
        """The working directory of a process; the root's, where it may not be known."""

    def arguments(self) -> dict[str, str]:
        """What else the sampler must be told."""


class Linux:
    """``/proc`` and pidfds."""

    entry = "resource_tracker.sampler.main"

    def start_time_of(self, pid: int) -> int:
        return start_time_of(pid)

    def is_running(self, pid: int, start_time: int) -> bool:
        return is_running(pid, start_time)

    def kill(self, pid: int, start_time: int) -> None:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return
        try:
            if is_running(pid, start_time):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        except OSError:
            return
        finally:
            os.close(fd)

    def has_argument(self, pid: int, argument: str) -> bool:
        try:
            return os.fsencode(argument) in read_record(f"/proc/{pid}/cmdline")
        except OSError:
            return False

    def directory_of(self, pid: int) -> str:
        try:
            return os.readlink(f"/proc/{pid}/cwd")
        except OSError:  # another user's
            return "/"

    def arguments(self) -> dict[str, str]:
        return {}


class OtherSystem:
    """What psutil knows. Raises TrackerError where it is not installed."""

    entry = "resource_tracker.sampler.psutil_main"

    def __init__(self) -> None:
        try:
            import psutil
        except ImportError:
            raise TrackerError("there is no /proc, and psutil is not installed") from None
        self._psutil: Any = psutil

    def start_time_of(self, pid: int) -> int:
        from resource_tracker.sampler.psutil_member import start_time_of as made_at

        try:
            return made_at(self._psutil.Process(pid))
        except self._psutil.Error as error:
            raise ParseError("psutil", str(error)) from None

    def is_running(self, pid: int, start_time: int) -> bool:
        try:
            ended = self._psutil.Process(pid).status() == self._psutil.STATUS_ZOMBIE
            return not ended and self.start_time_of(pid) == start_time
        except (self._psutil.Error, ParseError):
            return False

    def kill(self, pid: int, start_time: int) -> None:
        if self.is_running(pid, start_time):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                return

    def has_argument(self, pid: int, argument: str) -> bool:
        try:
            return argument in self._psutil.Process(pid).cmdline()
        except self._psutil.Error:
            return False

    def directory_of(self, pid: int) -> str:
        try:
            found: str = self._psutil.Process(pid).cwd()
        except self._psutil.Error:
            return os.sep
        return found

    def arguments(self) -> dict[str, str]:
        return {"psutil_dir": os.path.dirname(os.path.dirname(os.path.abspath(self._psutil.__file__)))}


def shows_another_namespace(proc: str = "/proc") -> bool:
    """Whether ``/proc`` is of another pid namespace than ours: there our pid is somebody else, or nobody."""
    try:
        return os.readlink(f"{proc}/self") != str(os.getpid())
    except OSError:
        return False


def this_system() -> System:
    """The one we are on. Raises TrackerError where no sampler can run."""
    return Linux() if os.path.exists("/proc/self/stat") else OtherSystem()
