"""What each step of a flow should ask for, with what that saves, from its latest runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resource_tracker.catalog_model import Catalog
from resource_tracker.cost_model import runs_per_month
from resource_tracker.costs import Costing
from resource_tracker.damping import advised_for, asked_for, halved, is_as_asked, undamped
from resource_tracker.decorator_edits import Amount
from resource_tracker.errors import NotTrackedError
from resource_tracker.flows.recent_runs import RecentRuns
from resource_tracker.machines import with_gpus
from resource_tracker.needs import known
from resource_tracker.plain import to_plain
from resource_tracker.records import Recommendation, TaskSummary
from resource_tracker.savings import Saving, saving_of_step
from resource_tracker.sizing import Policy
from resource_tracker.step_advice import StepAdvice, advise_step, is_measured
from resource_tracker.suggestions import there_are


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecommendation:
    """A step's advice, and what it saves.

    ``tasks_per_run`` is the most in any run, ``largest_input_bytes`` of the attempts whose input was measured;
    ``attempts`` were measured; ``failed`` of them did not end well, and ``out_of_memory`` of these for lack of memory.
    ``saving_at_estimate`` is there where the advice stops short of the estimate.
    """

    name: str
    advice: StepAdvice
    saving: Saving
    tasks_per_run: int
    saving_at_estimate: Saving | None = None
    largest_input_bytes: float | None = None
    attempts: int = 0
    failed: int = 0
    out_of_memory: int = 0

    @property
    def advised(self) -> Recommendation | None:
        return self.advice.advice if isinstance(self.advice.advice, Recommendation) else None

    @property
    def saved_in_the_end(self) -> float | None:
        """Dollars that each run saves once the step asks for the estimate."""
        return (self.saving_at_estimate or self.saving).saved_per_run

    @property
    def asked(self) -> dict[str, float]:
        """What is in force, by the names of the decorator's arguments; empty where the step has no decorator."""
        return asked_for(self.advice.request)

    def amounts(self) -> dict[str, Amount]:
        """Each number of the advice beside what was asked for; 0 for a GPU that is to be given up."""
        if self.advised is None:
            return {}
        asked = self.asked
        return {
            name: Amount(advised=number, needed=self.advised.estimate.get(name, number), asked=asked.get(name))
            for name, number in advised_for(self.advised, self.advice.request).items()
        }

    @property
    def suffices(self) -> bool:
        """Whether the step may stay as it is."""
        return self.advised is not None and is_as_asked(self.advised, self.advice.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendations:
    """The advice for a flow's steps, in the order in which they ran.

    ``policy`` is ``None`` where each has its own; ``at_estimate``: the advice is the estimate, at once.
    """

    recent: RecentRuns
    policy: Policy | None
    runs_per_month: float | None
    steps: tuple[StepRecommendation, ...]
    steps_of_latest_run: frozenset[str]
    at_estimate: bool = False

    @property
    def untracked(self) -> tuple[str, ...]:
        """Steps of the newest run of which nothing is known in any."""
        known = {attempt.step for run in self.recent.runs for attempt in run.attempts if attempt.summary is not None}
        return tuple(dict.fromkeys(one.step for one in self.recent.runs[0].attempts if one.step not in known))

    def per_month(self, amount: float | None) -> float | None:
        """Of an amount in each run, that in a month."""
        return None if amount is None or self.runs_per_month is None else amount * self.runs_per_month

    def as_plain(self) -> dict[str, Any]:
        """Everything, as builtins."""
        return {
            "flow": self.recent.flow,
            "namespace": self.recent.where,
            "runs": [run.run_id for run in self.recent.runs],
            "runs_without_measurement": [run.run_id for run in self.recent.died],
            "runs_still_running": self.recent.running,
            "runs_per_month": self.runs_per_month,
            "steps_not_tracked": list(self.untracked),
            "policy": self.policy.value if self.policy else None,
            "steps": [_finite(self._step_as_plain(step)) for step in self.steps],
        }

    def _step_as_plain(self, step: StepRecommendation) -> dict[str, Any]:
        saving = step.saving
        return {
            "step": step.name,
            "runs": step.advice.runs,
            "tasks": step.advice.tasks,
            "tasks_per_run": step.tasks_per_run,
            "attempts": step.attempts,
            "failed_attempts": step.failed,
            "out_of_memory_attempts": step.out_of_memory,
            "asked": step.asked,
            "used": to_plain(step.advice.used),
            "advised": step.advised.arguments() if step.advised else None,
            "text": step.advised.as_text() if step.advised else None,
            "suffices": step.suffices,
            "policy": step.advised.policy if step.advised else None,
            "attempts_without_measurement": step.advice.lost_attempts,
            "bound": to_plain(step.advice.bound),
            "notes": list(step.advice.notes),
            "advice": to_plain(step.advice.advice),
            "estimate": to_plain(step.advice.estimate),
            "usd_per_run": saving.usd_per_run,
            "advised_usd_per_run": saving.advised_usd_per_run,
            "saved_usd_per_run": saving.saved_per_run,
            "saved_usd_per_month": self.per_month(saving.saved_per_run),
            "saved_usd_per_run_at_estimate": step.saved_in_the_end,
            "assumed_machines": [to_plain(offer) for offer in saving.assumed],
            "cost_notes": list(saving.notes),
        }


def recommendations(
    recent: RecentRuns,
    *,
    steps: tuple[str, ...],
    policy: Policy | None,
    input_bytes: float | None,
    catalog: Catalog,
    vendor: str | None = None,
    region: str | None = None,
    at_estimate: bool = False,
    now: float,
) -> Recommendations:
    """Advice for the steps of a flow's latest runs.

    Parameters
    ----------
    steps : tuple of str
        Only these; empty for all.
    policy : Policy or None
        What to optimise; ``None`` for each step's own.
    catalog : Catalog
        Prices; those of `vendor` and `region` where given, else of where the steps ran.
    at_estimate : bool
        Advise the estimate itself, also where that is less than half of what is asked for.
    now : float
        Unix time.

    Raises
    ------
    NotTrackedError
        A step is not among those that were tracked; the message names these.
    """
    attempts = _by_step(recent)
    unknown = [name for name in steps if name not in attempts]
    if unknown:
        raise NotTrackedError(f"{recent.flow} has no tracked step {unknown[0]!r}{there_are(unknown[0], attempts)}")
    costing = Costing(catalog, vendor=vendor, region=region)
    found = []
    for name in dict.fromkeys(steps or attempts):
        tasks = attempts[name]
        instances = with_gpus(catalog) if any(task.request_gpu for task in tasks) else ()
        advice = advise_step(tasks, policy=policy, input_bytes=input_bytes, instances=instances, damp=not at_estimate)
        found.append(
            StepRecommendation(
                name=name,
                advice=advice,
                saving=saving_of_step(costing, tasks, advice.advice),
                saving_at_estimate=_saving_at_estimate(costing, tasks, advice),
                tasks_per_run=_tasks_per_run(tasks),
                **_failures(tasks),
                largest_input_bytes=max((size for task in tasks for size in known(task.input_bytes)), default=None),
            )
        )
    return Recommendations(
        recent=recent,
        policy=policy,
        runs_per_month=runs_per_month(recent.started_at, now),
        steps=tuple(found),
        steps_of_latest_run=frozenset(attempt.step for attempt in recent.runs[0].attempts),
        at_estimate=at_estimate,
    )


def _saving_at_estimate(costing: Costing, tasks: list[TaskSummary], found: StepAdvice) -> Saving | None:
    """What the step saves in the end, where the advice is to cut its request by half only."""
    if not isinstance(found.advice, Recommendation) or not halved(found.advice, found.request):
        return None
    return saving_of_step(costing, tasks, undamped(found.advice, found.request))


def _by_step(recent: RecentRuns) -> dict[str, list[TaskSummary]]:
    """All attempts of each tracked step, also killed ones; steps in the order of the newest run."""
    found: dict[str, list[TaskSummary]] = {}
    for run in (*recent.runs, *recent.died):
        for summary in run.known:
            found.setdefault(summary.step, []).append(summary)
    return found


def _failures(tasks: list[TaskSummary]) -> dict[str, int]:
    """How many attempts there are that tell how they went, and how many of them went wrong."""
    told = [task for task in tasks if task.status != "running" and is_measured(task)]
    failed = [task for task in told if task.status != "ok"]
    no_memory = sum(task.ran_out_of_memory is True for task in failed)
    return {"attempts": len(told), "failed": len(failed), "out_of_memory": no_memory}


def _tasks_per_run(summaries: list[TaskSummary]) -> int:
    tasks: dict[str, set[str]] = {}
    for summary in summaries:
        tasks.setdefault(summary.run_id, set()).add(summary.task_id)
    return max(len(found) for found in tasks.values())


def _finite(value: Any) -> Any:
    """JSON has no infinity: unknown."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
