"""What each attempt of a review cost and wasted, and what it would have cost as advised. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from resource_tracker.costs import Costing
from resource_tracker.records import Recommendation, TaskSummary
from resource_tracker.review_records import AttemptReview
from resource_tracker.run_attempts import Attempt
from resource_tracker.step_advice import StepAdvice
from resource_tracker.units import mb_to_mib
from resource_tracker.waste import Allocation, waste_of


class AttemptPricer:
    """Costs of attempts, and what was set aside for them; collects what has to be said about it, each once."""

    def __init__(self, costing: Costing, advice: Mapping[str, StepAdvice]) -> None:
        self._costing = costing
        self._advice = {step: found.advice for step, found in advice.items()}
        self.notes: dict[str, None] = {}

    def advised_usd(self, task: TaskSummary) -> float | None:
        """What the attempt would have cost, had it asked for what is advised."""
        advice = self._advice.get(task.step)
        return self._costing.of(task, advice).advised_usd if isinstance(advice, Recommendation) else None

    def review(self, attempt: Attempt) -> AttemptReview:
        task = attempt.summary
        if task is None:
            return AttemptReview(attempt=attempt)
        found = self._costing.of(task, None)
        if found.usd is None and task.instance_type is None:
            return self._as_advised(attempt, task)
        if found.note and not found.assumed:
            self.notes[found.note] = None
        memory_mib = None if task.request_memory_mb is None else mb_to_mib(task.request_memory_mb)
        allocation = Allocation(cpus=task.request_cpu, memory_mib=memory_mib, gpus=task.request_gpu)
        if found.basis == "own machine" and found.machine is not None:  # nobody else could use the rest of it
            whole = found.machine.instance
            allocation = Allocation(cpus=whole.vcpus, memory_mib=whole.memory_mib, gpus=whole.gpu_count)
        return AttemptReview(
            attempt=attempt,
            usd=found.usd,
            waste=waste_of(task, found.usd, allocation, lost=attempt.lost),
            machine=found.machine,
            assumed=found.assumed,
        )

    def _as_advised(self, attempt: Attempt, task: TaskSummary) -> AttemptReview:
        """An attempt that asked for nothing, on a machine that is not known: as if on the cheapest that is enough."""
        advice = self._advice.get(task.step)
        if not isinstance(advice, Recommendation):
            return AttemptReview(attempt=attempt)
        found = self._costing.of(task, advice)
        return AttemptReview(
            attempt=attempt,
            usd=found.advised_usd,
            waste=waste_of(task, found.advised_usd, Allocation(), lost=attempt.lost),
            machine=found.advised,
            assumed=True,
        )
