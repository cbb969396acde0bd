"""Which processes count, and how much memory they have together: the real readers on a /proc of files."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from scenes.fake_proc import HZ, PAGE_KIB, FakeProc

from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.cgroup_totals import CgroupTotals
from resource_tracker.sampler.collector import Failures, Row
from resource_tracker.sampler.family import COST_S_PER_KIB, Family
from resource_tracker.sampler.memory import TreeMemory
from resource_tracker.sampler.process import ProcessCollector
from resource_tracker.sampler.tree import WATCHER, Tree

BUDGET = Budget(0.005)
MARKER = ("TASK", "flow/1/a/7/0")
OURS, THEIRS = "A=1\0TASK=flow/1/a/7/0\0B=2\0", "TASK=flow/1/a/8/0\0"
MIB = 1024


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    """Process 1, and the step's, pid 10, with 50 MiB."""
    fake = FakeProc(tmp_path / "proc")
    fake.start(1)
    fake.start(10, env=OURS, rss=50 * MIB)
    return fake


def tree_of(proc: FakeProc, marker: tuple[str, str] | None = MARKER) -> Tree:
    tree = Tree(proc.path, 10, marker)
    tree.refresh()
    tree.read_all()
    return tree


def counted(tree: Tree) -> set[int]:
    return {pid for pid, member in tree.members.items() if member.counted}


class Watching:
    """A collector of the fake processes, and its rows."""

    def __init__(self, proc: FakeProc) -> None:
        self.failures = Failures()
        self.now_s = 0.0
        tree = Tree(proc.path, 10, MARKER)
        totals = CgroupTotals(tree, proc.path, proc.path, HZ)
        self.collector = ProcessCollector(tree, proc.path, HZ, self.failures, totals, BUDGET)
        self.collector.start()

    def row(self) -> Row:
        row = Row()
        self.collector.read(row, 1.0)
        return row

    def sub_sample(self) -> None:
        self.now_s += 0.1
        self.collector.sub_sample(self.now_s)


# --- membership ---------------------------------------------------------------------------------


def test_descendants_belong(proc: FakeProc) -> None:
    """Children and grandchildren belong, strangers do not."""
    proc.start(11, 10)
    proc.start(12, 11)
    proc.start(20)
    assert counted(tree_of(proc)) == {10, 11, 12}


def test_wrapped_pids(proc: FakeProc) -> None:
    """A child may have a lower pid than its parent: who is older decides."""
    proc.start(12, 10)
    proc.start(11, 12)
    assert counted(tree_of(proc)) == {10, 11, 12}


def test_orphan_that_was_seen_stays(proc: FakeProc) -> None:
    """Whoever was seen as a descendant stays a member when process 1 adopts it."""
    proc.start(11, 10)
    proc.start(12, 11)
    tree = tree_of(proc)
    proc.end(11)
    tree.read_all()
    assert counted(tree) == {10, 12}
    proc.start(13, 12)
    tree.refresh()
    assert counted(tree) == {10, 12, 13}


@pytest.mark.parametrize(
    ("env", "belongs"),
    [
        (OURS, True),
        (THEIRS, False),
        ("", False),
        ("XTASK=flow/1/a/7/0\0", False),
        ("TASK=flow/1/a/7/01\0", False),
        ("TASK=flow/1/a/7/0", True),
    ],
)
def test_unseen_orphan_is_known_by_its_marker(proc: FakeProc, env: str, belongs: bool) -> None:
    """An orphan never seen as a descendant belongs if it began with our marker, name and value whole."""
    tree = tree_of(proc)
    proc.start(30, 1, env=env)
    tree.refresh()
    assert (30 in tree.members) is belongs


def test_no_marker_no_orphans(proc: FakeProc) -> None:
    """Without a marker only descent counts."""
    proc.start(30, 1, env=OURS)
    assert counted(tree_of(proc, None)) == {10}


def test_other_attempts_do_not_count(proc: FakeProc) -> None:
    """A child that carries another attempt's marker is measured by that attempt's own sampler, with all below it."""
    proc.start(11, 10, env=THEIRS)
    proc.start(12, 11)
    assert counted(tree_of(proc)) == {10}


def test_marker_that_comes_with_exec(proc: FakeProc) -> None:
    """A fork has our marker until it executes a program with another: it is looked at a second time."""
    proc.start(11, 10, env=OURS)
    tree = Tree(proc.path, 10, MARKER)
    tree.refresh()
    assert counted(tree) == {10, 11}
    proc.set(11, env=THEIRS)
    tree.read_all()
    assert counted(tree) == {10}


def test_samplers_do_not_count(proc: FakeProc) -> None:
    """Another sampler below the step, and what starts it, are no use of the step's."""
    proc.start(11, 10, cmdline=f"python\0-c\0from {WATCHER.decode()} import main\0")
    assert counted(tree_of(proc)) == {10}


def test_own_process_is_left_out(proc: FakeProc) -> None:
    """The sampler never counts itself, whoever its parent is."""
    proc.start(os.getpid(), 10)
    assert counted(tree_of(proc)) == {10}


def test_pid_that_came_again(proc: FakeProc) -> None:
    """A process that got the pid of one that ended is another one."""
    proc.start(11, 10)
    tree = tree_of(proc)
    proc.end(11)
    proc.start(11, 1)
    ended = tree.read_all()
    tree.refresh()
    assert [member.pid for member in ended] == [11]
    assert counted(tree) == {10}


def test_children_are_found_without_listing(proc: FakeProc) -> None:
    """Between rows, new children of watched members are found by the kernel's list of them."""
    tree = tree_of(proc)
    before = tree.newest_pid()
    assert tree.newest_pid() == before
    proc.start(11, 10)
    assert tree.newest_pid() != before
    assert [member.pid for member in tree.refresh_children([tree.root])] == [11]
    assert tree.refresh_children([tree.root]) == []


def test_children_of_threads_are_found(proc: FakeProc) -> None:
    """What a thread other than the first forked is on that thread's list, and so is what it forked in turn."""
    tree = tree_of(proc)
    proc.set(10, threads=2)
    tree.read_all()
    proc.start(11, 10)
    proc.start(12, 11)
    first = proc.root / "10" / "task" / "10" / "children"
    (proc.root / "10" / "task" / "15").mkdir()
    first.rename(proc.root / "10" / "task" / "15" / "children")
    first.touch()
    assert [member.pid for member in tree.refresh_children([tree.root])] == [11, 12]


def test_children_of_many_threads(proc: FakeProc) -> None:
    """With hundreds of threads all processes are listed: that is sooner done."""
    tree = tree_of(proc)
    proc.set(10, threads=500)
    tree.read_all()
    proc.start(11, 10)
    (proc.root / "10" / "task" / "10" / "children").write_text("")
    assert [member.pid for member in tree.refresh_children([tree.root])] == [11]


# --- rows ---------------------------------------------------------------------------------------


def test_row_of_a_tree(proc: FakeProc) -> None:
    """CPU, faults, storage, threads and children of all members, zombies left out."""
    watching = Watching(proc)
    proc.start(11, 10, utime=30, stime=4, rss=20 * MIB, threads=3, read=4096)
    proc.start(12, 10, state="Z")
    proc.set(10, utime=70, faults=5, write=8192)
    process = watching.row().process
    assert (process["pid"], process["children"], process["threads"]) == (10, 1, 4)
    assert (process["utime"], process["stime"], process["major_faults"]) == (100, 4, 5)
    assert (process["read_bytes"], process["write_bytes"]) == (4096, 8192)
    assert process["cpu_usage"] == pytest.approx(104 / HZ)
    assert process["memory"] == process["memory_peak_kib"] == 70 * MIB
    assert watching.row().process["utime"] == 0


def test_new_children_between_rows(proc: FakeProc) -> None:
    """A child that comes and goes between two rows is sampled, with what it used."""
    watching = Watching(proc)
    proc.start(11, 10, utime=7, rss=80 * MIB)
    watching.sub_sample()
    proc.end(11, waited_for=False)
    watching.sub_sample()
    row = watching.row()
    assert row.process["utime"] == 7
    assert row.process["memory_peak_kib"] == 130 * MIB
    assert row.process["children"] == 1
    assert watching.row().process["children"] == 0


@pytest.mark.parametrize("missing", ["loadavg", "10/task/10/children"])
def test_kernel_without_shortcuts(proc: FakeProc, missing: str) -> None:
    """Where the kernel does not tell what began, each row looks for itself, and the source is named."""
    watching = Watching(proc)
    proc.start(11, 10)
    (proc.root / missing).write_text("")  # held open: a deleted file would still be read
    (proc.root / missing).unlink()
    watching.sub_sample()
    assert watching.row().process["children"] == 1
    assert len(watching.failures.news()) == 1


def test_root_that_ended(proc: FakeProc) -> None:
    """When the step's process is gone, a row still says what was seen last of it."""
    watching = Watching(proc)
    proc.set(10, utime=33)
    watching.sub_sample()
    proc.end(10)
    process = watching.row().process
    assert process["utime"] == 33
    assert process["children"] == 0


def test_spike_between_rows(proc: FakeProc) -> None:
    """A spike that a sub-sample sees is the row's peak, not its mean."""
    watching = Watching(proc)
    for mib in (50, 50, 2098, 50, 50, 50, 50, 50, 50):
        proc.set(10, rss=mib * MIB)
        watching.sub_sample()
    row = watching.row()
    assert row.process["memory_peak_kib"] == row.internal["memory_sampled_kib"] == 2098 * MIB
    assert row.process["memory"] == pytest.approx((9 * 50 + 2098) / 10 * MIB)
    assert watching.row().process["memory_peak_kib"] == 50 * MIB


def test_spike_between_sub_samples(proc: FakeProc) -> None:
    """A spike that no sub-sample sees is in the kernel's high-water mark; others' memory adds to it, once."""
    proc.start(11, 10, rss=100 * MIB)
    watching = Watching(proc)
    watching.row()
    proc.set(10, hwm=550 * MIB, minor=9)
    row = watching.row()
    assert row.process["memory_peak_kib"] == 650 * MIB
    assert row.internal["memory_sampled_kib"] == 150 * MIB
    assert watching.row().process["memory_peak_kib"] == 150 * MIB


def test_peak_before_tracking_does_not_count(proc: FakeProc) -> None:
    """A high-water mark from before the start is not the step's."""
    proc.set(10, hwm=900 * MIB)
    watching = Watching(proc)
    assert watching.row().process["memory_peak_kib"] == 50 * MIB


def test_busy_moment(proc: FakeProc) -> None:
    """The busiest quarter of a second stands beside the mean of the row."""
    watching = Watching(proc)
    watching.now_s = watching.collector._use.window._from_s
    ticks = 0
    for cores in (0, 0, 0, 4, 4, 4, 0, 0, 0):
        ticks += int(cores * HZ / 10)
        proc.set(10, utime=ticks)
        watching.sub_sample()
    process = watching.row().process
    assert process["cpu_usage"] == pytest.approx(1.2)
    assert process["cpu_peak_cores"] == pytest.approx(4.0)


def test_unreadable_storage(proc: FakeProc) -> None:
    """Where storage bytes may not be read the columns are nan, and the row says why once; the rest is there."""
    (proc.root / "10" / "io").unlink()
    (proc.root / "10" / "io").mkdir()
    watching = Watching(proc)
    process = watching.row().process
    assert math.isnan(process["read_bytes"])
    assert process["memory"] == 50 * MIB
    assert [(source, count) for source, count, _ in watching.failures.news()] == [("/proc/PID/io", 1)]


def test_thread_that_forks_at_once(proc: FakeProc) -> None:
    """A thread and its child that both began since the last look are found: the threads are counted first."""
    watching = Watching(proc)
    proc.set(10, threads=2)
    proc.start(11, 10, rss=80 * MIB)
    first = proc.root / "10" / "task" / "10" / "children"
    (proc.root / "10" / "task" / "15").mkdir()
    first.rename(proc.root / "10" / "task" / "15" / "children")
    first.touch()
    watching.sub_sample()
    assert 11 in watching.collector._tree.members


# --- memory -------------------------------------------------------------------------------------


class Memory(TreeMemory):
    """Memory with a clock of CPU time in which full readings cost what is expected of them."""

    def __init__(self, proc: FakeProc) -> None:
        self.cpu_s = 0.0
        self.failures = Failures()
        self.fake = proc
        super().__init__(proc.path, self.failures, self._clock, BUDGET)

    def _clock(self) -> float:
        return self.cpu_s

    def _rollup(self, pid, family):  # type: ignore[no-untyped-def]
        self.cpu_s += int(self.fake.processes[pid]["rss"]) * COST_S_PER_KIB
        return super()._rollup(pid, family)

    def take(self, pid: int, now_s: float = 0.0) -> None:
        facts = self.fake.processes[pid]
        self.update(pid, int(facts["image"]), int(facts["rss"]), int(facts["minor"]), now_s)


def test_what_is_exact_and_what_is_an_estimate(proc: FakeProc) -> None:
    """Nothing until the first full reading, then all but what was added since; of no memory nothing can be said."""
    memory = Memory(proc)
    assert math.isnan(memory.exact_share())
    proc.set(10, rss=30 * MIB, shared=20 * MIB, pss=12 * MIB, private=10 * MIB)
    memory.take(10)
    assert memory.exact_share() == 0.0
    memory.read_in_full(0.0)
    assert memory.exact_share() == 1.0
    proc.set(10, rss=34 * MIB, minor=1024)
    memory.take(10)
    assert memory.exact_share() == pytest.approx(12 / 16)
    proc.set(10, rss=28 * MIB)
    memory.take(10)
    assert memory.exact_share() == 1.0


def test_growth_since_the_full_reading_is_private(proc: FakeProc) -> None:
    """Shared pages stay out of the total, what resident memory grew by is in it."""
    memory = Memory(proc)
    proc.set(10, rss=30 * MIB, shared=20 * MIB, pss=12 * MIB, private=10 * MIB)
    memory.take(10)
    assert memory.total == 10 * MIB
    memory.read_in_full(0.0)
    assert memory.total == 12 * MIB
    proc.set(10, rss=2078 * MIB)
    memory.take(10)
    assert memory.total == 2060 * MIB
    proc.set(10, rss=15 * MIB)
    memory.take(10)
    assert memory.total == 2 * MIB


def test_forks_count_once(proc: FakeProc) -> None:
    """Workers forked from a large process do not multiply it, whether they were read in full yet or not."""
    memory = Memory(proc)
    proc.set(10, rss=4096 * MIB)
    for pid in (11, 12, 13):
        proc.start(pid, 10, image=int(proc.processes[10]["image"]), rss=4096 * MIB)
    for pid in (10, 11, 12, 13):
        memory.take(pid)
    assert memory.total == 4096 * MIB
    proc.set(11, rss=4106 * MIB)
    memory.take(11)
    assert memory.total == 4106 * MIB
    for pid in (10, 11, 12, 13):
        proc.set(pid, pss=1034 * MIB, private=10 * MIB)
    memory.read_in_full(10_000.0)
    assert memory.total == 4 * 1034 * MIB
    memory.remove(10)
    memory.remove(11)
    assert memory.total == 4 * 1034 * MIB - 20 * MIB


@pytest.mark.parametrize(
    ("others", "peak"),
    [((50, 50, 850), 860), ((850, 850, 50), 1450), ((50, 850, 850), 1450)],
    ids=["grew afterwards", "gave back since", "grew meanwhile"],
)
def test_a_peak_between_samples_and_what_was_beside_it(proc: FakeProc, others: tuple[int, ...], peak: int) -> None:
    """The kernel's mark of a process stands beside what others had while it had page faults, not what they have now."""
    proc.start(11, 10, rss=10 * MIB, minor=100)
    proc.set(10, rss=others[0] * MIB)
    watching = Watching(proc)
    watching.row()
    watching.sub_sample()
    proc.set(11, hwm=600 * MIB, minor=100 + 600 * MIB // PAGE_KIB)  # between two sub-samples
    proc.set(10, rss=others[1] * MIB, minor=10**6 + others[1])
    watching.sub_sample()
    proc.set(10, rss=others[2] * MIB, minor=2 * 10**6 + others[2])
    watching.sub_sample()
    assert watching.row().process["memory_peak_kib"] == pytest.approx(peak * MIB, abs=20 * MIB)


def test_cost_of_a_small_process_says_little() -> None:
    """Of 12 MiB most is its mappings: gigabytes do not cost as much for each KiB. What gigabytes cost, does count."""
    family = Family(1, 0.0)
    family.learn_cost(0.0005, 12 * MIB)
    assert family.cost_s_per_kib < 1.5 * COST_S_PER_KIB
    family.learn_cost(4 * 4096 * MIB * COST_S_PER_KIB, 4096 * MIB)
    assert family.cost_s_per_kib > 3.5 * COST_S_PER_KIB


def test_the_only_reading_that_can_be_paid_for_waits_longer(proc: FakeProc) -> None:
    """Amid the writing it would miss the rest, and nothing would be left for another."""
    memory = Memory(proc)
    proc.set(10, rss=2560 * MIB)
    proc.start(11, 10, image=int(proc.processes[10]["image"]), rss=2560 * MIB)
    for step in range(12):
        for pid in (10, 11):
            proc.set(pid, pss=2560 * MIB, private=2560 * MIB, minor=step * 200 * MIB // PAGE_KIB)
            memory.take(pid, step / 10)
        memory.read_early(step / 10)
    assert memory.cpu_s == 0.0
    memory.read_early(1.2)  # calm
    assert memory.total == 5120 * MIB


def test_forks_that_write_to_what_they_share(proc: FakeProc) -> None:
    """Copies of shared pages do not show in resident memory: minor faults have them read in full, once calm."""
    memory = Memory(proc)
    proc.set(10, rss=400 * MIB)
    for pid in (11, 12):
        proc.start(pid, 10, image=int(proc.processes[10]["image"]), rss=400 * MIB)

    def look(now_s: float) -> int:
        for pid in (10, 11, 12):
            memory.take(pid, now_s)
        memory.read_early(now_s)
        return memory.total // MIB

    assert look(0.0) == 400
    for pid in (11, 12):
        proc.set(pid, minor=400 * MIB // PAGE_KIB, private=400 * MIB, pss=400 * MIB)
    assert look(0.1) == 400  # they may be writing still
    assert look(0.2) == 1200
    proc.set(11, minor=2 * 400 * MIB // PAGE_KIB)
    assert look(0.3) == 1200  # memory given back and taken again is no more of it


def test_early_readings_keep_their_budget(proc: FakeProc) -> None:
    """Forks that fault all the time are read no more often than their share of a core allows."""
    memory = Memory(proc)
    for pid in (10, 11, 12):
        if pid > 10:
            proc.start(pid, 10, image=int(proc.processes[10]["image"]))
        proc.set(pid, rss=4096 * MIB, private=MIB, pss=1366 * MIB)
    for tick in range(3000):
        for pid in (10, 11, 12):
            proc.processes[pid]["minor"] = tick * 1_000_000
            memory.take(pid, tick / 10)
        memory.read_early(tick / 10)
    assert 0 < memory.cpu_s <= BUDGET.early_at_once_s + 300 * BUDGET.early_readings * 1.1


def test_forked_from_one_that_ended(proc: FakeProc) -> None:
    """A worker keeps what it shares with its parent after that is gone."""
    memory = Memory(proc)
    proc.set(10, rss=4096 * MIB)
    proc.start(11, 10, image=int(proc.processes[10]["image"]), rss=4096 * MIB)
    memory.take(10)
    memory.take(11)
    memory.remove(10)
    assert memory.total == 4096 * MIB
    memory.remove(11)
    assert memory.total == 0


def test_exec_leaves_the_family(proc: FakeProc) -> None:
    """A fork that executes a program has memory of its own from then on."""
    memory = Memory(proc)
    proc.set(10, rss=4096 * MIB)
    proc.start(11, 10, image=int(proc.processes[10]["image"]), rss=4096 * MIB)
    memory.take(10)
    memory.take(11)
    proc.set(11, image=99, rss=8 * MIB)
    memory.take(11)
    assert memory.total == 4104 * MIB


def test_full_readings_keep_their_budget(proc: FakeProc) -> None:
    """However large the processes: full readings cost no more than their share of a core, and all get their turn."""
    memory = Memory(proc)
    proc.set(10, rss=1024 * MIB)
    for pid in range(11, 31):
        proc.start(pid, 10, rss=pid * 10 * MIB)
    seconds = 600
    for second in range(seconds):
        for pid in proc.processes:
            if pid != 1:
                memory.take(pid, float(second))
        memory.read_in_full(float(second))
    assert memory.cpu_s <= BUDGET.full_at_once_s + seconds * BUDGET.full_readings * 1.1
    assert all(part.family.read_at is not None for part in memory._parts.values())


def test_a_large_process_is_not_walked(proc: FakeProc) -> None:
    """A walk of its page tables would stall it; beside forks it is read all the same, for what they share."""
    memory = Memory(proc)
    proc.set(10, rss=4096 * MIB)
    memory.take(10)
    memory.read_in_full(10_000.0)
    assert memory.cpu_s == 0
    proc.start(11, 10, image=int(proc.processes[10]["image"]), rss=4096 * MIB)
    memory.take(11)
    memory.read_in_full(20_000.0)
    assert memory.cpu_s > 0


def test_no_full_readings(proc: FakeProc) -> None:
    """Without permission, or on an old kernel, resident memory stands alone, and the source is named."""
    (proc.root / "10" / "smaps_rollup").unlink()
    memory = Memory(proc)
    memory.take(10)
    memory.read_in_full(0.0)
    memory.read_in_full(100.0)
    assert memory.total == 50 * MIB
    assert [(source, count) for source, count, _ in memory.failures.news()] == [("/proc/PID/smaps_rollup", 1)]
