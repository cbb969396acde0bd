"""Attempts of which nobody lived to tell, as all that watched them were killed with them: told when somebody asks.

The next start of a step on the machine does it by itself, see :mod:`resource_tracker.sampler.publisher`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from resource_tracker.errors import ArtifactError
from resource_tracker.flows.order import read_order
from resource_tracker.sampler.publisher import AWAITED, LAUNCH
from resource_tracker.spool_dirs import being_told, claim_untold

_WITHIN_S = 30.0
_MOST = 16
_AWAIT_OTHERS_S, _LOOK_EVERY_S = 10.0, 0.1
"""For those who tell of a task that has just died: within a second or two, unless a store keeps them waiting."""


def have_told(pathspec: str) -> tuple[str, ...]:
    """Tell of all such attempts of a flow, run, step or task; of which tasks. Never raises: what fails remains untold.

    What others tell at this moment is awaited for a while: sooner, all that is known is that the attempt died.
    Who tells is in a session of its own: neither our patience nor Ctrl-C ends it, as there is one chance.
    """
    told = tuple(_tell_all(pathspec))
    until_s = time.monotonic() + _AWAIT_OTHERS_S
    while any(_is_of(path, pathspec) for path in being_told()) and time.monotonic() < until_s:
        time.sleep(_LOOK_EVERY_S)
    return told


def told_note(pathspec: str) -> str | None:
    """Has them told, and says so in a line for people; ``None`` where there were none."""
    told = have_told(pathspec.strip("/"))
    if not told:
        return None
    what = "an attempt had died with all that watched it, and is told of only now"
    if len(told) > 1:
        what = f"{len(told)} attempts had died with all that watched them, and are told of only now"
    return f"{what}: see `resource-tracker why {told[0]}`"


def _tell_all(pathspec: str) -> Iterator[str]:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for _ in range(_MOST):
        spool_dir = claim_untold(wanted=lambda path: _is_of(path, pathspec))
        if spool_dir is None:
            return
        told = read_order(spool_dir).pathspec
        command = [sys.executable, "-I", "-c", LAUNCH, root, spool_dir, AWAITED]
        try:
            teller = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            teller.wait(_WITHIN_S)
        except (OSError, subprocess.TimeoutExpired):
            return
        yield told


def _is_of(spool_dir: str, pathspec: str) -> bool:
    try:
        return f"{read_order(spool_dir).pathspec}/".startswith(f"{pathspec.strip('/')}/")
    except (OSError, ArtifactError):
        return False
