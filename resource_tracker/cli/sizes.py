"""Amounts as people write them: ``16GB``, ``16GiB``, ``4``."""

from __future__ import annotations

import math
import re

from resource_tracker.errors import SettingError
from resource_tracker.units import GB, GIB, KIB, MB, MIB, bytes_to_mib

_UNITS = {
    "": MB,
    "KB": 1000,
    "MB": MB,
    "GB": GB,
    "TB": 1000 * GB,
    "KIB": KIB,
    "MIB": MIB,
    "GIB": GIB,
    "TIB": 1024 * GIB,
    "K": 1000,
    "M": MB,
    "G": GB,
    "T": 1000 * GB,
    "KI": KIB,
    "MI": MIB,
    "GI": GIB,
    "TI": 1024 * GIB,
}
"""Bytes. Letters alone are those of Kubernetes; no unit is Metaflow's MB."""


def size_mib(option: str, text: str) -> float:
    """A size in MiB.

    Raises
    ------
    SettingError
        It is no size; the message says what is.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = None if match is None else _UNITS.get(match[2].upper())
    if match is None or unit is None:
        raise SettingError(f"{option} {text!r} cannot be used: give a size such as 16GB, 16GiB or 16000 (MB)")
    return bytes_to_mib(float(match[1]) * unit)


def positive(option: str, text: str, *, whole: bool = False, zero: bool = False) -> float:
    """A number above 0, or from 0 on.

    Raises
    ------
    SettingError
        It is none; the message says what is allowed.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero) or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise SettingError(f"{option} {text!r} cannot be used: give {kind} {'from 0 on' if zero else 'above 0'}")
    return number
