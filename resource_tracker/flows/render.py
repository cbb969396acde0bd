"""Renders the card of a finished task from its artifact, for `card create` and old runs."""

from __future__ import annotations

from typing import Any

from resource_tracker.artifact import from_artifact
from resource_tracker.bundled import use_bundled
from resource_tracker.errors import ArtifactError
from resource_tracker.options import DEFAULT_ARTIFACT_NAME


def render_task(task: Any, artifact_name: str | None = None) -> str:
    """The page of a task; where its artifact is missing or unusable, a page that says so.

    Parameters
    ----------
    task : metaflow.Task
        A finished task.
    artifact_name : str or None
        Where the decorator was given another ``artifact_name``.
    """
    use_bundled()
    from resource_tracker.report.render import render_card, render_error

    name = artifact_name or DEFAULT_ARTIFACT_NAME
    if name not in task:
        return render_error(
            f"{task.pathspec} was not tracked",
            f"The task has no artifact {name!r}. Add @track_resources to the step, or run with --with track_resources.",
        )
    try:
        record = from_artifact(task[name].data)
        if record.pathspec is None or record.pathspec not in (
            task.pathspec,
            task.origin_pathspec,
        ):  # a clone's is its origin
            raise ArtifactError(f"the artifact belongs to {record.pathspec or record.title!r}, an earlier step or run")
        return render_card(record)
    except (ArtifactError, ArithmeticError, ValueError) as error:  # the last two: figures that no step can have
        return render_error(f"The measurements of {task.pathspec} cannot be shown", str(error))
