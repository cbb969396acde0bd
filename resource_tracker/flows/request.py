"""What a step asked for, read from its decorators."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from resource_tracker.records import ResourceRequest

_DECORATORS = ("resources", "batch", "kubernetes")
"""Weakest first: Metaflow merges ``@resources`` into the compute decorator before the task starts."""
_ATTRIBUTES = ("cpu", "memory", "gpu", "disk", "shared_memory")


def requested_resources(decorators: Iterable[Any]) -> ResourceRequest:
    """The request in force for a step, in Metaflow's own units, and which numbers the user chose.

    Parameters
    ----------
    decorators : iterable of metaflow StepDecorator
        Those of the step, in ``task_pre_step`` or later, when Metaflow has merged them.
    """
    by_name = {deco.name: deco for deco in decorators if getattr(deco, "name", None) in _DECORATORS}
    in_force: dict[str, float] = {}
    chosen: set[str] = set()
    for name in _DECORATORS:
        if name not in by_name:
            continue
        deco = by_name[name]
        user_defined = getattr(deco, "_user_defined_attributes", ())
        for attribute in _ATTRIBUTES:
            value = _number(deco.attributes.get(attribute))
            # A compute decorator's default never hides what @resources asked for.
            if value is not None and (attribute not in chosen or attribute in user_defined):
                in_force[attribute] = value
            if attribute in user_defined:
                chosen.add(attribute)
    gpu = in_force.get("gpu")
    return ResourceRequest(
        cpu=in_force.get("cpu"),
        memory_mb=in_force.get("memory"),
        gpu=None if gpu is None else int(gpu),
        disk_mb=in_force.get("disk"),
        shared_memory_mb=in_force.get("shared_memory"),
        chosen=tuple(attribute for attribute in _ATTRIBUTES if attribute in chosen),
        decorators=tuple(name for name in _DECORATORS if name in by_name),
        written_in=tuple(name for name in _DECORATORS if name in by_name and _wrote_a_number(by_name[name])),
    )


def _wrote_a_number(deco: Any) -> bool:
    return any(attribute in getattr(deco, "_user_defined_attributes", ()) for attribute in _ATTRIBUTES)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
