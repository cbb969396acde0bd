"""The sampler's life: messages, the task's end without a pidfd, and a fault of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scenes.tasks import DEADLINE_S, alive, wait_until

import resource_tracker
from resource_tracker.sampler.aftermath import remove_spool
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.collector import Collector, Failures, Row
from resource_tracker.sampler.control import CONTROL, Control, Message, is_heard, send
from resource_tracker.sampler.layout import COLUMNS, Layout
from resource_tracker.sampler.lifeline import Lifeline
from resource_tracker.sampler.loop import SPOOL_GONE, STOPPED, TASK_DIED, Loop
from resource_tracker.sampler.rows import RowMaker
from resource_tracker.sampler.spool import SpoolWriter
from resource_tracker.sampler.spool_read import read_spool
from resource_tracker.spool_dirs import make_spool_dir, start_time_of


@pytest.fixture
def spool_dir(tmp_path: Path) -> str:
    return make_spool_dir([str(tmp_path)], os.getpid(), start_time_of(os.getpid()))


def sleeper() -> tuple[subprocess.Popen[bytes], int]:
    process = subprocess.Popen(["sleep", "600"])
    return process, start_time_of(process.pid)


class Breaking(SpoolWriter):
    """A spool whose rows cannot be written, for a reason that nobody foresaw."""

    def row(self, phase: int, values: list[float]) -> None:
        raise RuntimeError("no such luck")


def loop_of(spool_dir: str, lifeline: Lifeline, writer: type[SpoolWriter] = SpoolWriter) -> Loop:
    maker = RowMaker([], Failures())
    maker.first()
    return Loop(maker, writer(spool_dir, Layout({})), Control(spool_dir), lifeline, 0.01, Budget(0.005))


# --- messages -----------------------------------------------------------------------------------


def test_messages(spool_dir: str) -> None:
    """Whole lines of the right form come in their order; a half one waits, and junk is left out."""
    control = Control(spool_dir)
    send(spool_dir, "mark", "step_end", "1x1")
    writer = os.open(f"{spool_dir}/{CONTROL}", os.O_WRONLY | os.O_NONBLOCK)
    os.write(writer, b"junk\nmark a ../../x\n\xff\xff\xff\nstop - ")
    assert [(m.word, m.name, m.token) for m in control.messages()] == [("mark", "step_end", "1x1")]
    os.write(writer, b"7\n")
    assert [(m.word, m.token) for m in control.messages()] == [("stop", "7")]
    assert control.messages() == []
    os.close(writer)


def test_answer_that_nobody_awaits(spool_dir: str) -> None:
    """A task that gave up waiting, or deleted its pipe, does no harm to the sampler."""
    control = Control(spool_dir)
    control.answer(Message("mark", "a", "1"))
    os.mkfifo(f"{spool_dir}/reply.2")
    control.answer(Message("mark", "a", "2"))


def test_nobody_listens(spool_dir: str) -> None:
    """A pipe without a sampler, and a folder that is gone, are told from a sampler that listens."""
    assert is_heard(spool_dir) is False
    control = Control(spool_dir)
    assert is_heard(spool_dir) is True
    control.close()
    with pytest.raises(OSError, match="No such device"):
        send(spool_dir, "mark", "a", "1")
    remove_spool(spool_dir)
    assert is_heard(spool_dir) is False


# --- the task's end -----------------------------------------------------------------------------


@pytest.mark.parametrize("pidfd", [True, False], ids=["pidfd", "polling"])
def test_end_of_the_task(spool_dir: str, monkeypatch: pytest.MonkeyPatch, pidfd: bool) -> None:
    """The end of the task ends the loop, with a pidfd and where there is none; what ended it is told."""
    if not pidfd:
        monkeypatch.delattr(os, "pidfd_open")
    task, start_time = sleeper()
    lifeline = Lifeline("/proc", task.pid, start_time)
    assert (lifeline.fd >= 0) is pidfd
    assert not lifeline.ended()
    task.kill()
    assert loop_of(spool_dir, lifeline).run() == TASK_DIED
    assert lifeline.ended()
    task.wait()
    told = [event.text for event in read_spool(spool_dir).events]
    assert told[-1] == "end\ttask died"
    assert any(text.startswith("death\t9\t/proc/PID/stat\t") for text in told)


def test_another_process_of_the_same_pid() -> None:
    """A process that began at another time is not the task: that one is dead."""
    assert Lifeline("/proc", os.getpid(), start_time_of(os.getpid()) - 1).ended()
    assert not Lifeline("/proc", os.getpid(), start_time_of(os.getpid())).ended()


def test_deleted_spool_ends_the_loop(spool_dir: str) -> None:
    """Nobody could read what it writes."""
    loop = loop_of(spool_dir, Lifeline("/proc", os.getpid(), start_time_of(os.getpid())))
    remove_spool(spool_dir)
    assert loop.run() == SPOOL_GONE


def test_stop_writes_a_last_row(spool_dir: str) -> None:
    """Told to stop, it closes a row of whatever length."""
    loop = loop_of(spool_dir, Lifeline("/proc", os.getpid(), start_time_of(os.getpid())))
    send(spool_dir, "stop", "-", "1")
    assert loop.run() == STOPPED
    spool = read_spool(spool_dir)
    assert len(spool.phases) == 1
    assert spool.events[-1].text == "end\tstopped"


def test_fault_of_the_sampler(spool_dir: str) -> None:
    """A fault is told in the spool; nobody is kept waiting, and the spool stays until its reader is dead."""
    task, start_time = sleeper()
    loop = loop_of(spool_dir, Lifeline("/proc", task.pid, start_time), Breaking)
    child = os.fork()
    if not child:
        os._exit(0 if loop.run() == TASK_DIED else 1)
    wait_until(lambda: read_spool(spool_dir).events, "the fault is told")
    assert read_spool(spool_dir).events[0].text == "fault\tRuntimeError: no such luck"
    assert alive(child)
    task.kill()
    task.wait()
    assert os.waitpid(child, 0)[1] == 0


# --- what it cost -------------------------------------------------------------------------------


class Burning(Collector):
    """Costs CPU time whenever it is asked, part of it on an account of its own."""

    source = "burning"

    def __init__(self) -> None:
        self.apart_s = 0.0

    def set_apart_s(self) -> dict[str, float]:
        return {"apart": self.apart_s}

    def read(self, row: Row, interval_s: float) -> None:
        began_s = time.process_time()
        while time.process_time() < began_s + 0.03:
            continue
        self.apart_s += 0.01 if interval_s > 0 else 0.0


class Idle(Collector):
    """Costs nothing."""

    source = "idle"

    def read(self, row: Row, interval_s: float) -> None:
        """Fills nothing."""


def test_costs_by_source() -> None:
    """Each source is charged what it cost, less what has an account of its own; what the start cost is left out."""
    maker = RowMaker([Idle(), Burning(), Idle()], Failures())
    maker.first()
    maker.begun()
    assert maker.spent_s() == {"idle": 0.0, "burning": 0.0, "apart": 0.0}
    maker.row()
    maker.row()
    spent = maker.spent_s()
    assert spent["apart"] == pytest.approx(0.02)
    assert 0.04 <= spent["burning"] < 0.06
    assert spent["idle"] < 0.01


def test_costs_are_told(spool_dir: str) -> None:
    """At a mark, at the end, and in between, so that something is known of a sampler that is killed."""
    task, start_time = sleeper()
    maker = RowMaker([Idle()], Failures())
    maker.first()
    spool = SpoolWriter(spool_dir, Layout({}))
    lifeline = Lifeline("/proc", task.pid, start_time)
    loop = Loop(maker, spool, Control(spool_dir), lifeline, 0.001, Budget(0.1), before_s=5.0)
    child = os.fork()
    if not child:
        os._exit(0 if loop.run() == TASK_DIED else 1)
    wait_until(lambda: any(told(spool_dir)), "the costs are told")
    send(spool_dir, "mark", "step_end", "1")
    wait_until(lambda: "mark\tstep_end" in told(spool_dir), "the mark is told")
    task.kill()
    task.wait()
    assert os.waitpid(child, 0)[1] == 0
    events = told(spool_dir)
    before_mark = events[: events.index("mark\tstep_end")]
    assert [text.split("\t")[1] for text in before_mark[-2:]] == ["start", "idle"]
    assert [text.split("\t")[0] for text in events[-3:]] == ["cost", "cost", "end"]
    assert float(events[-3].split("\t")[2]) >= 5.0


def told(spool_dir: str) -> list[str]:
    return [event.text for event in read_spool(spool_dir).events]


# --- rows ---------------------------------------------------------------------------------------


class Counting(Collector):
    """Notes what is asked of it."""

    source = "counting"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def sub_sample(self, now_s: float) -> None:
        self.calls.append("sub_sample")

    def sweep(self, now_s: float) -> None:
        self.calls.append("sweep")

    def read(self, row: Row, interval_s: float) -> None:
        self.calls.append(f"read {interval_s > 0}")


def test_collectors_join_by_their_port() -> None:
    """A collector is started, sub-sampled and read; the reading at start has no length, and rows have every column."""
    counting = Counting()
    maker = RowMaker([counting], Failures())
    assert len(maker.first().values()) == len(COLUMNS)
    maker.sub_sample()
    maker.sweep()
    row = maker.row()
    assert counting.calls == ["start", "read False", "sub_sample", "sweep", "read True"]
    assert row.process["interval_s"] == row.system["interval_s"] > 0


# --- the package --------------------------------------------------------------------------------


def test_package_is_lazy() -> None:
    """Importing the package imports none of its modules; public names are there when asked for, others are not."""
    code = "import sys, resource_tracker as r; print([m for m in sys.modules if 'resource_tracker.' in m], dir(r))"
    root = str(Path(resource_tracker.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=DEADLINE_S)
    assert done.stdout.startswith("[] ")
    assert "TinyDataFrame" in done.stdout
    assert resource_tracker.TinyDataFrame.__name__ == "TinyDataFrame"
    assert isinstance(resource_tracker.__version__, str)
    with pytest.raises(AttributeError, match="novelty"):
        resource_tracker.novelty  # noqa: B018


def test_sampler_imports_little() -> None:
    """The sampler loads none of the modules that would double its memory."""
    code = "import sys; sys.path.append(sys.argv[1]); import resource_tracker.sampler.main; print(*sys.modules)"
    root = str(Path(resource_tracker.__file__).parents[1])
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, root], capture_output=True, text=True, check=True)
    heavy = {"enum", "re", "collections", "functools", "typing", "dataclasses", "subprocess", "json", "ctypes", "site"}
    assert heavy.isdisjoint(done.stdout.split())
