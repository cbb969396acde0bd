"""What held a step up."""

from __future__ import annotations

from resource_tracker.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What bound a step, as a word of :data:`WORDS`, and the evidence in a sentence."""

    word: str
    evidence: str
