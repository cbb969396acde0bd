"""When the sampler starts a publisher, again, and never."""

from __future__ import annotations

import math
import os
import signal
import sys
from pathlib import Path

import pytest

from resource_tracker.sampler import publisher as module
from resource_tracker.sampler.publisher import (
    AGAIN_AFTER_S,
    FINISH_STARTS,
    LIVE,
    LIVE_AFTER_REMOTE_S,
    LIVE_AFTER_S,
    NOT_TOLD,
    ORDER,
    Publisher,
    environment_of,
)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Processes that stand for publishers, which wait until they are killed."""
    pids: list[int] = []

    def start(spool: str, environment: object) -> int:
        pids.append(os.posix_spawn(sys.executable, [sys.executable, "-Sc", "import time; time.sleep(600)"], {}))
        return pids[-1]

    monkeypatch.setattr(module, "start_publisher", start)
    return pids


def test_it_waits_for_the_order_and_ends_with_the_task(tmp_path: Path, started: list[int]) -> None:
    """Nothing starts before the task has said what is wanted; what was started is gone, and reaped, at the end."""
    publisher = Publisher(str(tmp_path), {}, 0.0)
    publisher.look(2.0)
    assert not started
    assert publisher.next_s == 3.0
    (tmp_path / LIVE).touch()
    (tmp_path / ORDER).touch()
    publisher.look(3.0)
    assert len(started) == 1
    publisher.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)
    assert publisher.memory_kib > 0


def test_without_a_live_card_nothing_is_started(tmp_path: Path, started: list[int]) -> None:
    """The order stands there, for the case that the task dies, and that is all."""
    (tmp_path / ORDER).touch()
    publisher = Publisher(str(tmp_path), {}, 0.0)
    publisher.look(10.0)
    assert publisher.next_s == math.inf
    assert not started


def test_one_that_is_killed_is_followed_by_another_later(
    tmp_path: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute, not at once: whatever ended it may do so again."""
    (tmp_path / LIVE).touch()
    (tmp_path / ORDER).touch()
    publisher = Publisher(str(tmp_path), {}, 0.0)
    publisher.look(10.0)
    os.kill(started[0], 9)
    os.waitid(os.P_PID, started[0], os.WEXITED | os.WNOWAIT)
    monkeypatch.setattr("time.monotonic", lambda: 15.0)
    publisher.look(15.0)
    assert len(started) == 1
    assert publisher.next_s == 15.0 + AGAIN_AFTER_S
    publisher.look(publisher.next_s)
    assert len(started) == 2
    monkeypatch.undo()
    publisher.stop()


@pytest.mark.parametrize(
    ("code", "starts"), [(0, 2), (NOT_TOLD, 1 + FINISH_STARTS), (1, 1 + FINISH_STARTS)], ids=["told", "left", "failed"]
)
def test_a_death_is_told_by_another_where_the_first_one_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, starts: int
) -> None:
    """The kernel's killer takes the publisher first, then the task: nobody has noticed yet that it is gone."""
    (tmp_path / LIVE).touch()
    (tmp_path / ORDER).touch()
    codes = iter([NOT_TOLD, *[code] * 9])
    pids: list[int] = []

    def start(spool: str, environment: object) -> int:
        pids.append(os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {next(codes)}"], {}))
        os.waitid(os.P_PID, pids[-1], os.WEXITED | os.WNOWAIT)
        return pids[-1]

    monkeypatch.setattr(module, "start_publisher", start)
    publisher = Publisher(str(tmp_path), {}, 0.0)
    publisher.look(10.0)
    publisher.finish()
    assert len(pids) == starts


@pytest.mark.parametrize(
    ("environment", "after_s"),
    [
        ({b"METAFLOW_RESOURCE_TRACKER_HANDOVER": b"/tmp/x"}, LIVE_AFTER_S),
        ({}, LIVE_AFTER_REMOTE_S),
        ({b"METAFLOW_RESOURCE_TRACKER_LIVE_AFTER": b"30"}, 30.0),
        ({b"METAFLOW_RESOURCE_TRACKER_LIVE_AFTER": b"soon"}, LIVE_AFTER_REMOTE_S),
    ],
    ids=["local", "in a container", "told", "nonsense"],
)
def test_when_it_starts(environment: dict[bytes, bytes], after_s: float) -> None:
    """Late enough to spare short steps; sooner where the early record may be all that remains."""
    assert Publisher("/nowhere", environment, 100.0).next_s == 100.0 + after_s


def test_environment_is_the_tasks_without_the_marker(tmp_path: Path) -> None:
    """With the marker the publisher would count as the step's; values may hold anything but NUL."""
    folder = tmp_path / "17"
    folder.mkdir()
    (folder / "environ").write_bytes(b"A=1\0MARK=x\0B=c=\xff\n\0C=\0nonsense\0")
    assert environment_of(str(tmp_path), 17, ("MARK", "x")) == {b"A": b"1", b"B": b"c=\xff\n", b"C": b""}
    assert environment_of(str(tmp_path), 18, None) is None


def test_where_all_is_about_to_be_stopped_it_starts_at_once(tmp_path: Path, started: list[int]) -> None:
    """SIGTERM is handed on to the one that is there; where there is none yet, it does not wait for its time."""
    (tmp_path / LIVE).touch()
    (tmp_path / ORDER).touch()
    publisher = Publisher(str(tmp_path), {}, 0.0)
    publisher.look(1.0)
    assert not started
    publisher.hurry(1.0)
    assert len(started) == 1
    publisher.hurry(1.1)  # these end by it
    assert os.waitid(os.P_PID, started[0], os.WEXITED | os.WNOWAIT).si_status == signal.SIGTERM
    assert len(started) == 1
    publisher.stop()


def test_an_attempt_of_which_nobody_told_is_told_at_once(
    tmp_path: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process of its own, which is waited for, and does not stand in for the one of this attempt."""
    (tmp_path / LIVE).touch()
    (tmp_path / ORDER).touch()
    publisher = Publisher(str(tmp_path), {}, 0.0, str(tmp_path / "other"))
    assert publisher.next_s == 0.0
    publisher.look(0.0)
    assert (len(started), publisher.next_s) == (1, LIVE_AFTER_REMOTE_S)
    publisher.look(LIVE_AFTER_REMOTE_S)
    assert len(started) == 2
    os.kill(started[0], 9)
    os.waitid(os.P_PID, started[0], os.WEXITED | os.WNOWAIT)
    publisher.look(publisher.next_s)
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)
    os.kill(started[1], 0)
    publisher.stop()
