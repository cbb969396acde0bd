"""Which processes are attempts that are measured on their own: workers of ``@parallel``, flows that the step runs."""

import os

ATTEMPT = "attempt"
"""An empty file in the spool of a Metaflow attempt. Its folder's name says whose: ``NAME.PID.START_TIME. ...``."""


def attempts_beside(spool: str) -> set[tuple[int, int]]:
    """Processes, by pid and start time, of the attempts whose spools lie beside `spool`; empty where unknown."""
    parent, own = os.path.split(spool)
    prefix = own.partition(".")[0] + "."
    found = set()
    try:
        for name in os.listdir(parent):
            pid, _, rest = name.removeprefix(prefix).partition(".")
            start_time = rest.partition(".")[0]
            if not (name.startswith(prefix) and pid.isdigit() and start_time.isdigit()) or name == own:
                continue
            if os.path.exists(f"{parent}/{name}/{ATTEMPT}"):
                found.add((int(pid), int(start_time)))
    except OSError:
        return found
    return found
