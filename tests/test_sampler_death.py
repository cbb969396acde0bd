"""How the sampler finds out what ended a process that is not its child: each source on real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resource_tracker.sampler.death import PIDFD, ZOMBIE, MachineKills, exit_status
from resource_tracker.spool_dirs import start_time_of

KILL_ITSELF = "import os, signal; input(); os.kill(os.getpid(), signal.SIGKILL)"
LEAVE = "import os; input(); os._exit(3)"


class Task:
    """A process that ends as told, and is waited for only by :meth:`reap`."""

    def __init__(self, code: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
        self.pid = self.process.pid
        self.start_time = start_time_of(self.pid)
        self.fd = os.pidfd_open(self.pid)

    def die(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.close()
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def reap(self) -> None:
        self.process.wait()

    def status(self, fd: int | None = None) -> tuple[int, str] | None:
        return exit_status(self.fd if fd is None else fd, "/proc", self.pid, self.start_time)


@pytest.mark.parametrize(("code", "status"), [(KILL_ITSELF, 9), (LEAVE, 3 << 8)], ids=["signal", "exit code"])
def test_of_a_zombie(code: str, status: int) -> None:
    """Until its parent waits for it, the last field of its stat file is the wait status; while it lives, nothing is."""
    task = Task(code)
    assert task.status() is None
    task.die()
    assert task.status() == (status, ZOMBIE)
    assert task.status(fd=-1) == (status, ZOMBIE)
    assert exit_status(-1, "/proc", task.pid, task.start_time - 1) is None
    task.reap()
    os.close(task.fd)


@pytest.mark.parametrize(("code", "status"), [(KILL_ITSELF, 9), (LEAVE, 3 << 8)], ids=["signal", "exit code"])
def test_of_one_that_was_waited_for(code: str, status: int) -> None:
    """Only its pidfd still knows, from Linux 6.15 on; without one, nobody does."""
    task = Task(code)
    task.die()
    task.reap()
    kernel = tuple(int(part) for part in os.uname().release.split(".")[:2])
    assert task.status() == ((status, PIDFD) if kernel >= (6, 15) else None)
    assert task.status(fd=-1) is None
    os.close(task.fd)


def test_zero_of_another_users_process_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel may have hidden the status, 0 is no status; anything else is, and so is 0 of one's own."""
    fields = ["Z", *["0"] * 18, "77", *["0"] * 29]
    folder = tmp_path / "5"
    folder.mkdir()
    for status, uid, expected in (
        (0, os.getuid() + 1, None),
        (9, os.getuid() + 1, (9, ZOMBIE)),
        (0, os.getuid(), (0, ZOMBIE)),
    ):
        (folder / "stat").write_text(f"5 (a) b) {' '.join(fields)} {status}\n")
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        assert exit_status(-1, str(tmp_path), 5, 77) == expected


def test_kills_on_the_machine(tmp_path: Path) -> None:
    """Kills within the last two rows are recent, earlier ones are not; without the counter there are none."""
    kills = MachineKills(str(tmp_path))
    kills.look()
    assert kills.recent == 0
    file = tmp_path / "vmstat"
    kills = MachineKills(str(tmp_path))
    for count, recent in ((3, 0), (3, 0), (4, 1), (4, 1), (4, 0)):
        file.write_text(f"nr_free_pages 5\noom_kill {count}\nzone 1\n")
        kills.look()
        assert kills.recent == recent
    file.write_text("nr_free_pages 5\noom_kill junk\n")
    kills.look()
    assert kills.recent == 0


def test_the_kernels_own_counter() -> None:
    """This kernel's /proc/vmstat has the counter, so that its form is known to be right."""
    kills = MachineKills("/proc")
    kills.look()
    assert kills._works
