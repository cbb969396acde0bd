"""A descendant that is an attempt of its own is not counted twice; one that only measures itself is counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from scenes.tasks import wait_until

from resource_tracker.sampler.attempts import ATTEMPT, attempts_beside
from resource_tracker.sampler.spool_read import read_spool
from resource_tracker.tracker import SamplerProcess

CHILD = """
import os, sys, time
from resource_tracker.tracker import SamplerProcess
own = {"spool_parents": [sys.argv[1]], "is_attempt": sys.argv[2] == "yes"}
sampler = SamplerProcess.start(pid=os.getpid(), interval_s=0.2, **own)
while not os.path.exists(sys.argv[3]):
    time.sleep(0.01)
held = b"x" * 200_000_000
time.sleep(0.6)
sampler.stop()
sampler.remove()
"""


@pytest.mark.parametrize(("is_attempt", "counted"), [("yes", False), ("no", True)])
def test_an_attempt_within_an_attempt(tmp_path: Path, is_attempt: str, counted: bool) -> None:
    """200 MB of a child are the step's own, unless the child is a task of Metaflow that is tracked itself."""
    spools, go = tmp_path / "spools", tmp_path / "go"
    spools.mkdir()
    sampler = SamplerProcess.start(pid=os.getpid(), interval_s=0.2, spool_parents=[str(spools)])
    try:
        before_kib = sampler.measurements().memory_peak_kib or 0.0
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(spools), is_attempt, str(go)])
        wait_until(lambda: _is_shown(sampler, counted), "the child to be seen, or left out")
        go.touch()
        assert child.wait(60) == 0
        assert sampler.mark("step_end", timeout_s=5)
        found = sampler.measurements()
    finally:
        sampler.stop()
        sampler.remove()
    grew_kib = (found.memory_peak_kib or 0.0) - before_kib
    assert (grew_kib > 150_000) is counted, (grew_kib, found.memory_peak_source)
    assert list(spools.iterdir()) == []


def _is_shown(sampler: SamplerProcess, counted: bool) -> bool:
    """Whether a row shows the child: as one that counts, or as an attempt that was left out."""
    column = ("process", "children") if counted else ("internal", "attempts_left_out")
    return any(count >= 1 for count in read_spool(sampler.spool_dir).columns[column])


def test_only_spools_of_attempts_count(tmp_path: Path) -> None:
    """Other folders, damaged names and our own spool are passed over; a parent that is gone gives nothing."""
    for name, is_attempt in (("t.1.10.b.n.x", True), ("t.2.20.b.n.y", False), ("t.x.y", True), ("other", True)):
        (tmp_path / name).mkdir()
        if is_attempt:
            (tmp_path / name / ATTEMPT).touch()
    own = tmp_path / "t.3.30.b.n.z"
    assert attempts_beside(str(own)) == {(1, 10)}
    assert attempts_beside(str(tmp_path / "gone" / "t.3.30")) == set()
