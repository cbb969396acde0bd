"""From the estimate to the advice that is printed: no request is cut by more than half at once.

Pure. An estimate is right about the attempts it saw. Half of the request, and again half of it after the next run,
reaches the same number a little later, and a rare large input meanwhile finds some room.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from resource_tracker.dataclass import replace
from resource_tracker.records import Recommendation, ResourceRequest

MOST_CUT = 0.5
"""Share of a request that one advice takes away at most."""
SUFFICES_WITHIN = 0.10
"""A request that is enough, and at most this much more than estimated, is left alone: no change is worth a commit."""

_NAMES = {"cpu": "CPUs", "memory": "MB", "gpu": "GPUs", "disk": "MB", "shared_memory": "MiB"}
_FIELDS = {"cpu": "cpu", "memory": "memory_mb", "gpu": "gpu", "disk": "disk_mb", "shared_memory": "shared_memory_mb"}


def damped_amount(asked: float | None, estimated: int) -> int:
    """What to ask for next, from what was asked for and the estimate.

    The estimate itself where nothing was asked for or more is needed; the request where it suffices within 10 %;
    otherwise the estimate, but not below half of the request, rounded up to a whole number. One GPU, of which there
    is no half, can be given up.
    """
    if asked is None or not math.isfinite(asked) or asked <= 0 or estimated > asked:
        return estimated
    if asked <= estimated * (1 + SUFFICES_WITHIN):
        return int(asked) if asked == int(asked) else estimated
    if asked <= 1:
        return estimated
    return max(estimated, math.ceil(asked * (1 - MOST_CUT)))


def damped(estimate: Recommendation, request: ResourceRequest, *, again: bool = True) -> Recommendation:
    """The advice to print, with the estimated numbers that it stops short of in ``estimate``.

    Parameters
    ----------
    estimate : Recommendation
        The pure estimate.
    request : ResourceRequest
        What is in force, Metaflow's defaults included: the step has run with that much. Of a step without any
        decorator nothing was asked for, and there is nothing to cut.
    again : bool
        Whether to say that it can be lowered again: not beside "at least".
    """
    changed: dict[str, int] = {}
    reasons, unchanged = dict(estimate.reasons), dict[str, int]()
    for name, asked in asked_for(request).items():
        field = _FIELDS[name]
        estimated = getattr(estimate, field)
        if estimated is None:
            continue
        amount = damped_amount(asked, estimated)
        if amount == estimated:
            continue
        changed[field] = amount
        unchanged[name] = estimated
        reasons[name] = f"{reasons.get(name, '')} {_why(name, asked, amount, estimated)}".strip()
    if not changed:
        return estimate
    advice = replace(estimate, reasons=reasons, estimate=unchanged, **changed)  # type: ignore[arg-type]
    return replace(advice, notes=(*estimate.notes, *_halved_note(advice, request, again)))


def asked_for(request: ResourceRequest) -> dict[str, float]:
    """What is in force, by name; empty where the step has no decorator that asks for anything."""
    if not request.decorators:
        return {}
    named = {
        "cpu": request.cpu,
        "memory": request.memory_mb,
        "gpu": request.gpu,
        "disk": request.disk_mb,
        "shared_memory": request.shared_memory_mb,
    }
    return {name: float(amount) for name, amount in named.items() if amount}


def advised_for(advice: Recommendation, request: ResourceRequest) -> dict[str, int]:
    """The numbers of an advice, by the same names; 0 for GPUs that were asked for and are to be given up."""
    return ({"gpu": 0} if asked_for(request).get("gpu") else {}) | advice.arguments()


def is_as_asked(advice: Recommendation, request: ResourceRequest) -> bool:
    """Whether the step may stay as it is: it asks for just what is advised."""
    asked = asked_for(request)
    return bool(asked) and all(asked.get(name) == amount for name, amount in advised_for(advice, request).items())


def halved(advice: Recommendation, request: ResourceRequest) -> dict[str, int]:
    """The estimated numbers, by name, of which the advice asks for more, so as not to cut too much at once."""
    asked, now = asked_for(request), advice.arguments()
    return {name: number for name, number in advice.estimate.items() if now.get(name, 0) < asked.get(name, 0.0)}


def undamped(advice: Recommendation, request: ResourceRequest) -> Recommendation:
    """What the advice leads to in the end: the estimated numbers instead of those that cut a request by half."""
    final = {_FIELDS[name]: number for name, number in halved(advice, request).items()}
    return replace(advice, **final) if final else advice  # type: ignore[arg-type]


def _halved_note(advice: Recommendation, request: ResourceRequest, again: bool) -> Iterator[str]:
    estimated = halved(advice, request)
    if estimated:
        numbers = ", ".join(f"{name}={number}" for name, number in estimated.items())
        then = " Lower it again after the next run." if again else ""
        yield f"Half of what you asked for; the estimate is {numbers}.{then}"


def _why(name: str, asked: float, amount: int, estimated: int) -> str:
    unit = _NAMES[name]
    if amount >= asked:
        return f"The {amount:,} {unit} asked for suffice, within {SUFFICES_WITHIN * 100:.0f} %: left alone."
    estimated_unit = unit.removesuffix("s") if estimated == 1 else unit
    return f"Half of what was asked for; the estimate is {estimated:,} {estimated_unit}."
