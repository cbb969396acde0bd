"""What a stored summary may say: anybody who can write task metadata can write one. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

from resource_tracker.dataclass import field_names
from resource_tracker.records import TaskSummary

_DECORATORS = ("resources", "batch", "kubernetes")
_ARGUMENTS = ("cpu", "memory", "gpu", "disk", "shared_memory")
_WORDS = {"request_decorators": _DECORATORS, "request_written_in": _DECORATORS, "request_chosen": _ARGUMENTS}
"""Lists of words of ours, which lines to paste are made of."""
_ANY_SIGN = "disk_growth_gb"
_MOST = (
    (("duration_s", "cpu_seconds"), 1e11),
    (("finished_at", "stopping_at", "input_bytes"), 1e18),
    (("_kib",), 2.0**40),
    (("_mib", "_mb"), 2.0**30),
    (("_energy_j",), 1e16),
)
"""By the end of a field's name, at most so much: a PiB of memory, a thousand years, 3 TWh. Of all else, a million."""
_MOST_OF_ALL_ELSE = 1e6


def why_not(summary: TaskSummary) -> str | None:
    """What in a summary cannot be; ``None`` where all of it can."""
    return next(_faults(summary), None)


def _faults(summary: TaskSummary) -> Iterator[str]:
    for name in field_names(summary) or ():
        value = getattr(summary, name)
        if value is None or isinstance(value, str | bool):
            continue
        if isinstance(value, tuple):
            allowed = _WORDS[name]
            yield from (f"{name} has {word!r:.80}" for word in value if word not in allowed)
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{name} is {value}, not a finite number"
        else:
            least, most = _bounds(name)
            if not least <= value <= most:
                yield f"{name} is not from {least:g} to {most:g}"


@cache
def _bounds(name: str) -> tuple[float, float]:
    most = next((most for ends, most in _MOST if name.endswith(ends)), _MOST_OF_ALL_ELSE)
    return (-most if name == _ANY_SIGN else 0.0), most
