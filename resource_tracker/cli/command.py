"""Runs a command as if we were not there: its exit status, its signals, its terminal.

The command stays in our process group and session, so whatever ends the group ends both. It is
forked first and waits at a gate, so that measuring can begin before its exec.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from resource_tracker.cli.relay import FORWARDED, STOPS, should_forward

NOT_EXECUTABLE = 126
NOT_FOUND = 127
_GATE_CLOSED = 125
"""Status of the forked child where we died before the command could begin; nobody is left to read it."""
_SAME_SIZE = 1.25
"""A peak up to this much above that of the process before its exec may still be from before."""
_WATCHED = FORWARDED | STOPS | {signal.SIGCHLD}
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that Python ignores from its start on; an ignored signal stays ignored across exec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the command ended, and what the kernel counted for it and the children it waited for.

    ``signal`` is set where it was killed. ``max_rss_kib`` is ``None`` where the highest was before the exec: the kernel
    keeps it across one.
    """

    exit_code: int
    signal: int | None = None
    cpu_s: float
    max_rss_kib: float | None


class Command:
    """A command that is forked at once, begins at :meth:`release`, and is waited for in :meth:`wait`.

    Parameters
    ----------
    argv : sequence of str
        The command and its arguments.
    extra_environment : mapping
        Variables that it gets beside ours.
    """

    def __init__(self, argv: Sequence[str], extra_environment: Mapping[str, str]) -> None:
        self.exec_error: OSError | None = None
        sigchld = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, children vanish without a status
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        gate, self._gate = os.pipe()
        self._verdict, verdict = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._gate)
            os.close(self._verdict)
            environment = {**os.environ, **extra_environment}
            _become(list(argv), environment, gate, verdict, mask, sigchld == signal.SIG_IGN)
        os.close(gate)
        os.close(verdict)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._mask = mask
        self._own_peak_kib = 0.0

    def release(self) -> bool:
        """Let the command begin; False where it cannot, and then :attr:`exec_error` says why.

        From here to :meth:`reap` our signals come to :meth:`wait`, not to Python's handlers.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
        with contextlib.suppress(BrokenPipeError):  # a signal took it while it waited
            os.write(self._gate, b"1")
        os.close(self._gate)
        with open(self._verdict, "rb") as verdict:  # closed by the exec itself where that succeeds
            own_peak_kib, *error = verdict.read().split() or [b"0"]
        self._own_peak_kib = float(own_peak_kib)
        if not error:
            return True
        os.waitpid(self.pid, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        number = int(error[0])
        self.exec_error = OSError(number, os.strerror(number))
        return False

    def abandon(self) -> None:
        """Give up before :meth:`release`: the command never begins."""
        os.close(self._gate)
        os.close(self._verdict)
        os.waitpid(self.pid, 0)

    def wait(self, tick: Callable[[], None], delays: Iterator[float]) -> None:
        """Wait until the command has ended, and pass its signals on; it can still be looked at in /proc then.

        Parameters
        ----------
        tick : callable
            Called after each of `delays`.
        delays : iterator of float
            Seconds from one call of `tick` to the next; none where it is exhausted.
        """
        delay_s = next(delays, None)
        while not self._has_ended():
            info = signal.sigwaitinfo(_WATCHED) if delay_s is None else signal.sigtimedwait(_WATCHED, delay_s)
            if info is None:
                tick()
                delay_s = next(delays, None)
            elif info.si_signo != signal.SIGCHLD and should_forward(info, self.pid):
                self._send(info.si_signo)

    def reap(self) -> Ending:
        """How the command ended. From here on signals are ours again; what came meanwhile was meant for the command."""
        _, status, usage = os.wait4(self.pid, 0)
        while signal.sigtimedwait(_WATCHED, 0):
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        return Ending(
            exit_code=os.WEXITSTATUS(status) if number is None else 128 + number,
            signal=number,
            cpu_s=usage.ru_utime + usage.ru_stime,
            max_rss_kib=usage.ru_maxrss if usage.ru_maxrss > self._own_peak_kib * _SAME_SIZE else None,
        )

    def _has_ended(self) -> bool:
        """Look at every child that changed: as PID 1 of a container, orphans of the command become ours."""
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
            if found is None:
                return False
            has_stopped = found.si_code in (os.CLD_STOPPED, os.CLD_TRAPPED)
            if found.si_pid == self.pid and not has_stopped:
                return True
            os.waitpid(found.si_pid, os.WNOHANG | os.WUNTRACED)
            if found.si_pid == self.pid:
                self._stop_too(found.si_status)

    def _send(self, number: int) -> None:
        with contextlib.suppress(PermissionError):  # it runs as another user, as sudo does
            os.kill(self.pid, number)

    def _stop_too(self, number: int) -> None:
        """Stop as the command did, so that the shell sees its job stopped; go on with it afterwards.

        Only for the terminal's stop signals: who sends SIGSTOP to the command alone may continue it alone.
        The kernel ignores these where no shell could ever continue us.
        """
        if number not in STOPS:
            return
        os.kill(os.getpid(), number)  # while blocked: one with what the terminal may have sent us
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.pthread_sigmask(signal.SIG_BLOCK, {number})
        self._send(signal.SIGCONT)


def exec_failure(command: str, error: OSError) -> tuple[int, str]:
    """The shell's exit code for a command that could not begin, and the line to print."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        if shutil.which(command) is not None:
            return NOT_FOUND, f"{command}: its interpreter, named in its first line, was not found"
        return NOT_FOUND, f"{command}: command not found"
    if error.errno == errno.EACCES and Path(command).is_dir():
        return NOT_EXECUTABLE, f"{command}: is a directory"
    return NOT_EXECUTABLE, f"{command}: cannot be executed ({error.strerror})"


def end_like(ending: Ending) -> int:
    """Die of the signal that killed the command, or return its exit code."""
    if ending.signal is None:
        return ending.exit_code
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))  # keep its core dump
    if ending.signal not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(ending.signal, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {ending.signal})
    os.kill(os.getpid(), ending.signal)
    return ending.exit_code  # PID 1 survives its own signals


def _become(
    argv: list[str],
    environment: dict[str, str],
    gate: int,
    verdict: int,
    mask: set[signal.Signals | int],
    ignore_sigchld: bool,
) -> NoReturn:
    """In the child: wait at the gate, then be the command. Never returns into our own code."""
    try:
        for number in _IGNORED_BY_PYTHON:
            signal.signal(number, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # no KeyboardInterrupt while we wait
        if ignore_sigchld:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if os.read(gate, 1):
            os.write(verdict, f"{_own_peak_kib()} ".encode())
            _exec(argv, environment)
    except OSError as error:
        os.write(verdict, str(error.errno).encode())
    finally:
        os._exit(_GATE_CLOSED)


def _own_peak_kib() -> float:
    """Highest resident memory of this process so far; infinite where it cannot be told. getrusage(2) lags behind."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1])
    except OSError:
        pass
    return math.inf


def _exec(argv: list[str], environment: dict[str, str]) -> NoReturn:
    if not argv[0]:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    try:
        os.execvpe(argv[0], argv, environment)  # noqa: S606
    except OSError as error:
        script = shutil.which(argv[0])
        if error.errno != errno.ENOEXEC or script is None:
            raise
        # A script without a first line: execvp(3), and so env and nice, hand it to the shell.
        os.execve("/bin/sh", ["/bin/sh", script, *argv[1:]], environment)  # noqa: S606
