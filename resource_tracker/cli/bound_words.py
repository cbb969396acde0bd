"""What it means for a step to be bound by something: what would make it faster, and what would not."""

from __future__ import annotations

from resource_tracker.bounds import WORDS, Bound

MEANINGS = {
    "cpu": "More CPUs may make it faster.",
    "quota": "A higher CPU limit makes it faster.",
    "crowded": "Other processes on its machine slow it down: a machine of its own may make it faster.",
    "one_thread": "More CPUs do not make it faster as long as its code computes in one thread.",
    "memory": "More memory is what it needs.",
    "disk": "More CPUs do not make it faster; a faster disk, or reading and writing less, does.",
    "network": "More CPUs do not make it faster; a machine with more network, or moving less data, does.",
    "gpu": "A faster GPU makes it faster; more CPUs do not.",
    "feeding_gpu": "The GPU waits for data: load and prepare them in parallel, or take a smaller GPU.",
    "waiting": "No larger machine makes it faster.",
    "mixed": "No single resource makes it much faster.",
}
"""For each word of :data:`resource_tracker.bounds.WORDS`."""


def bound_text(bound: Bound) -> str:
    """What held the step up, how that showed, and what it means."""
    most = "" if bound.word == "mixed" else ", which took most of its time"
    return f"Bound by {WORDS[bound.word]}{most}: {bound.evidence} {MEANINGS[bound.word]}"
