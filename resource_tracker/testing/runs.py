"""Made-up runs: a start, a loader, a foreach, a join and an end, with retries and a death in between."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from resource_tracker.records import TaskSummary
from resource_tracker.run_attempts import RunAttempts, TaskFacts, attempts_of
from resource_tracker.testing.rows import STARTED_AT
from resource_tracker.units import mib_to_kib

FLOW = "TrainFlow"
PARALLEL = 64
"""Siblings that run at once."""
_DAY_S = 86400.0


def fake_run(
    siblings: int = 3, *, days_ago: int = 0, known_machines: bool = True, fails: bool = False, step: str = "score"
) -> RunAttempts:
    """A made-up run, always the same for the same arguments.

    Parameters
    ----------
    siblings : int
        Tasks of its foreach. One in thirty failed and was retried; the loader was killed once.
    days_ago : int
        Which of the flow's daily runs; the others to compare it with.
    known_machines : bool
        Whether it ran in a cloud.
    fails : bool
        The join failed, so that the end never began.
    step : str
        Name of the foreach step.
    """
    run_id = str(1_741_732_803 - days_ago)
    made = _Maker(run_id, STARTED_AT - days_ago * _DAY_S, known_machines, random.Random(siblings + days_ago))  # noqa: S311
    made.task("start", "1", 20, 200, cpu=1, memory_mb=4000, mean=0.4)
    made.killed_task("load", "2", 240, 5200, cpu=4, memory_mb=16000, mean=0.8)
    made.foreach(step, siblings)
    made.task("join", str(siblings + 3), 90, 9000, cpu=8, memory_mb=32000, mean=1.2, status="failed" if fails else "ok")
    if not fails:
        made.task("end", str(siblings + 4), 3, 100, cpu=1, memory_mb=4000, mean=0.3)
    return attempts_of(FLOW, run_id, made.facts)


class _Maker:
    def __init__(self, run_id: str, began: float, known_machines: bool, chance: random.Random) -> None:
        self._run_id, self._at, self._chance = run_id, began, chance
        self._known_machines = known_machines
        self.facts: list[TaskFacts] = []

    def task(self, step: str, task_id: str, took_s: float, peak_mib: float, **about: Any) -> None:
        """One attempt, after all before it."""
        summary = self._summary(step, task_id, self._at, took_s, peak_mib, **about)
        self._add(step, task_id, {0: summary})
        self._at += took_s + 5

    def killed_task(self, step: str, task_id: str, took_s: float, peak_mib: float, **about: Any) -> None:
        """An attempt that was killed half-way, then one that went well."""
        again = self._at + took_s / 2
        summary = replace(self._summary(step, task_id, again, took_s, peak_mib, **about), attempt=1)
        started, ended = {0: self._at, 1: again}, {1: (again + took_s, True)}
        self._add(step, task_id, {1: summary}, started, ended)
        self._at = again + took_s + 5

    def foreach(self, step: str, siblings: int) -> None:
        """As many at once as there are slots, each of its own length; some fail first."""
        slots = [self._at] * min(PARALLEL, siblings)
        for number in range(siblings):
            slot = min(range(len(slots)), key=slots.__getitem__)
            took_s = 5 + self._chance.lognormvariate(4.3, 0.5)
            peak_mib = 1400 * self._chance.lognormvariate(0, 0.3)
            task_id, mean = str(number + 3), self._chance.uniform(0.6, 1.1)
            attempts: dict[int, TaskSummary] = {}
            if number % 30 == 2:
                failed_s = took_s * self._chance.uniform(0.2, 0.9)
                failed = self._summary(step, task_id, slots[slot], failed_s, peak_mib, cpu=2, memory_mb=8000, mean=mean)
                attempts[0] = replace(failed, status="failed")
                slots[slot] += failed_s + 10
            last = self._summary(step, task_id, slots[slot], took_s, peak_mib, cpu=2, memory_mb=8000, mean=mean)
            attempts[len(attempts)] = replace(last, attempt=len(attempts))
            self._add(step, task_id, attempts)
            slots[slot] += took_s + 3
        self._at = max(slots) + 5

    def _add(
        self,
        step: str,
        task_id: str,
        summaries: dict[int, TaskSummary],
        started: dict[int, float] | None = None,
        ended: dict[int, tuple[float, bool]] | None = None,
    ) -> None:
        facts = TaskFacts(step=step, task_id=task_id, started=started or {}, ended=ended or {}, summaries=summaries)
        self.facts.append(facts)

    def _summary(
        self,
        step: str,
        task_id: str,
        began: float,
        took_s: float,
        peak_mib: float,
        *,
        cpu: float,
        memory_mb: float,
        mean: float,
        status: str = "ok",
    ) -> TaskSummary:
        type_by_cpu = {1: "m5.large", 2: "m5.large", 4: "m5.xlarge", 8: "m5.2xlarge"}
        summary = TaskSummary(
            run_id=self._run_id,
            step=step,
            task_id=task_id,
            attempt=0,
            status=status,  # type: ignore[arg-type]
            finished_at=began + took_s,
            duration_s=took_s,
            cpu_mean_cores=mean,
            cpu_max_cores=mean * 1.3,
            memory_peak_kib=mib_to_kib(peak_mib),
            persist_growth_kib=0.0,
            request_cpu=cpu,
            request_memory_mb=memory_mb,
        )
        if not self._known_machines:
            return summary
        return replace(summary, vendor="aws", region="us-east-1", instance_type=type_by_cpu[int(cpu)])
