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
from resource_tracker.sampler.procfs.files import read_record

LAUNCH = "import sys; sys.path.append(sys.argv[1]); from resource_tracker.sampler.main import main; main()"
KEPT_VARIABLE = "LD_LIBRARY_PATH"
"""The only one that the sampler inherits: some Pythons and NVIDIA's library are found only through it."""
MAX_ANSWER = 1 << 16


def launch(arguments: list[str], spool_dir: str, deadline_s: float) -> int:
    """Starts a sampler, and returns its pid once its first reading is taken.

    Parameters
    ----------
    arguments : list of str
        Names and values, see :class:`resource_tracker.sampler.main.Arguments`.
    spool_dir : str
        Stands among the arguments: a process without it is not the sampler.
    deadline_s : float
        Monotonic time by which it must be done.

    Raises
    ------
    TrackerError, OSError
        It could not be started; no process is left.
    """
    # Not -E but -I: no variable, user folder or working directory of the task's decides what is imported.
    command = [sys.executable, "-I", "-S", "-c", LAUNCH, _package_root(), *arguments]
    environment = {KEPT_VARIABLE: os.environ[KEPT_VARIABLE]} if KEPT_VARIABLE in os.environ else {}
    launcher = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=environment,
        bufsize=0,
    )
    assert launcher.stdin is not None and launcher.stdout is not None
    sampler_pid: int | None = None
    try:
        output = launcher.stdout.fileno()
        line = _line(output, deadline_s)
        if line.startswith("pid "):
            sampler_pid = int(line.split()[1])
            launcher.wait(timeout=max(0.0, deadline_s - time.monotonic()))
            launcher.stdin.close()  # "begin"; nothing is written, since SIGPIPE may not be ignored here
            line = _line(output, deadline_s)
            if line == "ok\n":
                return sampler_pid
        raise TrackerError(_failure(line, output, deadline_s))
    except BaseException as error:
        _dispose(launcher, sampler_pid, spool_dir)
        if isinstance(error, subprocess.TimeoutExpired):
            raise TrackerError("the launcher of the sampler does not end") from None
        raise
    finally:
        launcher.stdin.close()
        launcher.stdout.close()


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
    """Poll events of `fd`; 0 where the time is over."""
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


def _dispose(launcher: subprocess.Popen[bytes], sampler_pid: int | None, spool_dir: str) -> None:
    """Leaves no process behind, nor a zombie: where we are a subreaper, the sampler is our child by now."""
    launcher.kill()
    launcher.wait()
    if sampler_pid is None:
        return
    try:
        if os.fsencode(spool_dir) in read_record(f"/proc/{sampler_pid}/cmdline"):
            os.kill(sampler_pid, signal.SIGKILL)
    except OSError:
        pass
    try:
        os.waitpid(sampler_pid, 0)
    except ChildProcessError:
        return


def _package_root() -> str:
    """The folder or zip file that this very package was imported from."""
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
