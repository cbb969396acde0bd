"""Cgroups: whose they are, what the step used by them, and what they did to it.

Version 2 is tested on synthetic files, but for what a hierarchy without controllers has; version 1 also in real groups.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes.cgroups import V2_MOUNT, Scene
from scenes.fake_proc import HZ

from resource_tracker.columns import PROCESS_NAMES
from resource_tracker.errors import ParseError
from resource_tracker.sampler import cgroup_files
from resource_tracker.sampler.cgroup import CgroupCollector
from resource_tracker.sampler.cgroup_paths import cgroup_directories
from resource_tracker.sampler.cgroup_totals import CgroupTotals
from resource_tracker.sampler.collector import Failures, Row
from resource_tracker.sampler.procfs.loadavg import Loadavg
from resource_tracker.sampler.tree import Tree
from resource_tracker.sampler.waiting import MAX_THREADS, RunWaitCollector, WaitingCollector

MIB = 1024
TEE = "python\0-m\0metaflow.mflog.tee\0task\0log\0"


@pytest.fixture(params=[1, 2], ids=["v1 scene", "v2 scene"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(tmp_path, request.param)


class Totals:
    """The totals of a scene's step, row by row."""

    def __init__(self, scene: Scene) -> None:
        self.tree = Tree(scene.proc.path, 10)
        self.tree.refresh()
        self.of = CgroupTotals(self.tree, scene.proc.path, str(scene.root), HZ)
        self.of.start()

    def row(self) -> None:
        self.tree.refresh()
        self.tree.read_all()
        self.of.verify()


def test_totals_of_an_own_cgroup(scene: Scene) -> None:
    """CPU time since the start, and memory without the file cache, of whatever ran in it."""
    scene.memory(300 * MIB, 40 * MIB)
    totals = Totals(scene)
    assert totals.of.cpu_seconds() == 0.0
    scene.cpu(12.5)
    totals.row()
    assert totals.of.cpu_seconds() == pytest.approx(7.5)
    assert totals.of.memory_kib() == (300 + 40 - 8) * MIB  # less the shell's
    assert totals.of.memory_source == "own cgroup (memory.stat)"
    assert totals.of.cpu_source == f"own cgroup ({'cpuacct.usage' if scene.version == 1 else 'cpu.stat'})"


def test_shell_and_log_helper_are_taken_off(scene: Scene) -> None:
    """What a container's shell and Metaflow's log helpers use is not the step's, even once they ended."""
    scene.proc.start(2, cmdline=TEE, rss=20 * MIB, utime=5 * HZ)
    scene.inside(1, 2, 10)
    scene.memory(100 * MIB, 0)
    totals = Totals(scene)
    assert totals.of.memory_kib() == (100 - 8 - 20) * MIB
    scene.proc.set(1, utime=HZ)
    scene.proc.set(2, utime=8 * HZ)
    scene.proc.start(3, cmdline=TEE, utime=HZ // 2)  # a helper that began later counts from its birth
    scene.inside(1, 2, 3, 10)
    scene.cpu(15.0)
    totals.row()
    assert totals.of.cpu_seconds() == pytest.approx(10 - 1 - 3 - 0.5)
    scene.proc.end(2)
    scene.inside(1, 3, 10)
    scene.cpu(16.0)
    totals.row()
    assert totals.of.cpu_seconds() == pytest.approx(11 - 1 - 3 - 0.5)
    assert totals.of.memory_kib() == (100 - 8) * MIB


def test_the_sampler_is_taken_off(scene: Scene) -> None:
    """Our own CPU time and memory are in the step's cgroup, but not in its figures."""
    scene.inside(1, 10, os.getpid())
    scene.memory(100 * MIB, 0)
    scene.cpu(1000.0)
    totals = Totals(scene)
    assert totals.of.memory_kib() == 100 * MIB - 8 * MIB - 800 * os.sysconf("SC_PAGE_SIZE") // 1024
    before_s = sum(os.times()[:2])
    while sum(os.times()[:2]) - before_s < 0.05:
        continue
    scene.cpu(1000.05)
    totals.row()
    assert totals.of.cpu_seconds() == pytest.approx(0.0, abs=0.03)


def test_what_the_sampler_starts_is_taken_off_at_once(scene: Scene) -> None:
    """A publisher takes 60 MB within half a second: no row of the step's may show it as a peak."""
    own = os.getpid()
    scene.inside(1, 10, own)
    scene.memory(100 * MIB, 0)
    totals = Totals(scene)
    alone = totals.of.memory_kib()
    assert alone is not None
    scene.put(f"proc/self/task/{own}/children", "77 ")
    scene.proc.start(77, cmdline="python\0-c\0import resource_tracker.flows.publisher.main\0", rss=20 * MIB)
    scene.inside(1, 10, own, 77)
    scene.memory(120 * MIB, 0)
    assert totals.of.memory_kib() == alone
    totals.row()
    assert totals.of.memory_kib() == alone
    scene.proc.set(77, rss=60 * MIB)
    scene.memory(160 * MIB, 0)
    assert totals.of.memory_kib() == alone
    scene.proc.set(77, rss=0)  # it is ending, and the kernel has not yet taken it off the cgroup's
    assert totals.of.memory_kib() is None
    scene.proc.set(77, state="Z")
    scene.memory(100 * MIB, 0)
    assert totals.of.memory_kib() == alone
    scene.put(f"proc/self/task/{own}/children", "")
    scene.proc.end(77)
    scene.inside(1, 10, own)
    scene.memory(100 * MIB, 0)
    assert totals.of.memory_kib() == alone


def test_readings_in_the_step_itself(tmp_path: Path) -> None:
    """Where no sampler can run, the step reads its own cgroup: then nothing of this process is taken off."""
    scene, own = Scene(tmp_path, 2), os.getpid()
    scene.proc.start(own, rss=50 * MIB)
    for name, text in (("cgroup", "0::/job\n"), ("mountinfo", V2_MOUNT)):
        scene.put(f"proc/{own}/{name}", text)
    scene.inside(1, own)
    scene.memory(100 * MIB, 0)
    totals = CgroupTotals(Tree(scene.proc.path, own), scene.proc.path, str(scene.root), HZ)
    totals.start()
    scene.cpu(5.25)
    totals.verify()
    assert (totals.cpu_seconds(), totals.memory_kib()) == (0.25, 92 * MIB)


def test_processes_that_the_tree_did_not_see_yet(scene: Scene) -> None:
    """A child of the step's, however new, is no stranger; its grandchild neither."""
    totals = Totals(scene)
    scene.proc.start(20, ppid=10)
    scene.proc.start(21, ppid=20)
    scene.inside(1, 10, 20, 21)
    totals.of.verify()
    totals.of.verify()
    assert totals.of.cpu_source is not None


def _stranger(scene: Scene) -> None:
    scene.proc.start(30, ppid=1)
    scene.inside(1, 10, 30)


def _child_group(scene: Scene) -> None:
    for controller in ("cpu", "memory"):
        scene.put(f"{scene.folder(controller)}/inner/cgroup.procs", "")


def _moved_away(scene: Scene) -> None:
    scene.proc.start(20, ppid=10)
    scene.inside(1, 10)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_stranger, "others are in it"),
        (lambda scene: scene.inside(0, 1, 10), "others are in it"),
        (_child_group, "there are cgroups below it"),
        (_moved_away, "not all of the step is in it"),
        (lambda scene: scene.inside(1, 10, 999_999), None),
        (lambda scene: scene.put(f"{scene.folder('cpu')}/cgroup.procs", "x\n"), "it cannot be read"),
    ],
    ids=["stranger", "other pid namespace", "groups below", "moved away", "gone meanwhile", "damaged"],
)
@pytest.mark.parametrize("later", [False, True], ids=["at the start", "later"])
def test_whose_cgroup_it_is(scene: Scene, later: bool, change: Callable[[Scene], None], why: str | None) -> None:
    """No totals are taken from a cgroup with anybody else in it, or without all of the step; for good."""
    if later:
        totals = Totals(scene)
        change(scene)
        totals.row()
        totals.row()
    else:
        change(scene)
        totals = Totals(scene)
    if why is None:
        assert totals.of.cpu_source is not None
        return
    assert totals.of.cpu_seconds() is None
    assert totals.of.cpu_missing.startswith(why)
    scene.inside(1, *totals.tree.members)
    totals.row()
    assert totals.of.cpu_seconds() is None


@pytest.mark.parametrize("later", [False, True], ids=["at the start", "later"])
def test_processes_that_proc_hides(scene: Scene, later: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``hidepid`` the cgroup lists processes of other users that cannot be looked at: it is not the step's own."""

    def kill(pid: int, number: int) -> None:
        assert (pid, number) == (999_999, 0)
        raise PermissionError

    monkeypatch.setattr(os, "kill", kill)
    if not later:
        scene.inside(1, 10, 999_999)
    totals = Totals(scene)
    scene.inside(1, 10, 999_999)
    totals.row()
    totals.row()
    assert (totals.of.cpu_seconds(), totals.of.memory_kib()) == (None, None)
    assert totals.of.cpu_missing == "others are in it"


@pytest.mark.parametrize(
    ("namespace", "top", "is_own"),
    [
        ("pid:[4026531836]", True, True),  # the first one: nobody is hidden
        ("pid:[4026532000]", True, False),
        ("pid:[4026532000]", False, True),  # a container, to which its own cgroup is the top
        (None, True, True),
    ],
)
def test_processes_of_other_pid_namespaces(tmp_path: Path, namespace: str | None, top: bool, is_own: bool) -> None:
    """Version 1 does not list them: where nobody made a cgroup for ours, there may be some."""
    scene = Scene(tmp_path, 1, "/user/job")
    if namespace:
        (tmp_path / "proc/self/ns").mkdir()
        (tmp_path / "proc/self/ns/pid").symlink_to(namespace)
    for mount in ("cpu,cpuacct", "memory"):
        for inner in ("", "user/"):
            scene.put(f"sys/fs/cgroup/{mount}/{inner}cgroup.procs", "")
        if top:
            scene.put(f"sys/fs/cgroup/{mount}/release_agent", "")
    totals = Totals(scene)
    assert (totals.of.cpu_source is not None) is is_own
    assert (totals.of.memory_kib() is not None) is is_own


def test_a_guest_of_one_row_is_forgiven(scene: Scene) -> None:
    """Probes that look into a container live for a moment: they cost little, and exact totals are worth more."""
    totals = Totals(scene)
    _stranger(scene)
    totals.row()
    assert totals.of.cpu_source is not None
    scene.proc.end(30)
    scene.inside(1, 10)
    totals.row()
    assert totals.of.cpu_source is not None


def test_another_attempt_in_the_cgroup(tmp_path: Path) -> None:
    """A worker that measures itself is in the same container: its use is not ours."""
    scene = Scene(tmp_path, 2)
    totals = Totals(scene)
    scene.proc.start(20, ppid=10)
    scene.inside(1, 10, 20)
    totals.tree.refresh()
    totals.tree.members[20].counted = False
    totals.of.verify()
    assert (totals.of.cpu_seconds(), totals.of.memory_kib()) == (None, None)
    assert totals.of.cpu_missing == "another attempt is in it"


def test_each_version_has_some(tmp_path: Path) -> None:
    """Where both are mounted, CPU time comes from version 2 and memory from version 1, if so they are."""
    scene = Scene(tmp_path, 1)
    scene.put("proc/10/cgroup", "3:memory:/job\n0::/job\n")
    scene.put(
        "proc/10/mountinfo",
        "33 23 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "34 23 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
    )
    scene.put("sys/fs/cgroup/unified/job/cgroup.procs", "1\n10\n")
    scene.put("sys/fs/cgroup/unified/job/cpu.stat", "usage_usec 1000000\n")
    scene.memory(90 * MIB, 0)
    totals = Totals(scene)
    scene.put("sys/fs/cgroup/unified/job/cpu.stat", "usage_usec 4000000\n")
    totals.row()
    assert (totals.of.cpu_seconds(), totals.of.memory_kib()) == (3.0, 82 * MIB)
    assert totals.of.cpu_source == "own cgroup (cpu.stat)"


def test_no_cgroups(tmp_path: Path) -> None:
    """Without any there are no totals, and the reason says so."""
    scene = Scene(tmp_path, 2)
    scene.put("proc/10/cgroup", "")
    totals = Totals(scene)
    totals.row()
    assert (totals.of.cpu_seconds(), totals.of.memory_kib(), totals.of.cpu_source) == (None, None, None)
    assert totals.of.cpu_missing == "there is no cgroup"


@pytest.mark.parametrize("version", [1, 2])
def test_files_that_stop_making_sense(tmp_path: Path, version: int) -> None:
    """A file of another form ends its own figure, and no other."""
    scene = Scene(tmp_path, version)
    totals = Totals(scene)
    scene.put(f"{scene.folder('memory')}/memory.stat", "garbage")
    assert totals.of.memory_kib() is None
    assert totals.of.memory_source is None
    assert "no line anon or rss" in totals.of.memory_missing
    scene.cpu(6.0)
    assert totals.of.cpu_seconds() == pytest.approx(1.0)


# --- counters ---------------------------------------------------------------------------------------


class Watching:
    """The collector of a scene's cgroup, and its rows."""

    def __init__(self, scene: Scene) -> None:
        self.failures = Failures()
        self.totals = Totals(scene)
        self.collector = CgroupCollector(self.totals.of, 10, scene.proc.path, str(scene.root), self.failures)
        self.collector.start()

    def row(self) -> Row:
        row = Row()
        self.collector.read(row, 1.0)
        return row


def known(row: Row) -> dict[str, float]:
    columns = PROCESS_NAMES[PROCESS_NAMES.index("throttled_s") :]
    return {name: row.process[name] for name in columns if row.process[name] == row.process[name]}


def test_counters_of_a_row(scene: Scene) -> None:
    """What happened before the step does not count, and each row has what came since the last."""
    scene.cpu(5.0, 100, 40, 3.0)
    scene.memory(0, 0, kills=2)
    watching = Watching(scene)
    scene.cpu(6.0, 110, 49, 4.25)
    scene.memory(0, 0, kills=3)
    row = watching.row()
    assert known(row) == {"quota_periods": 10, "throttled_periods": 9, "throttled_s": 1.25, "oom_kills": 1}
    assert (row.internal["cpu_cgroup_shared"], row.internal["memory_cgroup_shared"]) == (0.0, 0.0)
    assert set(known(watching.row()).values()) == {0.0}


def test_quota_of_a_pod(tmp_path: Path) -> None:
    """A quota above the container holds it back, too; of both, what was more counts, and once."""
    scene = Scene(tmp_path, 2, "/pod/box")
    scene.put("sys/fs/cgroup/pod/cpu.max", "200000 100000\n")
    scene.put("sys/fs/cgroup/pod/cpu.stat", "usage_usec 9\nnr_periods 50\nnr_throttled 5\nthrottled_usec 1000000\n")
    watching = Watching(scene)
    scene.cpu(6.0, 10, 2, 0.1)
    scene.put("sys/fs/cgroup/pod/cpu.stat", "usage_usec 9\nnr_periods 60\nnr_throttled 13\nthrottled_usec 3000000\n")
    row = known(watching.row())
    assert (row["quota_periods"], row["throttled_periods"], row["throttled_s"]) == (10, 8, 2.0)


def test_others_in_the_cgroup_are_told(scene: Scene) -> None:
    """Counters of a cgroup with others in it are taken, and marked."""
    _stranger(scene)
    watching = Watching(scene)
    scene.cpu(6.0, 10, 5, 0.5)
    row = watching.row()
    assert known(row)["throttled_periods"] == 5
    assert (row.internal["cpu_cgroup_shared"], row.internal["memory_cgroup_shared"]) == (1.0, 1.0)


def _pressure(total_us: int) -> str:
    return f"some avg10=1.00 avg60=0.00 avg300=0.00 total={total_us}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"


def test_pressure_of_the_cgroup(tmp_path: Path) -> None:
    """Waiting in the step's cgroup is the step's; that in the root's is everybody's, and left to the machine."""
    scene = Scene(tmp_path, 2)
    scene.put("sys/fs/cgroup/job/cgroup.type", "domain\n")
    for name in ("cpu", "memory", "io"):
        scene.put(f"sys/fs/cgroup/job/{name}.pressure", _pressure(1_000_000))
    watching, without = Watching(scene), tmp_path / "sys/fs/cgroup/job/cgroup.type"
    scene.put("sys/fs/cgroup/job/io.pressure", _pressure(1_750_000))
    row = known(watching.row())
    assert [row[f"{name}_pressure_s"] for name in ("cpu", "memory", "io")] == [0.0, 0.0, 0.75]
    without.unlink()
    assert "io_pressure_s" not in known(Watching(scene).row())


def test_a_counter_that_fails_is_noted_once(scene: Scene) -> None:
    """Its columns become nan, those of other files stay, and the reason is told."""
    watching = Watching(scene)
    scene.put(f"{scene.folder('cpu')}/cpu.stat", "nr_periods 1\nnr_throttled 1\n" + "x" * 50)
    assert "throttled_s" in known(watching.row())
    scene.put(f"{scene.folder('cpu')}/cpu.stat", "")
    assert set(known(watching.row())) == {"oom_kills"}
    assert set(known(watching.row())) == {"oom_kills"}


def test_pressure_and_run_queue_of_the_machine(tmp_path: Path) -> None:
    """Growth of the totals, and the mean of how many threads were ready to run, ourselves excluded."""
    scene = Scene(tmp_path, 2)
    for name in ("cpu", "memory", "io"):
        scene.put(f"proc/pressure/{name}", _pressure(5_000_000))
    collector = WaitingCollector(scene.proc.path, Failures(), Loadavg(scene.proc.path))
    collector.start()
    for running in (1, 4):
        scene.put("proc/loadavg", f"0.00 0.00 0.00 {running}/100 10\n")
        collector.sub_sample(0.0)
    scene.put("proc/pressure/cpu", _pressure(5_400_000))
    row = Row()
    collector.read(row, 1.0)
    assert row.system["run_queue"] == 1.5
    assert [row.system[f"{name}_pressure_s"] for name in ("cpu", "memory", "io")] == [pytest.approx(0.4), 0.0, 0.0]


def test_machine_without_pressure(tmp_path: Path) -> None:
    """A kernel that does not count it, or not any more, leaves nan: no failure where it never was there."""
    scene = Scene(tmp_path, 2)
    scene.put("proc/pressure/io", _pressure(1))
    failures = Failures()
    collector = WaitingCollector(scene.proc.path, failures, Loadavg(scene.proc.path))
    collector.start()
    scene.put("proc/pressure/io", "")
    scene.put("proc/loadavg", "")
    row = Row()
    collector.read(row, 1.0)
    assert all(row.system[name] != row.system[name] for name in ("cpu_pressure_s", "io_pressure_s", "run_queue"))
    assert {source for source, _, _ in failures.news()} == {"/proc/pressure/io", "/proc/loadavg"}


# --- threads that wait --------------------------------------------------------------------------------


def test_threads_that_waited_for_a_cpu(tmp_path: Path) -> None:
    """All threads of all processes count, new ones from their birth; what was before the step does not."""
    scene = Scene(tmp_path, 2)
    tree = Tree(scene.proc.path, 10)
    scene.put("proc/10/schedstat", "1 9000000000 1\n")
    scene.put("proc/10/task/10/schedstat", "1 9000000000 1\n")
    collector = RunWaitCollector(tree, scene.proc.path)
    collector.start()
    scene.proc.set(10, threads=2)
    scene.put("proc/10/task/10/schedstat", "1 9500000000 1\n")
    scene.put("proc/10/task/11/schedstat", "1 250000000 1\n")
    scene.proc.start(20, ppid=10)
    scene.put("proc/20/task/20/schedstat", "1 125000000 1\n")
    tree.refresh()
    tree.read_all()
    row = Row()
    collector.read(row, 1.0)
    assert row.process["run_wait_s"] == pytest.approx(0.875)
    scene.proc.end(20)
    tree.read_all()
    collector.read(row, 1.0)
    assert row.process["run_wait_s"] == 0.0


def test_of_many_threads_some_are_looked_at(tmp_path: Path) -> None:
    """A process that is looked at only later brings no past along."""
    scene = Scene(tmp_path, 2)
    scene.put("proc/10/schedstat", "1 0 1\n")
    for pid in (20, 30):
        scene.proc.start(pid, ppid=10, threads=MAX_THREADS if pid == 20 else 1)
        scene.put(f"proc/{pid}/task/{pid}/schedstat", "1 7000000000 1\n")
    scene.put("proc/10/task/10/schedstat", "1 0 1\n")
    tree = Tree(scene.proc.path, 10)
    tree.refresh()
    collector = RunWaitCollector(tree, scene.proc.path)
    collector.start()
    scene.proc.set(20, threads=1)
    tree.read_all()
    row = Row()
    collector.read(row, 1.0)
    assert row.process["run_wait_s"] == 0.0


def test_kernel_that_does_not_keep_the_wait(tmp_path: Path) -> None:
    """Then it is nan, not 0."""
    scene = Scene(tmp_path, 2)
    collector = RunWaitCollector(Tree(scene.proc.path, 10), scene.proc.path)
    collector.start()
    row = Row()
    collector.read(row, 1.0)
    assert row.process["run_wait_s"] != row.process["run_wait_s"]


# --- whatever the files hold ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parse",
    [
        lambda data: cgroup_files.cpu_s(data, "cpu.stat"),
        lambda data: cgroup_files.cpu_s(data, "cpuacct.usage"),
        cgroup_files.memory_kib,
        cgroup_files.throttling,
        cgroup_files.oom_kills,
        cgroup_files.pids,
    ],
    ids=["cpu.stat", "cpuacct.usage", "memory.stat", "throttling", "oom_kills", "cgroup.procs"],
)
@given(
    data=st.binary(max_size=200)
    | st.lists(st.sampled_from([b"anon ", b"usage_usec ", b"nr_periods ", b"oom_kill ", b"1", b"-1", b"\n", b"9" * 30]))
    .map(b"".join)
)  # fmt: skip
def test_any_bytes_in_files(parse: Callable[[bytes], object], data: bytes) -> None:
    """A reading or a ParseError, nothing else."""
    with suppress(ParseError):
        parse(data)


@settings(max_examples=100, deadline=None)
@given(cgroup=st.binary(max_size=80), mounts=st.binary(max_size=120))
def test_any_bytes_in_paths(tmp_path_factory: pytest.TempPathFactory, cgroup: bytes, mounts: bytes) -> None:
    """Directories are found or not; whatever the tables hold, that is no error."""
    root = tmp_path_factory.mktemp("proc")
    (root / "7").mkdir()
    (root / "7/cgroup").write_bytes(b"0::/" + cgroup)
    (root / "7/mountinfo").write_bytes(b"1 2 0:3 / /sys rw - cgroup2 x rw\n" + mounts)
    found = cgroup_directories(str(root), 7)
    assert all(path.startswith("/") for paths in found.values() for path in paths)
