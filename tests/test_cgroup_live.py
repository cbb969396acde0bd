"""Real cgroups of this machine, where root may make some: exact totals, throttling, kills, and what is made of them.

Version 2 without controllers has CPU time and pressure; its limits cannot be had beside version 1's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from scenes.cgroups import real_groups
from scenes.tasks import ROOT, environment, run_task, wait_until

from resource_tracker.host import limits
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.cgroup_totals import CgroupTotals
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.rows import RowMaker, standard_collectors
from resource_tracker.sampler.tree import Tree
from resource_tracker.units import bytes_to_kib

HZ = os.sysconf("SC_CLK_TCK")
MIB = 1024**2


class Workload:
    """A Python process in real cgroups, which does its work when told to, and then says something."""

    def __init__(self, code: str, groups: list[Path]) -> None:
        program = "import json, os, signal, sys, time\nsys.stdin.readline()\n" + textwrap.dedent(code)
        program += "\nprint(json.dumps(said), flush=True)\nsys.stdin.readline()\n"
        command = [sys.executable, "-c", program]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for group in groups:
            (group / "cgroup.procs").write_text(str(self.process.pid))

    def __enter__(self) -> Workload:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def work(self) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


UNSEEN_CHILDREN = """
    reading, writing = os.pipe()
    before = time.process_time()

    def burn(seconds):
        while time.process_time() < seconds:
            pass
        os.write(writing, b"%20.9f" % time.process_time())
        os._exit(0)

    if not os.fork():  # a daemon: its parent ends at once
        if not os.fork():
            os.setsid()
            burn(0.5)
        os._exit(0)
    os.wait()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children that nobody waits for
    for _ in range(20):
        if not os.fork():
            burn(0.05)
        try:
            os.wait()
        except ChildProcessError:
            pass
    used = 0.0
    for _ in range(21):
        used += float(os.read(reading, 20))
    said = used + time.process_time() - before
"""


@pytest.mark.parametrize("hierarchy", ["cpuacct", "unified"])
def test_cpu_of_children_that_no_tree_shows(hierarchy: str) -> None:
    """Twenty children of 50 ms that nobody waits for, and a daemon: within 5 % of what they say before they end."""
    with real_groups(hierarchy) as groups, Workload(UNSEEN_CHILDREN, groups) as workload:
        tree = Tree("/proc", workload.process.pid)
        totals = CgroupTotals(tree, "/proc", "", HZ)
        totals.start()
        truth_s = workload.work()
        totals.verify()
        used_s = totals.cpu_seconds()
    assert used_s == pytest.approx(truth_s, rel=0.05)


LIVE_CARD = r"""
import json, os, subprocess, sys
from resource_tracker.sampler.cgroup_totals import CgroupTotals
from resource_tracker.sampler.tree import Tree

group, pid = sys.argv[1], int(sys.argv[2])
with open(group + "/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
totals = CgroupTotals(Tree("/proc", pid), "/proc", "", os.sysconf("SC_CLK_TCK"))
totals.start()
burn = "import time\nwhile time.process_time() < 0.5: pass"
seen = [sys.executable, "-S", "-c", f"{burn}\nprint(flush=True)\ninput()", "resource_tracker.flows.publisher"]
with subprocess.Popen(seen, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as publisher:
    publisher.stdout.readline()
    totals.verify()
    found = [totals.cpu_seconds()]
    publisher.stdin.close()
subprocess.run([sys.executable, "-S", "-c", burn], check=True)  # between two rows
totals.verify()
print(json.dumps([*found, totals.cpu_seconds(), totals.cpu_source]))
"""


@pytest.mark.parametrize("hierarchy", ["cpuacct", "unified"])
def test_cpu_of_what_the_sampler_has_started_is_not_the_steps(hierarchy: str) -> None:
    """Neither while it runs, nor of a process that begins and ends between two rows."""
    with real_groups(hierarchy) as (group,), Workload("said = 0", [group]) as workload:
        command = [sys.executable, "-c", LIVE_CARD, str(group), str(workload.process.pid)]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
        workload.work()
    assert done.returncode == 0, done.stderr
    running_s, ended_s, source = json.loads(done.stdout)
    assert source is not None
    assert 0 <= running_s < 0.1
    assert 0 <= ended_s < 0.1


MEMORY = """
    held = bytearray({anonymous})
    held[::4096] = b"x" * len(held[::4096])
    shared = open("{shm}", "wb")
    shared.write(bytes({shared}))
    shared.flush()
    with open("{disk}", "wb") as cached:
        cached.write(bytes({cached}))
    said = None
"""


def test_memory_without_the_file_cache(tmp_path: Path) -> None:
    """Anonymous and shared memory count, to 2 %; a file that was written does not."""
    shm = Path(f"/dev/shm/resource-tracker-test-{os.getpid()}")
    sizes = {"anonymous": 200 * MIB, "shared": 60 * MIB, "cached": 150 * MIB}
    code = MEMORY.format(shm=shm, disk=tmp_path / "file", **sizes)
    try:
        with real_groups("memory") as groups, Workload(code, groups) as workload:
            totals = CgroupTotals(Tree("/proc", workload.process.pid), "/proc", "", HZ)
            totals.start()
            before = totals.memory_kib()
            workload.work()
            after = totals.memory_kib()
    finally:
        shm.unlink(missing_ok=True)
    assert before is not None and after is not None
    assert after - before == pytest.approx(bytes_to_kib(260 * MIB), rel=0.02)


WHOLE_STEP = """
    for group in {groups}:
        with open(group + "/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
    s = start(interval_s=0.5)
    children = ["import time\\nwhile time.process_time() < 0.2: pass"] * 4
    for code in children:
        subprocess.run([sys.executable, "-S", "-c", code], check=True)
    held = bytearray(b"x") * (300 << 20)
    with open({disk!r}, "wb") as cached:
        cached.write(memoryview(held)[: 150 << 20])
    finish(s)
"""


def test_a_step_in_cgroups_of_its_own(tmp_path: Path) -> None:
    """CPU and memory come from them, all the way to the figures of the attempt, which name them."""
    with real_groups("cpuacct", "memory") as groups:
        names = [str(group) for group in groups]
        found = run_task(WHOLE_STEP.format(groups=names, disk=str(tmp_path / "file")), tmp_path)
    assert found["cpu_source"] == "own cgroup (cpuacct.usage)"
    assert found["source"] in ("sub-samples of own cgroup (memory.stat)", "VmHWM", "ru_maxrss")
    assert 300 * 1024 <= found["peak"] <= 345 * 1024
    assert max(row["memory"] for row in found["process"]) < 330 * 1024
    assert found["cpu"] >= 0.8


def _rows_of(workload: Workload) -> tuple[dict[str, float], dict[str, float], Failures]:
    failures = Failures()
    maker = RowMaker(standard_collectors(workload.process.pid, failures, budget=Budget(0.005)), failures)
    maker.first()
    workload.work()
    row = maker.row()
    return row.process, row.internal, failures


BURN = """
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    said = None
"""


def test_throttling_by_a_real_quota() -> None:
    """A tenth of a second of work with a fifth of a CPU: the row has what the kernel's own file says."""
    with real_groups("cpu") as (group,), Workload(BURN, [group]) as workload:
        _give_a_quota(group, "20000")
        assert limits(pid=workload.process.pid).cpus == 0.2
        before = _by_name(group / "cpu.stat")
        process, internal, failures = _rows_of(workload)
        after = _by_name(group / "cpu.stat")
    assert process["throttled_periods"] == pytest.approx(after["nr_throttled"] - before["nr_throttled"], abs=1)
    assert process["throttled_periods"] >= 2
    assert process["throttled_s"] >= 0.1
    assert process["run_wait_s"] == process["run_wait_s"]
    assert internal["cpu_cgroup_shared"] == 0.0
    assert not failures.news()


def _give_a_quota(group: Path, quota_us: str) -> None:
    """With a weight beside which a busy machine's others do not matter: it is the quota that holds it back."""
    (group / "cpu.shares").write_text("262144")
    (group / "cpu.cfs_quota_us").write_text(quota_us)


def _by_name(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


KILLED_CHILD = """
    child = os.fork()
    if not child:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
        held = bytearray(400 << 20)
        os._exit(0)
    said = os.WTERMSIG(os.waitpid(child, 0)[1])
"""


def test_kill_of_a_child_for_memory() -> None:
    """A child is killed at the cgroup's limit, the step goes on, and the row says so."""
    with real_groups("memory") as (group,), Workload(KILLED_CHILD, [group]) as workload:
        (group / "memory.limit_in_bytes").write_text(str(100 * MIB))
        assert limits(pid=workload.process.pid).memory_mib == 100.0
        process, internal, _ = _rows_of(workload)
        assert workload.process.poll() is None
    assert process["oom_kills"] == 1
    assert internal["memory_cgroup_shared"] == 0.0


def test_pressure_of_a_real_cgroup() -> None:
    """Two that compete for one CPU wait for each other: the step's own cgroup says so."""
    code = """
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        child = os.fork()
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        if not child:
            os._exit(0)
        os.wait()
        said = None
    """
    with real_groups("unified") as (group,):
        if not (group / "cpu.pressure").exists():
            pytest.skip("this kernel does not keep pressure")
        with Workload(code, [group]) as workload:
            process, _, _ = _rows_of(workload)
    assert process["cpu_pressure_s"] >= 0.2
    assert process["io_pressure_s"] == process["io_pressure_s"]


TRACKED = """
import json, os, sys, time
sys.path.insert(0, {root!r})
for group in {groups!r}:
    open(group + "/cgroup.procs", "w").write(str(os.getpid()))
from resource_tracker import ResourceTracker
from resource_tracker.report.findings import findings
with ResourceTracker(interval=0.5) as tracker:
    end = time.process_time() + 0.8
    while time.process_time() < end:
        pass
record = tracker.record
print(json.dumps({{
    "share": record.usage.throttled_share, "shared": record.usage.cpu_cgroup_shared, "bound": record.usage.bound,
    "cpu": record.recommendation.cpu, "reason": record.recommendation.reasons["cpu"],
    "usable": [record.server.usable_vcpus, record.server.usable_memory_mb], "sampler": tracker.record.tracking.mode,
    "failed": [failed.source for failed in record.tracking.failed_sources],
    "findings": [fact.text for fact in findings(record)],
}}))
"""


def test_a_throttled_step_from_end_to_end(tmp_path: Path) -> None:
    """A single thread with a third of a CPU: held back for most of its time, and advised one CPU for that reason."""
    with real_groups("cpu", "memory") as groups:
        _give_a_quota(groups[0], "30000")
        (groups[1] / "memory.limit_in_bytes").write_text(str(600 * MIB))
        code = TRACKED.format(root=str(ROOT), groups=[str(group) for group in groups])
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment(), check=False
        )
        wait_until(lambda: not (groups[0] / "cgroup.procs").read_text(), "the sampler's end")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["sampler"], said["shared"], said["failed"]) == ("sampler", False, [])
    assert said["share"] > 0.5
    assert said["usable"] == [0.3, 600.0]
    assert (said["bound"], said["cpu"]) == ("quota", 1)
    assert "its quota of 0.3 CPUs held it back" in said["reason"]
    assert any("Its quota of 0.3 CPUs was used up and held it back" in text for text in said["findings"])
