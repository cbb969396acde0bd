"""The decorator's options: defaults, environment, validation. Pure."""

from __future__ import annotations

import keyword
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from resource_tracker.dataclass import dataclass
from resource_tracker.errors import SettingError
from resource_tracker.options import DEFAULT_ARTIFACT_NAME, DEFAULT_WARN_MEMORY_FRACTION, DEFAULTS

if TYPE_CHECKING:
    from resource_tracker.size_expression import InputSizeOption

MAX_INTERVAL_S = 86_400.0
MIN_OVERHEAD_BUDGET, MAX_OVERHEAD_BUDGET = 0.0005, 0.1
MIN_REFRESH_INTERVAL_S, MAX_REFRESH_INTERVAL_S = 1.0, 3600.0
MAX_HISTORY_RUNS = 100
PRICE_SOURCES = ("bundled", "live")
POLICIES = ("safe", "lean")

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Validated options of one decorated step.

    Parameters
    ----------
    interval : float
        Seconds between rows, above 0 and at most a day.
    overhead_budget : float
        Share of one core that measuring may use.
    artifact_name : str
        Name of the artifact.
    create_card : bool
        Write the card.
    live : bool
        False: the card is written at the end only.
    refresh_interval : float
        Seconds between updates of the live card, from one second to an hour.
    history : int
        Earlier runs to compare with; 0 for none.
    prices : {"bundled", "live"}
        Where prices come from.
    vendor, region : str or None
        Where machines are looked for; ``None``: where the step ran.
    policy : {"safe", "lean"}
        What the advice is for: practically no failure, or the least expected cost.
    enabled : bool
        False: the decorator does nothing at all.
    quiet : bool
        True: no closing line in the step's log.
    warn_memory_fraction : float or None
        Part of the memory limit from which on the step's log has a warning; ``None``: no warning.
    input_size : str, float, callable or None
        How the user tells the size of the input; ``None``: the bytes of the input artifacts.
    """

    interval: float
    overhead_budget: float
    artifact_name: str
    create_card: bool
    live: bool
    refresh_interval: float
    history: int
    prices: str
    policy: str
    enabled: bool
    quiet: bool
    warn_memory_fraction: float | None = DEFAULT_WARN_MEMORY_FRACTION
    input_size: InputSizeOption = None
    vendor: str | None = None
    region: str | None = None


def resolve(attributes: Mapping[str, object], chosen: Collection[str], configured: Mapping[str, object]) -> Settings:
    """Settings from the decorator's attributes and the configured defaults.

    Parameters
    ----------
    attributes : mapping
        The decorator's attributes, defaults filled in.
    chosen : collection of str
        Names of the attributes that the user wrote: they win over the configuration.
    configured : mapping
        Values of ``METAFLOW_RESOURCE_TRACKER_*``, by option name in lower case, ``None`` where not set;
        ``"disable"`` wins over everything.

    Raises
    ------
    SettingError
        A value is unusable; the message shows it and what is allowed.
    """
    values = dict(attributes)
    origin = dict.fromkeys(DEFAULTS, "@track_resources")
    for name in DEFAULTS:
        if name not in chosen and configured.get(name) is not None:
            values[name] = configured[name]
            origin[name] = f"METAFLOW_RESOURCE_TRACKER_{name.upper()}"
    enabled = _bool("enabled", values["enabled"], origin["enabled"])
    if configured.get("disable") is not None:
        enabled = enabled and not _bool("disable", configured["disable"], "METAFLOW_RESOURCE_TRACKER_DISABLE")
    return Settings(
        interval=interval_of(values["interval"], origin["interval"]),
        overhead_budget=overhead_budget_of(values["overhead_budget"], origin["overhead_budget"]),
        artifact_name=_identifier(values["artifact_name"], origin["artifact_name"]),
        create_card=_bool("create_card", values["create_card"], origin["create_card"]),
        live=_bool("live", values["live"], origin["live"]),
        refresh_interval=_refresh_interval(values["refresh_interval"], origin["refresh_interval"]),
        history=_history(values["history"], origin["history"]),
        prices=_choice("prices", values["prices"], PRICE_SOURCES, origin["prices"]),
        policy=_choice("policy", values["policy"], POLICIES, origin["policy"]),
        enabled=enabled,
        quiet=_bool("quiet", values["quiet"], origin["quiet"]),
        warn_memory_fraction=warn_memory_fraction_of(values["warn_memory_fraction"], origin["warn_memory_fraction"]),
        input_size=_input_size(values["input_size"], origin["input_size"]),
        vendor=_name("vendor", values["vendor"], origin["vendor"], "aws"),
        region=_name("region", values["region"], origin["region"], "eu-west-1"),
    )


def _refuse(origin: str, name: str, value: object, allowed: str) -> SettingError:
    return SettingError(f"{origin}: {name}={value!r} cannot be used: give {allowed}.")


def interval_of(value: object, origin: str) -> float:
    """Seconds between rows from what a user gave.

    Parameters
    ----------
    origin : str
        Where it was given, for the message: ``"@track_resources"``.

    Raises
    ------
    SettingError
        Not a number, not above 0, or more than a day.
    """
    allowed = f"a number of seconds above 0 and at most {MAX_INTERVAL_S:.0f} (a day), such as 1.0"
    seconds = _number(value)
    if seconds is None or not 0 < seconds <= MAX_INTERVAL_S:
        raise _refuse(origin, "interval", value, allowed)
    return seconds


def overhead_budget_of(value: object, origin: str) -> float:
    """Share of one core that measuring may use, from what a user gave. `origin` as for :func:`interval_of`.

    Raises
    ------
    SettingError
        Not a number, or outside of what is allowed.
    """
    share = _number(value)
    if share is None or not MIN_OVERHEAD_BUDGET <= share <= MAX_OVERHEAD_BUDGET:
        allowed = f"a share of one core from {MIN_OVERHEAD_BUDGET} to {MAX_OVERHEAD_BUDGET}, such as 0.005 for 0.5 %"
        raise _refuse(origin, "overhead_budget", value, allowed)
    return share


def _refresh_interval(value: object, origin: str) -> float:
    seconds = _number(value)
    if seconds is None or not MIN_REFRESH_INTERVAL_S <= seconds <= MAX_REFRESH_INTERVAL_S:
        allowed = (
            f"a number of seconds from {MIN_REFRESH_INTERVAL_S:.0f} to {MAX_REFRESH_INTERVAL_S:.0f} (an hour), "
            "such as 5.0; live=False turns updates off"
        )
        raise _refuse(origin, "refresh_interval", value, allowed)
    return seconds


def warn_memory_fraction_of(value: object, origin: str) -> float | None:
    """Part of the memory limit from which on to warn, from what a user gave; ``None`` for never.

    Raises
    ------
    SettingError
        Not a number, or not from 0 to 1.
    """
    if value is None or value == "":
        return None
    fraction = _number(value)
    if fraction is None or not 0 <= fraction <= 1:
        allowed = "a part of the memory limit up to 1, such as 0.9 for 90 %, or 0 for no warning"
        raise _refuse(origin, "warn_memory_fraction", value, allowed)
    return fraction or None


def _number(value: object) -> float | None:
    """A finite number, also where it is written as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _identifier(value: object, origin: str) -> str:
    if not isinstance(value, str) or not value.isidentifier() or keyword.iskeyword(value) or value.startswith("_"):
        allowed = f"a Python identifier that does not begin with an underscore, such as {DEFAULT_ARTIFACT_NAME!r}"
        raise _refuse(origin, "artifact_name", value, allowed)
    return value


def _history(value: object, origin: str) -> int:
    allowed = f"a whole number of runs from 0 (no comparison) to {MAX_HISTORY_RUNS}"
    try:
        runs = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else -1
    except ValueError:
        runs = -1
    if not 0 <= runs <= MAX_HISTORY_RUNS:
        raise _refuse(origin, "history", value, allowed)
    return runs


def _input_size(value: object, origin: str) -> InputSizeOption:
    if value is None:
        return None
    from resource_tracker.size_expression import input_size_of  # most steps do without

    return input_size_of(value, origin)


def _choice(name: str, value: object, allowed: tuple[str, ...], origin: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise _refuse(origin, name, value, " or ".join(repr(choice) for choice in allowed))
    return value


def _name(name: str, value: object, origin: str, example: str) -> str | None:
    """A name, whether there is such a place or not; an empty one, as the environment can give, is none."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _refuse(origin, name, value, f"a name such as {example!r}")
    return value


def _bool(name: str, value: object, origin: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise _refuse(origin, name, value, "True or False")
