"""Rules by which memory is sized today, and our policies, behind one door.

Each looks at the earlier instances of a task (all ended well, after retries where need be), never at the one to come.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from resource_tracker.dataclass import dataclass
from resource_tracker.observation import Observation
from resource_tracker.sizing import MemoryAdvice, Policy, recommend_memory


@dataclass(frozen=True, slots=True)
class Question:
    """What is known when a task is to be sized: earlier instances (oldest first), its input, what its author asks."""

    seen: Sequence[Observation]
    input_bytes: float | None
    requested_mib: float | None

    @property
    def highest(self) -> float:
        return max((o.peak_mib for o in self.seen), default=0.0)


class Rule(Protocol):
    """A way to size a task. ``None`` where it has nothing to go by: then the author's request holds."""

    @property
    def name(self) -> str: ...

    def first(self, question: Question) -> float | None:
        """MiB for the first attempt."""
        ...

    def again(self, question: Question, too_small: float) -> float:
        """MiB for the next attempt, after one that ran out of memory at ``too_small``."""
        ...


@dataclass(frozen=True, slots=True)
class Ours:
    """:func:`~resource_tracker.sizing.recommend_memory`; a failed attempt is one more observation, a lower bound."""

    policy: Policy

    @property
    def name(self) -> str:
        return self.policy.name

    def first(self, question: Question) -> float | None:
        advice = recommend_memory(question.seen, question.input_bytes, question.requested_mib, self.policy)
        return advice.memory_mib if isinstance(advice, MemoryAdvice) else None

    def again(self, question: Question, too_small: float) -> float:
        failed = Observation(too_small, 1.0, question.input_bytes, "oom")
        advice = recommend_memory([*question.seen, failed], question.input_bytes, None, self.policy)
        return advice.memory_mib if isinstance(advice, MemoryAdvice) else 2 * too_small


@dataclass(frozen=True, slots=True)
class AsRequested:
    """What the author asked for."""

    name: str = "the request"

    def first(self, question: Question) -> float | None:
        return question.requested_mib

    def again(self, question: Question, too_small: float) -> float:
        return 2 * too_small


@dataclass(frozen=True, slots=True)
class TimesHighest:
    """A multiple of the highest peak so far; a failure goes back to the request, then doubles."""

    factor: float
    name: str

    def first(self, question: Question) -> float | None:
        return self.factor * question.highest if question.seen else None

    def again(self, question: Question, too_small: float) -> float:
        return back_to_request(question, too_small)


@dataclass(frozen=True, slots=True)
class TimesLast:
    """A multiple of the peak of the instance before."""

    factor: float
    name: str

    def first(self, question: Question) -> float | None:
        return self.factor * question.seen[-1].peak_mib if question.seen else None

    def again(self, question: Question, too_small: float) -> float:
        return back_to_request(question, too_small)


@dataclass(frozen=True, slots=True)
class VerticalPodAutoscaler:
    """The recommender of Kubernetes' Vertical Pod Autoscaler, one sample for each instance.

    Source: kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender: 90th percentile of a histogram with a
    half-life of 24 h and buckets that grow by 5 % from 10 MB, its bucket's upper end, a margin of 15 %, at least
    250 MiB; after running out of memory 20 % more, at least 100 MB.
    """

    name: str = "Kubernetes VPA"

    def first(self, question: Question) -> float | None:
        if not question.seen:
            return None
        newest = max(o.finished_at or 0.0 for o in question.seen)
        weights: dict[int, float] = defaultdict(float)
        for o in question.seen:
            bucket = int(math.log(o.peak_mib * 2**20 * 0.05 / 1e7 + 1, 1.05))
            weights[bucket] += 2.0 ** (((o.finished_at or 0.0) - newest) / 86_400)
        wanted, below, end = 0.9 * sum(weights.values()), 0.0, 0
        for end in sorted(weights):
            below += weights[end]
            if below >= wanted:
                break
        upper_end_mib = 1e7 * (1.05 ** (end + 1) - 1) / 0.05 / 2**20
        return max(250.0, 1.15 * upper_end_mib)

    def again(self, question: Question, too_small: float) -> float:
        return max(1.2 * too_small, too_small + 100e6 / 2**20)


@dataclass(frozen=True, slots=True)
class KubernetesResourceRecommender:
    """Robusta's KRR, strategy ``simple``: the highest with a buffer of 15 %; after running out of memory 25 % more.

    Source: robusta-dev/krr, README, "How it works".
    """

    name: str = "KRR"

    def first(self, question: Question) -> float | None:
        return 1.15 * question.highest if question.seen else None

    def again(self, question: Question, too_small: float) -> float:
        return 1.25 * too_small


@dataclass(frozen=True, slots=True)
class FirstAllocation:
    """Least expected waste over what was seen; a failure gets the highest so far, then the request.

    Source: B. Tovar et al., "A Job Sizing Strategy for High-Throughput Scientific Workflows", IEEE TPDS 29(2), 2018,
    equation 1: the size a that minimises a * E[t] + highest * E[t of those above a].
    """

    name: str = "Tovar's first allocation"

    def first(self, question: Question) -> float | None:
        if not question.seen:
            return None
        descending = sorted(question.seen, key=lambda o: -o.peak_mib)
        highest = best = descending[0].peak_mib
        all_s, above_s, least = sum(o.duration_s for o in descending), 0.0, math.inf
        for o in descending:
            expected = o.peak_mib * all_s + highest * above_s
            if expected < least:
                best, least = o.peak_mib, expected
            above_s += o.duration_s
        return best

    def again(self, question: Question, too_small: float) -> float:
        return question.highest if too_small < question.highest else back_to_request(question, too_small)


def back_to_request(question: Question, too_small: float) -> float:
    """What was asked for where that is more, else twice what was too small."""
    asked = question.requested_mib
    return asked if asked is not None and asked > too_small else 2 * too_small
