"""The start of a tracked attempt: the sampler first, whose interpreter loads while the rest of us is imported here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from resource_tracker.flows.attempt import MARKER_VARIABLE, TaskContext
from resource_tracker.starting import begin_measuring

if TYPE_CHECKING:
    from resource_tracker.flows.session import TaskSession
    from resource_tracker.settings import Settings


def start_session(context: TaskContext, settings: Settings) -> TaskSession:
    """A session that measures from now on."""
    marker = os.environ.get(MARKER_VARIABLE)
    begun = begin_measuring(
        pid=os.getpid(),
        interval_s=settings.interval,
        overhead_budget=settings.overhead_budget,
        marker=(MARKER_VARIABLE, marker) if marker else None,
        is_attempt=True,
    )
    try:
        from resource_tracker.flows.session import TaskSession  # 15 ms, in which the sampler gets ready

        return TaskSession(context, settings, begun)
    except BaseException:
        begun.abandon()
        raise
