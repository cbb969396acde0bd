"""What a step costs in a run, and what it would cost with an advice. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from resource_tracker.costs import Costing
from resource_tracker.damping import is_as_asked
from resource_tracker.dataclass import dataclass
from resource_tracker.records import NoRecommendation, Offer, Recommendation, TaskSummary
from resource_tracker.step_advice import newest_first
from resource_tracker.summary import request_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Costs of a step in a run, all of its tasks and attempts together, as a mean over runs.

    ``None`` where the cost of any attempt is not known. ``assumed`` are the machines that were assumed where
    the own one is not known, so that no bill shows these amounts. ``notes`` say what else a reader must know.
    """

    usd_per_run: float | None = None
    advised_usd_per_run: float | None = None
    assumed: tuple[Offer, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def saved_per_run(self) -> float | None:
        """Dollars less in each run; below 0 where the advice costs more."""
        if self.usd_per_run is None or self.advised_usd_per_run is None:
            return None
        return self.usd_per_run - self.advised_usd_per_run


def saving_of_step(
    costing: Costing, attempts: Iterable[TaskSummary], advice: Recommendation | NoRecommendation
) -> Saving:
    """What the advice saves in a run like those of the attempts, over what the newest of them asked for.

    Tasks and their durations are those of all the runs; what older ones asked for is no longer in force, and counts
    for nothing. A request that is as advised saves nothing, whatever machine it runs on.

    Parameters
    ----------
    attempts : iterable of TaskSummary
        All of a step, from one run or several: also failed ones, which were paid for.

    Raises
    ------
    SettingError
        The vendor or region of `costing` is not in its catalog.
    """
    attempts = list(attempts)
    advised = advice if isinstance(advice, Recommendation) else None
    now = newest_first(attempts)[0] if attempts else None
    costs = [costing.with_request_of(attempt, now, advised) for attempt in attempts if now is not None]
    runs = len({attempt.run_id for attempt in attempts})
    usd = _mean([cost.usd for cost in costs], runs)
    as_it_is = now is not None and advised is not None and is_as_asked(advised, request_of(now))
    return Saving(
        usd_per_run=usd,
        advised_usd_per_run=usd if as_it_is else _mean([cost.advised_usd for cost in costs], runs),
        assumed=_distinct(cost.machine for cost in costs if cost.machine and cost.assumed),
        notes=_distinct(cost.note for cost in costs if cost.note and not cost.assumed),
    )


def _mean(amounts: list[float | None], runs: int) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) / runs if runs and len(known) == len(amounts) else None


def _distinct(found: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(found))


def total(amounts: Iterable[float | None]) -> float | None:
    """The sum of what is known; ``None`` where nothing is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None
