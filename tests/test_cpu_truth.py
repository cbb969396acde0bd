"""CPU time of workloads that know their own: within 5 % with an exact clock, else a lower bound that says so."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from scenes.tasks import environment, run_task

from resource_tracker.sampler import task_clock
from resource_tracker.sampler.cpu_total import TREE, CpuTotal
from resource_tracker.sampler.task_clock import TaskClock

TRUTH = """
import os, signal, subprocess, sys, threading, time

TRUTH = os.environ["TRUTH_FILE"]

def note():
    with open(TRUTH, "a") as file:
        file.write(f"{time.process_time()}\\n")

def burn(seconds):
    while time.process_time() < seconds:
        pass

def note_waited():
    with open(TRUTH, "a") as file:
        file.write(f"{sum(os.times()[2:4]) - waited}\\n")

def child(code, told=True):
    lines = ["import os, time",
             "def burn(s):",
             "    while time.process_time() < s: pass",
             "def note():",
             "    with open(os.environ['TRUTH_FILE'], 'a') as file:",
             "        file.write(f'{time.process_time()}\\\\n')",
             code, "note(); os._exit(0)" if told else ""]
    return [sys.executable, "-I", "-S", "-c", "\\n".join(lines)]
"""
"""Processes write down what they used, as their last act: where nobody waits for them the kernel does not say."""

BEGIN = """
s = start(interval_s=0.5, marker=("TASK_OF_TEST", os.environ["TASK_OF_TEST"]))
began, waited = time.process_time(), sum(os.times()[2:4])
"""
END = """
used = time.process_time() - began
s.mark("step_end", 10)
s.stop(10)
m = s.measurements()
say(used=used, **facts_of(m))
s.remove()
"""
WORKLOADS = {
    "children one after the other": """
        for _ in range(150):
            subprocess.run(child("burn(0.01)", told=False), check=True)
        note_waited()
    """,
    "children that nobody waits for": """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for _ in range(15):
            subprocess.Popen(child("burn(0.12)")).wait()
    """,
    "short grandchildren of a shell": """
        shell = '; '.join('"$@"' for _ in range(15))
        for _ in range(4):
            subprocess.run(["sh", "-c", shell, "sh", *child("burn(0.03)", told=False)], check=True)
        note_waited()
    """,
    "a daemon of a daemon": """
        pipe, end = os.pipe()
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                burn(1.5)
                note()
                os._exit(0)
            os._exit(0)
        os.close(end)
        os.wait()
        os.read(pipe, 1)
    """,
    "a pool of processes": """
        from multiprocessing import get_context
        with get_context("fork").Pool(3) as pool:
            pool.map(burn, [0.2, 0.3, 0.4, 0.5])
            pool.close(), pool.join()
        note_waited()
    """,
    "threads of a library": """
        import hashlib
        hashing = lambda: hashlib.pbkdf2_hmac("sha256", b"x", b"y", 700_000)
        threads = [threading.Thread(target=hashing) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    """,
}


def clock_permitted() -> bool:
    try:
        TaskClock("/proc", lambda: [os.getpid()]).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("name", WORKLOADS)
def test_cpu_of_what_others_miss(name: str, tmp_path: Path) -> None:
    """What the processes wrote down, to 5 %; where the kernel permits no clock, less, and marked so."""
    truth = tmp_path / "truth"
    truth.touch()
    body = "\n".join(line.removeprefix("        ") for line in WORKLOADS[name].splitlines())
    code = "\n".join([TRUTH, BEGIN, body, END])
    # A marker of its own: tests that run at the same time are other tasks.
    found = run_task(code, tmp_path, env=environment(TRUTH_FILE=str(truth), TASK_OF_TEST=str(tmp_path)))
    used = found["used"] + sum(float(line) for line in truth.read_text().splitlines())
    assert used > 0.5
    rows = sum(row["utime"] + row["stime"] for row in found["process"]) / os.sysconf("SC_CLK_TCK")
    if clock_permitted():
        # More on a busy machine: the clock runs on in interrupts.
        assert 0.95 * used <= found["cpu"] <= 1.05 * used + 0.15
        assert 0.95 * used <= rows <= 1.05 * used + 0.15
        assert not found["lower_bound"]
    else:
        assert found["cpu"] <= used * 1.05
        assert found["lower_bound"] or found["process"][0]["children"] == 0


def clock(*seconds: float) -> Callable[[], float | None]:
    """Says what it is told, then that it has stopped."""
    return iter([*seconds, None]).__next__


def test_without_a_clock_the_tree_counts() -> None:
    """Its ticks go through as they are, and are called what they are."""
    total = CpuTotal(100)
    assert ([total.row(ticks) for ticks in (3.0, 0.0, 5.0)], total.source) == ([3.0, 0.0, 5.0], TREE)


def test_a_clock_counts_what_the_tree_misses() -> None:
    """Whatever it showed at first; and the tree's total is kept where the clock is behind it."""
    total = CpuTotal(100)
    total.count_with("a clock", clock(7.0, 7.01, 8.0, 8.0))
    assert [total.row(ticks) for ticks in (2.0, 10.0, 0.0)] == [2.0, 98.0, 0.0]
    assert total.source == "a clock"


def test_a_clock_that_counts_stolen_time() -> None:
    """Of each row it is told how much was stolen; what the tree saw is never less. A cgroup has no stolen time."""
    total = CpuTotal(100)
    total.count_with("a clock", clock(0.0, 1.0, 2.0, 3.0), counts_stolen=True)
    assert [total.row(ticks, stolen) for ticks, stolen in ((70.0, 0.2), (99.0, 0.1), (60.0, 0.0))] == [
        80.0,
        90.0,
        100.0,
    ]
    total.count_with("a cgroup", clock(0.0, 1.0))
    assert total.row(70.0, 0.2) == 100.0


def test_a_clock_that_begins_later() -> None:
    """What the tree showed before is neither lost nor counted twice."""
    total = CpuTotal(100)
    assert total.row(30.0) == 30.0
    total.count_with("a clock", clock(0.0, 0.5))
    assert total.row(20.0) == 50.0


def test_a_clock_that_lost_processes() -> None:
    """What the tree saw is never given up, and the figure is a lower bound again."""
    total = CpuTotal(100)
    total.count_with("a clock", clock(0.0, 0.5, 0.5))
    assert [total.row(50.0), total.row(100.0)] == [50.0, 100.0]
    assert total.source == TREE


@pytest.mark.parametrize("stop", [True, False])
def test_a_clock_that_stops(stop: bool) -> None:
    """From then on the tree alone counts, from where the clock was; no row is negative."""
    total = CpuTotal(100)
    total.count_with("a clock", clock(0.0, 1.0))
    assert total.row(10.0) == 100.0
    if stop:
        total.stop_clock()
    assert [total.row(20.0), total.row(0.0), total.source] == [20.0, 0.0, TREE]


def test_threads_that_run_already_are_counted() -> None:
    """Each has a counter of its own; more of them than descriptors we would spend are left to the tree."""
    if not clock_permitted():
        pytest.skip("perf_event_open is not permitted here")
    counting = TaskClock("/proc", lambda: [os.getpid()])
    before = counting.seconds() or 0.0
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert (counting.seconds() or 0.0) - before == pytest.approx(0.2, abs=0.02)
    counting.close()


def test_too_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more descriptors than planned, and none left open."""
    monkeypatch.setattr(task_clock, "MAX_THREADS", 0)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=r"too many threads|[Nn]ot"):
        TaskClock("/proc", lambda: [os.getpid()])
    assert len(os.listdir("/proc/self/fd")) == before


def test_unknown_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the number of the system call is not known nothing is called."""
    monkeypatch.setattr(task_clock, "SYSCALLS", {})
    with pytest.raises(OSError, match="not known"):
        TaskClock("/proc", lambda: [os.getpid()])
