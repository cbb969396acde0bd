"""Numbers that people give on the command line."""

from __future__ import annotations

import math
import re

from resource_tracker.errors import SettingError

_SIZE = re.compile(r"(\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d{1,3})?)\s*([kKmMgGtTpP]?)(i?)[bB]?", re.ASCII)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def size_in_bytes(text: str, option: str) -> float:
    """Bytes of ``10GB``, ``512 MiB`` or ``1e9``: prefixes count in thousands, with an i in 1024s.

    Raises
    ------
    SettingError
        It is no such size.
    """
    found = _SIZE.fullmatch(text.strip())
    size = math.nan
    if found and (found[2] or not found[3]):
        try:
            size = float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2].upper()]
        except ValueError:
            size = math.nan
    if not math.isfinite(size):
        raise SettingError(f"{option} {text!r} is no size: give bytes, or a number with a unit, such as 10GB or 512MiB")
    return size


def whole_number(text: str, option: str, least: int, most: int) -> int:
    """A whole number within bounds.

    Raises
    ------
    SettingError
        It is none, or beyond them.
    """
    if not re.fullmatch(r"\s*\d{1,9}\s*", text, re.ASCII) or not least <= int(text) <= most:
        raise SettingError(f"{option} {text!r} cannot be used: give a whole number from {least} to {most}")
    return int(text)
