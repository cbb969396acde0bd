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
        assert sampler.mark("before", timeout_s=5)  # a first row: pytest itself may be large
        before_kib = sampler.measurements().memory_peak_kib
        assert before_kib is not None
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


def _spool(parent: Path, name: str, mode: int = 0o700) -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / ATTEMPT).touch()
    folder.chmod(mode)
    return folder


def test_only_spools_of_attempts_count(tmp_path: Path) -> None:
    """Other folders, damaged names and our own spool are passed over; a parent that is gone gives nothing."""
    for name in ("t.1.10.b.n.x", "t.x.y", "t.x.10.b.n.y", "other", "u.4.40.b.n.x", "t.5.50.b.n", "t.6.60.b.n.x.y"):
        _spool(tmp_path, name)
    (tmp_path / "t.2.20.b.n.y").mkdir(0o700)
    own = _spool(tmp_path, "t.3.30.b.n.z")
    assert attempts_beside(str(own)) == {(1, 10)}
    assert attempts_beside(str(tmp_path / "gone" / own.name)) == set()
    assert attempts_beside(str(tmp_path / "t.3.30")) == set()


def test_spools_of_other_boots_and_namespaces(tmp_path: Path) -> None:
    """A pid means something only within its boot and its pid namespace."""
    for name in ("t.1.10.b.n.x", "t.2.20.c.n.x", "t.4.40.b.m.x"):
        _spool(tmp_path, name)
    assert attempts_beside(str(tmp_path / "t.3.30.b.n.z")) == {(1, 10)}


def test_folders_that_others_may_have_made(tmp_path: Path) -> None:
    """A folder that others can write to, or a link to one, cannot have processes left out."""
    _spool(tmp_path, "t.1.10.b.n.x", 0o755)
    _spool(tmp_path, "t.2.20.b.n.x", 0o770)
    (tmp_path / "t.4.40.b.n.x").symlink_to(_spool(tmp_path, "elsewhere"))
    (tmp_path / "t.5.50.b.n.x").touch(0o700)
    _spool(tmp_path, "t.6.60.b.n.x", 0o2700)  # below a folder whose group is inherited
    assert attempts_beside(str(tmp_path / "t.3.30.b.n.z")) == {(6, 60)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_folders_of_other_users(tmp_path: Path) -> None:
    """A private folder of another user does not count, even where we may read it."""
    os.chown(_spool(tmp_path, "t.1.10.b.n.x"), 65534, 65534)
    _spool(tmp_path, "t.2.20.b.n.x")
    assert attempts_beside(str(tmp_path / "t.3.30.b.n.z")) == {(2, 20)}
