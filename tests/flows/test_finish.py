"""What the finisher finds out about a death, from the sampler's word and from Metaflow's own record of the task."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from array import array
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from metaflow.plugins.datastores.local_storage import LocalStorage
from sample_order import an_order
from sample_record import sample_record

from resource_tracker import summary
from resource_tracker.dataclass import replace
from resource_tracker.endings import RUNTIME_RECORD, Death
from resource_tracker.flows.attempt_before import NOTE, of_summary, read_note, tell, tell_the_next
from resource_tracker.flows.order import Order, read_order, write_order
from resource_tracker.flows.publisher import finish
from resource_tracker.flows.publisher.finish import death_in, noted_at, with_runtime_record
from resource_tracker.flows.publisher.outside import measured_outside
from resource_tracker.records import Ending, Outcome, TaskSummary
from resource_tracker.sampler.layout import Layout
from resource_tracker.sampler.spool_read import Event, Spool
from resource_tracker.usage import summarize

KILLED = Death(status=9, source="pidfd")


def local_order(root: Path, **changes: Any) -> Order:
    return an_order(**{"datastore": "local", "datastore_root": str(root), "handover_folder": str(root), **changes})


def note_of_runtime(root: Path, content: object, order: Order) -> None:
    """As Metaflow's runtime writes it once it has waited for the task."""
    path = root / order.pathspec / f"{order.attempt}.runtime"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("death", "note", "expected"),
    [
        (KILLED, {"return_code": -9, "killed": True}, Death(status=9, source="pidfd", stopped=True)),
        (KILLED, {"return_code": -9, "killed": False}, KILLED),
        (Death(), {"return_code": -11, "killed": False}, Death(status=11, source=RUNTIME_RECORD)),
        (Death(), {"return_code": 3, "killed": False}, Death(status=3 << 8, source=RUNTIME_RECORD)),
        (Death(), [], Death()),
    ],
)
def test_metaflows_record_of_the_task(tmp_path: Path, death: Death, note: object, expected: Death) -> None:
    """It tells that the end was Metaflow's own doing, and the status where nobody else could."""
    order = local_order(tmp_path)
    note_of_runtime(tmp_path, note, order)
    assert with_runtime_record(death, order, LocalStorage) == expected


def test_the_record_is_awaited_only_where_it_can_tell_more(tmp_path: Path) -> None:
    """Not for long, not of a signal that Metaflow never sends, and not where no runtime on this machine writes one."""
    order, looks = local_order(tmp_path), count()
    assert with_runtime_record(KILLED, order, LocalStorage, now=lambda: float(next(looks))) == KILLED
    assert next(looks) >= 2
    never = {"now": lambda: pytest.fail("it was awaited")}
    terminated = Death(status=15, source="pidfd")
    assert with_runtime_record(terminated, order, LocalStorage, **never) == terminated
    remote = local_order(tmp_path, handover_folder=None)
    assert with_runtime_record(KILLED, remote, LocalStorage, **never) == KILLED


def spool_of(kills: list[float], *events: str) -> Spool:
    spool = Spool(Layout({}))
    spool.columns["process", "oom_kills"] = array("d", kills)
    spool.events = [Event(0, 1.0, text) for text in events]
    return spool


@pytest.mark.parametrize(
    ("spool", "expected"),
    [
        (
            spool_of([0, 1, float("nan")], "death\t9\tpidfd\t2"),
            Death(status=9, source="pidfd", kills=1, machine_kills=2),
        ),
        (spool_of([1, 0, 0], "death\tunknown\t\t0", "end\ttask died"), Death()),
        (spool_of([0, 0, 2]), Death(kills=2)),
    ],
)
def test_the_samplers_word(spool: Spool, expected: Death) -> None:
    """Status, source, and kills for lack of memory in the last two rows; without a word, the rows alone."""
    assert death_in(spool) == expected


@pytest.mark.parametrize("sampler_lives", [True, False])
def test_all_are_killed_while_the_task_writes_its_last_card(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sampler_lives: bool
) -> None:
    """A spool that its task has left behind is told of, also where the sampler had taken its last reading before."""
    spool = spool_of([0, 0], "end\tstopped")
    monkeypatch.setattr(finish, "read_spool", lambda directory: spool)
    monkeypatch.setattr(finish, "_is_heard", lambda directory: sampler_lives)
    assert finish._last_spool(str(tmp_path)) is (None if sampler_lives else spool)


def summary_of(order: Order) -> TaskSummary:
    return TaskSummary(
        run_id=order.run_id,
        step=order.step,
        task_id=order.task_id,
        attempt=order.attempt,
        status="failed",
        finished_at=1.0,
        duration_s=5.0,
        memory_peak_kib=1e6,
        ended_by="out of memory",
        ended_evidence="The kernel killed it for lack of memory.",
        ran_out_of_memory=True,
    )


def test_the_next_attempt_is_told_once(tmp_path: Path) -> None:
    """The attempt that follows on this machine gets a note and a line in its log, others get nothing."""
    names = ("own", "next", "other", "junk", "open")
    spools = {name: tmp_path / f"resource_tracker.{name}" for name in names}
    for folder in spools.values():
        folder.mkdir(mode=0o700)
    order = an_order(attempt=0, pid=os.getpid())
    write_order(str(spools["own"]), order)
    write_order(str(spools["next"]), an_order(attempt=1, pid=0))
    spools["open"].chmod(0o755)  # anybody may have made it: an order that is a pipe would never end
    os.mkfifo(spools["open"] / "order")
    write_order(str(spools["other"]), an_order(attempt=1, pid=0, pathspec="AFlow/17/train/4"))
    ending = Ending(cause="killed by SIGKILL", evidence="", source="pidfd")
    outcome = Outcome(status="failed", ended_by=ending.cause)
    record = replace(sample_record(), pathspec=order.pathspec, attempt=0, attempt_before=None)
    record = replace(record, outcome=outcome, ending=ending)
    with pytest.raises(OSError, match="No such file"):  # there is no process 0, whose log would take the line
        tell_the_next(order, str(spools["own"]), record)
    assert (spools["next"] / NOTE).stat().st_nlink == 1
    told = read_note(str(spools["next"]))
    assert told == of_summary(summary.summary_of(record))
    assert told is not None
    assert [name for name, folder in spools.items() if (folder / NOTE).exists()] == ["next"]
    tell(read_order(str(spools["next"])), str(spools["next"]), told)  # it has been told
    assert read_note(str(spools["junk"])) is None


@pytest.mark.parametrize("replaced", [False, True])
def test_the_line_goes_into_the_log_and_into_nothing_else(tmp_path: Path, replaced: bool) -> None:
    """A step that has put a pipe of its own in the place of its standard error reads nothing of ours there."""
    order = an_order(attempt=0)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as task:
        assert task.stderr is not None
        found = os.fstat(task.stderr.fileno())
        log = (found.st_dev, found.st_ino + replaced)
        before = replace(of_summary(summary_of(order)), resources=("memory",))
        tell(an_order(attempt=1, pid=task.pid, log=log), str(tmp_path), before)
        _, said = task.communicate()
    assert said.decode().startswith("[track_resources] attempt 0: ") is not replaced
    assert bool(said) is not replaced


@pytest.mark.parametrize(("peak_kib", "told"), [(900.0, None), (60_000.0, 60_000.0)])
def test_a_peak_that_was_read_while_the_task_was_taken_down_is_none(
    tmp_path: Path, peak_kib: float, told: float | None
) -> None:
    """Less than Python itself needs was read too late: then it is not known."""
    spool = Spool(Layout({}))
    spool.add_row(0, [1.7e9] * len(spool.columns))
    spool.columns["internal", "memory_sampled_kib"][0] = peak_kib
    spool.columns["process", "memory_peak_kib"][0] = float("nan")
    spool.columns["process", "memory"][0] = peak_kib
    found = measured_outside(an_order(), spool, str(tmp_path), ended=True)
    assert (found.memory_peak_kib, summarize(found).memory_peak_kib) == (told, told)
    assert measured_outside(an_order(), spool, str(tmp_path), ended=False).memory_peak_kib is not None


def test_of_an_attempt_that_had_hardly_begun_there_is_a_reading_from_before(tmp_path: Path) -> None:
    """It took no time, rather than less than none: nobody would believe such a summary."""
    for started_at in (1.7e9 + 0.1, 1.7e9 + 0.3, 1.7e9 + 0.7):  # which sums of times do not always give again
        order, spool = an_order(started_at=started_at, started_monotonic_s=49_000.123), Spool(Layout({}))
        spool.first["system", "timestamp"] = order.started_at - 0.01
        spool.first["process", "memory"] = 35_000.0
        found = measured_outside(order, spool, str(tmp_path), ended=True)
        assert (found.duration_s, found.ended_at) == (0.0, started_at)
        assert "before its first row" in (found.tracking.ended_early or "")
        assert summarize(found).memory_peak_kib == 35_000.0
        seen = measured_outside(order, spool, str(tmp_path), ended=True, died_at=started_at + 40.0)
        assert seen.duration_s == pytest.approx(40.0)
        assert "killed after 0.0 s, 40.0 s before its end" in (seen.tracking.ended_early or "")


def test_where_no_thread_starts_parts_are_saved_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on processes that ended a step's patience must not cost its last words, too."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    saved: list[str] = []
    saving = finish._Saving()
    saving.begin("store the summary of the attempt", saved.append, "summary")
    saving.begin("write the card", saved.append, "page")
    assert saving.done_within(0.0)
    assert saved == ["summary", "page"]


def test_when_the_end_was_is_known_from_metaflows_record(tmp_path: Path) -> None:
    """Of a task that was killed with all that watched it the runtime on its machine notes the end at once."""
    order = local_order(tmp_path)
    assert noted_at(order) is None
    note_of_runtime(tmp_path, {"return_code": -9}, order)
    os.utime(tmp_path / order.pathspec / f"{order.attempt}.runtime", (1.7e9, 1.7e9))
    assert noted_at(order) == 1.7e9
    assert noted_at(local_order(tmp_path, datastore="s3")) is None
