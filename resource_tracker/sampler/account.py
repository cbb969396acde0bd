"""Totals of the tree that outlive its processes: CPU time, page faults, storage bytes.

When a parent waits for a child, the kernel adds what the child used to the parent's own record of its children. So
the use of a child is first seen in the child, then again in its parent. For each live member, only what its
children's record grew beyond what was already seen in those that ended is new. What a child used without anybody
having waited for it (children that are reaped automatically, orphans) stays counted as far as it was seen: the totals
are a lower bound, never more than the truth, and never shrink.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Stat(Protocol):
        """What is read of a process."""

        @property
        def ppid(self) -> int: ...
        @property
        def start_time(self) -> int: ...
        @property
        def utime(self) -> float: ...
        @property
        def stime(self) -> float: ...
        @property
        def major_faults(self) -> float: ...
        @property
        def child_utime(self) -> float: ...
        @property
        def child_stime(self) -> float: ...
        @property
        def child_major_faults(self) -> float: ...

    class Process(Protocol):
        """A member of a tree, whoever reads it."""

        @property
        def pid(self) -> int: ...
        @property
        def counted(self) -> bool: ...
        @property
        def stat(self) -> Stat: ...
        def __hash__(self) -> int: ...


Amounts = tuple[float, float, float, float, float]
"""utime and stime in ticks, major faults, bytes read, bytes written."""

ZERO: Amounts = (0.0, 0.0, 0.0, 0.0, 0.0)


Io = tuple[float, float]
Reading = tuple["Process", Io]


class _Record:
    """What was seen of one process: its own use, and that of the children it waited for.

    The kernel keeps a process's storage bytes and those of the children it waited for in one number: it stands with the
    children's. `debt` is what children that ended were seen to use, and this process's record did not show yet. `stat`
    and `io` are the readings that it was last taken from.
    """

    __slots__ = ("children", "debt", "io", "own", "stat")

    def __init__(self, own: Amounts, children: Amounts) -> None:
        self.stat: object = None
        self.io: object = None
        self.own = own
        self.children = children
        self.debt = ZERO


class Account:
    """Adds up what the members of a tree used, row by row."""

    def __init__(self) -> None:
        self._records: dict[Process, _Record] = {}  # by identity: a pid may come again

    def open(self, member: "Process", io: Io, *, from_birth: bool) -> None:
        """Begins to count a member: all that it ever used, or only what it uses from now on."""
        self._records[member] = _Record(ZERO, ZERO) if from_birth else _Record(*_amounts(member, io))

    def settle(self, live: "Sequence[Reading]", gone: "Sequence[Reading]") -> Amounts:
        """What was used since the last call; each member comes with its last reading and storage bytes.

        A reading never changes: the same object says that nothing did.
        """
        used = ZERO
        ended: dict[int, Amounts] = {}  # by parent: what children that ended were seen to use
        for member, io in sorted(gone, key=_start_time, reverse=True):  # children before parents
            record = self._records[member]
            owed = _add(ended.pop(member.pid, ZERO), record.debt)
            own, children, unexplained = _grow(record, *_amounts(member, io), owed)
            if member.counted:
                used = _add(used, _add(own, children))
            seen = _add(_add(record.own, record.children), unexplained)
            ended[member.stat.ppid] = _add(ended.get(member.stat.ppid, ZERO), seen)
        for member, _ in gone:
            del self._records[member]
        for member, io in live:
            record = self._records[member]
            if record.stat is member.stat and record.io is io and record.debt is ZERO and member.pid not in ended:
                continue  # the very same readings: most do nothing, most of the time
            record.stat, record.io = member.stat, io
            new = ended.pop(member.pid, ZERO)
            own, children, unexplained = _grow(record, *_amounts(member, io), _add(new, record.debt))
            # A child may end between its parent's reading and its own: then the parent shows it in the next row.
            # Later than that it was not waited for, and must not hide what others use.
            record.debt = _least(new, unexplained)
            if member.counted:
                used = _add(used, _add(own, children))
        return used


def _grow(record: _Record, own: Amounts, children: Amounts, owed: Amounts) -> tuple[Amounts, Amounts, Amounts]:
    """Moves `record` to the new reading: its own growth, its children's beyond `owed`, and what is left of `owed`."""
    if own == record.own and children == record.children and owed is ZERO:
        return ZERO, ZERO, ZERO
    own_growth = _beyond(own, record.own)
    child_growth = _beyond(children, record.children)
    record.own, record.children = own, children
    return own_growth, _beyond(child_growth, owed), _beyond(owed, child_growth)


def _amounts(member: "Process", io: Io) -> tuple[Amounts, Amounts]:
    stat = member.stat
    return (
        (stat.utime, stat.stime, stat.major_faults, 0.0, 0.0),
        (stat.child_utime, stat.child_stime, stat.child_major_faults, *io),
    )


def _start_time(reading: Reading) -> int:
    return reading[0].stat.start_time


def _add(a: Amounts, b: Amounts) -> Amounts:
    if b is ZERO:
        return a
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4])


def _beyond(a: Amounts, b: Amounts) -> Amounts:
    """How much `a` exceeds `b`, nowhere below 0."""
    first, second, third, fourth, fifth = (max(0.0, x - y) for x, y in zip(a, b))  # noqa: B905 (a hot path)
    return first, second, third, fourth, fifth


def _least(a: Amounts, b: Amounts) -> Amounts:
    if a is ZERO or b is ZERO:
        return ZERO
    first, second, third, fourth, fifth = (min(x, y) for x, y in zip(a, b))  # noqa: B905
    return first, second, third, fourth, fifth
