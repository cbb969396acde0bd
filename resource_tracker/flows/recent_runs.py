"""The latest tracked runs of a flow, each read as a whole, for ``resource-tracker recommend``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from resource_tracker.errors import NotTrackedError
from resource_tracker.flows.run_reading import read_run
from resource_tracker.flows.runs import HOW_TO_TRACK, client_provider, newest_runs
from resource_tracker.run_attempts import RunAttempts

RUNS_LOOKED_AT = 50
"""Newest runs among which tracked ones are looked for, unless more are wanted, and by which the flow's rate is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRuns:
    """Tracked runs of a flow, newest first.

    ``where`` is the namespace that they were found in, ``untracked`` how many runs among them were passed over, and
    ``started_at`` when the flow's latest runs began, tracked or not, as Unix time.
    """

    flow: str
    where: str
    runs: tuple[RunAttempts, ...]
    untracked: int
    started_at: tuple[float, ...]


def recent_runs(flow_name: str, most: int, progress: Callable[[str], None] = lambda _: None) -> RecentRuns:
    """The latest tracked runs of the user's own namespace, or where that has no run, of any.

    Parameters
    ----------
    most : int
        As many tracked runs at most.
    progress : callable, optional
        Is told what is about to be read.

    Raises
    ------
    NotTrackedError
        There is no such flow, or none of its latest runs was tracked; the message says how to track one.
    """
    if not flow_name or "/" in flow_name:
        raise NotTrackedError(f"{flow_name!r} is no flow: give its name alone, such as TrainFlow, and a step by --step")
    progress(f"looking for runs of {flow_name}")
    listed, where = newest_runs(flow_name)
    latest = list(islice(listed, max(RUNS_LOOKED_AT, most)))
    if not latest:
        raise NotTrackedError(f"{flow_name} has no runs")
    provider = client_provider()
    found: list[RunAttempts] = []
    looked_at = 0
    for run in latest:
        if len(found) >= most:
            break
        progress(f"reading {run.pathspec} ({len(found)} of at most {most} runs)")
        looked_at += 1
        attempts = read_run(provider, flow_name, str(run.id))
        if attempts.summaries:
            found.append(attempts)
    if not found:
        what = "the only run" if len(latest) == 1 else f"none of the latest {len(latest)} runs"
        said = "was not tracked" if len(latest) == 1 else "was tracked"
        raise NotTrackedError(f"{what} of {flow_name} {where} {said}: {HOW_TO_TRACK}")
    return RecentRuns(
        flow=flow_name,
        where=where,
        runs=tuple(found),
        untracked=looked_at - len(found),
        started_at=tuple(run.created_at.timestamp() for run in latest[:RUNS_LOOKED_AT]),
    )
