"""Reads what a cost review needs: the run, earlier runs of the flow, the catalog. Never an artifact."""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

from resource_tracker.catalog import load_bundled
from resource_tracker.errors import NotTrackedError
from resource_tracker.flows.earlier_runs import runs_before
from resource_tracker.flows.run_reading import read_run
from resource_tracker.flows.runs import HOW_TO_TRACK, client_provider, latest_tracked_run, run_of
from resource_tracker.review import build_review
from resource_tracker.review_records import RunReview
from resource_tracker.run_attempts import RunAttempts
from resource_tracker.sizing import Policy

EARLIER_RUNS = 5
EARLIER_TIME_S = 0.8
"""For which earlier runs are read, where nobody asked for a certain number of them: somebody waits."""
_RUNS_SCANNED = 20


class FoundRun(NamedTuple):
    """A run, who knows its metadata, and what to say about the choice of it."""

    provider: Any
    flow: str
    run_id: str
    note: str | None = None


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
    latest = latest_tracked_run(flow, lambda run: bool(read_run(provider, flow, str(run.id)).summaries))
    return FoundRun(provider, flow, str(latest.run.id), latest.note)


def review_run(
    provider: Any,
    flow_name: str,
    run_id: str,
    *,
    earlier_runs: int = EARLIER_RUNS,
    earlier_s: float = math.inf,
    before: list[tuple[str, float | None]] | None = None,
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

    Raises
    ------
    NotTrackedError
        Nothing in the run was tracked, or there is no such run.
    """
    run = read_run(provider, flow_name, run_id)
    if not run.summaries:
        raise NotTrackedError(f"{flow_name}/{run_id} was not tracked: {HOW_TO_TRACK}")
    runs = runs_before(provider, flow_name, run_id) if before is None else before
    return build_review(
        run,
        catalog=load_bundled(),
        earlier=_tracked(provider, flow_name, [other for other, _ in runs], earlier_runs, earlier_s),
        run_starts=[*(at for _, at in runs if at is not None), *_began(run)],
        policy=policy,
        vendor=vendor,
        region=region,
    )


def _tracked(provider: Any, flow_name: str, run_ids: list[str], most: int, seconds: float) -> list[RunAttempts]:
    found: list[RunAttempts] = []
    begun = time.monotonic()
    for run_id in run_ids[:_RUNS_SCANNED]:
        if len(found) >= most or time.monotonic() - begun > seconds:
            break
        run = read_run(provider, flow_name, run_id)
        if run.summaries:
            found.append(run)
    return found


def _began(run: RunAttempts) -> list[float]:
    return [attempt.started_at for attempt in run.attempts[:1] if attempt.started_at is not None]
