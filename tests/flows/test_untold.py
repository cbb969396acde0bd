"""Attempts of which nobody lived to tell: who is asked has them told by a process that ends by itself."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from sample_order import an_order
from scenes.tasks import wait_until

from resource_tracker.flows import untold
from resource_tracker.flows.order import write_order
from resource_tracker.flows.publisher import main as publisher
from resource_tracker.flows.untold import have_told
from resource_tracker.sampler.aftermath import remove_spool
from resource_tracker.sampler.publisher import AWAITED
from resource_tracker.spool_dirs import hold, make_spool_dir, start_time_of

SLOW = "import os, sys, time; open(sys.argv[2] + '/pid', 'w').write(f'{os.getpid()} '); time.sleep(600)"


def dead_attempt(parent: Path) -> Path:
    path = make_spool_dir([str(parent)], os.getpid(), start_time_of(os.getpid()) - 1)
    write_order(path, an_order(card_root=None))
    return Path(path)


def test_who_tells_outlives_who_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is one chance to tell: neither the patience of `why` nor Ctrl-C in its terminal ends it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(untold, "LAUNCH", SLOW)
    monkeypatch.setattr(untold, "_WITHIN_S", 0.0)
    monkeypatch.setattr(untold, "_AWAIT_OTHERS_S", 0.0)
    spool = dead_attempt(tmp_path)
    have_told("AFlow/18")
    have_told("AFlow/17")
    wait_until(lambda: (spool / "pid").is_file() and " " in (spool / "pid").read_text(), "a process that tells")
    pid = int((spool / "pid").read_text())
    try:
        assert os.getsid(pid) == pid
    finally:
        os.kill(pid, signal.SIGKILL)


def test_who_tells_at_this_moment_is_awaited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Asked at once after a death, `why` says what its witness is about to write, and waits for no other attempt's."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    spool = dead_attempt(tmp_path)
    witness = hold(str(spool))
    have_told("AFlow/18")
    waits: list[float] = []

    def told_meanwhile(seconds: float) -> None:
        waits.append(seconds)
        remove_spool(str(spool))

    monkeypatch.setattr(untold, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=told_meanwhile))
    have_told("AFlow/17")
    os.close(witness)
    assert len(waits) == 1


def test_whoever_counts_attempts_says_what_was_told_only_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`recommend` and `review` count such deaths, too, and name `why`; where there is none, they say nothing."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(untold, "LAUNCH", "import shutil, sys; shutil.rmtree(sys.argv[2])")
    assert untold.told_note("AFlow") is None
    dead_attempt(tmp_path)
    note = untold.told_note("AFlow/17")
    assert note == (
        "an attempt had died with all that watched it, and is told of only now: see "
        "`resource-tracker why AFlow/17/train/3`"
    )
    dead_attempt(tmp_path)
    dead_attempt(tmp_path)
    assert (untold.told_note("AFlow") or "").startswith("2 attempts had died")
    assert untold.told_note("AFlow") is None


@pytest.mark.parametrize("words", [[AWAITED], []])
def test_who_is_waited_for_does_not_wait_for_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]
) -> None:
    """With four live cards on the machine, `why` is not kept waiting for one of them to end."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    waited: list[tuple[float, float]] = []

    def await_place(*seconds: float) -> object:
        waited.append(seconds)  # type: ignore[arg-type]
        return object()

    ended: list[int] = []
    monkeypatch.setattr(publisher, "await_place", await_place)
    monkeypatch.setattr(publisher, "take_place", lambda: None)  # all are taken
    monkeypatch.setattr(publisher, "resemble_the_task", lambda order, spool_dir: None)
    monkeypatch.setattr("resource_tracker.flows.publisher.finish.finish", lambda *told: None)
    monkeypatch.setattr(publisher, "stand_back", lambda: None)
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(sys, "argv", ["-c", "", str(dead_attempt(tmp_path)), *words])
    publisher.main()
    assert waited == ([] if words else [(publisher.SPARE_PLACE_AFTER_S, publisher.AWAIT_PLACE_S)])
    assert ended == [0]
