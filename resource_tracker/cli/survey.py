"""Finds out what surrounds a command while it runs, so that nobody waits for it at the end."""

from __future__ import annotations

import threading
from contextlib import suppress

from resource_tracker.cloud_cache import cached_discover
from resource_tracker.records import CloudInfo
from resource_tracker.standalone import Surroundings

_WAIT_S = 2.0
"""Twice what asking for the cloud takes at most; it is asked once per boot of the machine."""


class Survey:
    """Machine, limits, prices and cloud, read in a thread from now on.

    Parameters
    ----------
    pid : int
        The process whose limits are told.
    """

    def __init__(self, pid: int) -> None:
        self._surroundings = Surroundings(pid)
        self._cloud = CloudInfo(reason="the metadata services had not answered when the command ended")
        self._thread = threading.Thread(target=self._run, name="resource-tracker-survey", daemon=True)
        self._thread.start()

    def result(self) -> tuple[Surroundings, CloudInfo]:
        """What was found; waits for what is missing, but not for ever."""
        self._thread.join(_WAIT_S)
        return self._surroundings, self._cloud

    def _run(self) -> None:
        with suppress(Exception):  # what failed here is tried again by who needs it, and told there
            self._surroundings.read()
            self._cloud = cached_discover()
