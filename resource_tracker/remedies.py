"""What to do about an end that a task could not tell of itself. Pure."""

from __future__ import annotations

from resource_tracker.endings import BEING_STOPPED, CRASHES, INTERRUPTED, SIGNALS, STOPPED
from resource_tracker.records import Ending, NoRecommendation, Recommendation, ResourceRequest
from resource_tracker.summary import KILLED_FOR_MEMORY
from resource_tracker.units import kib_to_whole_mb, mib_to_kib

_AS_ASKED = 0.9
"""Part of the request below which a limit is another than the one that was asked for."""


def remedy_of(
    ending: Ending,
    recommendation: Recommendation | NoRecommendation,
    request: ResourceRequest,
    allowed_mib: float | None = None,
) -> str | None:
    """What to do about it, in a sentence; `allowed_mib` is the kernel's limit on memory."""
    if ending.cause == KILLED_FOR_MEMORY:
        if not isinstance(recommendation, Recommendation):
            return "Ask for more memory."
        asked = request.memory_mb if request.decorators else None
        allowed_mb = kib_to_whole_mb(mib_to_kib(allowed_mib)) if allowed_mib else None
        if asked and allowed_mb and allowed_mb < _AS_ASKED * asked:
            return (
                f"It was allowed {allowed_mb:,} MB, less than the memory={asked:.10g} that it asks for (a local run "
                "gives what there is): run it where there is as much, or raise the limit of its container."
            )
        if asked and recommendation.memory_mb <= asked:
            return (
                f"It ended far below memory={asked:.10g}, as what asks for very much at once: see whether it should. "
                "If so, ask for more than that at once."
            )
        beside = f" instead of memory={asked:.10g}" if asked else ""
        text = f"Ask for at least memory={recommendation.memory_mb}{beside}: it may need more than it got to."
        return text if asked else f"{text} Where it runs locally, it needs a machine with so much free."
    if ending.cause == INTERRUPTED and BEING_STOPPED in ending.evidence:
        return _REMEDIES["killed by SIGTERM"]
    if "shared memory" in ending.evidence and isinstance(recommendation, Recommendation):
        return f"Ask for at least shared_memory={recommendation.shared_memory_mb or '...'}."
    return _REMEDIES.get(ending.cause)


_REMEDIES = {
    "killed by SIGTERM": "See what the scheduler says of it (time limit, eviction, a spot machine that was taken "
    "back); @retry repeats such a task.",
    "killed by SIGKILL": "If nobody killed it on purpose, see what the scheduler or the machine's log says of it.",
    "killed by SIGXCPU": "Its limit of CPU time was used up: raise it (ulimit -t).",
    "killed by SIGXFSZ": "A file grew beyond the limit of file sizes: raise it (ulimit -f).",
    STOPPED: "Nothing is wrong with this task: look at the one that failed.",
    INTERRUPTED: "See what the scheduler says of it. If that was for lack of memory, ask for more than it had.",
    **{
        f"killed by {SIGNALS[number]}": "It crashed in native code: other resources would hardly help; "
        "PYTHONFAULTHANDLER=1 prints where."
        for number in CRASHES
    },
}
