"""The order: what the task leaves for whoever tells of it from outside."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from sample_order import an_order

from resource_tracker.errors import ArtifactError
from resource_tracker.flows.order import (
    absolute_environment,
    absolute_python_path,
    read_order,
    write_order,
)


def test_order_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """Every field survives the file, folders with names that are no text too, and nobody else can read it."""
    write_order(str(tmp_path), an_order())
    assert read_order(str(tmp_path)) == an_order()
    found = sorted((path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir())
    assert found == [("live", 0o600), ("order", 0o600)]


@pytest.mark.parametrize("changes", [{"live": False}, {"card_root": None}])
def test_order_of_no_live_card_says_so_by_its_files(tmp_path: Path, changes: dict[str, object]) -> None:
    """The sampler, which reads no JSON, sees that it need not start anything while the step runs."""
    write_order(str(tmp_path), an_order(**changes))
    assert [path.name for path in tmp_path.iterdir()] == ["order"]


@pytest.mark.parametrize(
    ("text", "why"),
    [("{", "no JSON"), ("[]", "another version"), ('{"version": 2}', "another version"), ('{"version": 1}', "missing")],
)
def test_order_that_cannot_be_used_says_why(tmp_path: Path, text: str, why: str) -> None:
    """A damaged order is refused with a reason, not half used."""
    (tmp_path / "order").write_text(text)
    with pytest.raises(ArtifactError, match=why):
        read_order(str(tmp_path))


def test_paths_are_absolute_and_the_flows_folder_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another directory the same libraries are found, and a `json.py` beside the flow hides none of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "lib", "/usr/lib/python"])
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(tmp_path / "flow.py"), raising=False)
    assert absolute_python_path() == (str(tmp_path / "lib"), "/usr/lib/python", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["lib", "/opt"]))
    monkeypatch.delenv("METAFLOW_EXTRACTED_ROOT", raising=False)
    assert absolute_environment() == {"PYTHONPATH": os.pathsep.join([str(tmp_path / "lib"), "/opt"])}
