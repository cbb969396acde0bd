"""What a cost review holds: a run, its steps and attempts with what they cost and wasted, and what to change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from resource_tracker.dataclass import dataclass
from resource_tracker.records import Offer, Status
from resource_tracker.run_attempts import Attempt
from resource_tracker.waste import Waste


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
            return self.attempt.summary.duration_s or None  # killed with all that watched it, before the first row
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
    def aside(self) -> str:
        """Why nothing is known of what it used; empty where something is, or will be."""
        if self.tracked:
            return ""
        return "running" if any(one.attempt.status == "running" for one in self.attempts) else "not tracked"

    @property
    def lost(self) -> int:
        """Attempts that ran for nothing."""
        return sum(one.attempt.lost for one in self.attempts)

    @property
    def durations_s(self) -> list[float]:
        """Of the attempts that were of use, shortest first."""
        known = (one.duration_s for one in self.attempts if not one.attempt.lost)
        return sorted(duration for duration in known if duration is not None)


CENT, RUNS_IF_UNKNOWN = 0.01, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What to ask for in a step, and what that saves in a run like this one; negative where it costs more.

    ``shortfall`` says, of a step that asks for less than it needs, what is too little; it is empty of any other.
    """

    step: str
    text: str
    asked: str
    saving_usd: float
    per_month_usd: float | None
    reason: str
    shortfall: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_worth_it(self) -> bool:
        """Whether it saves a cent in a month, or where the flow's rate is not known, in a thousand runs."""
        often = self.saving_usd * RUNS_IF_UNKNOWN if self.per_month_usd is None else self.per_month_usd
        return often >= CENT


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
    killed : mapping of str to int
        By step, attempts of this run and those around it that ended without a trace, so that its memory is not cut.
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
    killed: Mapping[str, int] = field(default_factory=dict)

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
