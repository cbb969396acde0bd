"""What the publisher notes of itself in the spool's folder: who it is, and how the store behaves.

The task reads it at its end, so that the last card can say what the live one went through.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import Any

from resource_tracker.records import FailedSource

STATUS = "publisher"
SOURCE = "live card"
TRIES = 3
BYTES = 4096
"""Of the file, always: the longest reason there may be, and the page of memory that is written at once."""
SLOW_S = 5.0
"""A store that is waited for longer than this at the end of the step has kept the live card behind."""


class Status:
    """The publisher's side.

    Parameters
    ----------
    spool_dir : str
        Folder of the attempt's spool.
    """

    def __init__(self, spool_dir: str) -> None:
        self._path = f"{spool_dir}/{STATUS}"
        before = _read(self._path)
        self.updates = _count(before, "updates")
        self.failures = _count(before, "failures")
        self._reason = str(before.get("reason", ""))
        self._failing = False
        self.has_page = before.get("has_page") is True

    def begun(self) -> None:
        """There is a publisher: this process."""
        self._write()

    def asking(self) -> None:
        """The store is asked now; whoever reads this later knows since when it has not answered."""
        self._write(asked_at=time.monotonic())

    def succeeded(self) -> None:
        """The store took an update."""
        self.updates += 1
        self._failing = False
        self._write()

    def failed(self, error: BaseException) -> None:
        """It did not, or something else went wrong."""
        self.failures += 1
        self._failing = True
        self._reason = reason_of(error)
        self._write()

    def _write(self, asked_at: float | None = None) -> None:
        content = {
            "pid": os.getpid(),
            "has_page": self.has_page,
            "updates": self.updates,
            "failures": self.failures,
            "failing": self._failing,
            "reason": self._reason,
            "asked_at": asked_at,
        }
        # In place: to rename a file over another costs a real file system more than a tenth of an update.
        with suppress(OSError):  # a full disk, or the attempt has just ended
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, json.dumps(content).ljust(BYTES).encode())
            finally:
                os.close(file)


def reason_of(error: BaseException) -> str:
    """An error in one line of at most a few hundred characters; that of a store may hold a whole reply."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:300].rstrip(": ")


def publisher_pid(spool_dir: str) -> int | None:
    """The process that kept the card live, which may have ended; ``None`` where there never was one."""
    pid = _read(f"{spool_dir}/{STATUS}").get("pid")
    return pid if isinstance(pid, int) else None


def has_live_page(spool_dir: str) -> bool:
    """Whether a page that asks for updates stands in the store."""
    return _read(f"{spool_dir}/{STATUS}").get("has_page") is True


def store_answers(spool_dir: str) -> bool:
    """Whether the store took the last update, and does not keep the publisher waiting just now."""
    found = _read(f"{spool_dir}/{STATUS}")
    return found.get("failing") is not True and _waited_s(found) <= SLOW_S


def troubles(spool_dir: str) -> FailedSource | None:
    """What the card should say of its own live updates; ``None`` where all was well, or there were none."""
    found = _read(f"{spool_dir}/{STATUS}")
    updates, failures, seconds = _count(found, "updates"), _count(found, "failures"), _waited_s(found)
    if seconds > SLOW_S:
        reason = f"the store had not answered for {seconds:.0f} s when the step ended, after {updates} updates"
        return FailedSource(source=SOURCE, reason=reason, count=failures + 1)
    if failures:
        reason = f"{failures} of {updates + failures} updates could not be written, the last one for: "
        return FailedSource(source=SOURCE, reason=reason + str(found.get("reason", "")), count=failures)
    return None


def _waited_s(found: dict[str, Any]) -> float:
    asked_at = found.get("asked_at")
    return max(0.0, time.monotonic() - asked_at) if isinstance(asked_at, float) else 0.0


def _count(found: dict[str, Any], name: str) -> int:
    value = found.get(name)
    return value if isinstance(value, int) else 0


def _read(path: str) -> dict[str, Any]:
    for _ in range(TRIES):
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
        except OSError:
            return {}
        except ValueError:  # it is being written
            continue
        return found if isinstance(found, dict) else {}
    return {}
