"""The controller: the measured code cannot notice the sampler, and nothing is left of it, whoever dies when."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from scenes.tasks import ROOT, Task, alive, command, environment, run_task, wait_until

from resource_tracker.columns import SYSTEM_NAMES
from resource_tracker.errors import TrackerError
from resource_tracker.measured import measurements_of
from resource_tracker.sampler import file_systems
from resource_tracker.sampler.control import CONTROL
from resource_tracker.sampler.layout import COLUMNS, Layout
from resource_tracker.sampler.publisher import ORDER
from resource_tracker.sampler.spool_read import Spool
from resource_tracker.spool_dirs import (
    ABANDONED_AFTER_S,
    TELLER,
    TOLD_WITHIN_S,
    UNTOLD_FOR_S,
    claim_untold,
    hold,
    make_spool_dir,
    start_time_of,
)
from resource_tracker.start_end import StartEndReadings
from resource_tracker.starting import begin, begin_measuring
from resource_tracker.systems import shows_another_namespace
from resource_tracker.timeline import Timeline
from resource_tracker.tracker import SamplerProcess, finish_start, start_measuring, sweep_dead_spools

RUNS = "s = start(); say(pid=s.sampler_pid, dir=s.spool_dir); "


@pytest.fixture
def spools(tmp_path: Path) -> Path:
    folder = tmp_path / "spools"
    folder.mkdir()
    return folder


def start(spools: Path, **given: object) -> SamplerProcess:
    return SamplerProcess.start(pid=os.getpid(), spool_parents=[str(spools)], start_timeout_s=10, **given)  # type: ignore[arg-type]


def nothing_left(spools: Path, pid: int) -> None:
    wait_until(lambda: not alive(pid), "the sampler ends")
    wait_until(lambda: not os.listdir(spools), "the spool is deleted")


# --- the task cannot notice ---------------------------------------------------------------------


def test_no_trace_in_the_task(spools: Path) -> None:
    """No child, descriptor, thread, signal handler or blocked signal is added; directory and umask stay."""
    found = run_task(
        """
        import signal, threading
        def trace():
            try:
                children = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                children = None
            handlers = [str(signal.getsignal(n)) for n in signal.valid_signals()]
            status = [l for l in open("/proc/self/status") if l.startswith(("Threads", "Sig", "Shd"))]
            umask = os.umask(0)
            os.umask(umask)
            return [sorted(os.listdir("/proc/self/fd")), children, handlers, status, threading.active_count(),
                    os.getcwd(), umask, sorted(os.environ), subprocess._active]
        before = trace()
        s = start()
        during = trace()
        s.mark("step_end", 10)
        marked = trace()
        s.stop(10)
        s.remove()
        say(same=[before == during, before == marked, before == trace()], children=before[1])
        """,
        spools,
    )
    assert found == {"same": [True, True, True], "children": None}


def test_wait_finds_nobody(spools: Path) -> None:
    """``os.wait()`` and ``multiprocessing.active_children()`` of the user's code do not meet the sampler."""
    found = run_task(
        """
        import multiprocessing
        s = start()
        try:
            os.wait()
            waited = True
        except ChildProcessError:
            waited = False
        say(waited=waited, active=len(multiprocessing.active_children()), stopped=s.stop(10))
        s.remove()
        """,
        spools,
    )
    assert found == {"waited": False, "active": 0, "stopped": True}


def test_sampler_is_on_its_own(spools: Path) -> None:
    """Own session, nobody's child, root directory, no variable, descriptor or signal state of the task's."""
    code = """
        import signal
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
        secret = open("/proc/self/comm")
        os.set_inheritable(secret.fileno(), True)
        r, w = os.pipe()
        os.set_inheritable(w, True)
        s = start()
        say(pid=s.sampler_pid, own=os.getpid(), pipe=os.readlink(f"/proc/self/fd/{w}"))
        input()
    """
    with Task(code, spools, env=environment(SECRET="x", LD_LIBRARY_PATH="/nowhere")) as task:
        pid = task.said["pid"]
        proc = Path(f"/proc/{pid}")
        stat = (proc / "stat").read_text().rpartition(")")[2].split()
        ppid, group, session = (int(field) for field in stat[1:4])
        deadline = time.monotonic() + 30  # it says that it has begun first, and lets go of its pipes then
        while {os.readlink(proc / "fd" / str(fd)) for fd in (0, 1, 2)} != {"/dev/null"}:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        links = {os.readlink(f) for f in (proc / "fd").iterdir()}
        status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines())
        assert ppid != task.said["own"]
        assert session not in (os.getsid(task.said["own"]), pid)
        assert group == session
        assert (proc / "cwd").resolve() == Path("/")
        assert (proc / "environ").read_bytes().split(b"\0")[0] == b"LD_LIBRARY_PATH=/nowhere"
        assert b"SECRET" not in (proc / "environ").read_bytes()
        assert task.said["pipe"] not in links
        assert not [link for link in links if link.startswith("pipe:") or link.endswith("/comm")]
        assert int(status["SigBlk"], 16) == int(status["SigCgt"], 16) == 0
        # 32 and 33 are the C library's own: nobody can reset what was inherited for them.
        ignored = {n for n in signal.valid_signals() if int(status["SigIgn"], 16) >> (n - 1) & 1}
        assert ignored == {signal.SIGPIPE, signal.SIGXFSZ}
        own_score = int(Path(f"/proc/{task.said['own']}/oom_score_adj").read_text())
        assert own_score < int((proc / "oom_score_adj").read_text()) < 1000
        assert int(stat[16]) > 0


def test_spool_is_private(spools: Path) -> None:
    """Nobody else may look into the folder or its files."""
    sampler = start(spools)
    try:
        assert os.stat(sampler.spool_dir).st_mode & 0o777 == 0o700
        modes = {os.stat(f"{sampler.spool_dir}/{name}").st_mode & 0o077 for name in os.listdir(sampler.spool_dir)}
        assert modes == {0}
    finally:
        sampler.stop(10)
        sampler.remove()


def test_user_code_that_cleans_up(spools: Path) -> None:
    """Closing every descriptor, changing to a directory and deleting it, and clearing the environment do not matter."""
    found = run_task(
        """
        s = start()
        os.mkdir("/tmp/gone.%d" % os.getpid()); os.chdir("/tmp/gone.%d" % os.getpid()); os.rmdir(os.getcwd())
        out = os.dup2(1, 99)
        os.closerange(3, 99); os.closerange(100, 4096)
        os.environ.clear()
        marked = s.mark("step_end", 10)
        say(marked=marked, stopped=s.stop(10), rows=len(s.measurements().process))
        s.remove()
        """,
        spools,
    )
    assert found == {"marked": True, "stopped": True, "rows": 1}


def test_from_a_deleted_directory(spools: Path) -> None:
    """The task may start in a directory that is gone."""
    found = run_task(
        """
        os.mkdir("/tmp/gone.%d" % os.getpid()); os.chdir("/tmp/gone.%d" % os.getpid()); os.rmdir(os.getcwd())
        finish(start())
        """,
        spools,
    )
    assert found["system"][0]["disk_space_total_gb"] > 0


def test_broken_pipe_cannot_kill_the_task(spools: Path) -> None:
    """Where SIGPIPE has its default action, a dead sampler still does not take the task with it."""
    found = run_task(
        """
        import signal
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        s = start()
        os.kill(s.sampler_pid, signal.SIGKILL)
        while os.path.exists(f"/proc/{s.sampler_pid}/cwd"):
            time.sleep(0.001)
        say(marked=s.mark("step_end"), stopped=s.stop())
        s.remove()
        """,
        spools,
    )
    assert found == {"marked": False, "stopped": False}


def test_many_threads(spools: Path) -> None:
    """A task with threads, some of which fork, starts and stops its sampler all the same."""
    found = run_task(
        """
        import threading
        done = threading.Event()
        def fork():
            while not done.is_set():
                subprocess.run(["/bin/true"])
        threads = [threading.Thread(target=fork) for _ in range(3)]
        [t.start() for t in threads]
        answers = []
        for _ in range(3):
            s = start()
            answers.append(s.stop(10))
            s.remove()
        done.set()
        [t.join() for t in threads]
        say(answers=answers)
        """,
        spools,
    )
    assert found == {"answers": [True, True, True]}


# --- reading and stopping -----------------------------------------------------------------------


def test_few_open_files(spools: Path) -> None:
    """More processes than files may be open: each is read all the same, and the sampler answers."""
    found = run_task(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))
        s = start(interval_s=0.2)
        reading, writing = os.pipe()
        for _ in range(90):
            if os.fork() == 0:
                os.close(writing)
                os.read(reading, 1)
                os._exit(0)
        while max(s.measurements().process["children"], default=0) < 90:
            time.sleep(0.02)
        os.close(writing)
        for _ in range(90):
            os.wait()
        finish(s)
        """,
        spools,
    )
    assert max(row["children"] for row in found["process"]) == 90
    assert (found["failed"], found["ended_early"]) == ([], None)


def test_step_of_no_length(spools: Path) -> None:
    """Even a step that ends at once has a row of its process and of the machine."""
    found = run_task("finish(start())", spools)
    assert len(found["process"]) == len(found["system"]) == 1
    assert found["process"][0]["memory"] > 1000
    assert found["process"][0]["interval_s"] > 0
    assert found["process"][0]["children"] == 0
    assert found["mode"] == "sampler"
    assert (found["reason"], found["ended_early"], found["failed"]) == (None, None, [])


def test_live_readings(spools: Path) -> None:
    """While it runs there is always a row, first the reading at start, then more."""
    sampler = start(spools, interval_s=0.05)
    try:
        assert len(sampler.measurements().process) >= 1
        wait_until(lambda: len(sampler.measurements().process) >= 3, "three rows")
        live = sampler.measurements()
        assert live.tracking.ended_early is None
        assert live.step_ended_at is None
        assert live.persist_memory_peak_kib is None
        assert list(live.process["timestamp"]) == sorted(live.process["timestamp"])
    finally:
        sampler.stop(10)
        sampler.remove()


def test_stop_is_idempotent(spools: Path) -> None:
    """A second stop changes nothing; a mark after it is too late; the spool can be removed twice."""
    sampler = start(spools)
    assert sampler.stop(10) is True
    wait_until(lambda: not alive(sampler.sampler_pid), "the sampler ends")
    first = sampler.measurements()
    assert sampler.stop() is True
    assert sampler.mark("step_end") is False
    assert len(sampler.measurements().process) == len(first.process)
    sampler.remove()
    sampler.remove()
    assert os.listdir(spools) == []


def test_mark_divides_step_and_persist(spools: Path) -> None:
    """Memory after the mark is the persist phase's, and its rows are not the step's."""
    found = run_task(
        """
        s = start()
        small = bytearray(50 << 20)
        s.mark("other", 10)
        s.mark("step_end", 10)
        large = bytearray(200 << 20)
        finish(s)
        """,
        spools,
    )
    assert 50 * 1024 <= found["peak"] < 150 * 1024
    assert found["persist"] >= 200 * 1024
    assert len(found["process"]) == 2
    assert max(row["memory_peak_kib"] for row in found["process"]) < 150 * 1024
    assert sum(row["interval_s"] for row in found["process"]) == pytest.approx(found["duration"], abs=0.1)


def test_measurements_without_spool(spools: Path) -> None:
    """Where somebody deleted the spool, what the task itself knows remains, and the reason; the sampler ends."""
    found = run_task(
        """
        import shutil
        s = start()
        shutil.rmtree(s.spool_dir)
        large = bytearray(100 << 20)
        say(pid=s.sampler_pid, marked=s.mark("step_end"), **facts_of(s.measurements()))
        while os.path.exists(f"/proc/{s.sampler_pid}/cwd"):
            time.sleep(0.01)
        """,
        spools,
    )
    assert (found["marked"], found["mode"]) == (False, "start_end")
    assert "the measurements are gone" in found["reason"]
    assert found["source"] == "ru_maxrss"
    assert found["peak"] > 100 * 1024
    assert len(found["process"]) == len(found["system"]) == 1


def test_rows_of_a_sampler_of_an_earlier_version() -> None:
    """A column that it did not have yet is nan, and what would be made of it is unknown."""
    timeline = Timeline(os.getpid())
    earlier = tuple(column for column in COLUMNS if column[2] not in ("shm_used_kib", "disk_space_used_peak_gb"))
    spool = Spool(Layout({}, earlier))
    spool.add_row(0, [1.0] * len(earlier))
    found = measurements_of(spool, timeline, mode="sampler", interval_s=1.0)
    assert found.system.columns == list(SYSTEM_NAMES)
    assert math.isnan(found.system["shm_used_kib"][0])
    assert (found.shared_memory_peak_kib, found.disk_growth_gb) == (None, None)


# --- whoever dies -------------------------------------------------------------------------------


def test_sampler_killed(spools: Path) -> None:
    """What it measured until then is there, it says when it ended, and the step's end is known all the same."""
    found = run_task(
        """
        import signal
        s = start(interval_s=0.05)
        while len(s.measurements().process) < 3:
            time.sleep(0.01)
        os.kill(s.sampler_pid, signal.SIGKILL)
        while os.path.exists(f"/proc/{s.sampler_pid}/cwd"):
            time.sleep(0.001)
        finish(s)
        """,
        spools,
    )
    assert len(found["process"]) >= 3
    assert found["lower_bound"]  # what began later shows nowhere
    assert found["ended_early"].startswith("the sampler ended after ")
    assert found["step_ended_at"] > found["process"][-1]["timestamp"]
    assert os.listdir(spools) == []


def test_sampler_that_hangs(spools: Path) -> None:
    """A sampler that does not answer is ended by force, in time."""
    sampler = start(spools)
    os.kill(sampler.sampler_pid, signal.SIGSTOP)
    assert sampler.mark("step_end", 0.05) is False
    assert sampler.stop(0.05) is False
    wait_until(lambda: not alive(sampler.sampler_pid), "the sampler is killed")
    assert len(sampler.measurements().process) == 1
    sampler.remove()


@pytest.mark.parametrize("goes_on", [True, False])
def test_sampler_that_is_late_may_be_needed_still(spools: Path, goes_on: bool) -> None:
    """Where a store fails, it has others try again; until it has taken its last reading nobody relies on it."""
    sampler = SamplerProcess.start(pid=os.getpid(), spool_parents=[str(spools)], is_attempt=True)
    os.kill(sampler.sampler_pid, signal.SIGSTOP)
    assert sampler.stop(0.05, spare=True) is False
    assert alive(sampler.sampler_pid)
    assert not sampler.is_attended()
    if goes_on:
        os.kill(sampler.sampler_pid, signal.SIGCONT)
        wait_until(sampler.is_attended, "its last reading")
    sampler.remove()
    wait_until(lambda: not alive(sampler.sampler_pid), "the end of the sampler")
    assert os.listdir(spools) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_task_killed(spools: Path, number: int) -> None:
    """When the task dies by a signal, sampler and spool are gone soon."""
    with Task(RUNS + "input()", spools) as task:
        assert alive(task.said["pid"])
        task.process.send_signal(number)
        nothing_left(spools, task.said["pid"])


@pytest.mark.parametrize("ending", ["pass", "os._exit(3)", "raise SystemExit(1)"])
def test_task_that_never_says_stop(spools: Path, ending: str) -> None:
    """A task may end without a word."""
    with Task(RUNS + ending, spools) as task:
        nothing_left(spools, task.said["pid"])


def test_task_replaced_by_another_program(spools: Path) -> None:
    """An exec is the same process: the sampler stays with it to its end."""
    with Task(RUNS + 'os.execv("/bin/cat", ["cat"])', spools) as task:
        wait_until(lambda: Path(f"/proc/{task.process.pid}/comm").read_text() == "cat\n", "the exec")
        assert alive(task.said["pid"])
        assert task.process.stdin is not None
        task.process.stdin.close()
        nothing_left(spools, task.said["pid"])


def test_dead_task_that_nobody_waits_for(spools: Path) -> None:
    """A zombie is dead: its sampler does not wait until it is reaped."""
    with Task(RUNS + "input()", spools) as task:
        os.kill(task.process.pid, signal.SIGKILL)
        nothing_left(spools, task.said["pid"])
        assert task.process.returncode is None


def test_fork_of_the_task_that_goes_on(spools: Path) -> None:
    """A daemon that the task leaves behind does not keep the sampler."""
    code = """
        s = start()
        daemon = os.fork()
        if not daemon:
            os.setsid()
            time.sleep(60)
        say(pid=s.sampler_pid, daemon=daemon)
        os._exit(0)
    """
    with Task(code, spools) as task:
        try:
            nothing_left(spools, task.said["pid"])
            assert alive(task.said["daemon"])
        finally:
            os.kill(task.said["daemon"], signal.SIGKILL)


# --- what cannot start --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("executable", "reason"),
    [
        (None, "sys.executable is empty"),
        ("", "sys.executable is empty"),
        ("/nowhere/python", "No such file"),
        ("/etc/passwd", "denied"),
        ("/bin/true", "said nothing"),
        ("/bin/echo", "-I -S -c"),
    ],
)
def test_no_interpreter(spools: Path, monkeypatch: pytest.MonkeyPatch, executable: str | None, reason: str) -> None:
    """A missing or wrong interpreter is a TrackerError with the reason, and leaves neither process nor folder."""
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(TrackerError, match=reason):
        start(spools)
    assert os.listdir(spools) == []
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_interpreter_that_hangs(spools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that never answers is given up, and killed."""
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    with pytest.raises(TrackerError, match="in time"):
        SamplerProcess.start(pid=os.getpid(), spool_parents=[str(spools)], start_timeout_s=0.5)
    assert not alive(int((tmp_path / "pid").read_text()))
    assert os.listdir(spools) == []


def test_no_such_process(spools: Path) -> None:
    """A process that is gone cannot be watched."""
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    with pytest.raises(TrackerError, match=f"process {gone.pid} cannot be read"):
        SamplerProcess.start(pid=gone.pid, spool_parents=[str(spools)])


def test_no_place_for_the_spool(tmp_path: Path) -> None:
    """Where no folder can be written to, the reason is given for each."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackerError, match=r"missing: No such file.*file: Not a directory"):
        SamplerProcess.start(pid=os.getpid(), spool_parents=[str(tmp_path / "missing"), str(tmp_path / "file")])


def test_next_place_for_the_spool(tmp_path: Path, spools: Path) -> None:
    """The first folder that works is taken."""
    sampler = SamplerProcess.start(
        pid=os.getpid(), spool_parents=[str(tmp_path / "missing"), str(spools)], start_timeout_s=10
    )
    assert sampler.spool_dir.startswith(str(spools))
    sampler.stop(10)
    sampler.remove()


@pytest.mark.parametrize("options", ["size=16k", "ro"])
def test_full_or_read_only_place(tmp_path: Path, spools: Path, options: str) -> None:
    """A full and a read-only file system are passed over, and nothing is left on them."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mounted)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no permission to mount: {done.stderr.strip()}")
    try:
        with pytest.raises(TrackerError, match=r"No space left|Read-only"):
            SamplerProcess.start(pid=os.getpid(), spool_parents=[str(mounted)])
        assert os.listdir(mounted) == []
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_subreaper(spools: Path) -> None:
    """Where orphans come back to the task, no sampler runs, no zombie stays, and the fallback says why."""
    found = run_task(
        """
        import ctypes
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        try:
            start()
        except TrackerError as error:
            reason = str(error)
        try:
            left = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            left = None
        measuring = start_measuring(pid=os.getpid(), interval_s=1.0)
        large = bytearray(100 << 20)
        measuring.mark("step_end")
        larger = bytearray(200 << 20)
        measuring.stop()
        measuring.remove()
        say(why=reason, left=left, kind=type(measuring).__name__, **facts_of(measuring.measurements()))
        """,
        spools,
    )
    assert "subreaper" in found["why"]
    assert found["left"] is None
    assert (found["kind"], found["mode"]) == ("StartEndReadings", "start_end")
    assert "subreaper" in found["reason"]
    assert len(found["process"]) == len(found["system"]) == 1
    assert 100 * 1024 <= found["peak"] < 200 * 1024
    assert found["persist"] >= 300 * 1024
    assert os.listdir(spools) == []


def test_process_one(spools: Path) -> None:
    """Process 1 of a container takes readings at start and end, and says why."""
    code = """
        measuring = start_measuring(pid=os.getpid(), interval_s=1.0)
        finish(measuring)
    """
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", *command(code, spools)]
    done = subprocess.run(unshare, capture_output=True, text=True, timeout=60, env=environment())
    if "unshare" in done.stderr:
        pytest.skip(f"no permission for a pid namespace: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert '"mode": "start_end"' in done.stdout
    assert "process 1" in done.stdout


def use_some_cpu() -> None:
    until = time.process_time() + 0.15
    while time.process_time() < until:
        sum(n * n for n in range(1000))


def test_nothing_but_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc and psutil there is still what getrusage tells, and a row of each frame."""
    monkeypatch.setitem(sys.modules, "psutil", None)
    readings = StartEndReadings.start(interval_s=1.0, reason="no /proc", proc="/nowhere")
    use_some_cpu()
    assert readings.mark("step_end")
    assert readings.stop()
    found = readings.measurements()
    assert found.cpu_source == "getrusage"
    assert found.cpu_seconds is not None
    assert found.cpu_seconds >= 0.15
    assert len(found.process) == len(found.system) == 1
    assert found.process[0]["cpu_usage"] > 0
    assert math.isnan(found.system[0]["memory_used"])
    assert found.cpu_is_lower_bound  # children that began and ended between the readings show nowhere
    readings.remove()


def test_psutil_stands_in(tmp_path: Path) -> None:
    """Without /proc psutil gives the columns that it has, of the process with its children and of the machine."""
    readings = StartEndReadings.start(interval_s=1.0, reason="no /proc", proc="/nowhere")
    child = subprocess.Popen(["sleep", "60"])
    use_some_cpu()
    readings.mark("step_end")
    child.kill()
    child.wait()
    readings.stop()
    found = readings.measurements()
    (row,) = found.process
    assert row["children"] == 1
    assert row["utime"] + row["stime"] >= 14
    assert row["memory"] > 5000
    assert found.system[0]["memory_available_kib"] > 0
    assert found.system[0]["disk_space_total_gb"] > 0
    assert found.system[0]["utime"] >= 0
    assert found.tracking.failed_sources == ()


def test_proc_of_another_pid_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There our pid is somebody else: only getrusage tells of us (``unshare --pid`` without a ``/proc`` of its own)."""
    (tmp_path / "self").symlink_to(str(os.getpid() + 1))
    assert shows_another_namespace(str(tmp_path))
    assert not shows_another_namespace()
    assert not shows_another_namespace("/nowhere")
    monkeypatch.setattr("resource_tracker.starting.shows_another_namespace", lambda: True)
    monkeypatch.setattr("resource_tracker.start_end.shows_another_namespace", lambda _: True)
    readings = start_measuring(pid=os.getpid(), interval_s=1.0)
    use_some_cpu()
    readings.stop()
    found = readings.measurements()
    assert (found.tracking.mode, found.cpu_source) == ("start_end", "getrusage")
    assert found.tracking.reason == "/proc shows the processes of another pid namespace"
    assert math.isnan(found.process[0]["memory"])


def test_start_measuring_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong becomes the reason of the fallback."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    found = start_measuring(pid=os.getpid(), interval_s=1.0).measurements()
    assert found.tracking.mode == "start_end"
    assert "No such file" in str(found.tracking.reason)
    monkeypatch.setattr("resource_tracker.starting.begin", lambda **_: 1 / 0)
    found = start_measuring(pid=os.getpid(), interval_s=1.0).measurements()
    assert "ZeroDivisionError" in str(found.tracking.reason)


def test_second_half_of_the_start_fails(spools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sampler that has begun, and then cannot be used, is ended; there are readings at start and end instead."""
    monkeypatch.setenv("TMPDIR", str(spools))
    begun = begin_measuring(pid=os.getpid(), interval_s=1.0)
    monkeypatch.setattr("resource_tracker.tracker.Timeline", lambda pid: 1 / 0)
    found = finish_start(begun).measurements()
    assert found.tracking.mode == "start_end"
    assert "ZeroDivisionError" in str(found.tracking.reason)
    assert os.listdir(spools) == []
    wait_until(lambda: not samplers_of(spools), "the sampler ends")


def test_abandoned_start(spools: Path) -> None:
    """A start that is given up half-way leaves no process, no child and no file, and can be given up twice."""
    starting = begin(pid=os.getpid(), spool_parents=[str(spools)])
    starting.abandon()
    starting.abandon()
    assert os.listdir(spools) == []
    wait_until(lambda: not samplers_of(spools), "the sampler ends")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def samplers_of(spools: Path) -> list[str]:
    """Pids of processes that have a spool in that folder among their arguments."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if os.fsencode(spools) in path.read_bytes():
                found.append(path.parent.name)
    return found


def test_package_in_a_zip(spools: Path, tmp_path: Path) -> None:
    """The sampler runs from the zip file that the package was imported from."""
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in (ROOT / "resource_tracker").rglob("*.py"):
            packed.write(path, path.relative_to(ROOT))
    code = command("finish(start())", spools)[2].replace(repr(str(ROOT)), repr(str(archive)))
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, env=environment(), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert '"mode": "sampler"' in done.stdout


# --- sweeping -----------------------------------------------------------------------------------


def test_sweep_removes_what_the_dead_left(spools: Path) -> None:
    """A folder of a dead task goes; those of the living, of others, and of no pattern stay."""
    dead = subprocess.Popen(["/bin/true"])
    dead.wait()
    own = start_time_of(os.getpid())
    gone = make_spool_dir([str(spools)], dead.pid, own)
    reused = make_spool_dir([str(spools)], os.getpid(), own - 1)
    live = make_spool_dir([str(spools)], os.getpid(), own)
    odd = spools / "resource_tracker.notes"
    odd.mkdir()
    assert sorted(sweep_dead_spools([str(spools)])) == sorted([gone, reused])
    assert sorted(os.listdir(spools)) == sorted([os.path.basename(live), odd.name])


def test_sweep_leaves_a_sampler_that_still_works(spools: Path) -> None:
    """Where the task is dead but its sampler listens, the sampler itself cleans up."""
    path = make_spool_dir([str(spools)], os.getpid(), start_time_of(os.getpid()) - 1)
    reader = os.open(f"{path}/{CONTROL}", os.O_RDWR | os.O_NONBLOCK)
    assert sweep_dead_spools([str(spools)]) == []
    os.close(reader)
    assert sweep_dead_spools([str(spools)]) == [path]


def test_sweep_leaves_what_is_being_told(spools: Path) -> None:
    """Where the sampler is dead, too, whoever tells of both holds on to the spool until it has."""
    path = make_spool_dir([str(spools)], os.getpid(), start_time_of(os.getpid()) - 1)
    Path(path, ORDER).touch()
    _age_all(path, UNTOLD_FOR_S)
    held = hold(path)
    assert sweep_dead_spools([str(spools)]) == []
    os.close(held)
    assert sweep_dead_spools([str(spools)]) == [path]


def test_sweep_leaves_what_is_yet_to_be_told(spools: Path) -> None:
    """An attempt of which nobody lived to tell is claimed once; if that teller fails, too, a sweep removes it."""
    path = make_spool_dir([str(spools)], os.getpid(), start_time_of(os.getpid()) - 1)
    Path(path, ORDER).touch()
    assert claim_untold([str(spools)], lambda found: found != path) is None
    assert sweep_dead_spools([str(spools)]) == []
    assert claim_untold([str(spools)]) == path
    assert claim_untold([str(spools)]) is None
    assert sweep_dead_spools([str(spools)]) == []
    _age(Path(path, TELLER), TOLD_WITHIN_S)
    assert sweep_dead_spools([str(spools)]) == [path]


def test_a_long_attempt_is_told_of_however_old_its_order_is(spools: Path) -> None:
    """What counts is when something was last written: a step that ran for days is worth most of all."""
    path = make_spool_dir([str(spools)], os.getpid(), start_time_of(os.getpid()) - 1)
    Path(path, ORDER).touch()
    _age(Path(path, ORDER), 3 * UNTOLD_FOR_S)
    assert sweep_dead_spools([str(spools)]) == []
    _age_all(path, UNTOLD_FOR_S)
    assert sweep_dead_spools([str(spools)]) == [path]


def test_who_looks_whether_a_spool_is_held_keeps_nobody_from_holding_it(spools: Path) -> None:
    """Many starts look at once, each with a lock of a moment: whoever is about to tell gets its own all the same."""
    path = make_spool_dir([str(spools)], os.getpid(), start_time_of(os.getpid()) - 1)
    Path(path, ORDER).touch()
    looks = os.open(f"{path}/{ORDER}", os.O_RDONLY)
    fcntl.flock(looks, fcntl.LOCK_EX)
    threading.Timer(0.1, os.close, (looks,)).start()
    os.close(hold(path))
    assert sweep_dead_spools([str(spools)]) == []  # nobody has told yet


@pytest.mark.parametrize("kind", ["ext4", "nfs4", "tmpfs"])
def test_an_attempt_that_went_with_its_machine_is_told_of(
    spools: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """After a boot, on a disk of its own: on one that others write to, or that was written to since, it may live."""
    mount = SimpleNamespace(kind=kind.encode())
    monkeypatch.setattr(file_systems, "Mounts", lambda proc: SimpleNamespace(of=lambda path: (mount, False)))
    path = make_spool_dir([str(spools)], os.getpid(), start_time_of(os.getpid()))
    fields = path.split(".")
    os.rename(path, path := ".".join([*fields[:-3], "0123456789ab", *fields[-2:]]))
    Path(path, ORDER).touch()
    assert claim_untold([str(spools)]) is None
    monkeypatch.setattr(time, "clock_gettime", lambda clock: -60.0)  # the machine is to boot in a minute
    held = hold(path)
    assert claim_untold([str(spools)]) is None
    os.close(held)
    assert claim_untold([str(spools)]) == (path if kind == "ext4" else None)
    assert sweep_dead_spools([str(spools)]) == []


def _age_all(folder: str, seconds: float) -> None:
    for file in [*Path(folder).iterdir(), Path(folder)]:
        _age(file, seconds)


def _age(file: Path, seconds: float) -> None:
    old = file.stat().st_mtime - seconds - 60
    os.utime(file, (old, old))


@pytest.mark.parametrize("field", [3, 4], ids=["boot", "namespace"])
def test_sweep_of_other_boots_and_namespaces(spools: Path, field: int) -> None:
    """Where a pid means nothing to us, only a folder that nobody wrote to for days goes."""
    path = Path(make_spool_dir([str(spools)], os.getpid(), start_time_of(os.getpid()) - 1))
    parts = path.name.split(".")
    parts[field] = "1234"
    foreign = path.rename(path.with_name(".".join(parts)))
    assert sweep_dead_spools([str(spools)]) == []
    old = foreign.stat().st_mtime - ABANDONED_AFTER_S - 60
    for name in (foreign, foreign / CONTROL):
        os.utime(name, (old, old))
    assert sweep_dead_spools([str(spools)]) == [str(foreign)]


def test_each_start_sweeps(spools: Path) -> None:
    """What an earlier task left behind is gone after the next start."""
    path = make_spool_dir([str(spools)], os.getpid(), start_time_of(os.getpid()) - 1)
    sampler = start(spools)
    assert not os.path.exists(path)
    sampler.stop(10)
    sampler.remove()
