"""The latest tracked runs of a flow, each read as a whole, for ``resource-tracker recommend``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from resource_tracker.errors import NotTrackedError
from resource_tracker.flows.run_reading import read_run
from resource_tracker.flows.runs import HOW_TO_TRACK, client_provider, newest_runs
from resource_tracker.run_attempts import RunAttempts, with_models

RUNS_LOOKED_AT = 50
"""Newest runs among which tracked ones are looked for, unless more are wanted, and by which the flow's rate is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentRuns:
    """Measured runs of a flow, newest first.

    Parameters
    ----------
    where : str
        The namespace that they were found in.
    died : tuple of RunAttempts
        Runs among them without any measurement, in which a step that another run measured died without a word.
    running, untracked : int
        How many runs among them have not measured anything yet, and how many others were passed over.
    started_at : tuple of float
        When the flow's latest runs began, tracked or not, as Unix time.
    """

    flow: str
    where: str
    runs: tuple[RunAttempts, ...]
    untracked: int
    died: tuple[RunAttempts, ...] = ()
    running: int = 0
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
        alone = flow_name.strip("/").split("/")[0] or "TrainFlow"
        raise NotTrackedError(f"{flow_name!r} is no flow: give its name alone, such as {alone}, and a step by --step")
    progress(f"looking for runs of {flow_name}")
    listed, where = newest_runs(flow_name)
    latest = list(islice(listed, max(RUNS_LOOKED_AT, most)))
    if not latest:
        raise NotTrackedError(f"{flow_name} has no runs")
    provider = client_provider()
    read: list[RunAttempts] = []
    measured = 0
    for run in latest:
        if measured >= most:
            break
        progress(f"reading {run.pathspec} ({measured} of at most {most} runs)")
        read.append(read_run(provider, flow_name, str(run.id)))
        measured += bool(read[-1].summaries)
    if not measured:
        what = "the only run" if len(latest) == 1 else f"none of the latest {len(latest)} runs"
        said = "was not tracked" if len(latest) == 1 else "was tracked"
        raise NotTrackedError(f"{what} of {flow_name} {where} {said}: {HOW_TO_TRACK}")
    read = with_models(read)
    others = [run for run in read if not run.summaries]
    died = tuple(run for run in others if run.known)
    running = sum(run.running for run in others if not run.known)
    return RecentRuns(
        flow=flow_name,
        where=where,
        runs=tuple(run for run in read if run.summaries),
        died=died,
        running=running,
        untracked=len(others) - len(died) - running,
        started_at=tuple(run.created_at.timestamp() for run in latest[:RUNS_LOOKED_AT]),
    )
