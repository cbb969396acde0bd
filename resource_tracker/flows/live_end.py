"""The end of the live card, in the task: nobody may write after the last page."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NamedTuple

from resource_tracker.flows.publisher.status import has_live_page, publisher_pid, store_answers, troubles
from resource_tracker.records import FailedSource
from resource_tracker.systems import Linux


class LiveEnd(NamedTuple):
    """What the live card was: whether its page must be told that it is over, and what went wrong with it."""

    tells_page: bool
    trouble: FailedSource | None


def end_live(spool_dir: str) -> LiveEnd:
    """Ends the publisher where the sampler could not, as it was killed; to be called while the spool is there."""
    pid = publisher_pid(spool_dir)
    if pid is not None and Linux().has_argument(pid, spool_dir):  # another process may have that number by now
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    # A store that fails is asked for nothing but what must be, the last page: Metaflow would try again for long.
    tells_page = has_live_page(spool_dir) and store_answers(spool_dir)
    return LiveEnd(tells_page=tells_page, trouble=troubles(spool_dir))
