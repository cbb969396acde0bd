"""Which signals of ours the command has to hear from us, and which it has heard already."""

from __future__ import annotations

import signal
from pathlib import Path

STOPS = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
"""The terminal's stop signals."""
FORWARDED = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGALRM,
        signal.SIGTERM,
        signal.SIGCONT,
        signal.SIGTSTP,
        signal.SIGWINCH,
    }
)
_FROM_KERNEL = 0x80
"""``SI_KERNEL`` (sigaction(2)): a key or a hang-up at the terminal, which signals the whole group."""


def should_forward(info: signal.struct_siginfo, command_pid: int) -> bool:
    """False where the command has got the signal itself, or where it came from it.

    What the terminal sends goes to every process of its foreground group, and the command is in our group:
    passing it on would interrupt the command twice. What the command's own processes send to us, or to the group,
    is not for the command to get back.
    """
    if info.si_code == _FROM_KERNEL:
        return False
    return not _descends_from(info.si_pid, command_pid)


def _descends_from(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        pid = _parent(pid)
    return False


def _parent(pid: int) -> int:
    """Parent of a process; 0 where it is gone or cannot be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])  # the name may hold spaces and parentheses
