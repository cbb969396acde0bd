"""All rules on a trace, and our policies against the best of the others over several traces.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from resource_tracker.dataclass import dataclass
from resource_tracker.replay.score import OTHERS, OURS, Group, Score, best_published, by_run, each_alone, score
from resource_tracker.replay.trace import TraceTask, without_inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A trace under every rule. ``inputs_known`` where sizes of inputs were given to the rules."""

    trace: str
    inputs_known: bool
    scores: tuple[Score, ...]

    def of(self, rule: str) -> Score | None:
        """The score of a rule."""
        return next((score for score in self.scores if score.rule == rule), None)

    @property
    def best_other(self) -> Score | None:
        """The least wasteful of the others that fail seldom enough."""
        return best_published(self.scores)


def ways(tasks: Sequence[TraceTask], runs: int | None, inputs: bool) -> list[tuple[bool, list[Group]]]:
    """What to replay of a trace: with inputs where they are known and wanted, and always without."""
    if runs is not None:
        return [(False, by_run(tasks, runs))]
    known = inputs and any(task.input_bytes is not None for task in tasks)
    return ([(True, each_alone(tasks))] if known else []) + [(False, each_alone(without_inputs(tasks)))]


def replay(trace: str, groups: Sequence[Group], inputs_known: bool, tell: Callable[[str], None]) -> Replay:
    """Replay under every rule; `tell` is told which one is being tried, and how far it is."""
    asked = all(group.requested_mib is not None for group in groups)
    scores = []
    for rule in (*OURS, *OTHERS):
        if rule.name == "the request" and not asked:
            continue  # nobody said what was asked for
        scores.append(score(groups, rule, partial(_tell, tell, f"{trace}: {rule.name}")))
    return Replay(trace=trace, inputs_known=inputs_known, scores=tuple(scores))


def _tell(tell: Callable[[str], None], what: str, share: float) -> None:
    tell(f"{what} {share:.0%}")


def against_best(replays: Iterable[Replay], rule: str) -> float | None:
    """Geometric mean over traces of what a rule wastes, as a share of what the best other one does.

    ``None`` where on one of them no other rule fails seldom enough, or nothing is wasted.
    """
    ratios = []
    for found in replays:
        own, best = found.of(rule), found.best_other
        if own is None or best is None or best.wasted_gib_hours <= 0 or own.wasted_gib_hours <= 0:
            return None
        ratios.append(own.wasted_gib_hours / best.wasted_gib_hours)
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else None
