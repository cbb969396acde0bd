"""The end of the live card, in the task: nobody may write after the last page."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NamedTuple

from resource_tracker.flows.publisher.status import has_live_page, publisher_pid, troubles
from resource_tracker.records import FailedSource
from resource_tracker.systems import Linux


class LiveEnd(NamedTuple):
    """What the live card was: whether a page stands that asks for updates, and what went wrong with it."""

    has_page: bool
    trouble: FailedSource | None


def end_live(spool_dir: str) -> LiveEnd:
    """Ends the publisher where the sampler could not, as it was killed; to be called while the spool is there."""
    pid = publisher_pid(spool_dir)
    if pid is not None and Linux().has_argument(pid, spool_dir):  # another process may have that number by now
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return LiveEnd(has_page=has_live_page(spool_dir), trouble=troubles(spool_dir))
