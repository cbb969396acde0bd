"""Options: defaults, configuration, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.errors import SettingError
from resource_tracker.options import DEFAULTS
from resource_tracker.settings import Settings, resolve


def settings(chosen: dict[str, object] | None = None, **configured: object) -> Settings:
    chosen = chosen or {}
    return resolve(DEFAULTS | chosen, set(chosen), configured)


def test_defaults() -> None:
    """Without any word from the user, the documented defaults hold."""
    assert settings() == Settings(
        interval=1.0,
        overhead_budget=0.005,
        artifact_name="resource_tracker_data",
        create_card=True,
        live=True,
        refresh_interval=5.0,
        history=5,
        prices="bundled",
        policy="safe",
        enabled=True,
        quiet=False,
    )


def test_the_environment_sets_defaults_and_the_decorator_wins() -> None:
    """A configured value replaces the default, but not what stands in the flow."""
    assert settings(interval="0.5", quiet="yes").interval == 0.5
    assert settings(interval="0.5", quiet="yes").quiet is True
    assert settings({"interval": 2}, interval="0.5").interval == 2.0
    assert settings(overhead_budget="0.02").overhead_budget == 0.02


@pytest.mark.parametrize(("value", "enabled"), [("1", False), ("true", False), ("0", True), ("", True), (None, True)])
def test_disable_switches_off(value: object, enabled: bool) -> None:
    """METAFLOW_RESOURCE_TRACKER_DISABLE=1 wins over everything, even enabled=True in the flow."""
    assert settings({"enabled": True}, disable=value).enabled is enabled


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("interval", "soon", "above 0"),
        ("interval", 0, "above 0"),
        ("interval", -1, "above 0"),
        ("interval", 86_401, "86400"),
        ("interval", float("nan"), "above 0"),
        ("interval", True, "above 0"),
        ("interval", None, "above 0"),
        ("overhead_budget", "little", "from 0.0005 to 0.1"),
        ("overhead_budget", 0, "from 0.0005 to 0.1"),
        ("overhead_budget", 0.11, "from 0.0005 to 0.1"),
        ("overhead_budget", float("inf"), "from 0.0005 to 0.1"),
        ("overhead_budget", True, "from 0.0005 to 0.1"),
        ("artifact_name", "two words", "identifier"),
        ("artifact_name", "class", "identifier"),
        ("artifact_name", "_hidden", "identifier"),
        ("artifact_name", 7, "identifier"),
        ("history", -1, "whole number"),
        ("history", 101, "whole number"),
        ("history", 2.5, "whole number"),
        ("history", "many", "whole number"),
        ("vendor", 7, "a name such as 'aws'"),
        ("region", True, "a name such as 'eu-west-1'"),
        ("prices", "cheap", "'bundled' or 'live'"),
        ("policy", "brave", "'safe' or 'lean'"),
        ("create_card", "perhaps", "True or False"),
        ("live", "perhaps", "True or False"),
        ("refresh_interval", 0.5, "from 1 to 3600"),
        ("refresh_interval", "soon", "live=False turns updates off"),
        ("enabled", "perhaps", "True or False"),
        ("quiet", 2, "True or False"),
        ("warn_memory_fraction", 1.1, "such as 0.9 for 90 %"),
        ("warn_memory_fraction", -0.1, "or 0 for no warning"),
        ("warn_memory_fraction", "often", "a part of the memory limit"),
        ("warn_memory_fraction", True, "a part of the memory limit"),
    ],
)
def test_an_unusable_value_is_named_with_what_is_allowed(name: str, value: object, told: str) -> None:
    """The message holds the option, the offending value and the allowed ones."""
    with pytest.raises(SettingError) as caught:
        settings({name: value})
    message = str(caught.value)
    assert f"{name}={value!r}" in message
    assert told in message


def test_an_empty_place_is_none() -> None:
    """An environment variable that is set to nothing asks for no place."""
    assert settings(vendor="", region="").vendor is None
    assert settings({"vendor": "aws"}, vendor="gcp", region="eu-west-1").vendor == "aws"


@pytest.mark.parametrize("value", [None, "", 0, "0", 0.0])
def test_no_warning(value: object) -> None:
    """The warning can be switched off, in the flow and in the environment, with any word for nothing."""
    assert settings({"warn_memory_fraction": value}).warn_memory_fraction is None
    assert settings(warn_memory_fraction="0.5").warn_memory_fraction == 0.5


def test_the_message_says_where_the_value_came_from() -> None:
    """A bad value in the environment is not blamed on the flow."""
    with pytest.raises(SettingError, match="METAFLOW_RESOURCE_TRACKER_INTERVAL"):
        settings(interval="never")


@given(st.sampled_from(sorted(DEFAULTS)), st.one_of(st.none(), st.text(), st.floats(), st.integers(), st.booleans()))
def test_any_value_is_taken_or_refused(name: str, value: object) -> None:
    """Nothing but SettingError ever comes out."""
    with contextlib.suppress(SettingError):
        assert isinstance(settings({name: value}), Settings)
