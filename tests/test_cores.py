"""The use of each core: read, kept in little room, cut anywhere, and what it says."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.columns import GAUGE, LAST
from resource_tracker.core_use import MOST_LINES, core_note, core_numbers, mean_shares
from resource_tracker.dataclass import replace
from resource_tracker.errors import ParseError
from resource_tracker.export import csv_of_cores
from resource_tracker.frame import TinyDataFrame
from resource_tracker.measured_cores import MOST_CELLS, MOST_ROWS, STEPS, cores_of
from resource_tracker.records import TaskRecord
from resource_tracker.report.cores import core_data, core_panel, levels
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.cores import CORES_PREFIX, FRAME, MAX_BYTES, SOURCE, CoreSpool, chosen, share
from resource_tracker.sampler.layout import Layout
from resource_tracker.sampler.spool_read import Spool, read_spool
from resource_tracker.systems import OtherSystem, System, this_system
from resource_tracker.testing import fake_record
from resource_tracker.tracker import SamplerProcess

Ticks = dict[int, tuple[float, float]]


class Machine:
    """Cores whose ticks go on as they are told: 100 a second."""

    def __init__(self, cores: int) -> None:
        self.ticks: Ticks = {core: (0.0, 0.0) for core in range(cores)}
        self.offline: set[int] = set()

    def go_on(self, seconds: float, **busy: float) -> None:
        for core, (used, whole) in self.ticks.items():
            self.ticks[core] = (used + 100 * seconds * busy.get(f"core{core}", 0.0), whole + 100 * seconds)

    def read(self) -> Ticks:
        return {core: ticks for core, ticks in self.ticks.items() if core not in self.offline}


def spool_of(folder: Path, machine: Machine, allowed: set[int] | None = None) -> tuple[CoreSpool, Failures]:
    folder.mkdir(exist_ok=True)
    failures = Failures()
    spool = CoreSpool(str(folder), failures, allowed)
    spool.begin(machine.read)
    return spool, failures


def frame_of(folder: Path) -> TinyDataFrame:
    return cores_of(read_spool(str(folder), CORES_PREFIX), None, marked=False)


# --- what is written ----------------------------------------------------------------------------


def test_shares_of_each_core(tmp_path: Path) -> None:
    """A column for each core that the task may run on, its busy part of each row in steps of half a percent."""
    machine = Machine(4)
    spool, failures = spool_of(tmp_path, machine, {1, 3})
    for second in range(3):
        machine.go_on(1.0, core0=1.0, core1=second / 2, core3=0.333)
        spool.row(0, machine.read, 100.0 + second, 1.0)
    frame = frame_of(tmp_path)
    assert frame.columns == ["timestamp", "interval_s", "core1", "core3"]
    assert (frame["timestamp"], frame["core1"], frame["core3"]) == ([100, 101, 102], [0, 0.5, 1], [0.335] * 3)
    assert failures.news() == []


def test_cores_that_come_and_go(tmp_path: Path) -> None:
    """While a core is offline its cells are unknown, never 0; one that comes later is left out, which is said."""
    machine = Machine(3)
    machine.offline = {2}
    spool, failures = spool_of(tmp_path, machine)
    for second, offline in enumerate([{2}, {1, 2}, {2}, set(), set()]):
        machine.offline = offline
        machine.go_on(1.0, core0=0.5, core1=0.5, core2=0.5)
        spool.row(0, machine.read, float(second), 1.0)
    frame = frame_of(tmp_path)
    assert core_numbers(frame) == [0, 1]
    assert frame["core0"] == [0.5] * 5
    assert [math.isnan(cell) for cell in frame["core1"]] == [False, True, True, False, False]
    assert failures.news() == [(SOURCE, 1, "cores that went online later are left out")]


def test_kernels_that_do_not_tell(tmp_path: Path) -> None:
    """Without lines of single cores, or with damaged ones, nothing is written, and it is said why."""

    def damaged() -> Ticks:
        raise ParseError("/proc/stat cpuN", "a line is not of the expected form")

    readers: list[tuple[str, Callable[[], Ticks], str]] = [
        ("none", dict, "the kernel does not tell them apart"),
        ("damaged", damaged, "a line is not of the expected form"),
    ]
    for name, read, reason in readers:
        (tmp_path / name).mkdir()
        failures = Failures()
        spool = CoreSpool(str(tmp_path / name), failures, None)
        spool.begin(read)
        spool.row(0, read, 1.0, 1.0, last=True)
        assert list((tmp_path / name).iterdir()) == []
        assert failures.news() == [(SOURCE, 1, reason)]


@pytest.mark.parametrize(
    ("seen", "allowed", "cores"),
    [
        ({0, 1, 2, 3}, {1, 2}, [1, 2]),
        ({0, 1, 2, 3}, None, [0, 1, 2, 3]),
        ({0, 1}, {6, 7}, [0, 1]),  # lxcfs numbers them anew
        ({0, 1, 3}, {0, 1, 2, 3, 4, 5, 6, 7}, [0, 1, 3]),  # of 8 possible ones 3 are online
        ({0, 1}, {5}, []),
    ],
)
def test_which_cores(seen: set[int], allowed: set[int] | None, cores: list[int]) -> None:
    """Those that are there and that the task may run on."""
    assert chosen(seen, allowed) == cores


@given(st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)), st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)))
def test_a_share_is_a_share(before: tuple[float, float], now: tuple[float, float]) -> None:
    """Between 0 and 1 whatever the counters do, and unknown where no time has passed."""
    found = share(before, now)
    assert math.isnan(found) if now[1] <= before[1] else 0.0 <= found <= 1.0


def test_many_cores_are_read_less_often(tmp_path: Path) -> None:
    """192 cores are read every six seconds, but always at the end of the step."""
    machine, reads = Machine(192), []
    spool, _ = spool_of(tmp_path, machine)

    def read() -> Ticks:
        reads.append(1)
        return machine.read()

    for second in range(20):
        machine.go_on(1.0, core7=1.0)
        spool.row(0, read, float(second), 1.0, last=second == 19)
    frame = frame_of(tmp_path)
    assert len(reads) == len(frame) == 4
    assert (frame["interval_s"], frame["core7"]) == ([6, 6, 6, 2], [1] * 4)


@pytest.mark.parametrize("cores", [2, 192])
def test_a_day_stays_small(tmp_path: Path, cores: int) -> None:
    """However long the step, the spool stays below its limit at every moment, and the frame is short; means stay."""
    machine = Machine(cores)
    spool, _ = spool_of(tmp_path, machine)
    largest = 0
    for row in range(3000):
        machine.go_on(30.0, core1=row % 2)
        spool.row(0, machine.read, 30.0 * row, 30.0)
        if row % 50 == 0:
            largest = max(largest, sum(file.stat().st_size for file in tmp_path.iterdir()))
    frame = frame_of(tmp_path)
    assert largest <= MAX_BYTES
    assert 60 <= len(frame) <= MOST_ROWS and len(frame) * (cores + 2) <= MOST_CELLS
    assert sum(frame["interval_s"]) == pytest.approx(30.0 * 3000)
    assert mean_shares(frame)[1] == pytest.approx(0.5, abs=0.01)
    assert [cell * STEPS for cell in frame["core1"]] == pytest.approx([round(cell * STEPS) for cell in frame["core1"]])


def test_cut_anywhere(tmp_path: Path) -> None:
    """Whatever is left of the file that grows, the whole rows in it are read."""
    machine = Machine(2)
    spool, _ = spool_of(tmp_path / "whole", machine)
    for second in range(6):
        machine.go_on(1.0, core0=0.25)
        spool.row(0, machine.read, float(second), 1.0)
    name = f"{CORES_PREFIX}rows.0"
    data = (tmp_path / "whole" / name).read_bytes()
    head = len(data) - 6 * (8 + 8 * 4)
    for size in range(head, len(data) + 1):
        cut = tmp_path / "cut"
        cut.mkdir()
        (cut / name).write_bytes(data[:size])
        assert frame_of(cut).to_dict().get("core0", []) == [0.25] * ((size - head) // 40)
        shutil.rmtree(cut)


def test_rows_after_the_step_are_left_out() -> None:
    """What came while artifacts were saved is not the step's: by the phase, or where that is unknown by time."""
    spool = Spool(Layout({}, ((FRAME, LAST, "timestamp"), (FRAME, GAUGE, "interval_s"), (FRAME, GAUGE, "core0"))))
    for phase, stamp in ((0, 1.0), (0, 2.0), (1, 3.0)):
        spool.add_row(phase, [stamp, 1.0, 0.5])
    assert cores_of(spool, None, marked=True)["timestamp"] == [1, 2]
    assert cores_of(spool, 1.5, marked=False)["timestamp"] == [1]
    assert len(cores_of(spool, 0.5, marked=False)) == 0


@pytest.mark.parametrize("system", [this_system, OtherSystem], ids=["procfs", "psutil"])
def test_this_machine(tmp_path: Path, system: Callable[[], System]) -> None:
    """A process that is bound to one core keeps that one busy; all that it may run on are there."""
    allowed = sorted(os.sched_getaffinity(0))
    sampler = SamplerProcess.start(pid=os.getpid(), interval_s=0.2, spool_parents=[str(tmp_path)], system=system())
    os.sched_setaffinity(0, {allowed[-1]})
    try:
        until = time.process_time() + 1.0
        while time.process_time() < until:
            continue
    finally:
        os.sched_setaffinity(0, allowed)
    sampler.mark("step_end", 10)
    sampler.stop(10)
    found = sampler.measurements()
    sampler.remove()
    means = mean_shares(found.core_frame)
    assert sorted(means) == allowed
    assert max(found.core_frame[f"core{allowed[-1]}"]) > 0.8
    assert SOURCE in (found.tracking.cost.by_source or {})


# --- what is made of it -------------------------------------------------------------------------


def of_cores(cores: int, rows: int = 240, seed: int = 0) -> TaskRecord:
    """An hour in which no two neighbouring cells are alike, which is the most that a page can have of it."""
    columns = {
        f"core{core}": [((core * 7 + row * 11 + seed) % 50) / 50 for row in range(rows)] for core in range(cores)
    }
    record = fake_record("hour")
    stamps = [record.started_at + 3600 / rows * (row + 1) for row in range(rows)]
    frame = TinyDataFrame({"timestamp": stamps, "interval_s": [3600 / rows] * rows, **columns})
    return replace(record, core_metrics=frame)


@pytest.mark.parametrize(("cores", "lines"), [(1, 1), (2, 2), (8, 8), (64, 64), (65, 33), (192, 64), (1024, 64)])
def test_what_is_drawn_fits(cores: int, lines: int) -> None:
    """Up to 64 lines of few bytes; more cores share lines, with a note that says so."""
    record = of_cores(cores, rows=24)
    data, panel = core_data(record), core_panel(record)
    assert data is not None and panel is not None
    assert len(data["lines"]) == lines <= MOST_LINES
    assert data["lines"][0][0] == ("0" if cores <= MOST_LINES else f"0–{math.ceil(cores / 64) - 1}")
    assert data["lines"][-1][0].endswith(str(cores - 1))
    assert ("neighbours" in panel.note) == (cores > MOST_LINES)
    full = core_data(of_cores(cores))
    assert full is not None and sum(len(text) for _, text, *_ in full["lines"]) <= 4096


@given(st.lists(st.sampled_from([math.nan, 0.0, 0.003, 0.02, 0.5, 1.0]), max_size=40))
def test_levels_read_back(values: list[float]) -> None:
    """Letters and lengths of runs stand for the values, to 2 %; a little is not nothing, unknown is not 0."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"
    back: list[float] = []
    text = levels(values)
    while text:
        digits = len(text[1:]) - len(text[1:].lstrip("0123456789"))
        level = math.nan if text[0] == "." else letters.index(text[0]) / 50
        back += [level] * int(text[1 : 1 + digits] or 1)
        text = text[1 + digits :]
    assert back == pytest.approx(values, abs=0.0201, nan_ok=True)
    assert [level == 0 for level in back] == [value == 0 for value in values]


def test_nothing_measured_nothing_said() -> None:
    """Old artifacts have no such frame: no picture, no finding, no line."""
    record = fake_record("hour", core_metrics=TinyDataFrame())
    assert (core_data(record), core_panel(record), core_note(record)) == (None, None, "")
    assert "".join(csv_of_cores([record])) == "pathspec,attempt,timestamp,interval_s,core,usage\n"


def busy_one_at_a_time(*, wanders: bool, own: float = 0.95, others: float = 0.02, **usage: object) -> TaskRecord:
    """100 s in which one of 8 cores was busy."""
    columns = {
        f"core{core}": [0.95 if core == (row % 8 if wanders else 3) else others for row in range(100)]
        for core in range(8)
    }
    frame = TinyDataFrame({"timestamp": [float(row) for row in range(100)], "interval_s": [1.0] * 100, **columns})
    record = fake_record("hour", core_metrics=frame)
    given = {"duration_s": 100.0, "cpu_mean_cores": own, "bound": "mixed", "run_wait_s": 0.1, **usage}
    return replace(record, usage=replace(record.usage, **given))


def test_one_core_at_a_time_is_a_finding() -> None:
    """It is said in plain words, but not where another word says it already."""
    text = "One of 8 cores was busy at a time, for 100 % of the time: the work ran in one thread."
    assert core_note(busy_one_at_a_time(wanders=True)) == text
    assert core_note(busy_one_at_a_time(wanders=True, bound="one_thread")) == ""


def test_threads_that_share_one_core_are_a_finding() -> None:
    """Always the same core, and threads waited for it: they look bound to it, whatever else is said."""
    for bound in ("mixed", "one_thread"):
        note = core_note(busy_one_at_a_time(wanders=False, bound=bound, run_wait_s=300.0))
        assert note.startswith("Core 3 did nearly all of the work while the other 7 were idle, and the step's threads")


@pytest.mark.parametrize(
    "record",
    [
        busy_one_at_a_time(wanders=True, own=0.1),
        busy_one_at_a_time(wanders=True, others=0.3, own=2.5),
        busy_one_at_a_time(wanders=True, duration_s=5.0),
        busy_one_at_a_time(wanders=True, own=None),
        replace(busy_one_at_a_time(wanders=True), limits=replace(fake_record("hour").limits, cpus=1.0)),
    ],
    ids=["others did it", "others are busy", "too short", "own use unknown", "a quota of one CPU"],
)
def test_no_finding_without_grounds(record: TaskRecord) -> None:
    """Nothing is said where the cores were busy with others, where more than one was, or where one was all it had."""
    assert core_note(record) == ""
