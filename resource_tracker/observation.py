"""What one attempt of a step used, as a recommender looks at it, and what an attempt that did not end well still says.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from resource_tracker.dataclass import dataclass

LARGEST = 2.0**50
"""A reading beyond this, in whatever unit, is an error of the source: as KiB it is an exbibyte."""
ALIKE = 0.99
"""Input sizes that differ by 1 % are alike."""

AttemptOutcome = Literal["ok", "oom", "failed"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What one attempt used.

    Parameters
    ----------
    peak_mib : float
        Highest memory. For an attempt that did not end well it is a lower bound.
    duration_s : float
        How long it ran.
    input_bytes : float, optional
        Size of its input, where known.
    outcome : {"ok", "oom", "failed"}
        ``oom``: killed for memory, or stopped at its limit. ``failed``: for any other reason.
    finished_at : float, optional
        Unix time of its end.
    """

    peak_mib: float
    duration_s: float
    input_bytes: float | None = None
    outcome: AttemptOutcome = "ok"
    finished_at: float | None = None


def is_measurement(value: float | None) -> bool:
    """Whether a reading can be reckoned with: known, finite, not negative, not absurd."""
    return value is not None and math.isfinite(value) and 0 <= value <= LARGEST


def concerns(attempt: Observation, input_bytes: float | None) -> bool:
    """Whether an attempt that did not end well says something about an input of this size: it was no larger."""
    return input_bytes is None or attempt.input_bytes is None or attempt.input_bytes * ALIKE <= input_bytes


def was_repeated(attempt: Observation, exact: Sequence[Observation]) -> bool:
    """Whether a later attempt with such an input went further and succeeded: that one shows what it really takes."""
    return attempt.finished_at is not None and any(
        o.peak_mib > attempt.peak_mib
        and o.finished_at is not None
        and o.finished_at >= attempt.finished_at
        and concerns(attempt, o.input_bytes)
        for o in exact
    )
