"""Runs the console command as a user does: another process, with a home and a temporary folder of its own."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

TIMEOUT_S = 120
PYTHON = sys.executable
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[78=>])")


class Cli:
    """The command line in a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "work"
        self.tmp = root / "tmp"
        self.folder.mkdir()
        self.tmp.mkdir()

    def environment(self, **extra: str) -> dict[str, str]:
        """Nothing of the test's own settings leaks in."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("METAFLOW_", "COV_", "PYTEST_"))}
        kept |= {"TMPDIR": str(self.tmp), "HOME": str(self.tmp), "XDG_CACHE_HOME": str(self.tmp / "cache")}
        kept |= {"PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | extra

    def command(self, *arguments: str) -> list[str]:
        return [PYTHON, "-m", "resource_tracker.cli", *arguments]

    def __call__(
        self, *arguments: str, prefix: tuple[str, ...] = (), **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end; a hang fails the test."""
        options = {"stdin": subprocess.DEVNULL, "env": self.environment(), "cwd": self.folder} | options
        if "input" in options:
            del options["stdin"]
        command = [*prefix, *self.command(*arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **options)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start it, with its output in pipes."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        options = {"env": self.environment(), "cwd": self.folder, "text": True, **pipes, **options}
        return subprocess.Popen(self.command(*arguments), **options)

    def on_terminal(self, *command: str, **environment: str) -> Terminal:
        """Start any command on a terminal of its own, 100 columns wide."""
        pid, master = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.environ.clear()
            os.environ.update(self.environment(TERM="xterm", **environment))
            os.execvp(command[0], command)
        return Terminal(pid, master)

    def leftovers(self) -> list[str]:
        """Spools, and live samplers that write to them."""
        files = [path.name for path in self.tmp.iterdir() if path.name.startswith("resource")]
        return files + [repr(process) for process in self.samplers()]

    def samplers(self) -> list[psutil.Process]:
        """Samplers of this folder: they are told where to write in their arguments."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or ())
            if "sampler.main" in line and str(self.tmp) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found


class Terminal:
    """The other side of a pseudo-terminal, and the process that leads the session there."""

    def __init__(self, pid: int, master: int) -> None:
        self.pid = pid
        self._master = master
        self.raw = ""
        import fcntl
        import struct
        import termios

        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

    @property
    def text(self) -> str:
        """What was shown so far, without escape sequences."""
        return _ESCAPES.sub("", self.raw)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def read_until(self, found: str | Callable[[str], bool], timeout_s: float = TIMEOUT_S) -> str:
        """Read until the text is there (or the other side is gone); fails after the time."""
        is_found = found if callable(found) else lambda text: found in text
        end = time.monotonic() + timeout_s
        while not is_found(self.text):
            assert time.monotonic() < end, f"not seen: {found!r} in {self.text!r}"
            if not self._read(0.1):
                break
        return self.text

    def wait(self) -> int:
        """Read to the end; the wait status of the leader."""
        end = time.monotonic() + TIMEOUT_S
        while self._read(0.1):
            assert time.monotonic() < end, f"no end: {self.text!r}"
        os.close(self._master)
        return os.waitpid(self.pid, 0)[1]

    def _read(self, timeout_s: float) -> bool:
        """False at the end."""
        if not select.select([self._master], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the last process on the terminal ended
            return False
        self.raw += data.decode("utf-8", "replace")
        return bool(data)


def wait_until(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """The condition's first true value; fails after the time."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return value
