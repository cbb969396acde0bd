"""Which processes are attempts that are measured on their own: workers of ``@parallel``, flows that the step runs."""

import os

ATTEMPT = "attempt"
"""An empty file in the spool of a Metaflow attempt. Its folder's name says whose it is:
``NAME.PID.START_TIME.BOOT.NAMESPACE.CHANCE``."""
FIELDS = 6
PRIVATE_FOLDER = 0o040700
TYPE_AND_PERMISSIONS = 0o170777
SETTLED_AFTER_S = 2.0
"""A spool is an attempt's only some moments after its folder was made."""


class AttemptsBeside:
    """The attempts whose spools lie beside one, looked for only where something came or went there.

    A temporary folder can hold thousands of files, and the question is asked up to ten times a second.
    """

    def __init__(self, spool: str) -> None:
        self._spool = spool
        self._changed_ns = 0
        self._look_until_s = 0.0
        self._found: set[tuple[int, int]] = set()

    def now(self, now_s: float) -> set[tuple[int, int]]:
        """As :func:`attempts_beside`. `now_s` is monotonic."""
        try:
            changed_ns = os.stat(os.path.dirname(self._spool)).st_mtime_ns
        except OSError:
            changed_ns = 0
        if changed_ns != self._changed_ns:
            self._changed_ns = changed_ns
            self._look_until_s = now_s + SETTLED_AFTER_S
        if now_s <= self._look_until_s:
            self._found = attempts_beside(self._spool)
        return self._found


def attempts_beside(spool: str) -> set[tuple[int, int]]:
    """Processes, by pid and start time, of the attempts whose spools lie beside `spool`; empty where unknown.

    The folders there may be open to everybody: only private ones of our own user count, else others could have
    processes left out of our figures.
    """
    parent, own = os.path.split(spool)
    program, _, _, *here = own.split(".")[:-1] if own.count(".") == FIELDS - 1 else ("", "", "")
    found: set[tuple[int, int]] = set()
    try:
        names = os.listdir(parent)
    except OSError:
        return found
    for name in names:
        fields = name.split(".")
        if name == own or len(fields) != FIELDS or fields[0] != program or fields[3:5] != here:
            continue
        pid, start_time = fields[1:3]
        is_process = pid.isdecimal() and start_time.isdecimal()
        if is_process and _is_ours(f"{parent}/{name}") and os.path.exists(f"{parent}/{name}/{ATTEMPT}"):
            found.add((int(pid), int(start_time)))
    return found


def _is_ours(path: str) -> bool:
    """A folder (no link to one) that nobody else could have made, or put anything into."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return status.st_mode & TYPE_AND_PERMISSIONS == PRIVATE_FOLDER and status.st_uid == os.geteuid()
