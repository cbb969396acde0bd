"""Marks and live figures of real processes, with a sampler and without one."""

from __future__ import annotations

import ast
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scenes.tasks import ROOT, wait_until

from resource_tracker import ResourceTracker
from resource_tracker.dataclass import field_names
from resource_tracker.errors import SettingError, TrackerError
from resource_tracker.latest import Latest
from resource_tracker.marks import CONSIDERED, LABEL_LENGTH, MARKS_AT_ONCE, Marks, clean
from resource_tracker.memory_warning import memory_warning
from resource_tracker.records import Limits, Measurements, ResourceRequest, ServerInfo, Span
from resource_tracker.sampler.control import CONTROL
from resource_tracker.spool_follow import LiveSpool, SpoolFollower
from resource_tracker.start_end import StartEndReadings
from resource_tracker.starting import begin
from resource_tracker.step_resources import FIGURES, StepResources
from resource_tracker.timeline import Timeline
from resource_tracker.tracker import SamplerProcess

MIB = 1 << 20
NOTHING_TRACKED = ROOT / "metaflow_extensions" / "resource_tracker" / "plugins" / "nothing_tracked.py"


@pytest.fixture
def spools(tmp_path: Path) -> Path:
    folder = tmp_path / "spools"
    folder.mkdir()
    return folder


def sampler(spools: Path, interval_s: float = 600.0, pid: int | None = None) -> SamplerProcess:
    """Rows end only at marks, unless asked for."""
    return SamplerProcess.finish(
        begin(
            pid=os.getpid() if pid is None else pid,
            interval_s=interval_s,
            overhead_budget=0.1,
            spool_parents=[str(spools)],
            start_timeout_s=10,
        )
    )


def finished(measuring: SamplerProcess | StartEndReadings) -> Measurements:
    try:
        assert measuring.mark("step_end", 10)
        assert measuring.stop(10)
        return measuring.measurements()
    finally:
        measuring.remove()


def burn(cpu_s: float) -> float:
    """CPU seconds that were used, at least `cpu_s`."""
    began_s = time.process_time()
    while time.process_time() - began_s < cpu_s:
        pass
    return time.process_time() - began_s


def by_label(spans: tuple[Span, ...]) -> dict[str, Span]:
    return {span.label: span for span in spans}


# --- what becomes of marks ----------------------------------------------------------------------


def test_each_span_has_what_was_used_in_it(spools: Path) -> None:
    """CPU time and memory of a mark's stage and of a block are their own, in a step in which no row ends by time."""
    measuring = sampler(spools)
    used_s = burn(0.4)
    measuring.marks.mark("burnt")
    with measuring.marks.mark("held") as mark:
        held = bytearray(200 * MIB)
        wait_until(lambda: measuring.latest().memory_kib > 0, "the first reading is there")
        time.sleep(0.3)  # sub-samples come ten times a second
    assert repr(mark) == "<Mark 'held'>"
    del held
    burn(0.4)
    measuring.marks.mark("burnt again")
    found = finished(measuring)
    spans = by_label(found.spans)
    assert list(spans) == ["burnt", "held", "burnt again"]
    total_s = sum(span.cpu_seconds or 0.0 for span in found.spans)
    assert spans["burnt"].cpu_seconds == pytest.approx(used_s, abs=0.2)
    assert spans["burnt again"].cpu_seconds == pytest.approx(0.4, abs=0.25)
    assert total_s <= (found.cpu_seconds or 0.0) + 0.1
    grown_kib = (spans["held"].memory_peak_kib or 0.0) - (spans["burnt"].memory_peak_kib or 0.0)
    assert grown_kib == pytest.approx(200 * 1024, rel=0.1)
    assert (spans["burnt again"].memory_peak_kib or 0.0) < (spans["held"].memory_peak_kib or 0.0) - 150 * 1024
    ends = [span.end_s for span in found.spans]
    assert ends == sorted(ends, key=lambda end: end or 0.0)
    assert all(0 <= span.start_s <= (span.end_s or 0.0) <= found.duration_s for span in found.spans)


def test_threads_and_forks_mark_too(spools: Path) -> None:
    """Blocks of threads do not stand in each other's, and a forked child's marks arrive."""
    measuring = sampler(spools)
    both = threading.Barrier(2)

    def work(name: str) -> None:
        with measuring.marks.mark(name):
            both.wait(20)
            measuring.marks.mark(f"part of {name}")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    pid = os.fork()
    if not pid:
        with measuring.marks.mark("child"):
            pass
        os._exit(0)
    os.waitpid(pid, 0)
    spans = by_label(finished(measuring).spans)
    assert set(spans) == {"one", "two", "part of one", "part of two", "child"}
    assert spans["one"].depth != spans["two"].depth
    assert spans["part of one"].start_s == pytest.approx(spans["one"].start_s, abs=1e-3)


def test_workers_that_are_started_afresh_mark_too(spools: Path) -> None:
    """Handed on by pickle, it marks and tells from another process; without a sampler, or elsewhere, it is silent."""
    measuring = sampler(spools)
    live = StepResources(measuring, Limits(cpus=2.0), ResourceRequest(cpu=2), 1000.0)
    code = """
import pickle, sys
live = pickle.load(sys.stdin.buffer)
with live.mark("worker"):
    print(live.memory_mib > 1, live.elapsed_s > 0, live.limits.cpus, live.request.cpu, live.memory_left_mib < 1000)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=pickle.dumps(live), capture_output=True, timeout=60, check=False)
    assert done.stdout.decode().split() == ["True", "True", "2.0", "2", "True"], done.stderr.decode()
    found = finished(measuring)
    assert by_label(found.spans)["worker"].end_s is not None
    stale = pickle.loads(pickle.dumps(live))
    readings = StartEndReadings.start(interval_s=1.0, reason="for the test")
    silent = pickle.loads(pickle.dumps(StepResources(readings, Limits(), ResourceRequest())))
    for resources in (stale, silent):
        with resources.mark("nobody"):
            assert math.isnan(resources.memory_mib)


def test_an_exception_leaves_its_block(spools: Path) -> None:
    """It passes, the block ends, and the next mark stands where the block stood."""
    measuring = sampler(spools)
    with pytest.raises(KeyError, match="theirs"), measuring.marks.mark("fails"):
        raise KeyError("theirs")
    measuring.marks.mark("after")
    spans = by_label(finished(measuring).spans)
    assert (spans["fails"].end_s, spans["after"].depth) == (pytest.approx(spans["after"].start_s, abs=1e-3), 0)


def test_what_a_dead_process_was_doing_stays_open(spools: Path) -> None:
    """The block in which it died has no end; what was marked before is there."""
    child = subprocess.Popen(["sleep", "600"])
    measuring = sampler(spools, pid=child.pid)
    measuring.marks.mark("before")
    with measuring.marks.mark("within"):
        child.kill()
        child.wait()
        wait_until(lambda: any(event.text.startswith("end") for event in _spool(measuring)), "the sampler sees the end")
        spans = by_label(measuring.measurements().spans)
        followed = SpoolFollower(measuring.spool_dir, LiveSpool).read().span_lines
    assert [line.split("\t")[-1] for line in followed if line] == ["before", "within"]
    measuring.stop(10)
    measuring.remove()
    assert spans["before"].end_s is not None
    assert spans["within"].end_s is None
    assert spans["within"].duration_s is None


def _spool(measuring: SamplerProcess) -> list[object]:
    from resource_tracker.sampler.spool_read import read_spool

    return list(read_spool(measuring.spool_dir).events)


def test_without_a_sampler_marks_still_count() -> None:
    """Readings are taken in the task itself then; figures are those of its own process."""
    readings = StartEndReadings.start(interval_s=1.0, reason="for the test")
    burn(0.6)
    readings.marks.mark("burnt")
    with readings.marks.mark("rest"):
        pass
    live = StepResources(readings, Limits(), ResourceRequest())
    assert live.memory_mib > 1
    assert live.peak_memory_mib >= live.memory_mib * 0.99
    assert live.cpu_seconds >= 0.5
    assert math.isnan(live.cpu_cores)
    assert not readings.tell("warn", "1:1:1:1:61")
    spans = by_label(finished(readings).spans)
    assert spans["burnt"].cpu_seconds == pytest.approx(0.6, abs=0.2)
    assert spans["rest"].end_s is not None


def test_marks_in_a_tight_loop_are_limited(spools: Path) -> None:
    """Beyond a thousand at once they are left out, which the record says; blocks that began also end."""
    measuring = sampler(spools)
    marks, tried = measuring.marks, 0
    while marks.left_out < 100:
        with marks.mark("x"):
            tried += 1
    assert tried > MARKS_AT_ONCE
    found = finished(measuring)
    assert set(by_label(found.spans)) == {"x"}
    assert sum(span.count for span in found.spans) <= tried - 100
    assert all(span.end_s is not None for span in found.spans)
    (failed,) = (source for source in found.tracking.failed_sources if source.source == "marks of the step")
    assert failed.count == 100


def test_marks_that_are_not_read_yet_do_not_hide_the_end_of_the_step(spools: Path) -> None:
    """Where the pipe is full, the sampler is told as soon as it reads on; where it does not, nobody waits for it."""
    measuring = sampler(spools)
    os.kill(measuring.sampler_pid, signal.SIGSTOP)
    pipe = os.open(f"{measuring.spool_dir}/{CONTROL}", os.O_WRONLY | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        while os.write(pipe, b"\n"):  # says nothing, and leaves room for nothing
            pass
    os.close(pipe)
    assert not measuring.tell("stage", "x")
    assert not measuring.mark("late", 0.01)
    told: list[bool] = []
    asking = threading.Thread(target=lambda: told.append(measuring.mark("step_end", 30)))
    asking.start()
    os.kill(measuring.sampler_pid, signal.SIGCONT)
    asking.join()
    assert told == [True]
    measuring.stop(30)
    measuring.remove()


def test_marks_after_the_end_do_nothing(spools: Path) -> None:
    """The sampler is gone, the pipe is gone: the step does not notice, and figures stay what they were."""
    measuring = sampler(spools)
    before = measuring.latest()
    finished(measuring)
    with measuring.marks.mark("late"):
        assert not measuring.tell("stage", "nobody:listens:1:61")
    assert measuring.latest().memory_kib == before.memory_kib


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Unreadable(str):
    def __str__(self) -> str:
        return self

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no characters")

    __getitem__ = __iter__  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("loaded data", "loaded data"),
        ("a\tb\nc\x00d", "a b c d"),
        ("", "mark"),
        (7, "7"),
        ("\udcff", "mark"),
        (Unprintable(), "Unprintable"),
        (Unreadable("a name"), "a name"),
        ("a " + "\n" * CONSIDERED + "b", "a"),
        ("é" * 200, "é" * (LABEL_LENGTH - 1) + "…"),
        ("<script>", "<script>"),
    ],
)
def test_any_label_is_one_line(label: object, told: str) -> None:
    """Nobody's step fails for a name, and none breaks the lines of the spool."""
    said: list[tuple[str, str]] = []
    assert clean(label) == told
    assert Marks(lambda word, name: said.append((word, name))).mark(label).label == told
    ((word, name),) = said
    assert (word, bytes.fromhex(name.split(":")[-1]).decode()) == ("stage", told)
    assert len(name) < 4000  # one write into a pipe


# --- figures ------------------------------------------------------------------------------------


def test_what_is_left_of_an_unknown_is_unknown() -> None:
    """Nothing left would have a step take its smallest batches, where nobody knows what it uses."""
    live = StepResources(_Silent(), Limits(), ResourceRequest(), 4096.0)  # type: ignore[arg-type]
    assert math.isnan(live.memory_left_mib)
    assert math.isnan(live.figures()["memory_left_mib"])


class _Silent:
    """A measurement that knows nothing."""

    timeline = Timeline(0)

    @staticmethod
    def latest() -> Latest:
        return Latest()


def test_live_figures_follow_the_rows(spools: Path) -> None:
    """Memory, its peak, CPU time and processes of the running process come with its rows."""
    measuring = sampler(spools, interval_s=0.05)
    live = StepResources(measuring, Limits(memory_mib=4096.0), ResourceRequest(cpu=2), 4096.0)
    before_mib = live.memory_mib
    assert live.memory_left_mib == pytest.approx(4096 - before_mib, abs=20)
    held = bytearray(150 * MIB)
    wait_until(lambda: live.memory_mib > before_mib + 120, "the memory shows")
    del held
    wait_until(lambda: live.memory_mib < before_mib + 60, "its end shows")
    burn(0.2)
    wait_until(lambda: live.cpu_seconds >= 0.2, "the CPU time shows")
    figures = live.figures()
    assert tuple(figures) == FIGURES
    assert figures["peak_memory_mib"] >= 150
    assert figures["processes"] >= 1
    assert 0 <= figures["cpu_cores"] <= (os.cpu_count() or 1) + 1
    assert figures["elapsed_s"] > 0
    assert (live.tracked, live.limits.memory_mib, live.request.cpu) == (True, 4096.0, 2)
    assert "MiB" in repr(live)
    found = finished(measuring)
    assert live.elapsed_s == live.elapsed_s == found.duration_s
    assert live.cpu_seconds <= (found.cpu_seconds or 0.0) + 0.1


def test_figures_outlast_the_merging_of_rows(spools: Path) -> None:
    """When the spool seals its rows, sums and peaks are those of all rows still."""
    from resource_tracker.latest import LatestRows
    from resource_tracker.sampler.collector import Row
    from resource_tracker.sampler.layout import Layout
    from resource_tracker.sampler.spool import SpoolWriter

    writer = SpoolWriter(str(spools), Layout({}), tail_rows=40, sealed_rows=8)
    latest = LatestRows(str(spools), 100.0)
    assert math.isnan(latest.read().memory_kib)
    for number in range(300):
        row = Row()
        row.process.update(
            utime=100.0, stime=50.0, interval_s=1.0, memory=10.0 + number, memory_peak_kib=500.0 - number
        )
        writer.row(0, row.values())
        found = latest.read()
        assert found.memory_kib in (10.0 + number, 9.0 + number)  # merged rows are long past, on average
        assert found.cpu_seconds == pytest.approx(1.5 * (number + 1))
    found = latest.read()
    assert (found.memory_peak_kib, found.cpu_cores) == (500.0, pytest.approx(1.5))
    assert repr(LatestRows(str(spools), 100.0).read()) == repr(found)  # nan is not equal to itself


# --- where nothing is measured ------------------------------------------------------------------


def test_nothing_tracked_has_the_same_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands for a step that is not measured has every name of the real one, and imports nothing of ours."""
    source = NOTHING_TRACKED.read_text()
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    assert {node.module for node in imported} == {"types", "metaflow.metaflow_current"}
    names: dict[str, Any] = {}
    exec(compile(source, str(NOTHING_TRACKED), "exec"), names)
    monkeypatch.setitem(sys.modules, "metaflow.metaflow_current", None)  # as where there is no such module
    assert names["offer"]() is None
    nothing = names["NothingTracked"]()
    public = {name for name in (*dir(StepResources), "limits", "request") if not name.startswith("_")}
    assert {name for name in dir(nothing) if not name.startswith("_")} == public
    assert vars(nothing.limits) == {name: getattr(Limits(), name) for name in field_names(Limits) or ()}
    assert vars(nothing.request) == {
        name: getattr(ResourceRequest(), name) for name in field_names(ResourceRequest) or ()
    }
    assert tuple(nothing.figures()) == FIGURES
    assert all(math.isnan(value) for value in nothing.figures().values())
    assert math.isnan(nothing.memory_mib)
    assert not nothing.tracked
    with nothing.mark("nothing") as mark:
        assert mark.label == "nothing"
    with pytest.raises(ValueError, match="theirs"), nothing.mark("nothing"):
        raise ValueError("theirs")


# --- the warning, and the tracker of Python -----------------------------------------------------


def test_the_words_of_the_warning() -> None:
    """It names the threshold, the limit that is nearest, and what raises it; without any amount there is none."""
    machine = ServerInfo(memory_mb=8192.0)
    warning = memory_warning(0.9, Limits(memory_mib=1000.0), machine, speaker="x", remedy="ask for more")
    assert warning is not None
    assert warning.threshold_kib == 900 * 1024
    assert warning.text == (
        "[x] memory use passed 944 MB, 90 % of the limit of 1049 MB; when it runs out, the kernel kills what uses "
        "most: ask for more"
    )
    of_machine = memory_warning(0.5, Limits(), machine, speaker="x", remedy="ask for more")
    assert of_machine is not None
    assert "50 % of the machine's 8590 MB" in of_machine.text
    assert "ask for more" not in of_machine.text
    assert memory_warning(None, Limits(memory_mib=1.0), machine, speaker="x") is None
    assert memory_warning(0.9, Limits(), ServerInfo(), speaker="x") is None


def test_a_tracker_marks_warns_and_tells(tmp_path: Path) -> None:
    """From Python: marks become spans of record and snapshot, `live` has figures, and one line warns."""
    code = """
import sys, time
from resource_tracker import ResourceTracker
from resource_tracker.host import server_info
fraction = 150 / server_info(ask_gpus=False).usable_memory_mb
with ResourceTracker(interval=0.05, warn_memory_fraction=fraction) as tracker:
    tracker.mark("imports")
    with tracker.mark("held"):
        held = bytearray(200 << 20)
        while tracker.live.memory_mib < 200:
            time.sleep(0.01)
    del held
    while len(tracker.record.spans) < 2:  # told once a second
        time.sleep(0.01)
again = ResourceTracker.from_snapshot(tracker.to_json())
print(again.record.spans == tracker.record.spans, [span["label"] for span in tracker.snapshot()["spans"]])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines() == ["True ['imports', 'held']"], done.stderr
    (warned,) = done.stderr.splitlines()
    assert warned.startswith("[resource_tracker] memory use passed ")


def test_a_tracker_that_measures_nothing_refuses_marks() -> None:
    """Before the start there is nothing to mark; a threshold that is none is refused."""
    tracker = ResourceTracker()
    with pytest.raises(TrackerError, match="nothing was measured"):
        tracker.mark("early")
    with pytest.raises(TrackerError, match="nothing was measured"):
        _ = tracker.live
    with pytest.raises(SettingError, match="warn_memory_fraction=2 cannot be used: give a part of the memory limit"):
        ResourceTracker(warn_memory_fraction=2)
