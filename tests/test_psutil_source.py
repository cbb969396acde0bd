"""The sampler for systems without /proc, on this one: beside the sampler of Linux, on the same workload."""

from __future__ import annotations

import math
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scenes.tasks import Task, alive, run_task, wait_until

from resource_tracker.columns import PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.errors import TrackerError
from resource_tracker.sampler.cpu_total import PSUTIL_TREE
from resource_tracker.systems import Linux, OtherSystem, this_system

MIB = 1024
OTHER = "from resource_tracker.systems import OtherSystem\n"

BOTH = (
    OTHER
    + """
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass

both = [start(interval_s=0.3), start(interval_s=0.3, system=OtherSystem())]
child = "x = bytearray(b'x') * (150 << 20); print(flush=True); input()"
with subprocess.Popen([sys.executable, "-S", "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
    held.stdout.readline()
    data = bytearray(b"x") * (100 << 20)
    burn(1.0)
    with open(FILE, "wb") as file:
        file.write(memoryview(data)[: 30 << 20])  # a copy would be a peak too short for one of them
        file.flush()
        os.fsync(file.fileno())
    held.communicate(b"go")
found = []
for sampler in both:
    sampler.mark("step_end", 10)
for sampler in both:
    sampler.stop(10)
    found.append(facts_of(sampler.measurements()))
    sampler.remove()
say(linux=found[0], other=found[1])
"""
)

SUMS, PEAKS, LASTS, MEANS = "sum", "max", "last", "mean"
TOLERANCES: dict[tuple[str, str], tuple[str, float, float]] = {
    # how rows become one figure, relative and absolute tolerance
    ("process", "timestamp"): (LASTS, 0, 2),
    ("process", "pid"): (LASTS, 0, 0),
    ("process", "children"): (PEAKS, 0, 1),
    ("process", "utime"): (SUMS, 0.2, 15),
    ("process", "stime"): (SUMS, 0.5, 15),
    ("process", "cpu_usage"): (PEAKS, 0.25, 0.1),
    ("process", "memory"): (PEAKS, 0.25, 30 * MIB),
    ("process", "read_bytes"): (SUMS, 0.2, 2e6),
    ("process", "write_bytes"): (SUMS, 0.1, 1e6),
    ("process", "interval_s"): (SUMS, 0.2, 0.3),
    ("process", "samples"): (SUMS, 0.6, 5),
    ("process", "memory_peak_kib"): (PEAKS, 0.05, 15 * MIB),
    ("process", "cpu_peak_cores"): (PEAKS, 0.25, 0.1),
    ("process", "threads"): (PEAKS, 0, 1),
    ("system", "timestamp"): (LASTS, 0, 2),
    ("system", "utime"): (SUMS, 0.3, 50),
    ("system", "stime"): (SUMS, 0.3, 50),
    ("system", "cpu_usage"): (MEANS, 0.3, 0.5),  # of rows that begin at other moments: others' bursts differ
    ("system", "memory_free"): (LASTS, 0.05, 300 * MIB),
    ("system", "memory_used"): (LASTS, 0.05, 300 * MIB),
    ("system", "memory_buffers"): (LASTS, 0.05, 20 * MIB),
    ("system", "memory_cached"): (LASTS, 0.05, 200 * MIB),
    ("system", "disk_read_bytes"): (SUMS, 1.0, 1e8),
    ("system", "disk_write_bytes"): (SUMS, 1.0, 1e8),
    ("system", "disk_space_total_gb"): (LASTS, 0.001, 0),
    ("system", "disk_space_used_gb"): (LASTS, 0.02, 0.5),
    ("system", "disk_space_free_gb"): (LASTS, 0.02, 0.5),
    ("system", "net_recv_bytes"): (SUMS, 1.0, 1e7),
    ("system", "net_sent_bytes"): (SUMS, 1.0, 1e7),
    ("system", "interval_s"): (SUMS, 0.2, 0.3),
    ("system", "memory_available_kib"): (LASTS, 0.05, 300 * MIB),
    ("system", "memory_shared_kib"): (LASTS, 0.05, 50 * MIB),
    ("system", "swap_used_kib"): (LASTS, 0.05, 50 * MIB),
    ("system", "disk_space_used_peak_gb"): (PEAKS, 0.02, 0.5),
    ("system", "sampler_cpu_s"): (SUMS, 20.0, 1.0),
    ("system", "suspended_s"): (SUMS, 0, 0.1),
    ("system", "unwatched_s"): (SUMS, 0, 3.0),
}


@pytest.fixture
def spools(tmp_path: Path) -> Path:
    folder = tmp_path / "spools"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each sampler said of the same task at the same time."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "spools").mkdir()
    return run_task(BOTH.replace("FILE", repr(str(folder / "written"))), folder / "spools")


def figure(found: dict[str, Any], frame: str, column: str, how: str) -> float:
    values = [row[column] for row in found[frame] if row[column] is not None and not math.isnan(row[column])]
    if not values:
        return math.nan
    return {SUMS: sum, PEAKS: max, LASTS: lambda cells: cells[-1], MEANS: statistics.fmean}[how](values)


@pytest.mark.parametrize(("frame", "column"), TOLERANCES, ids=[".".join(key) for key in TOLERANCES])
def test_column_beside_procfs(both: dict[str, Any], frame: str, column: str) -> None:
    """A column has the same meaning and unit in both, within what two readers a moment apart may differ by."""
    how, relative, absolute = TOLERANCES[frame, column]
    linux, other = (figure(both[name], frame, column, how) for name in ("linux", "other"))
    assert other == pytest.approx(linux, rel=relative, abs=absolute)


def test_no_other_column_is_made_up(both: dict[str, Any]) -> None:
    """What psutil does not tell is nan, never 0."""
    for frame, names in (("process", PROCESS_NAMES), ("system", SYSTEM_NAMES)):
        for column in names:
            if column == "memory_exact":
                assert figure(both["other"], frame, column, SUMS) == 0  # known to be an estimate
            elif (frame, column) not in TOLERANCES:
                assert math.isnan(figure(both["other"], frame, column, SUMS)), column


def test_summary_beside_procfs(both: dict[str, Any]) -> None:
    """Peak and CPU time of the whole are those of the other sampler, and say where they come from."""
    linux, other = both["linux"], both["other"]
    assert other["mode"] == "sampler"
    assert other["failed"] == []
    assert other["peak"] == pytest.approx(linux["peak"], rel=0.08)
    assert other["cpu"] == pytest.approx(linux["cpu"], rel=0.2, abs=0.15)
    assert other["cpu_source"] in (PSUTIL_TREE, "getrusage")
    assert len(other["process"]) > 3


def test_children_that_end_count_once(spools: Path) -> None:
    """What a child used is seen in it first and in its parent's record of children later: it counts once."""
    found = run_task(
        OTHER
        + """
        burn = "import time\\nwhile time.process_time() < 0.5: pass\\nprint(flush=True)\\ninput()"
        s = start(interval_s=0.1, system=OtherSystem())
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2):
            with subprocess.Popen([sys.executable, "-S", "-c", burn], **pipes) as child:
                child.stdout.readline()
                time.sleep(0.3)
                child.communicate(b"go")
        finish(s)
        """.replace("\n        ", "\n"),
        spools,
    )
    ticks = sum(row["utime"] + row["stime"] for row in found["process"])
    assert 100 <= ticks / os.sysconf("SC_CLK_TCK") * 100 <= 135


def test_an_orphan_stays_a_member(spools: Path) -> None:
    """A process whose parent ended is counted on, once it was seen."""
    code = (
        OTHER
        + """
orphan = "import os, time\\nx = bytearray(b'x') * (120 << 20)\\nprint(os.getpid(), flush=True)\\ntime.sleep(60)"
shell = subprocess.Popen(["sh", "-c", '"$@" & read line', "sh", sys.executable, "-S", "-c", orphan],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
pid = int(shell.stdout.readline())
s = start(interval_s=0.2, system=OtherSystem())
shell.kill()
shell.wait()
s.mark("orphaned", 10)
s.mark("step_end", 10)
s.stop(10)
say(orphan=pid, **facts_of(s.measurements()))
s.remove()
input()
"""
    )
    with Task(code, spools) as task:
        last = task.said["process"][-1]
        os.kill(task.said["orphan"], signal.SIGKILL)
        assert last["children"] == 1
        assert last["memory"] > 120 * MIB


def test_ends_with_the_task(spools: Path) -> None:
    """Without a pidfd the end of a killed task is noticed, and nothing is left."""
    with Task(OTHER + "s = start(system=OtherSystem()); say(pid=s.sampler_pid)\ninput()", spools) as task:
        pid = task.said["pid"]
        assert alive(pid)
        assert not os.path.exists(f"/proc/{task.process.pid}/task/{pid}")
        task.process.kill()
        task.process.wait()
        wait_until(lambda: not alive(pid), "the sampler ends")
        wait_until(lambda: not os.listdir(spools), "the spool is deleted")


@pytest.mark.parametrize("system", [Linux(), OtherSystem()], ids=["linux", "other"])
def test_processes_are_known(system: Linux | OtherSystem) -> None:
    """By pid and start time: another process of the same pid is neither running nor killed; a zombie has ended."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)", "a word"], cwd="/usr")
    start_time = system.start_time_of(child.pid)
    wait_until(lambda: system.has_argument(child.pid, "a word"), "the program runs")
    assert not system.has_argument(child.pid, "another")
    assert system.directory_of(child.pid) == "/usr"
    assert system.is_running(child.pid, start_time)
    assert not system.is_running(child.pid, start_time - 1)
    system.kill(child.pid, start_time - 1)
    assert alive(child.pid)
    system.kill(child.pid, start_time)
    wait_until(lambda: not alive(child.pid), "it ends")
    assert not system.is_running(child.pid, start_time)
    child.wait()
    assert not system.is_running(child.pid, start_time)
    assert not system.has_argument(child.pid, "a word")
    system.kill(child.pid, start_time)


def test_this_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux by its /proc; elsewhere psutil, and without it a reason."""
    assert isinstance(this_system(), Linux)
    monkeypatch.setattr("resource_tracker.systems.os.path.exists", lambda path: False)
    assert isinstance(this_system(), OtherSystem)
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(TrackerError, match="psutil is not installed"):
        this_system()
