"""A descendant that is an attempt of its own is not counted twice; one that only measures itself is counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resource_tracker.sampler.attempts import ATTEMPT, attempts_beside
from resource_tracker.tracker import SamplerProcess

CHILD = """
import os, sys, time
from resource_tracker.tracker import SamplerProcess
own = {"spool_parents": [sys.argv[1]], "is_attempt": sys.argv[2] == "yes"}
sampler = SamplerProcess.start(pid=os.getpid(), interval_s=0.2, **own)
time.sleep(0.3)
held = b"x" * 200_000_000
time.sleep(0.6)
sampler.stop()
sampler.remove()
"""


@pytest.mark.parametrize(("is_attempt", "counted"), [("yes", False), ("no", True)])
def test_an_attempt_within_an_attempt(tmp_path: Path, is_attempt: str, counted: bool) -> None:
    """200 MB of a child are the step's own, unless the child is a task of Metaflow that is tracked itself."""
    sampler = SamplerProcess.start(pid=os.getpid(), interval_s=0.2, spool_parents=[str(tmp_path)])
    try:
        before_kib = sampler.measurements().memory_peak_kib or 0.0
        subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), is_attempt], check=True)
        assert sampler.mark("step_end", timeout_s=5)
        found = sampler.measurements()
    finally:
        sampler.stop()
        sampler.remove()
    grew_kib = (found.memory_peak_kib or 0.0) - before_kib
    assert (grew_kib > 150_000) is counted, (grew_kib, found.memory_peak_source)
    assert list(tmp_path.iterdir()) == []


def test_only_spools_of_attempts_count(tmp_path: Path) -> None:
    """Other folders, damaged names and our own spool are passed over; a parent that is gone gives nothing."""
    for name, is_attempt in (("t.1.10.b.n.x", True), ("t.2.20.b.n.y", False), ("t.x.y", True), ("other", True)):
        (tmp_path / name).mkdir()
        if is_attempt:
            (tmp_path / name / ATTEMPT).touch()
    own = tmp_path / "t.3.30.b.n.z"
    assert attempts_beside(str(own)) == {(1, 10)}
    assert attempts_beside(str(tmp_path / "gone" / "t.3.30")) == set()
