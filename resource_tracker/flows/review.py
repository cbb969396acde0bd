"""Reads what a cost review needs: the run, earlier runs of the flow, the catalog. Never an artifact."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from resource_tracker.catalog import load_bundled
from resource_tracker.errors import NotTrackedError
from resource_tracker.flows.earlier_runs import runs_before
from resource_tracker.flows.run_reading import read_run
from resource_tracker.flows.runs import HOW_TO_TRACK, LatestRun, client_provider, latest_tracked_run, run_of
from resource_tracker.review import build_review
from resource_tracker.review_records import RunReview
from resource_tracker.run_attempts import RunAttempts, with_models
from resource_tracker.sizing import Policy

EARLIER_RUNS = 5
EARLIER_TIME_S = 0.8
"""For which earlier runs are read, where nobody asked for a certain number of them: somebody waits."""
_RUNS_SCANNED = 20


class FoundRun(NamedTuple):
    """A run, who knows its metadata, what to say about the choice of it, and newer runs that could not be chosen."""

    provider: Any
    flow: str
    run_id: str
    note: str | None = None
    newer: tuple[RunAttempts, ...] = ()


def find_run(pathspec: str) -> FoundRun:
    """The run that a pathspec names, or the latest tracked run of a flow, as Metaflow's client sees them.

    Raises
    ------
    NotTrackedError
        The pathspec is malformed, or there is no such run; the message says what there is.
    """
    parts = pathspec.strip("/").split("/")
    if not 1 <= len(parts) <= 2 or not all(parts):
        raise NotTrackedError(f"{pathspec!r} is no pathspec of a run: give FLOW or FLOW/RUN")
    provider = client_provider()
    if len(parts) == 2:
        return FoundRun(provider, parts[0], str(run_of(parts[0], parts[1]).id))
    flow = parts[0]
    read: dict[str, RunAttempts] = {}

    def is_tracked(run: Any) -> bool:
        found = read_run(provider, flow, str(run.id))
        read[f"{flow}/{run.id}"] = found
        return bool(found.summaries)

    latest = latest_tracked_run(flow, is_tracked)
    newer = tuple(run for run in read.values() if not run.summaries)
    return FoundRun(provider, flow, str(latest.run.id), _note(latest, read), newer)


def _note(latest: LatestRun, read: Mapping[str, RunAttempts]) -> str:
    """Which run it is, and where that is not the newest, why."""
    newest = read.get(latest.untracked or "")
    why = _why_unmeasured(newest) if newest else None
    return f"the latest run, {latest.untracked}, {why}; this is {latest.run.pathspec}" if why else latest.note


def _why_unmeasured(run: RunAttempts) -> str | None:
    """Why nothing of a run was measured, other than that it was not tracked."""
    if run.has_died:
        return (
            "ended without any measurement, as one does whose task is killed from outside "
            f"(resource-tracker why {run.flow}/{run.run_id} may tell more)"
        )
    return "is still running, and nothing of it has been measured yet" if run.running else None


def review_run(
    provider: Any,
    flow_name: str,
    run_id: str,
    *,
    earlier_runs: int = EARLIER_RUNS,
    earlier_s: float = math.inf,
    before: list[tuple[str, float | None]] | None = None,
    newer: Sequence[RunAttempts] = (),
    policy: Policy | None = None,
    vendor: str | None = None,
    region: str | None = None,
) -> RunReview:
    """The review of a run, compared with the runs before it in the same namespace.

    Parameters
    ----------
    earlier_runs : int
        How many of them to read at most.
    earlier_s : float
        No further one is begun after so many seconds.
    before : list of (str, float or None), optional
        Ids of earlier runs and when they began, newest first, where they are known already.
    newer : sequence of RunAttempts
        Later runs: tasks that died in them keep the advice from cutting memory.

    Raises
    ------
    NotTrackedError
        Nothing in the run was tracked, or there is no such run.
    """
    run = read_run(provider, flow_name, run_id)
    if not run.summaries:
        why = _why_unmeasured(run) or f"was not tracked: {HOW_TO_TRACK}"
        raise NotTrackedError(f"{flow_name}/{run_id} {why}")
    runs = runs_before(provider, flow_name, run_id) if before is None else before
    others = _earlier(provider, flow_name, [other for other, _ in runs], earlier_runs, earlier_s)
    run, *earlier = with_models([run, *newer, *others])
    return build_review(
        run,
        catalog=load_bundled(),
        earlier=[other for other in earlier if other.known],
        run_starts=[*(at for _, at in runs if at is not None), *_began(run)],
        policy=policy,
        vendor=vendor,
        region=region,
    )


def _earlier(provider: Any, flow_name: str, run_ids: list[str], most: int, seconds: float) -> list[RunAttempts]:
    """Up to so many measured runs, and those between them in which attempts died."""
    found: list[RunAttempts] = []
    begun = time.monotonic()
    for run_id in run_ids[:_RUNS_SCANNED]:
        if sum(bool(run.summaries) for run in found) >= most or time.monotonic() - begun > seconds:
            break
        run = read_run(provider, flow_name, run_id)
        if run.summaries or run.has_died:
            found.append(run)
    return found


def _began(run: RunAttempts) -> list[float]:
    return [attempt.started_at for attempt in run.attempts[:1] if attempt.started_at is not None]
