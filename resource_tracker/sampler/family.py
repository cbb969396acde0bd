"""Processes that share memory because they are forks of one program image, and what is known of each."""

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

COST_S_PER_KIB = 11e-9
"""Expected of a full reading until there is a measured one: 4 KiB pages (45 ms for 4 GiB)."""
FAULTS_OF_A_PEAK, LARGE_KIB = 8, 16 * 1024
"""Fewer page faults make no larger peak, not even those of huge pages of 2 MiB."""
AS_IF_MEASURED_KIB = 256 * 1024
"""So much that expectation counts beside a measured cost: of a small process that is nearly all the number of its
mappings, four times as much for each KiB, and no measure of what it takes once there are gigabytes."""


class Family:
    """Forks of one program image. `shared` is what they share with each other and with strangers, by its share; KiB.

    `unseen` is what they may have copied since they were read, and `unseen_before` that at the last look.
    """

    __slots__ = (
        "cost_s_per_kib",
        "key",
        "pids",
        "read_at",
        "read_at_change",
        "readable",
        "seen_at",
        "shared",
        "unseen",
        "unseen_before",
        "unseen_since",
    )

    def __init__(self, key: int, now_s: float) -> None:
        self.key = key
        self.pids: set[int] = set()
        self.shared = 0
        self.seen_at = now_s
        self.read_at: float | None = None
        self.read_at_change = 0
        self.readable = True
        self.unseen = self.unseen_before = 0
        self.unseen_since: float | None = None
        self.cost_s_per_kib = COST_S_PER_KIB

    def learn_cost(self, spent_s: float, rss: int) -> None:
        """Takes what reading `rss` KiB has cost."""
        expected_s = AS_IF_MEASURED_KIB * COST_S_PER_KIB
        self.cost_s_per_kib = (max(0.0, spent_s) + expected_s) / (rss + AS_IF_MEASURED_KIB)

    def exact_kib(self, parts: "Iterable[Part]") -> int:
        """What of its memory was read in full: the rest is growth since then, or was never read."""
        if self.read_at is None:
            return 0
        return self.shared + sum(min(part.counts, part.private) for part in parts)


class Part:
    """One process: `private` and `rss` as last read in full, `faults` at that time; KiB.

    `counts` is what it adds to its family now, `unseen` what it may have copied beyond that. `told` is resident memory
    as ``/proc/PID/stat`` last told it: not exact, where a full reading is. `beside` is the most that all others had
    while it had page faults, since its high-water mark was last looked at; nan where it is not known.
    """

    __slots__ = (
        "beside",
        "beside_before",
        "counts",
        "family",
        "faults",
        "faults_at_look",
        "faults_at_mark",
        "faults_now",
        "high_water",
        "now",
        "private",
        "rss",
        "told",
        "unseen",
    )

    def __init__(self, family: Family, rss: int, private: int, faults: int) -> None:
        self.family = family
        self.rss = rss
        self.now = self.told = rss
        self.faults = faults
        self.faults_now = faults
        self.unseen = 0
        self.private = private
        self.counts = private
        self.high_water = rss
        self.faults_at_mark = -1
        self.faults_at_look = faults
        self.beside = self.beside_before = math.nan

    def note_beside(self, others: int) -> None:
        """Takes what all others have now. It can have had its highest moment only while it had faults."""
        if self.faults_now - self.faults_at_look >= FAULTS_OF_A_PEAK:
            # In this order the larger of those that are known: no comparison with nan holds.
            self.beside = max(others, self.beside_before, self.beside)
        self.faults_at_look, self.beside_before = self.faults_now, others

    def above(self, mark: int, others: int) -> float:
        """How far it and the others went above what they have now, with `mark` as its own highest.

        Others that grew since do not count, nor does what they gave back since get lost.
        """
        rise = mark - self.now
        is_known = self.beside == self.beside and rise >= LARGE_KIB
        return rise + self.beside - others if is_known else rise

    def note_unseen(self, page_kib: int) -> None:
        """Takes the most that it can have copied: a page a fault, and no more than is resident.

        What resident memory grew by is counted already.
        """
        faulted = (self.faults_now - self.faults) * page_kib - max(0, self.now - self.rss)
        unseen = max(0, min(faulted, self.now - self.counts))
        self.family.unseen += unseen - self.unseen
        self.unseen = unseen
