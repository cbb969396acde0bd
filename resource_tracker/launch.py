"""Starting the sampler: a child that ends at once, whose own child it is, so that it is nobody's.

The task forks nothing (``subprocess`` uses vfork), and holds two pipes until the first reading is taken, none after.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

from resource_tracker.errors import TrackerError
from resource_tracker.systems import System

LAUNCH = "import sys; sys.path.append(sys.argv[1]); from {entry} import main; main()"
KEPT_VARIABLE = "LD_LIBRARY_PATH"
"""The only one that the sampler inherits: some Pythons and NVIDIA's library are found only through it."""
MAX_ANSWER = 1 << 16


class Launch:
    """A sampler that is loading.

    Parameters
    ----------
    system : System
        Which sampler runs, and how it is known.
    arguments : list of str
        Names and values, see :class:`resource_tracker.sampler.main.Arguments`.
    spool_dir : str
        Stands among the arguments: a process without it is not the sampler.
    deadline_s : float
        Monotonic time by which its first reading must be taken.

    Raises
    ------
    OSError, ValueError, RuntimeError
        The process could not be started.
    """

    def __init__(self, system: System, arguments: list[str], spool_dir: str, deadline_s: float) -> None:
        # Not -E but -I: no variable, user folder or working directory of the task's decides what is imported.
        command = [sys.executable, "-I", "-S", "-c", LAUNCH.format(entry=system.entry), _package_root(), *arguments]
        environment = {KEPT_VARIABLE: os.environ[KEPT_VARIABLE]} if KEPT_VARIABLE in os.environ else {}
        self._system = system
        self._spool_dir = spool_dir
        self._deadline_s = deadline_s
        self._sampler_pid: int | None = None
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=environment,
            bufsize=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._word, self._answers = self._process.stdin, self._process.stdout

    def finish(self) -> int:
        """The sampler's pid, once its first reading is taken; nothing of it is open any more.

        Raises
        ------
        TrackerError, OSError
            There is none; whatever there is must be abandoned.
        """
        deadline_s, output = self._deadline_s, self._answers.fileno()
        line = _line(output, deadline_s)
        if line.startswith("pid "):
            self._sampler_pid = int(line.split()[1])
            try:
                self._process.wait(timeout=max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise TrackerError("the launcher of the sampler does not end") from None
            self._word.close()  # "begin"; nothing is written, since SIGPIPE may not be ignored here
            line = _line(output, deadline_s)
            if line == "ok\n":
                self._close()
                return self._sampler_pid
        raise TrackerError(_failure(line, output, deadline_s))

    def abandon(self) -> None:
        """Leaves no process behind, nor a zombie: where we are a subreaper, the sampler is our child by now."""
        self._process.kill()
        self._process.wait()
        if self._sampler_pid is None and not self._answers.closed:
            line = _line(self._answers.fileno(), 0)
            self._sampler_pid = int(line.split()[1]) if line.startswith("pid ") else None
        self._close()
        if self._sampler_pid is None:
            return
        try:
            if self._system.has_argument(self._sampler_pid, self._spool_dir):
                os.kill(self._sampler_pid, signal.SIGKILL)
        except OSError:
            pass
        try:
            os.waitpid(self._sampler_pid, 0)
        except ChildProcessError:
            return

    def _close(self) -> None:
        self._word.close()
        self._answers.close()


def _line(fd: int, deadline_s: float) -> str:
    """A line of text; less, where the time is over or the other side ended."""
    data = b""
    while not data.endswith(b"\n") and len(data) < MAX_ANSWER and wait_for(fd, deadline_s):
        byte = os.read(fd, 1)
        if not byte:
            break
        data += byte
    return data.decode("utf-8", "replace")


def wait_for(fd: int, deadline_s: float) -> int:
    """Poll events of `fd`; 0 where the (monotonic) time is over."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    ready = poll.poll(max(0.0, (deadline_s - time.monotonic()) * 1000))
    return ready[0][1] if ready else 0


def _failure(line: str, output: int, deadline_s: float) -> str:
    """Why there is no sampler, in one line."""
    if line.startswith("error "):
        return f"the sampler cannot be started: {line.removeprefix('error ').strip()}"
    lines = [line]
    while lines[-1]:
        lines.append(_line(output, deadline_s))
    said = [text.strip() for text in lines if text.strip()]
    if time.monotonic() >= deadline_s:
        return "the sampler did not start in time"
    return f"the sampler cannot be started: {said[-1] if said else 'it said nothing'}"


def _package_root() -> str:
    """The folder or zip file that this very package was imported from."""
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
