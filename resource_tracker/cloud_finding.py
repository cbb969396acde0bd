"""What a metadata service said of the machine, and which of its answers are fit to be kept and shown."""

from __future__ import annotations

import math
import re

from resource_tracker.dataclass import dataclass

UNKNOWN = "unknown"

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a service said; a value that it does not offer, or that is no plain word, is ``"unknown"``."""

    instance_type: str = UNKNOWN
    region: str = UNKNOWN
    zone: str | None = None
    spot: bool | None = None
    cpus: float | None = None
    memory_mib: float | None = None


def word(value: object) -> str:
    """Return a value that is safe to show and to look up, else ``"unknown"``."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else UNKNOWN


def known_word(value: object) -> str | None:
    """As :func:`word`, but ``None`` where it is unknown."""
    return None if word(value) == UNKNOWN else word(value)


def positive(value: object) -> float | None:
    """A number that can be an amount, else ``None``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value < 1e9 and math.isfinite(value) else None
