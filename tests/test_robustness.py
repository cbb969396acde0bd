"""Machines that hide, deny or invent: every reader survives, and what it does not know is nan."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenes.fake_proc import FakeProc
from scenes.tasks import ROOT

from resource_tracker.host_limits import limits, meminfo_bytes, online_cpus, parse_cpu_list, whole_number
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.procfs.files import KernelFile
from resource_tracker.sampler.rows import RowMaker, standard_collectors

SCENE = """
import json, os, sys
sys.path.insert(0, {root!r})
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.rows import RowMaker, standard_collectors
failures = Failures()
maker = RowMaker(standard_collectors(os.getpid(), failures, budget=Budget(0.005), proc={proc!r}), failures)
maker.first()
child = os.popen("read line; true", "w")
end = os.times().user + 0.1
while os.times().user < end: pass
maker.sub_sample()
row = maker.row()
print(json.dumps([row.process, row.system, failures.news(final=True), os.getuid()]))
"""


def maker_of(proc: FakeProc, failures: Failures, root_pid: int = 10) -> RowMaker:
    return RowMaker(
        standard_collectors(root_pid, failures, budget=Budget(0.005), proc=proc.path, sys_root=proc.path), failures
    )


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    made = FakeProc(tmp_path / "proc")
    made.start(10, rss=40_000, utime=5)
    return made


# --- gVisor -------------------------------------------------------------------------------------


def gvisor(proc: FakeProc) -> None:
    """The files as its sentry makes them: no counters of the machine, no rollup, lists of children of threads only."""
    root = proc.root
    zeros = " ".join(["0"] * 10)
    (root / "stat").write_text(f"cpu  {zeros}\ncpu0 {zeros}\nintr 0 0\nctxt 0\nbtime 1700000000\nprocesses 0\n")
    (root / "loadavg").write_text("0.00 0.00 0.00 0/0 0\n")
    known = {"MemTotal": 2_097_152, "MemFree": 1_900_000, "MemAvailable": 1_900_000, "Cached": 50_000, "Shmem": 0}
    known |= {"Active(anon)": 100_000, "Inactive(anon)": 0, "Buffers": 0, "SwapTotal": 0, "SwapFree": 0}
    (root / "meminfo").write_text("".join(f"{name}: {kib:8d} kB\n" for name, kib in known.items()))
    (root / "net").mkdir(exist_ok=True)
    lines = [f"{name}: {got} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0" for name, got, sent in (("lo", 0, 0), ("eth0", 5, 7))]
    (root / "net" / "dev").write_text("\n".join(["Inter-|", " face |bytes", *lines]) + "\n")
    for pid in proc.processes:
        for name in ("smaps_rollup", f"task/{pid}/children"):
            (root / str(pid) / name).unlink(missing_ok=True)


def test_gvisor(proc: FakeProc) -> None:
    """In gVisor the step is measured, children that begin are found, and what it makes up is nan (synthetic)."""
    failures = Failures()
    gvisor(proc)
    maker = maker_of(proc, failures)
    maker.first()
    proc.start(11, ppid=10, rss=30_000, utime=40)
    gvisor(proc)
    maker.sub_sample()
    row = maker.row()
    assert row.process["children"] == 1
    assert row.process["utime"] == 40
    assert row.process["memory_peak_kib"] >= 70_000
    assert row.system["memory_used"] == 2097152 - 1900000 - 50000
    for name in ("cpu_usage", "utime", "stime", "processes", "disk_read_bytes"):
        assert math.isnan(row.system[name])
    assert row.system["net_recv_bytes"] == 0
    assert {"/proc/stat", "/proc/loadavg", "/proc/diskstats"} <= {source for source, _, _ in failures.news(final=True)}


# --- hidepid ------------------------------------------------------------------------------------


def test_hidepid(tmp_path: Path) -> None:
    """With a /proc that hides other users' processes, another user's own are measured. Needs root and a user nobody."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        shutil.copytree(ROOT / "resource_tracker" / "sampler", f"{folder}/resource_tracker/sampler")
        for name in ("__init__", "columns", "errors", "units"):
            shutil.copy(ROOT / "resource_tracker" / f"{name}.py", f"{folder}/resource_tracker/{name}.py")
        code = SCENE.format(root=folder, proc="/proc")
        become = "setpriv --reuid 65534 --regid 65534 --clear-groups"
        script = f'mount -t proc -o hidepid=2 proc /proc && exec {become} "$0" -c "$1"'
        command = ["unshare", "-m", "sh", "-c", script, os.path.realpath(sys.executable), code]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if not done.stdout:
        pytest.skip(f"not permitted here: {done.stderr.strip()[-200:]}")
    process, system, failed, uid = json.loads(done.stdout)
    assert uid == 65534
    assert process["children"] >= 1
    assert process["utime"] >= 5
    assert process["memory"] > 1000
    assert process["read_bytes"] == process["read_bytes"]
    assert system["memory_used"] > 0
    assert not [source for source, _, _ in failed if source.startswith("/proc")]


# --- processes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [b"a b", b"a) R 1 2", b"(", b"x\ny", b"\xff\xfe\x80", b"", b")))))))))"])
def test_real_processes_of_odd_names(name: bytes) -> None:
    """The kernel lets a process choose any 15 bytes as its name; its figures are read all the same."""
    named = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import ctypes, sys; ctypes.CDLL(None).prctl(15, {name!r}, 0, 0, 0); print(); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert named.stdout is not None
    named.stdout.readline()
    failures = Failures()
    maker = RowMaker(standard_collectors(named.pid, failures, budget=Budget(0.005)), failures)
    maker.first()
    row = maker.row()
    named.communicate()
    assert row.process["threads"] == 1
    assert row.process["memory_peak_kib"] > 1000
    assert not [source for source, _, _ in failures.news(final=True) if source.startswith("/proc/PID")]


def test_a_pid_that_is_used_again(proc: FakeProc) -> None:
    """A new process with the number of one that ended is another: neither its past nor its memory is the old one's."""
    failures = Failures()
    proc.start(11, ppid=10, rss=30_000, utime=100)
    maker = maker_of(proc, failures)
    maker.first()
    proc.end(11, waited_for=False)
    proc.start(11, ppid=1, rss=9_000_000, utime=5000)
    row = maker.row()
    assert row.process["utime"] == 0
    assert row.process["children"] == 0
    assert row.process["memory_peak_kib"] < 100_000


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:7]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b" 1 2 3\nmore: of it\n" * 20_000),
    "junk": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "missing": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name",
    ["stat", "loadavg", "10/stat", "10/io", "10/status", "10/smaps_rollup", "10/task/10/children", "11/stat", "11/io"],
)
def test_damaged_files(proc: FakeProc, name: str, damage: str) -> None:
    """Whichever file is damaged, however, between two rows: there are rows, and nothing in them is negative."""
    (proc.root / "stat").write_text("cpu 10 0 10 900 0 0 0 0 0 0\nprocesses 50\n")
    proc.start(11, ppid=10, rss=30_000, utime=1)
    failures = Failures()
    maker = maker_of(proc, failures)
    maker.first()
    DAMAGE[damage](proc.root / name)
    for _ in range(3):
        maker.sub_sample()
        maker.sweep()
        row = maker.row()
        values = [*row.process.values(), *row.system.values()]
        assert all(value >= 0 for value in values if value == value)


@pytest.mark.parametrize("moment", ["sub_sample", "sweep", "row"])
def test_processes_that_vanish(proc: FakeProc, moment: str) -> None:
    """A whole family may end between two looks; the step itself, too."""
    for pid in range(11, 20):
        proc.start(pid, ppid=pid - 1, rss=10_000, utime=3)
    failures = Failures()
    maker = maker_of(proc, failures)
    maker.first()
    for pid in range(19, 9, -1):
        proc.end(pid)
    getattr(maker, moment)()
    row = maker.row()
    assert row.process["utime"] >= 0
    assert row.process["threads"] == 0


@pytest.mark.parametrize("ending", [False, True])
def test_storage_bytes_that_are_denied(proc: FakeProc, monkeypatch: pytest.MonkeyPatch, ending: bool) -> None:
    """Where a descendant runs as another user its bytes are missing, and that is said; not so of one that is ending."""
    real = KernelFile.read_record

    def denied(file: KernelFile, limit: int = 1 << 16) -> bytes:
        if file._path.endswith("/11/io"):
            raise PermissionError(13, "Permission denied", file._path)
        return real(file, limit)

    monkeypatch.setattr(KernelFile, "read_record", denied)
    failures = Failures()
    proc.start(11, ppid=10, rss=0 if ending else 500)
    maker = maker_of(proc, failures)
    maker.first()
    proc.set(10, write=4096)
    proc.set(11, write=999_999)
    row = maker.row()
    assert row.process["write_bytes"] == 4096
    told = {(source, reason) for source, _, reason in failures.news(final=True)}
    assert (("/proc/PID/io of some descendants", "Permission denied") in told) is not ending


# --- limits -------------------------------------------------------------------------------------


@given(text=st.text(max_size=60) | st.from_regex(r"[0-9,\-\n ]{0,30}", fullmatch=True))
def test_cpu_lists(text: str) -> None:
    """Any text is a number of CPUs above 0, or none."""
    cpus = parse_cpu_list(text)
    assert cpus is None or cpus > 0
    number = whole_number(text)
    assert number is None or 0 <= number < 10**20


FILES = ("proc/self/status", "proc/self/cgroup", "proc/self/mountinfo", "proc/meminfo", "proc/stat")
CGROUP = ("cpu.max", "memory.max", "cpuset.cpus.effective")
MOUNT = b"31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
JUNK = st.binary(max_size=80) | st.sampled_from([b"max", b"max 100000", b"-1", b"9" * 30, b"0", b"0 0", b"5\n", b"1-"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_limits_of_any_machine(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever stands in the files, limits are read or passed over, and none is negative."""
    known = {"proc/self/mountinfo": MOUNT, "proc/self/cgroup": b"0::/\n"}
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(known.get(name, b"") + data.draw(JUNK))
    for name in CGROUP:
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.draw(JUNK))
    found = limits(str(tmp_path))
    assert found.cpus is None or found.cpus > 0
    assert found.memory_mib is None or found.memory_mib >= 0
    assert all(value >= 0 for value in meminfo_bytes(str(tmp_path)).values())
    assert (online_cpus(str(tmp_path)) or 1) > 0
