"""Runs as Metaflow's client finds them, and what to tell people where it finds none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, NamedTuple

from resource_tracker.errors import NotTrackedError
from resource_tracker.suggestions import closest, there_are

HOW_TO_TRACK = "track every step of a run with `python flow.py run --with track_resources`"
RUNS_LOOKED_AT = 20
"""Newest runs among which a tracked one is looked for: on a metadata service, each costs a request for every task."""
_RUNS_NAMED = 5


def parts_of(pathspec: str, forms: str) -> list[str]:
    """Flow, and as many of run, step and task as are given. Raises NotTrackedError, which tells the `forms`."""
    parts = pathspec.strip("/").split("/")
    if not 1 <= len(parts) <= 4 or not all(parts):
        raise NotTrackedError(f"{pathspec!r} is no pathspec: give {forms}")
    return parts


class LatestRun(NamedTuple):
    """The newest tracked run, the namespace (``where``) that it was found in, and a newer run without data."""

    run: Any
    where: str
    untracked: str | None = None

    @property
    def note(self) -> str:
        """Which run it is, for people."""
        if self.untracked:
            return f"the latest run, {self.untracked}, was not tracked; this is {self.run.pathspec}"
        return f"{self.run.pathspec} is the latest run {self.where}"


def latest_tracked_run(flow_name: str, is_tracked: Callable[[Any], bool]) -> LatestRun:
    """The newest of the flow's latest runs for which `is_tracked` holds: of the user's own, else of anybody's.

    Raises
    ------
    NotTrackedError
        There is no such flow, or none of its latest runs was tracked.
    """
    runs, where = newest_runs(flow_name)
    newest = next(runs, None)
    if newest is None:
        raise NotTrackedError(f"{flow_name} has no runs")
    latest = list(islice(chain((newest,), runs), RUNS_LOOKED_AT))
    with every_namespace():
        found = next((run for run in latest if is_tracked(run)), None)
    if found is None:
        what = "the latest run" if len(latest) == 1 else f"none of the latest {len(latest)} runs"
        said = "was not tracked" if len(latest) == 1 else "was tracked"
        raise NotTrackedError(f"{what} of {flow_name} {where} {said}: {HOW_TO_TRACK}")
    return LatestRun(run=found, where=where, untracked=None if found is newest else newest.pathspec)


def run_of(flow_name: str, run_id: str) -> Any:
    """A run, in every namespace.

    Raises
    ------
    NotTrackedError
        There is no such run; the message names the flow's latest.
    """
    import metaflow
    from metaflow.exception import MetaflowNotFound

    with _not_found_as_ours(f"{flow_name}/{run_id}", flow_name), every_namespace():
        flow = metaflow.Flow(flow_name)
        try:
            return metaflow.Run(f"{flow_name}/{run_id}")
        except (MetaflowNotFound, ValueError):  # a service takes numbers only
            latest = list(islice(flow, _RUNS_NAMED))
    known = ", ".join(run.id for run in latest) or "none"
    text = f"{flow_name} has no run {run_id!r}; its latest runs are: {known}"
    if any(step.id == run_id for run in latest[:1] for step in run):
        text += f". It is a step: give {latest[0].pathspec}/{run_id}"
    raise NotTrackedError(text)


def child(parent: Any, name: str, kind: str) -> Any:
    """A run's step or a step's task.

    Raises
    ------
    NotTrackedError
        There is no such child; the message names those there are.
    """
    try:
        return parent[name]
    except KeyError:
        known = [found.id for found in oldest_first(parent)]
        raise NotTrackedError(f"{parent.pathspec} has no {kind} {name!r}{there_are(name, known, 20)}") from None


def oldest_first(parent: Any) -> list[Any]:
    """Children in the order in which they began."""
    return list(reversed(list(parent)))


@contextmanager
def every_namespace() -> Iterator[None]:
    """Metaflow's namespace is global to the process: without one for a moment, then as it was."""
    import metaflow

    before = _namespace()
    metaflow.namespace(None)
    try:
        yield
    finally:
        metaflow.namespace(before)


@contextmanager
def errors_as_ours() -> Iterator[None]:
    """Metaflow's own complaints, such as a metadata service that does not answer, as a :class:`NotTrackedError`."""
    try:
        from metaflow.exception import MetaflowException
    except ImportError as error:
        raise NotTrackedError(f"Metaflow cannot be loaded ({error}): pip install metaflow") from error
    except Exception as error:  # what is loaded with it, extensions too, may fail in any way
        why = " ".join(str(error).split())
        raise NotTrackedError(
            f"Metaflow cannot be loaded ({type(error).__name__}: {why}): see what `python -c 'import metaflow'` says"
        ) from error
    try:
        yield
    except MetaflowException as error:
        raise NotTrackedError(f"Metaflow: {error}") from error


def _namespace() -> str | None:
    """The namespace in force; ``None``, which is every one, where Metaflow cannot tell who the user is."""
    import metaflow
    from metaflow.exception import MetaflowUnknownUser

    try:
        own: str | None = metaflow.get_namespace()
    except MetaflowUnknownUser:
        metaflow.namespace(None)
        return None
    return own


def client_provider() -> Any:
    """The metadata provider of Metaflow's client in this process."""
    import metaflow
    from metaflow.client import core

    metaflow.get_metadata()  # chooses one, where nobody has yet
    return core.current_metadata


def newest_runs(flow_name: str) -> tuple[Iterator[Any], str]:
    """The flow's runs, newest first, and in which namespace they are."""
    import metaflow
    from metaflow.exception import MetaflowNamespaceMismatch

    own = _namespace()
    with _not_found_as_ours(flow_name, flow_name):
        try:
            runs = metaflow.Flow(flow_name).runs()
            return iter(runs), f"in namespace {own}" if own else "in any namespace"
        except MetaflowNamespaceMismatch:
            with every_namespace():
                runs = iter(list(metaflow.Flow(flow_name)))
            return runs, f"in any namespace, as there is none in {own}"


def _names_of_flows() -> list[str]:
    """Of all users; none where that cannot be told."""
    import metaflow
    from metaflow.exception import MetaflowException

    try:
        with every_namespace():
            return sorted(flow.id for flow in metaflow.Metaflow())
    except (MetaflowException, OSError):
        return []


@contextmanager
def _not_found_as_ours(what: str, flow_name: str) -> Iterator[None]:
    import metaflow
    from metaflow.exception import MetaflowNotFound

    try:
        yield
    except MetaflowNotFound as error:
        where = metaflow.get_metadata()
        flows = _names_of_flows()
        if flows and flow_name not in flows:
            text = f"there is no flow {flow_name!r} in Metaflow's metadata {where}{there_are(flow_name, flows)}"
        else:
            text = f"{what} was not found in Metaflow's metadata {where}: {error}"
        if where.startswith("local") and closest(flow_name, flows) is None:
            text += ". Local metadata is found only in the folder in which the flow ran: run this there"
        raise NotTrackedError(text) from error
