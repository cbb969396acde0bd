"""Replays a trace under a rule: what it wastes, how often it fails.

Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from resource_tracker.dataclass import dataclass
from resource_tracker.observation import Observation
from resource_tracker.replay.regressions import LowWastageRegression, Ponder
from resource_tracker.replay.rules import (
    AsRequested,
    FirstAllocation,
    KubernetesResourceRecommender,
    Ours,
    Question,
    Rule,
    TimesHighest,
    TimesLast,
    VerticalPodAutoscaler,
)
from resource_tracker.replay.trace import TraceTask
from resource_tracker.sizing import Policy
from resource_tracker.units import mib_to_gib, seconds_to_hours

DEFAULT_MIB = 4096.0
"""What Metaflow asks for where the author of a step does not."""
MOST_SEEN = 1000
"""Earlier instances that a rule looks at, the newest: more would take long and change nothing."""
_TOLD_EVERY = 100
OURS: tuple[Rule, ...] = (Ours(Policy.SAFE), Ours(Policy.LEAN))
OTHERS: tuple[Rule, ...] = (
    AsRequested(),
    TimesLast(1.2, "1.2 x the last"),
    TimesHighest(1.2, "1.2 x the highest"),
    TimesHighest(1.1, "1.1 x the highest"),
    VerticalPodAutoscaler(),
    KubernetesResourceRecommender(),
    FirstAllocation(),
    LowWastageRegression(),
    Ponder(),
)
BEARABLE_FAILURES = 0.015
"""Share of failed tasks beyond which a rule is not compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a rule did with a trace.

    Parameters
    ----------
    wasted_gib_hours : float
        Allocated and not used: of an attempt that failed all of it, for the whole duration.
    tasks, failed : int
        How many there were, and how many of them failed at least once.
    allocated_over_used : float
        All memory x time that was allocated, over that of the tasks' peaks.
    """

    rule: str
    tasks: int
    failed: int
    wasted_gib_hours: float
    allocated_over_used: float

    @property
    def failed_share(self) -> float:
        return self.failed / self.tasks if self.tasks else 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """Tasks that get one size: a single one, or all of a step's in one run."""

    task: str
    need_mib: float
    input_bytes: float | None
    requested_mib: float | None
    members: tuple[TraceTask, ...]


def each_alone(trace: Iterable[TraceTask]) -> list[Group]:
    """A size for every task."""
    return [Group(t.task, t.peak_mib, t.input_bytes, t.requested_mib, (t,)) for t in trace]


def by_run(trace: Iterable[TraceTask], runs: int) -> list[Group]:
    """One size for each task name in each of `runs` runs, as if its instances, in order, were spread over these.

    Names with fewer instances are left out; inputs are not known, as one request holds for all.
    """
    instances: dict[str, list[TraceTask]] = defaultdict(list)
    for task in trace:
        instances[task.task].append(task)
    groups = []
    for name, tasks in instances.items():
        size = len(tasks) // runs
        for first in range(0, size * runs, size) if size else ():
            members = tuple(tasks[first : first + size])
            asked = max((t.requested_mib for t in members if t.requested_mib is not None), default=None)
            groups.append(Group(name, max(t.peak_mib for t in members), None, asked, members))
    return sorted(groups, key=lambda group: group.members[0].started_at)


def tasks_looked_at(groups: Iterable[Group]) -> int:
    """How many earlier ones are looked at in all by a rule that looks at each it may: the replay takes that long."""
    seen: Counter[str] = Counter()
    looked_at = 0
    for group in groups:
        looked_at += min(seen[group.task], MOST_SEEN)
        seen[group.task] += 1
    return looked_at


def score(groups: Sequence[Group], rule: Rule, progress: Callable[[float], None] = lambda _: None) -> Score:
    """Replay groups in order, each sized from those of its name before it.

    An attempt that gets too little fails at its end: whoever got too little is repeated with what the rule gives next.

    Parameters
    ----------
    progress : callable
        Is told now and then what share is done.
    """
    seen: dict[str, deque[Observation]] = defaultdict(lambda: deque(maxlen=MOST_SEEN))
    allocated = used = 0.0
    failed = 0
    for number, group in enumerate(groups):
        if number % _TOLD_EVERY == 0:
            progress(number / len(groups))
        earlier = seen[group.task]
        sizes = list(_attempts(rule, Question(tuple(earlier), group.input_bytes, group.requested_mib), group.need_mib))
        failed += len(sizes) > 1
        for task in group.members:
            used += task.peak_mib * task.duration_s
            for size in sizes:
                allocated += size * task.duration_s
                if size >= task.peak_mib:
                    break
        last = group.members[-1]
        earlier.append(
            Observation(
                group.need_mib,
                sum(t.duration_s for t in group.members),
                group.input_bytes,
                "ok",
                last.started_at + last.duration_s,
            )
        )
    return Score(
        rule=rule.name,
        tasks=len(groups),
        failed=failed,
        wasted_gib_hours=seconds_to_hours(mib_to_gib(allocated - used)),
        allocated_over_used=allocated / used if used > 0 else 1.0,
    )


def best_published(scores: Iterable[Score]) -> Score | None:
    """The least wasteful of the others' rules among those that fail seldom enough."""
    names = {rule.name for rule in OTHERS}
    bearable = [s for s in scores if s.rule in names and s.failed_share <= BEARABLE_FAILURES]
    return min(bearable, key=lambda s: s.wasted_gib_hours, default=None)


def _attempts(rule: Rule, question: Question, need_mib: float) -> Iterator[float]:
    """Sizes until one suffices; a rule that does not go up is doubled."""
    first = rule.first(question)
    size = first if first is not None else question.requested_mib or DEFAULT_MIB
    yield size
    while size < need_mib:
        following = rule.again(question, size)
        size = following if following > size else 2 * size
        yield size
