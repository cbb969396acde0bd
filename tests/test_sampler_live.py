"""The sampler beside real processes whose use is known: what it says is compared with what they really did."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from scenes.tasks import DEADLINE_S, Task, environment, run_task, wait_until

from resource_tracker.columns import PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.collector import Failures, Row
from resource_tracker.sampler.file_systems import FileSystem
from resource_tracker.sampler.machine import CpuCollector, MemoryCollector
from resource_tracker.sampler.procfs import net_dev, pid_io, pid_stat, smaps_rollup
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.sampler.rows import RowMaker, standard_collectors
from resource_tracker.sampler.space import SpaceCollector

HZ = os.sysconf("SC_CLK_TCK")
MIB = 1024
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
OF_CGROUPS = set(PROCESS_NAMES[PROCESS_NAMES.index("throttled_s") : PROCESS_NAMES.index("run_wait_s")])
"""What a row has depends on the cgroups of this machine."""
CPU = """
def burn(seconds):
    while time.process_time() < seconds:
        pass
"""
"""Uses CPU by its own clock, so that a busy machine does not matter."""


@pytest.fixture
def spools(tmp_path: Path) -> Path:
    folder = tmp_path / "spools"
    folder.mkdir()
    return folder


def total(found: dict[str, list[dict[str, float]]], name: str, frame: str = "process") -> float:
    return sum(row[name] for row in found[frame])


# --- memory -------------------------------------------------------------------------------------


def test_spike_of_a_fifth_of_a_second(spools: Path) -> None:
    """1 GiB held for 0.2 s in mid-row is seen, and the row's mean is far below."""
    found = run_task(
        """
        s = start(interval_s=60.0)
        time.sleep(0.3)
        spike = bytearray(b"x") * (1 << 30)
        time.sleep(0.2)
        del spike
        time.sleep(0.5)
        finish(s)
        """,
        spools,
    )
    (row,) = found["process"]
    assert 1024 * MIB <= row["memory_peak_kib"] <= 1150 * MIB
    assert row["memory"] < 900 * MIB
    assert found["peak"] >= 1024 * MIB


def test_spike_of_a_child_that_is_gone(spools: Path) -> None:
    """A child too short for any reading is in the kernel's record of waited children."""
    found = run_task(
        """
        s = start(interval_s=5.0)
        subprocess.run([sys.executable, "-c", "x = bytearray(b'x') * (300 << 20)"], check=True)
        finish(s)
        """,
        spools,
    )
    assert found["peak"] >= 300 * MIB


def test_children_of_threads(spools: Path) -> None:
    """Programs that a pool of threads runs for a moment in mid-row are seen, all four of them."""
    found = run_task(
        """
        from concurrent.futures import ThreadPoolExecutor
        from threading import Barrier
        all_hold = Barrier(4)
        holder = "x = bytearray(b'x') * (100 << 20); print(flush=True); input()"
        def run(_):
            command = [sys.executable, "-S", "-c", holder]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
                child.stdout.readline()
                all_hold.wait()
                time.sleep(0.3)
                child.communicate(b"go")
        s = start(interval_s=60.0)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, range(4)))
        finish(s)
        """,
        spools,
    )
    assert found["failed"] == []
    assert max(row["children"] for row in found["process"]) == 4
    assert 400 * MIB <= found["peak"] <= 520 * MIB


def test_many_processes_in_a_long_row(spools: Path) -> None:
    """24 processes that hold 40 MiB each for two seconds are all seen, however long the row."""
    found = run_task(
        """
        holder = "x = bytearray(b'x') * (40 << 20); print(flush=True); input()"
        command = [sys.executable, "-S", "-c", holder]
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        s = start(interval_s=30.0)
        children = [subprocess.Popen(command, **pipes) for _ in range(24)]
        [child.stdout.readline() for child in children]
        time.sleep(2)
        [child.communicate(b"go") for child in children]
        finish(s)
        """,
        spools,
    )
    row = found["process"][0]
    assert row["children"] == 24
    assert 0.95 * 24 * 40 * MIB <= row["memory_peak_kib"] <= 24 * 52 * MIB


def test_peak_before_the_step_does_not_count(spools: Path) -> None:
    """What the process and its children once held, before tracking, is not the step's."""
    found = run_task(
        """
        big = bytearray(b"x") * (400 << 20)
        subprocess.run(["/bin/true"])
        del big
        subprocess.run([sys.executable, "-c", "x = bytearray(b'x') * (300 << 20)"], check=True)
        s = start()
        subprocess.run(["/bin/true"])
        finish(s)
        """,
        spools,
    )
    assert found["peak"] < 100 * MIB


def test_forked_workers_share_memory(spools: Path) -> None:
    """Four forks of a process with 200 MiB use 200 MiB together, not 1000."""
    found = run_task(
        """
        data = bytearray(b"x") * (200 << 20)
        s = start(interval_s=0.2)
        r, w = os.pipe()
        pids = []
        for _ in range(4):
            pid = os.fork()
            if not pid:
                os.close(w)
                os.read(r, 1)
                os._exit(0)
            pids.append(pid)
        while s.measurements().process[-1]["children"] < 4 or s.measurements().tracking.cost.rows < 4:
            time.sleep(0.02)
        s.mark("step_end", 10)
        os.close(w)
        [os.waitpid(pid, 0) for pid in pids]
        finish(s)
        """,
        spools,
    )
    assert max(row["children"] for row in found["process"]) == 4
    assert 200 * MIB <= max(row["memory_peak_kib"] for row in found["process"]) <= 280 * MIB


def test_forked_workers_write_to_what_they_share(spools: Path) -> None:
    """Four forks that overwrite 200 MiB each of what they inherited use 1000 MiB, as is seen while they hold it."""
    found = run_task(
        """
        data = bytearray(b"x") * (200 << 20)
        s = start(interval_s=1.0)
        told, tell = os.pipe()
        end, go_on = os.pipe()
        pids = []
        for _ in range(4):
            pid = os.fork()
            if not pid:
                os.close(go_on)
                for at in range(0, len(data), 4096):
                    data[at] = 1
                os.write(tell, b"x")
                os.read(end, 1)
                os._exit(0)
            pids.append(pid)
        for _ in range(4):
            os.read(told, 1)
        rows = s.measurements().tracking.cost.rows
        enough = lambda m: m.tracking.cost.rows >= rows + (2 if (m.memory_peak_kib or 0) > 950 << 10 else 20)
        while not enough(s.measurements()):
            time.sleep(0.05)
        os.close(go_on)
        [os.waitpid(pid, 0) for pid in pids]
        finish(s)
        """,
        spools,
    )
    assert 950 * MIB <= found["peak"] <= 1100 * MIB


# --- CPU ----------------------------------------------------------------------------------------


def test_cpu_of_the_process(spools: Path) -> None:
    """What the process burns is in its rows, to a few ticks, and exactly in the total."""
    found = run_task(
        CPU
        + """
s = start(interval_s=0.3)
before = time.process_time()
burn(before + 1.0)
finish(s)
""",
        spools,
    )
    # Stopping costs the process something, too, and more on a busy machine.
    assert 0.95 <= (total(found, "utime") + total(found, "stime")) / HZ <= 1.2
    assert 0.99 <= found["cpu"] <= 1.2
    assert all(row["utime"] >= 0 and row["stime"] >= 0 for row in found["process"])


def test_cpu_of_short_grandchildren(spools: Path) -> None:
    """Grandchildren too short for any reading count by their parents' records."""
    found = run_task(
        """
        code = "import subprocess, sys\\n" \\
               "for _ in range(4): subprocess.run([sys.executable, '-S', '-c', " \\
               "'import time\\\\nwhile time.process_time() < 0.1: pass'])"
        s = start(interval_s=10.0)
        subprocess.run([sys.executable, "-c", code], check=True)
        used = os.times().children_user + os.times().children_system
        rows = s.mark("step_end", 10)
        finish(s)
        """,
        spools,
    )
    assert found["cpu"] >= 0.4
    assert (total(found, "utime") + total(found, "stime")) / HZ == pytest.approx(found["cpu"], rel=0.25)


def test_children_that_nobody_waits_for(spools: Path) -> None:
    """Children that the kernel reaps by itself count as far as they were seen: nearly whole."""
    found = run_task(
        """
        import signal
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        s = start(interval_s=0.1)
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time\\nwhile time.process_time() < 1: pass"])
        child.wait()
        finish(s)
        """,
        spools,
    )
    assert 0.6 <= found["cpu"] <= 1.2


DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
data = bytearray(b"x") * (150 << 20)
while time.process_time() < 0.5: pass
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(60)
"""


def test_daemon_is_followed(spools: Path, tmp_path: Path) -> None:
    """A grandchild that became a daemon before anything was read is known by the marker: memory and CPU count."""
    code = f"""
        s = start(interval_s=5.0, marker=("TASK_OF_TEST", "7/1"))
        ready = {str(tmp_path / "ready")!r}
        subprocess.run([sys.executable, "-S", "-c", {DAEMON!r}, ready], check=True)
        while not os.path.exists(ready) or not open(ready).read():
            time.sleep(0.01)
        s.mark("look", 10)
        import signal
        os.kill(int(open(ready).read()), signal.SIGKILL)
        finish(s)
    """
    found = run_task(code, spools, env=environment(TASK_OF_TEST="7/1"))
    assert found["process"][0]["children"] >= 1
    assert found["process"][0]["memory_peak_kib"] >= 150 * MIB
    assert found["cpu"] >= 0.45


def test_process_with_an_odd_name(spools: Path, tmp_path: Path) -> None:
    """A child called ``a b) c`` is read like any other."""
    found = run_task(
        f"""
        os.symlink(os.path.realpath("/bin/sleep"), {str(tmp_path / "a b) c")!r})
        s = start(interval_s=0.1)
        child = subprocess.Popen([{str(tmp_path / "a b) c")!r}, "60"])
        while s.measurements().process[-1]["children"] < 1:
            time.sleep(0.01)
        name = open(f"/proc/{{child.pid}}/comm").read().strip()
        child.kill(), child.wait()
        s.stop(10)
        say(name=name, **facts_of(s.measurements()))
        s.remove()
        """,
        spools,
    )
    assert found["name"] == "a b) c"
    assert found["failed"] == []
    assert all(0 <= row["utime"] < 100 for row in found["process"])


# --- storage and rows ---------------------------------------------------------------------------


def test_storage_bytes(spools: Path, tmp_path: Path) -> None:
    """Bytes that reach the disk count for the process, and not twice when its child wrote them."""
    code = f"""
        s = start(interval_s=0.2)
        script = "import os, sys; f = open(sys.argv[1], 'wb'); f.write(os.urandom(8 << 20)); f.flush(); os.fsync(f)"
        subprocess.run([sys.executable, "-c", script, {str(tmp_path / "data")!r}], check=True)
        used = [l for l in open("/proc/self/io") if l.startswith("write_bytes")]
        s.mark("step_end", 10)
        s.stop(10)
        say(truth=int(used[0].split()[1]), **facts_of(s.measurements()))
        s.remove()
    """
    found = run_task(code, spools)
    if found["truth"] < 8 << 20:
        pytest.skip("the temporary folder is no disk")
    assert total(found, "write_bytes") == pytest.approx(found["truth"], rel=0.02)


def test_rows_are_whole(spools: Path) -> None:
    """Every column is there, in its order, known, and no counter is negative; rows cover the time without a gap."""
    found = run_task(
        """
        s = start(interval_s=0.1)
        while s.measurements().tracking.cost.rows < 5:
            time.sleep(0.01)
        finish(s)
        """,
        spools,
    )
    assert tuple(found["process"][0]) == PROCESS_NAMES
    assert tuple(found["system"][0]) == SYSTEM_NAMES
    assert found["failed"] == []
    for frame in ("process", "system"):
        read_of_it = [(name, value) for row in found[frame] for name, value in row.items() if name not in OF_CGROUPS]
        assert not [name for name, value in read_of_it if not value >= 0]
        assert total(found, "interval_s", frame) == pytest.approx(found["duration"], abs=0.1)
    assert found["process"][0]["samples"] >= 1


def test_long_running_sampler_keeps_its_files(spools: Path) -> None:
    """Descriptors of processes that ended are closed again."""
    code = """
        s = start(interval_s=0.05)
        say(pid=s.sampler_pid)
        for _ in range(50):
            subprocess.run(["/bin/sleep", "0.01"])
        n = s.measurements().tracking.cost.rows
        while s.measurements().tracking.cost.rows < n + 3:
            time.sleep(0.01)
        say(done=True)
        input()
    """
    with Task(code, spools) as task:
        assert task.process.stdout is not None
        assert task.process.stdout.readline()
        links = [os.readlink(path) for path in Path(f"/proc/{task.said['pid']}/fd").iterdir()]
        assert len([link for link in links if re.fullmatch(r"/proc/\d+/stat", link)]) <= 1


# --- shared memory and disk ---------------------------------------------------------------------


PRIVATE_MOUNTS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def must(result):
    if result:
        say(refused=os.strerror(ctypes.get_errno()))
        os._exit(0)
must(libc.unshare(0x00020000))  # CLONE_NEWNS
must(libc.mount(b"none", b"/", None, 0x44000, None))  # MS_REC | MS_PRIVATE
def file_system_at(path, size="256m"):
    must(libc.mount(b"none", os.fsencode(path), b"tmpfs", 0, b"size=" + size.encode()))
def write(path, size):
    with open(path, "wb") as file:
        file.write(bytes(size))
"""
"""File systems of the task's own, on which nobody else writes."""


def run_mounted(code: str, spools: Path) -> dict[str, Any]:
    found = run_task(PRIVATE_MOUNTS + textwrap.dedent(code), spools)
    if "refused" in found:
        pytest.skip(f"not permitted here: {found['refused']}")
    return found


def test_shared_memory_of_the_step(spools: Path) -> None:
    """A segment of 40 MiB that lives for 0.4 s of a long row is seen; what lay in /dev/shm before is not the step's."""
    found = run_mounted(
        """
        from multiprocessing import shared_memory
        file_system_at("/dev/shm")
        write("/dev/shm/before", 10 << 20)
        s = start(interval_s=60.0)
        segment = shared_memory.SharedMemory(create=True, size=40 << 20)
        segment.buf[:] = bytes(40 << 20)
        time.sleep(0.4)
        segment.close()
        segment.unlink()
        finish(s)
        """,
        spools,
    )
    assert found["shm"] == 40 * MIB
    assert [row["shm_used_kib"] for row in found["system"]] == [50 * MIB]


def test_shared_memory_that_shrinks(spools: Path) -> None:
    """A step that deletes what others left in /dev/shm has used none of it."""
    found = run_mounted(
        """
        file_system_at("/dev/shm")
        write("/dev/shm/before", 10 << 20)
        s = start(interval_s=60.0)
        os.unlink("/dev/shm/before")
        finish(s)
        """,
        spools,
    )
    assert found["shm"] == 0


@pytest.mark.parametrize(("size", "limit_mib", "used_kib"), [("64m", 64.0, 3 * MIB), ("0", None, None)])
def test_size_of_shared_memory(spools: Path, size: str, limit_mib: float | None, used_kib: float | None) -> None:
    """Its size is a limit of the step; of one without a size the kernel tells nothing, which is not 0."""
    found = run_mounted(
        f"""
        from resource_tracker.host_limits import limits
        file_system_at("/dev/shm", {size!r})
        s = start()
        write("/dev/shm/segment", 3 << 20)
        s.mark("step_end", 10)
        s.stop(10)
        say(limit=limits().shared_memory_mib, used=s.measurements().shared_memory_peak_kib)
        s.remove()
        """,
        spools,
    )
    assert (found["limit"], found["used"]) == (limit_mib, used_kib)


def test_disk_growth_of_the_step(spools: Path, tmp_path: Path) -> None:
    """A temporary file of 50 MB that is gone before its long row ends, and 20 MB that stay."""
    folder = tmp_path / "disk"
    folder.mkdir()
    found = run_mounted(
        f"""
        file_system_at({str(folder)!r})
        os.chdir({str(folder)!r})
        write("before", 7 * 10**6)
        s = start(interval_s=60.0)
        write("stays", 20 * 10**6)
        write("temporary", 50 * 10**6)
        time.sleep(1.5)
        os.unlink("temporary")
        finish(s)
        """,
        spools,
    )
    assert found["disk"] == pytest.approx(0.070, abs=3 * PAGE_BYTES / 1e9)
    assert found["system"][-1]["disk_space_used_gb"] == pytest.approx(0.027, abs=3 * PAGE_BYTES / 1e9)


def test_disk_and_shared_memory_without_a_sampler(spools: Path, tmp_path: Path) -> None:
    """Readings at start and end see what is there at the end."""
    folder = tmp_path / "disk"
    folder.mkdir()
    found = run_mounted(
        f"""
        for path in ("/dev/shm", {str(folder)!r}):
            file_system_at(path)
        os.chdir({str(folder)!r})
        s = StartEndReadings.start(interval_s=1.0, reason="a test")
        write("/dev/shm/segment", 3 << 20)
        write("stays", 20 * 10**6)
        finish(s)
        """,
        spools,
    )
    assert found["shm"] == 3 * MIB
    assert found["disk"] == pytest.approx(0.020, abs=2 * PAGE_BYTES / 1e9)


# --- against psutil -----------------------------------------------------------------------------


def between(before: float, value: float, after: float, slack: float = 0.0) -> bool:
    return min(before, after) - slack <= value <= max(before, after) + slack


def test_process_files_as_psutil() -> None:
    """Times, parent, threads, memory and storage of this very process are those that psutil reads."""
    me = psutil.Process()
    sum(n * n for n in range(200_000))
    before = me.cpu_times()
    stat = pid_stat.parse(read_record(f"/proc/{me.pid}/stat"))
    after = me.cpu_times()
    assert between(before.user, stat.utime / HZ, after.user)
    assert between(before.system, stat.stime / HZ, after.system)
    assert (stat.ppid, stat.threads, stat.name.decode()) == (me.ppid(), me.num_threads(), me.name()[:15])
    assert stat.start_time / HZ + psutil.boot_time() == pytest.approx(me.create_time(), abs=1.5)
    assert stat.rss_pages * os.sysconf("SC_PAGE_SIZE") == pytest.approx(me.memory_info().rss, rel=0.05)
    rollup = smaps_rollup.parse(read_record(f"/proc/{me.pid}/smaps_rollup"))
    assert rollup.pss * 1024 == pytest.approx(me.memory_full_info().pss, rel=0.05)
    assert rollup.private * 1024 == pytest.approx(me.memory_full_info().uss, rel=0.05)
    assert pid_io.parse(read_record(f"/proc/{me.pid}/io")) == me.io_counters()[2:4]


def test_machine_files_as_psutil() -> None:
    """Memory, space, forks and interfaces of the machine are those that psutil reads."""
    row = Row()
    collector = CpuCollector("/proc", HZ)
    first = psutil.cpu_times()
    collector.start()
    wait_until(lambda: psutil.cpu_times().idle > first.idle, "time passes")
    collector.read(row, 1.0)
    used = [psutil.cpu_times(), first]
    busy = [t.user + t.nice + t.system + t.irq + t.softirq for t in used]
    assert 0 <= row.system["utime"] + row.system["stime"] <= (busy[0] - busy[1]) * HZ + 2
    before = psutil.virtual_memory()
    MemoryCollector("/proc").read(row, 1.0)
    after = psutil.virtual_memory()
    slack = 32 * 2**20  # others work on this machine, too
    for column, name in (("memory_free", "free"), ("memory_buffers", "buffers"), ("memory_available_kib", "available")):
        assert between(getattr(before, name), row.system[column] * 1024, getattr(after, name), slack), column
    SpaceCollector([FileSystem("/", "directory")], Failures()).read(row, 1.0)
    assert row.system["disk_space_total_gb"] * 1e9 == pytest.approx(psutil.disk_usage("/").total, rel=0.01)
    assert row.system["disk_space_used_gb"] * 1e9 == pytest.approx(psutil.disk_usage("/").used, rel=0.05)
    mine, theirs = net_dev.parse(Path("/proc/net/dev").read_bytes()), psutil.net_io_counters(pernic=True)
    assert mine.keys() == theirs.keys()
    assert all(between(0, theirs[name].bytes_recv, mine[name][0] + 2**24) for name in mine)


def test_cpu_of_a_tree_as_rusage() -> None:
    """A tree that forks, waits and burns for a while: all rows together are what getrusage says, within 5 %."""
    collectors = standard_collectors(os.getpid(), Failures(), budget=Budget(0.005))
    maker = RowMaker(collectors, Failures())
    start = os.times()
    maker.first()
    rows = []
    until = time.monotonic() + DEADLINE_S
    while sum(os.times()[:4]) - sum(start[:4]) < 1.5:
        assert time.monotonic() < until
        for _ in range(3):
            psutil.Popen(["/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]).wait()
        maker.sub_sample()
        rows.append(maker.row())
    rows.append(maker.row())
    used = sum(os.times()[:4]) - sum(start[:4])
    seen = sum(row.process["utime"] + row.process["stime"] for row in rows) / HZ
    assert seen == pytest.approx(used, rel=0.05)
    assert all(row.process["utime"] >= 0 and row.process["stime"] >= 0 for row in rows)


def test_a_smaller_budget_looks_less_often(spools: Path) -> None:
    """Of two samplers of the same task, the one that may use less takes fewer sub-samples, and uses less."""
    found = run_task(
        """
        both = [start(interval_s=1.0, overhead_budget=share) for share in (0.0005, 0.1)]
        time.sleep(4)
        told = []
        for s in both:
            s.mark("step_end", 10)
            s.stop(10)
            cost = s.measurements().tracking.cost
            told.append([cost.samples, cost.cpu_s - cost.by_source["start"], s.measurements().tracking.overhead_budget])
            s.remove()
        say(little=told[0], much=told[1])
        """,
        spools,
    )
    (few, cheap_s, little), (many, dear_s, much) = found["little"], found["much"]
    assert (little, much) == (0.0005, 0.1)
    assert few < 0.8 * many
    assert cheap_s < dear_s


def test_nobody_hears_that_it_started(spools: Path) -> None:
    """Where the task died while its sampler began, the sampler takes its folder away and ends."""
    folder = spools / "abandoned"
    folder.mkdir()
    (folder / "rows.0").write_bytes(b"x")
    code = (
        "import os, sys; sys.path.append(sys.argv[1]); from resource_tracker.sampler import main;"
        "reading, writing = os.pipe(); os.close(reading); os.dup2(writing, 1);"
        "arguments = type('Arguments', (), {'spool': sys.argv[2]});"
        "main._live(lambda *_: None, arguments, 0.0)"
    )
    subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent.parent), str(folder)], check=True)
    assert not folder.exists()
