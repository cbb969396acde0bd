"""Numbers as people read them: three significant digits, the unit beside them, a dash where unknown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timezone

from resource_tracker.units import (
    bytes_to_kib,
    joules_to_wh,
    kib_to_bytes,
    kib_to_whole_mb,
    mb_to_kib,
    mib_to_gib,
    mib_to_kib,
)

UNKNOWN = "–"
"""Shown for a value that was not measured."""

_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_LEAST_WHOLE_MB = 10
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NBSP = "\u00a0"
"""Keeps a number and its unit on one line."""
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:[kMGT]?i?B|CPUs?|GPUs?|cores|%)(?!\w))")


def known(value: float | None) -> bool:
    """Whether there is a finite number to show."""
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int = 3) -> str:
    """`digits` significant digits, thousands grouped: ``0.0123``, ``1.42``, ``56.1``, ``1,234``."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    value = significant(value, digits)
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{decimals}f}"


def significant(value: float, digits: int) -> float:
    """`value` rounded to `digits` significant digits."""
    return float(f"{value:.{digits - 1}e}")


def trimmed(value: float, digits: int = 3) -> str:
    """Like :func:`number`, without zeros that say nothing: ``2``, not ``2.00``."""
    text = number(value, digits)
    return text.rstrip("0").rstrip(".") if "." in text else text


def unbroken(text: str) -> str:
    """A sentence in which no line ends between a number and its unit."""
    return _BEFORE_UNIT.sub(NBSP, text)


def count(value: float | None) -> str:
    """A whole number, thousands grouped."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:,.0f}"


def plural(value: int, noun: str) -> str:
    """``1 run``, ``5 runs``."""
    return f"{value:,}{NBSP}{noun}" + ("" if value == 1 else "s")


def joined(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, last = words or ("",)
    return f"{', '.join(most)} and {last}" if most else last


def data_size(size_bytes: float | None) -> str:
    """Bytes in units of 1000, as ``memory=`` counts: ``563 MB``, ``1.92 GB``."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return UNKNOWN
    size, unit = significant(size_bytes, 3), 0
    while abs(size) >= 1000 and unit < len(_BYTE_UNITS) - 1:
        size /= 1000
        unit += 1
    text = count(size) if unit == 0 else number(size)
    return f"{text}{NBSP}{_BYTE_UNITS[unit]}"


def memory_kib(kib: float | None) -> str:
    """Memory, in whole MB below 1 GB: as ``memory=`` and the reasons of the advice tell it."""
    return UNKNOWN if kib is None else memory_bytes(kib_to_bytes(kib))


def memory_bytes(size_bytes: float | None) -> str:
    """Like :func:`memory_kib`; only what is below 10 MB, as no Python is, has decimals."""
    if size_bytes is None or not math.isfinite(size_bytes):
        return UNKNOWN
    mb = kib_to_whole_mb(bytes_to_kib(size_bytes))
    return f"{mb}{NBSP}MB" if _LEAST_WHOLE_MB <= mb < 1000 else data_size(size_bytes)


def memory_mb(mb: float | None) -> str:
    """MB of Metaflow's ``memory=``."""
    return UNKNOWN if mb is None else memory_kib(mb_to_kib(mb))


def memory_mib(mib: float | None) -> str:
    return UNKNOWN if mib is None else memory_kib(mib_to_kib(mib))


def machine_memory(mib: float | None) -> str:
    """Memory of a machine as its vendor lists it: ``16 GiB``, ``0.5 GiB``."""
    return UNKNOWN if mib is None or not math.isfinite(mib) else f"{trimmed(mib_to_gib(mib))}{NBSP}GiB"


def cores(value: float | None) -> str:
    """Cores in use, two decimals where they matter."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if 0 < value < 0.01:
        return "<0.01"
    return trimmed(round(value, 2))


def hundredths(value: float | None) -> str:
    """Two decimals, always, so that a column of them lines up: ``0.60``, ``1.72``."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:,.2f}"


def whole(value: float | None) -> str:
    """A quantity that was asked for, which is mostly whole: ``4``, ``0.5``."""
    return UNKNOWN if value is None or not math.isfinite(value) else trimmed(value, 4)


def percent(share: float | None) -> str:
    """A share of one as per cent: ``0.42`` is ``42 %``."""
    if share is None or not math.isfinite(share):
        return UNKNOWN
    value = share * 100
    text = f"{value:,.0f}" if abs(value) >= 10 or value == 0 else trimmed(value, 2)
    return f"{text}{NBSP}%"


def energy(joules: float | None) -> str:
    """Watt-hours, as on an electricity bill."""
    if joules is None or not math.isfinite(joules):
        return UNKNOWN
    wh = joules_to_wh(joules)
    return f"{number(wh / 1000)}{NBSP}kWh" if wh >= 1000 else f"{number(wh)}{NBSP}Wh"


def change(now: float | None, before: float | None) -> str:
    """Relative change, signed: ``+12 %``; twice and more as a factor: ``3.1×``."""
    if now is None or before is None or not math.isfinite(now):
        return UNKNOWN
    if now == before:
        return "same"
    if not before > 0:
        return UNKNOWN
    ratio = now / before
    if ratio >= 2:
        return f"{trimmed(ratio, 2)}×"
    difference = round((ratio - 1) * 100)
    if difference == 0:
        return "same"
    sign = "+" if difference > 0 else "−"
    return f"{sign}{abs(difference)}{NBSP}%"


def duration(seconds: float | None) -> str:
    """``50 ms``, ``9.9 s``, ``2 min 5 s``, ``1 h 3 min``, ``2 d 4 h``."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}{NBSP}ms"
    if seconds < 59.95:
        return f"{trimmed(round(seconds, 1))}{NBSP}s"
    whole_seconds = round(seconds)
    for big, big_unit, small, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        rounded = (whole_seconds + small // 2) // small * small
        if rounded >= big:
            rest = rounded % big // small
            return f"{rounded // big}{NBSP}{big_unit}" + (f" {rest}{NBSP}{small_unit}" if rest else "")
    return f"{whole_seconds}{NBSP}s"


def elapsed(seconds: float | None) -> str:
    """Like :func:`duration`, but never zero: nothing takes no time at all."""
    return f"<1{NBSP}ms" if seconds is not None and seconds < 0.0005 else duration(seconds)


def running(seconds: float) -> str:
    """``9 s``, ``2 min 05 s``, ``1 h 00 min 09 s``: whole seconds that stay as wide while they are counted."""
    rest, text = int(seconds), ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if text or rest >= size or size == 1:
            text += f" {rest // size:02}{NBSP}{unit}" if text else f"{rest // size}{NBSP}{unit}"
        rest %= size
    return text


def usd_decimals(amounts: Iterable[float | None]) -> int:
    """Decimals with which amounts shown together line up and the smallest still has two digits; 2 to 4."""
    positive = [amount for amount in amounts if amount is not None and math.isfinite(amount) and amount > 0]
    return min(max(1 - math.floor(math.log10(min(positive))), 2), 4) if positive else 2


def usd(amount: float | None, decimals: int | None = None) -> str:
    """Dollars, with as many decimals as two digits need unless `decimals` says; never rounded to nothing."""
    if amount is None or not math.isfinite(amount):
        return UNKNOWN
    sign, size = ("−" if amount < 0 else ""), abs(amount)
    if decimals is None:
        decimals = usd_decimals([size])
    least = 10.0**-decimals
    if 0 < size < least / 2:
        return f"<{sign}${least:.{decimals}f}"
    return f"{sign}${size:,.{decimals}f}" if size < 1000 else f"{sign}${size:,.0f}"


def usd_per_hour(price: float | None) -> str:
    """An hourly price, always with four decimals below $10, so that a column of them lines up."""
    if price is None or not math.isfinite(price):
        return UNKNOWN
    return f"${price:,.4f}" if price < 10 else f"${price:,.2f}"


def moment(unix_s: float | None) -> str:
    """``21 Nov 2026, 07:38 UTC``."""
    if unix_s is None or not math.isfinite(unix_s):
        return UNKNOWN
    at = datetime.fromtimestamp(unix_s, tz=timezone.utc)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M} UTC"


def clock(unix_s: float) -> str:
    """``07:38:05``, of UTC."""
    return f"{datetime.fromtimestamp(unix_s, tz=timezone.utc):%H:%M:%S}"


def day(unix_s: float) -> str:
    """``2026-11-21``, of UTC."""
    return datetime.fromtimestamp(unix_s, tz=timezone.utc).date().isoformat()


def age(iso_day: str, now: float) -> str:
    """How long ago a day was: ``today``, ``3 days``, ``8 months``, ``6 years``; empty where it is no day."""
    try:
        days = (datetime.fromtimestamp(now, tz=timezone.utc).date() - date.fromisoformat(iso_day)).days
    except ValueError:
        return ""
    if days < 1:
        return "today"
    for length, unit in ((365.25, "year"), (30.44, "month")):
        if days >= 2 * length:
            return plural(int(days // length), unit)
    return plural(days, "day")


def iso_moment(unix_s: float | None) -> str:
    """ISO 8601 for ``<time datetime=...>``; empty where unknown."""
    if unix_s is None or not math.isfinite(unix_s):
        return ""
    return datetime.fromtimestamp(unix_s, tz=timezone.utc).isoformat(timespec="seconds")
