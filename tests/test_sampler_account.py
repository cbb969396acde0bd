"""Totals of the tree: never below what was seen, never above what was used, whoever waits for whom."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.sampler.account import Account

IO = (0.0, 0.0)


@dataclass
class Stat:
    """What the account reads of a member's last reading."""

    ppid: int
    start_time: int = 0
    utime: int = 0
    stime: int = 0
    child_utime: int = 0
    child_stime: int = 0
    major_faults: int = 0
    child_major_faults: int = 0


@dataclass(eq=False)
class Process:
    """A member, as far as the account knows it."""

    pid: int
    stat: Stat
    counted: bool = True
    told: Stat | None = None


def process(pid: int, ppid: int = 1, **facts: int) -> Process:
    return Process(pid, Stat(ppid, start_time=pid, **facts))


def settle(account: Account, live: list[Process], gone: list[Process] | None = None) -> float:
    """User time since the last row. Each process comes with a reading of its own where it has changed."""
    for one in live:
        if one.stat != one.told:
            one.stat, one.told = replace(one.stat), replace(one.stat)
    return account.settle([(p, IO) for p in live], [(p, IO) for p in gone or []])[0]  # type: ignore[misc,list-item]


def opened(account: Account, one: Process, *, from_birth: bool = True) -> Process:
    account.open(one, IO, from_birth=from_birth)  # type: ignore[arg-type]
    return one


def test_past_does_not_count() -> None:
    """What a process used before tracking began is not the step's, nor is what its children had used."""
    account = Account()
    root = opened(account, process(10, utime=500, child_utime=300), from_birth=False)
    root.stat.utime += 7
    root.stat.child_utime += 5
    assert settle(account, [root]) == 12
    assert settle(account, [root]) == 0


def test_new_members_count_whole() -> None:
    """A descendant found later counts from its birth, the children it had waited for included."""
    account = Account()
    root = opened(account, process(10), from_birth=False)
    child = opened(account, process(11, 10, utime=40, child_utime=2))
    assert settle(account, [root, child]) == 42


def test_same_reading_is_no_news() -> None:
    """A member that did nothing comes with the very same reading; what its child was seen to use counts once."""
    account = Account()
    root = opened(account, process(10), from_birth=False)
    child = opened(account, process(11, 10, utime=40))
    assert settle(account, [root, child]) == 40
    assert settle(account, [root, child]) == 0
    assert settle(account, [root], [child]) == 0
    root.stat.child_utime = 41
    assert settle(account, [root]) == 1
    assert settle(account, [root]) == 0


def test_waited_child_counts_once() -> None:
    """What a child was seen to use is not counted again when its parent takes it over; its last bit is."""
    account = Account()
    root = opened(account, process(10), from_birth=False)
    child = opened(account, process(11, 10, utime=40))
    assert settle(account, [root, child]) == 40
    root.stat.child_utime = 45
    assert settle(account, [root], [child]) == 5


def test_unseen_grandchildren_count() -> None:
    """Children too short for any reading show in the parent's record."""
    account = Account()
    root = opened(account, process(10), from_birth=False)
    root.stat.child_utime = 76
    assert settle(account, [root]) == 76


def test_child_that_nobody_waits_for_stays_counted() -> None:
    """What was seen of it is kept, and does not hide later growth of its parent's record."""
    account = Account()
    root = opened(account, process(10), from_birth=False)
    child = opened(account, process(11, 10, utime=40))
    settle(account, [root, child])
    assert settle(account, [root], [child]) == 0
    assert settle(account, [root]) == 0
    root.stat.child_utime = 9
    assert settle(account, [root]) == 9


def test_end_between_two_readings_of_one_row() -> None:
    """A child that ends after its parent was read, and before it was read itself, is not counted twice."""
    account = Account()
    root = opened(account, process(10), from_birth=False)
    child = opened(account, process(11, 10, utime=40))
    settle(account, [root, child])
    assert settle(account, [root], [child]) == 0
    root.stat.child_utime = 41
    assert settle(account, [root]) == 1


def test_chain_that_ends_at_once() -> None:
    """Grandchild and child that end in one row are settled with the ancestor that lives."""
    account = Account()
    root = opened(account, process(10), from_birth=False)
    child = opened(account, process(11, 10, utime=5))
    grandchild = opened(account, process(12, 11, utime=30))
    assert settle(account, [root, child, grandchild]) == 35
    root.stat.child_utime = 37
    assert settle(account, [root], [child, grandchild]) == 2


def test_others_work_is_not_ours() -> None:
    """A process of another attempt is not counted, not even when our own waits for it."""
    account = Account()
    root = opened(account, process(10), from_birth=False)
    other = opened(account, process(11, 10, utime=40))
    other.counted = False
    assert settle(account, [root, other]) == 0
    root.stat.child_utime = 40
    assert settle(account, [root], [other]) == 0


def test_storage_of_waited_children_counts_once() -> None:
    """The kernel has one number for a process and the children it waited for: it is split the same way."""
    account = Account()
    root, child = process(10), process(11, 10)
    account.open(root, (100.0, 0.0), from_birth=False)  # type: ignore[arg-type]
    account.open(child, (0.0, 0.0), from_birth=True)  # type: ignore[arg-type]
    first = account.settle([(root, (100.0, 0.0)), (child, (50.0, 8.0))], [])  # type: ignore[list-item]
    second = account.settle([(root, (170.0, 9.0))], [(child, (50.0, 8.0))])  # type: ignore[list-item]
    assert first[3:] == (50.0, 8.0)
    assert second[3:] == (20.0, 1.0)


# --- against a model of the kernel --------------------------------------------------------------


@dataclass
class Kernel:
    """Processes as the kernel keeps them; process 1 waits for orphans and shows nothing of them."""

    used: dict[int, int] = field(default_factory=lambda: {10: 0})
    children: dict[int, int] = field(default_factory=lambda: {10: 0})
    parents: dict[int, int] = field(default_factory=lambda: {10: 1})
    total: int = 0
    next_pid: int = 11

    def fork(self, parent: int) -> None:
        self.used[self.next_pid] = self.children[self.next_pid] = 0
        self.parents[self.next_pid] = parent
        self.next_pid += 1

    def work(self, pid: int, ticks: int) -> None:
        self.used[pid] += ticks
        self.total += ticks

    def end(self, pid: int, waited_for: bool) -> None:
        parent = self.parents.pop(pid)
        amount = self.used.pop(pid) + self.children.pop(pid)
        if waited_for and parent in self.children:
            self.children[parent] += amount
        for child, of in self.parents.items():
            if of == pid:
                self.parents[child] = 1


class Watcher:
    """Follows the model as the tree does: children of members are members."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.account = Account()
        self.members = {10: opened(self.account, process(10), from_birth=False)}

    def row(self) -> float:
        for pid in sorted(self.kernel.parents):
            if pid not in self.members and self.kernel.parents[pid] in self.members:
                self.members[pid] = opened(self.account, process(pid))
        for pid, member in self.members.items():
            if pid in self.kernel.parents:
                member.stat.ppid = self.kernel.parents[pid]
                member.stat.utime, member.stat.child_utime = self.kernel.used[pid], self.kernel.children[pid]
        gone = [self.members.pop(pid) for pid in [*self.members] if pid not in self.kernel.parents]
        return settle(self.account, list(self.members.values()), gone)


ACTIONS = st.tuples(st.sampled_from(["fork", "work", "end", "row"]), st.integers(0, 30), st.integers(1, 50))


@given(actions=st.lists(ACTIONS, max_size=60), unwaited=st.sets(st.integers(11, 40)))
def test_never_more_than_the_truth(actions: list[tuple[str, int, int]], unwaited: set[int]) -> None:
    """Whatever is forked, ended, waited for or not: no row is negative, and no total beyond what was used."""
    kernel = Kernel()
    watcher = Watcher(kernel)
    counted = 0.0
    for action, choice, ticks in [*actions, ("row", 0, 0)]:
        pids = sorted(kernel.parents)
        pid = pids[choice % len(pids)]
        if action == "fork":
            kernel.fork(pid)
        elif action == "work":
            kernel.work(pid, ticks)
        elif action == "end" and pid != 10:
            kernel.end(pid, pid not in unwaited)
        elif action == "row":
            grown = watcher.row()
            assert grown >= 0
            counted += grown
            assert counted <= kernel.total


@given(actions=st.lists(ACTIONS, max_size=60))
def test_exact_where_everybody_waits(actions: list[tuple[str, int, int]]) -> None:
    """Where only childless processes end, and their parents wait for them, every row brings the exact total."""
    kernel = Kernel()
    watcher = Watcher(kernel)
    counted = 0.0
    for action, choice, ticks in [*actions, ("row", 0, 0)]:
        pids = sorted(kernel.parents)
        pid = pids[choice % len(pids)]
        if action == "fork":
            kernel.fork(pid)
        elif action == "work":
            kernel.work(pid, ticks)
        elif action == "end" and pid != 10 and pid not in kernel.parents.values():
            kernel.end(pid, True)
        elif action == "row":
            counted += watcher.row()
            assert counted == kernel.total
