"""Fakes for tests of code that uses this package: task records as real ones look, all made up.

Their measurements are; advice and prices are what the package makes of those, with its bundled catalog.

Every record says so in ``versions["data"]``, which the card shows, so that no picture made from one passes for
a measurement.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from resource_tracker.errors import SettingError
from resource_tracker.records import TaskRecord
from resource_tracker.testing.measured import HOSTILE
from resource_tracker.testing.runs import fake_run
from resource_tracker.testing.situations import SITUATIONS

__all__ = ["HOSTILE", "SITUATIONS", "fake_record", "fake_run"]


def fake_record(situation: str = "hour", **changes: Any) -> TaskRecord:
    """A made-up record of one attempt.

    Parameters
    ----------
    situation : str
        One of :data:`SITUATIONS`: ``tiny`` (50 ms), ``short`` (10 s), ``hour``, ``day``, ``gpu``, ``gpus`` (eight),
        ``failed``, ``killed``, ``oom``, ``throttled``, ``marked``, ``sources_missing``, ``caught``, ``untracked``,
        ``start_end``, ``running``, ``running_long``, ``no_history``, ``first_run``, ``foreach``, ``foreach_200``,
        ``outlier``, ``assumed_region``, ``no_request``, ``many_cores`` (192), ``standalone``, ``hostile``.
    **changes
        Fields of :class:`~resource_tracker.records.TaskRecord` to replace.

    Raises
    ------
    SettingError
        There is no such situation; the message lists those there are.
    """
    if situation not in SITUATIONS:
        raise SettingError(f"no situation {situation!r}; there are: {', '.join(SITUATIONS)}")
    return replace(SITUATIONS[situation](), **changes)
