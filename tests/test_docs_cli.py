"""The pages on the command line and on the Python API: complete, and their examples run."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from resource_tracker import ResourceTracker
from resource_tracker.cli.parser import build_parser
from resource_tracker.report_file import Report

DOCS = Path(__file__).parent.parent / "docs"
CLI, API = ((DOCS / name).read_text(encoding="utf-8") for name in ("cli.md", "python-api.md"))


def verbs() -> dict[str, argparse.ArgumentParser]:
    (action,) = (found for found in build_parser()._actions if isinstance(found, argparse._SubParsersAction))
    return dict(action.choices)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Its own, and those of its actions where it has some."""
    found: set[str] = set()
    for action in parser._actions:
        found |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            found = found.union(*(options_of(inner) for inner in action.choices.values()))
    return found


@pytest.mark.parametrize("verb", verbs())
def test_every_option_is_documented(verb: str) -> None:
    """Each verb has a section, and there each of its options a row, and no option that there is not."""
    section = CLI.split(f"\n## `resource-tracker {verb}`\n")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(--[a-z-]+)", section, flags=re.MULTILINE)
    options = options_of(verbs()[verb])
    assert sorted(documented) == sorted(name for name in options - {"--help"} if name.startswith("--"))


def test_every_passed_signal_is_documented() -> None:
    """The page lists the signals that are passed on."""
    from resource_tracker.cli.relay import FORWARDED

    section = CLI.split("### Signals and the terminal")[1].split(" that are sent to")[0]
    assert sorted(re.findall(r"SIG[A-Z0-9]+", section)) == sorted(number.name for number in FORWARDED)


def test_every_public_name_is_documented() -> None:
    """The page names every method and property of a tracker and of its report."""
    for public in (ResourceTracker, Report):
        names = [name for name in vars(public) if not name.startswith("_")]
        assert [name for name in names if f"{name}(" not in API and f"`{name}`" not in API] == []


def test_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's examples run in one session from top to bottom."""
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", API, flags=re.DOTALL)
    session = {"load": lambda: [1], "train": lambda *_: bytearray(10_000_000)}
    for example in examples:
        exec(example, session)
    assert len(examples) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["usage.html", "usage.pickle"]
