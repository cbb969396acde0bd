"""The cost review of a whole run: what each attempt cost and wasted, and which changes save most. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from resource_tracker.catalog_model import Catalog
from resource_tracker.cost_model import runs_per_month
from resource_tracker.costs import Costing
from resource_tracker.dataclass import dataclass
from resource_tracker.records import NoRecommendation, Offer, Recommendation, Status, TaskSummary
from resource_tracker.run_attempts import Attempt, RunAttempts
from resource_tracker.sizing import Policy
from resource_tracker.step_advice import StepAdvice, advise_step
from resource_tracker.units import mb_to_mib
from resource_tracker.waste import Allocation, Waste, waste_of

_OWN, _ASSUMED = "own machine", "assumed machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReview:
    """One attempt with its cost. ``usd`` is ``None`` where the step is not tracked or no price is known.

    ``machine`` is what `usd` is the price of; it is `assumed` where the attempt's own is not known.
    """

    attempt: Attempt
    usd: float | None = None
    waste: Waste = Waste()
    machine: Offer | None = None
    assumed: bool = False

    @property
    def duration_s(self) -> float | None:
        """``None`` where begin or end is unknown."""
        if self.attempt.summary is not None:
            return self.attempt.summary.duration_s
        began, ended = self.attempt.started_at, self.attempt.ended_at
        return None if began is None or ended is None else max(0.0, ended - began)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReview:
    """A step with all attempts of its tasks, in the order in which they began. ``busy_s`` is their time added up."""

    name: str
    attempts: tuple[AttemptReview, ...]
    tasks: int
    tracked: bool
    started_at: float | None
    ended_at: float | None
    busy_s: float
    usd: float | None
    waste: Waste

    @property
    def lost(self) -> int:
        """Attempts that ran for nothing."""
        return sum(one.attempt.lost for one in self.attempts)

    @property
    def durations_s(self) -> list[float]:
        """Of the attempts that were of use, shortest first."""
        known = (one.duration_s for one in self.attempts if not one.attempt.lost)
        return sorted(duration for duration in known if duration is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What to ask for in a step, and what that saves in a run like this one; negative where it costs more."""

    step: str
    text: str
    asked: str
    saving_usd: float
    per_month_usd: float | None
    reason: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotals:
    """A run in few figures, to compare others with. ``steps`` holds dollars and seconds by step."""

    run_id: str
    status: Status
    started_at: float | None
    wall_s: float | None
    usd: float | None
    wasted_usd: float
    lost: int
    steps: dict[str, tuple[float | None, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReview:
    """All that the page and the terminal show of a run.

    Parameters
    ----------
    changes : tuple of Change
        Those that save something, most first.
    needs : tuple of Change
        Steps that ask for less than they need.
    earlier : tuple of RunTotals
        Newest first.
    uncosted : int
        Attempts of tracked steps whose cost is not known.
    prices, notes : str and tuple of str
        What the costs rest on.
    """

    flow: str
    run_id: str
    totals: RunTotals
    waste: Waste
    steps: tuple[StepReview, ...]
    changes: tuple[Change, ...]
    needs: tuple[Change, ...]
    earlier: tuple[RunTotals, ...]
    runs_per_month: float | None
    uncosted: int
    cloned: int
    prices: str
    notes: tuple[str, ...]

    @property
    def ended_at(self) -> float | None:
        return max((step.ended_at for step in self.steps if step.ended_at is not None), default=None)

    @property
    def attempts(self) -> int:
        return sum(len(step.attempts) for step in self.steps)

    @property
    def tasks(self) -> int:
        return sum(step.tasks for step in self.steps)

    @property
    def assumed(self) -> tuple[Offer, ...]:
        """Machines on which attempts are taken to have run, as their own are not known; cheapest first."""
        found = {
            one.machine.instance.name: one.machine
            for step in self.steps
            for one in step.attempts
            if one.assumed and one.machine is not None
        }
        return tuple(sorted(found.values(), key=lambda offer: offer.price_usd_per_hour))


def build_review(
    run: RunAttempts,
    *,
    catalog: Catalog,
    earlier: Sequence[RunAttempts] = (),
    run_starts: Sequence[float] = (),
    policy: Policy = Policy.SAFE,
    vendor: str | None = None,
    region: str | None = None,
) -> RunReview:
    """The review of a run from its attempts.

    Parameters
    ----------
    earlier : sequence of RunAttempts
        Runs to compare with and to base the advice on, newest first.
    run_starts : sequence of float
        Unix seconds at which the flow's runs began, for its runs a month.
    vendor, region : str, optional
        Where to look for cheaper machines, rather than where the steps ran.
    """
    advice = _advice(run, earlier, policy)
    pricer = _Pricer(Costing(catalog, vendor=vendor, region=region), advice)
    per_month = runs_per_month(run_starts)
    steps = _steps(run, pricer)
    changes = [change for step in steps if (change := _change(step, advice.get(step.name), pricer, per_month))]
    return RunReview(
        flow=run.flow,
        run_id=run.run_id,
        totals=_totals(run.run_id, steps),
        waste=sum((step.waste for step in steps), Waste()),
        steps=steps,
        changes=tuple(sorted((c for c in changes if c.saving_usd > 0), key=lambda c: -c.saving_usd)),
        needs=tuple(change for change in changes if change.saving_usd <= 0),
        earlier=tuple(_totals(other.run_id, _steps(other, pricer)) for other in earlier if other.attempts),
        runs_per_month=per_month,
        uncosted=sum(one.usd is None for step in steps if step.tracked for one in step.attempts),
        cloned=run.cloned,
        prices=_prices(catalog, steps),
        notes=tuple(pricer.notes),
    )


def _prices(catalog: Catalog, steps: Sequence[StepReview]) -> str:
    """Where the prices of the run's machines come from, and when they were collected."""
    machines = {one.machine for step in steps for one in step.attempts if one.machine is not None}
    found = (catalog.find(offer.instance.vendor, offer.region, offer.instance.name) for offer in machines)
    dates = sorted({entry[1].date for entry in found if entry is not None})
    return f"{catalog.origin}, collected {' and '.join(dates)}" if dates else catalog.origin


class _Pricer:
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
        if found.note and found.basis != _ASSUMED:
            self.notes[found.note] = None
        memory_mib = None if task.request_memory_mb is None else mb_to_mib(task.request_memory_mb)
        allocation = Allocation(cpus=task.request_cpu, memory_mib=memory_mib, gpus=task.request_gpu)
        if found.basis == _OWN and found.machine is not None:  # nobody else could use the rest of it
            whole = found.machine.instance
            allocation = Allocation(cpus=whole.vcpus, memory_mib=whole.memory_mib, gpus=whole.gpu_count)
        return AttemptReview(
            attempt=attempt,
            usd=found.usd,
            waste=waste_of(task, found.usd, allocation, lost=attempt.lost),
            machine=found.machine,
            assumed=found.basis == _ASSUMED,
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


def _steps(run: RunAttempts, pricer: _Pricer) -> tuple[StepReview, ...]:
    """The run's steps, in the order in which they began."""
    found: dict[str, list[AttemptReview]] = {}
    for attempt in run.attempts:
        found.setdefault(attempt.step, []).append(pricer.review(attempt))
    return tuple(_step(name, attempts) for name, attempts in found.items())


def _step(name: str, attempts: list[AttemptReview]) -> StepReview:
    return StepReview(
        name=name,
        attempts=tuple(attempts),
        tasks=len({one.attempt.task_id for one in attempts}),
        tracked=any(one.attempt.measured for one in attempts if one.attempt.summary is not None),
        started_at=min(
            (one.attempt.started_at for one in attempts if one.attempt.started_at is not None), default=None
        ),
        ended_at=max((one.attempt.ended_at for one in attempts if one.attempt.ended_at is not None), default=None),
        busy_s=sum(one.duration_s or 0.0 for one in attempts),
        usd=_sum(one.usd for one in attempts),
        waste=sum((one.waste for one in attempts), Waste()),
    )


def _totals(run_id: str, steps: Sequence[StepReview]) -> RunTotals:
    started_at = min((step.started_at for step in steps if step.started_at is not None), default=None)
    ended_at = max((step.ended_at for step in steps if step.ended_at is not None), default=None)
    return RunTotals(
        run_id=run_id,
        status=_status(steps),
        started_at=started_at,
        wall_s=None if started_at is None or ended_at is None else ended_at - started_at,
        usd=_sum(step.usd for step in steps),
        wasted_usd=sum((step.waste for step in steps), Waste()).usd,
        lost=sum(step.lost for step in steps),
        steps={step.name: (step.usd, step.busy_s) for step in steps},
    )


def _status(steps: Sequence[StepReview]) -> Status:
    """Of the run: ``ok`` once its last step is, which is called ``end`` or stands alone at the end of all."""
    last: dict[tuple[str, str], Status] = {}
    for step in steps:
        for one in sorted(step.attempts, key=lambda one: one.attempt.attempt):
            last[step.name, one.attempt.task_id] = one.attempt.status
    if any(status == "ok" for (name, _), status in last.items() if name == "end"):
        return "ok"
    return "failed" if "failed" in last.values() else "running" if last else "unknown"


# --- what to change --------------------------------------------------------------------------------


def _advice(run: RunAttempts, earlier: Sequence[RunAttempts], policy: Policy) -> dict[str, StepAdvice]:
    tasks: dict[str, list[TaskSummary]] = {}
    for one in (run, *earlier):
        for summary in one.summaries:
            tasks.setdefault(summary.step, []).append(summary)
    here = {summary.step for summary in run.summaries}
    return {step: advise_step(found, policy=policy) for step, found in tasks.items() if step in here}


def _change(step: StepReview, found: StepAdvice | None, pricer: _Pricer, per_month: float | None) -> Change | None:
    """What to change in a step; ``None`` where it had better stay as it is, or nothing is known."""
    if found is None or isinstance(found.advice, NoRecommendation) or _same(found.advice, found):
        return None
    saving = 0.0
    for one in step.attempts:
        if one.attempt.summary is not None and one.usd is not None:
            advised = pricer.advised_usd(one.attempt.summary)
            saving += one.usd - advised if advised is not None else 0.0
    asks_for_more = _asks_for_more(found.advice, found)
    if saving <= 0 and not asks_for_more:
        return None
    return Change(
        step=step.name,
        text=found.advice.as_text(),
        asked=asked_text(found),
        saving_usd=saving,
        per_month_usd=None if per_month is None else saving * per_month,
        reason=" ".join(found.advice.reasons[key] for key in ("memory", "cpu") if found.advice.reasons.get(key)),
        notes=found.notes,
    )


def _same(advice: Recommendation, found: StepAdvice) -> bool:
    asked = found.request
    return (asked.cpu, asked.memory_mb, asked.gpu or 0) == (advice.cpu, advice.memory_mb, advice.gpu)


def _asks_for_more(advice: Recommendation, found: StepAdvice) -> bool:
    asked = found.request
    return (
        (asked.memory_mb is not None and advice.memory_mb > asked.memory_mb)
        or (asked.cpu is not None and advice.cpu > asked.cpu)
        or advice.gpu > (asked.gpu or 0)
    )


def asked_text(found: StepAdvice) -> str:
    """What the step asks for now, in the words of the line to paste; empty where it asks for nothing."""
    asked = found.request
    parts = [
        *([f"cpu={asked.cpu:g}"] if asked.cpu is not None else []),
        *([f"memory={asked.memory_mb:.0f}"] if asked.memory_mb is not None else []),
        *([f"gpu={asked.gpu}"] if asked.gpu else []),
    ]
    return f"@resources({', '.join(parts)})" if parts else ""


def _sum(amounts: Iterable[float | None]) -> float | None:
    """``None`` where nothing is known; what is unknown does not count."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None
