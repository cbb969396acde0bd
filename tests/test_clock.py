"""Time that goes wrong: sleep, a wall clock that is set, a sampler or a step that is stopped. Gaps are told."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scenes.tasks import ROOT, wait_until

from resource_tracker.frame import TinyDataFrame
from resource_tracker.report.gaps import gap_data, gap_sentence
from resource_tracker.report.series import row_edges
from resource_tracker.sampler.clock import Clock, Sleep
from resource_tracker.sampler.collector import Collector, Failures, Row
from resource_tracker.sampler.rows import RowMaker
from resource_tracker.testing import fake_record
from resource_tracker.tracker import SamplerProcess

HZ = os.sysconf("SC_CLK_TCK")


class FakeClock(Clock):
    """Clocks that a test moves."""

    def __init__(self) -> None:
        self.monotonic_s, self.wall_s, self.boot_s = 100.0, 1_700_000_000.0, 100.0
        self.read_takes_s = 0.0

    def monotonic(self) -> float:
        return self.monotonic_s

    def wall(self) -> float:
        return self.wall_s

    def boottime(self) -> float | None:
        self.monotonic_s += self.read_takes_s
        return self.boot_s

    def pass_time(self, seconds: float) -> None:
        self.monotonic_s += seconds
        self.wall_s += seconds
        self.boot_s += seconds

    def sleep(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds


class Busy(Collector):
    """Two cores in use, by the same clock."""

    source = "busy"

    def __init__(self, clock: FakeClock, delay_s: float = 0.0) -> None:
        self._clock = clock
        self._delay_s = delay_s
        self._last_s = 0.0

    def start(self) -> None:
        self._last_s = self._clock.monotonic()

    def read(self, row: Row, interval_s: float) -> None:
        now_s = self._clock.monotonic()
        used_s, self._last_s = 2 * (now_s - self._last_s), now_s
        if interval_s > 0:
            row.system["cpu_usage"] = used_s / interval_s
        self._clock.pass_time(self._delay_s)


def maker_of(clock: FakeClock, *collectors: Collector) -> RowMaker:
    maker = RowMaker(list(collectors), Failures(), clock)
    maker.first()
    return maker


# --- one row ------------------------------------------------------------------------------------


def test_a_machine_that_slept() -> None:
    """Eight hours of sleep are in no row's length, and in one row's `suspended_s`; rates are of the time awake."""
    clock = FakeClock()
    maker = maker_of(clock, Busy(clock))
    clock.pass_time(0.4)
    clock.sleep(8 * 3600)
    clock.pass_time(0.6)
    row, after = maker.row(), None
    clock.pass_time(1.0)
    after = maker.row()
    assert row.system["interval_s"] == row.process["interval_s"] == pytest.approx(1.0)
    assert row.system["suspended_s"] == pytest.approx(8 * 3600)
    assert row.system["cpu_usage"] == pytest.approx(2.0)
    assert after.system["suspended_s"] == 0.0


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_wall_clock_that_is_set(step_s: float) -> None:
    """Stamps follow the wall clock, lengths and rates do not; it is no sleep."""
    clock = FakeClock()
    maker = maker_of(clock, Busy(clock))
    clock.pass_time(1.0)
    clock.wall_s += step_s
    row = maker.row()
    assert row.system["timestamp"] == pytest.approx(1_700_000_001.0 + step_s)
    assert (row.system["interval_s"], row.system["suspended_s"]) == (pytest.approx(1.0), 0.0)
    assert row.system["cpu_usage"] == pytest.approx(2.0)


def test_an_overloaded_machine() -> None:
    """A source that is read seconds after another one has the rate of its own time, never more."""
    clock = FakeClock()
    maker = maker_of(clock, Busy(clock, delay_s=3.0), Busy(clock))
    for _ in range(3):
        clock.pass_time(1.0)
        row = maker.row()
        assert row.system["cpu_usage"] == pytest.approx(2.0)


def test_a_delay_between_two_clocks_is_no_sleep() -> None:
    """The sampler may be stopped just when it read one of the two."""
    clock = FakeClock()
    sleep = Sleep(clock)
    clock.read_takes_s = 20.0
    assert sleep.since_last() == 0.0
    clock.read_takes_s = 0.0
    clock.boot_s += 20.0
    assert sleep.since_last() == 0.0
    clock.sleep(5.0)
    assert sleep.since_last() == pytest.approx(5.0)


def test_a_system_without_that_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where boot time is not told, sleep is nan, not 0."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert Clock().boottime() is None
    assert math.isnan(Sleep(Clock()).since_last())


# --- real processes that are stopped ------------------------------------------------------------


@pytest.fixture
def burner() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield process
        process.kill()


def burn(seconds: float) -> None:
    """Uses CPU by its own clock: a while that is at least as long on the wall's."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def stopped_for(seconds: float, pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: state_of(pid) == "T", "the process is stopped")
    burn(seconds)
    os.kill(pid, signal.SIGCONT)


PAUSES = [1.8, pytest.param(20.0, marks=pytest.mark.slow)]


@pytest.mark.parametrize("pause_s", PAUSES)
def test_a_sampler_that_is_stopped(tmp_path: Path, burner: subprocess.Popen[bytes], pause_s: float) -> None:
    """The rows cover all of the time, none is made up, and the one that was not looked at says so."""
    sampler = SamplerProcess.start(pid=burner.pid, interval_s=0.2, spool_parents=[str(tmp_path)], start_timeout_s=10)
    wait_until(lambda: len(sampler.measurements().process) >= 3, "rows")
    stopped_for(pause_s, sampler.sampler_pid)
    rows = len(sampler.measurements().process)
    wait_until(lambda: len(sampler.measurements().process) > rows + 2, "rows after the pause")
    sampler.stop(10)
    found = sampler.measurements()
    sampler.remove()
    lengths, lost = found.system["interval_s"], found.system["unwatched_s"]
    late = max(range(len(lost)), key=lost.__getitem__)
    assert pause_s - 0.5 <= lost[late] <= lengths[late]
    assert lengths[late] >= pause_s
    assert sum(lengths) == pytest.approx(found.duration_s, abs=0.2)
    used_s = sum(found.process["utime"]) / HZ
    assert found.process["utime"][late] / HZ <= lengths[late] + 0.1
    assert used_s <= found.duration_s + 0.1
    assert all(value >= 0 for name in ("utime", "stime", "cpu_usage", "interval_s") for value in found.process[name])
    assert max(found.process["cpu_usage"]) <= 1.5


@pytest.mark.parametrize("pause_s", PAUSES)
def test_a_step_that_is_stopped(tmp_path: Path, burner: subprocess.Popen[bytes], pause_s: float) -> None:
    """A step that is stopped is looked at all the time: rows in which it used nothing, and no gap."""
    sampler = SamplerProcess.start(pid=burner.pid, interval_s=0.2, spool_parents=[str(tmp_path)], start_timeout_s=10)
    wait_until(lambda: len(sampler.measurements().process) >= 3, "rows")
    stopped_for(pause_s, burner.pid)
    sampler.stop(10)
    found = sampler.measurements()
    sampler.remove()
    lengths = found.process["interval_s"]
    idle_s = sum(length for length, used in zip(lengths, found.process["utime"], strict=True) if used == 0)
    assert idle_s >= (pause_s - sum(found.system["unwatched_s"])) * 0.5
    assert min(found.process["utime"]) == 0
    assert sum(lengths) == pytest.approx(found.duration_s, abs=0.2)


def test_a_time_namespace(tmp_path: Path) -> None:
    """Where the clocks of a container are offset, lengths are true and nothing looks like sleep. Needs root."""
    code = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from resource_tracker.tracker import SamplerProcess
s = SamplerProcess.start(pid=os.getpid(), interval_s=0.1, spool_parents=[{str(tmp_path)!r}], start_timeout_s=10)
end = time.process_time() + 0.5
while time.process_time() < end: pass
s.stop(10)
m = s.measurements()
s.remove()
print(sum(m.system["suspended_s"]), sum(m.system["interval_s"]) / m.duration_s, sum(m.process["utime"]))
"""
    unshare = ["unshare", "-T", "--monotonic", "100000", "--boottime", "7000000", "--fork"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("time namespaces are not permitted here")
    found = subprocess.run([*unshare, sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    slept, covered, ticks = map(float, found.split())
    assert slept == 0.0
    assert covered == pytest.approx(1.0, abs=0.2)
    assert ticks > 0


# --- what the card makes of it ------------------------------------------------------------------


def with_rows(**columns: list[float]) -> TinyDataFrame:
    return TinyDataFrame(columns)


@pytest.mark.parametrize("stamps", [[1001.0, 1002.0, 1003.0], [1001.0, 5002.0, 5003.0], [1001.0, 400.0, 401.0]])
def test_charts_follow_the_monotonic_clock(stamps: list[float]) -> None:
    """Rows are as long as they were, whatever happened to the wall clock between two of them."""
    frame = with_rows(timestamp=stamps, interval_s=[1.0, 1.0, 1.0])
    assert row_edges(frame, 1000.0) == ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0))


def test_charts_of_rows_without_lengths() -> None:
    """Rows of earlier versions say with their stamps alone how long they were."""
    frame = with_rows(timestamp=[1001.0, 1003.0])
    assert row_edges(frame, 1000.0) == ((0.0, 1.0), (1.0, 3.0))


def test_gaps_are_marked() -> None:
    """A stretch that was not looked at, sleep and a clock that was set are told apart; small delays are not marked."""
    system = with_rows(
        timestamp=[1001.0, 1022.0, 30023.0, 20024.0],
        interval_s=[1.0, 21.0, 1.0, 1.0],
        unwatched_s=[0.0, 20.0, 0.0, 0.05],
        suspended_s=[0.0, 0.0, 29000.0, 0.0],
    )
    record = fake_record("short", started_at=1000.0, system_metrics=system)
    marks = gap_data(record)
    assert marks["unwatched"] == [[1.0, 22.0]]
    assert marks["slept"] == [22.5]
    assert marks["jumps"] == [[23.0, 29000.0], [24.0, -10000.0]]
    assert "for 20.1 s nothing was looked at" in gap_sentence(record).replace("\N{NO-BREAK SPACE}", " ")
    assert "slept for 8 h" in gap_sentence(record).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize("situation", ["hour", "untracked", "start_end"])
def test_no_gaps_no_marks(situation: str) -> None:
    """An attempt without any, or of a version that did not tell, has none."""
    record = fake_record(situation)
    assert (gap_data(record), gap_sentence(record)) == ({}, "")
