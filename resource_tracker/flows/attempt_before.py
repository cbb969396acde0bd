"""What became of the attempt before this one, for its card and one line in its log."""

from __future__ import annotations

from typing import Any

from resource_tracker.records import EarlierAttempt


def look_back(provider: Any, pathspec: str, attempt: int) -> EarlierAttempt | None:
    """What the task's metadata tell of the attempt before; ``None`` for a first one, or where they tell nothing yet.

    An attempt that was killed is told of by a process that outlives it, which takes about a second.
    """
    if attempt < 1:
        return None
    from resource_tracker.flows.run_reading import read_task  # most attempts are the first
    from resource_tracker.why import earlier_attempt

    found = read_task(provider, *pathspec.split("/")).attempts
    before = next((one for one in found if one.attempt == attempt - 1), None)
    if before is None or before.summary is None or not before.measured:
        return None
    return earlier_attempt(before)


def line_of(before: EarlierAttempt) -> str | None:
    """One line for the log, where the attempt before was short of something that can be asked for."""
    if not before.resources:
        return None
    headline = f"{before.headline[:1].lower()}{before.headline[1:]}"
    return f"[track_resources] attempt {before.attempt}: {headline}. {before.remedy or ''}".rstrip()
