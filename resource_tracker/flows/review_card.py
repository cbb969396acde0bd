"""The cost review as a card: on the last step of a run when that is tracked, and of any run by ``card create``."""

from __future__ import annotations

from typing import Any

from resource_tracker.bundled import use_bundled
from resource_tracker.errors import ResourceTrackerError
from resource_tracker.flows.attempt import TaskContext
from resource_tracker.flows.handover import read_runs
from resource_tracker.flows.patience import within
from resource_tracker.flows.review import EARLIER_TIME_S, review_run
from resource_tracker.flows.runs import client_provider
from resource_tracker.settings import Settings

TIME_LIMIT_S = 2.0
"""What the end of a run waits for its review at most: a metadata service may be slow, or not answer at all."""
_NO_REVIEW = {"kind": "Cost review", "badge": "Not available"}


def page_of_run(
    context: TaskContext, settings: Settings, handover_folder: str | None, *, metadata_answers: bool = True
) -> str:
    """The page for a run whose last step has just ended; where that takes too long, a page that says so.

    At once where the metadata did not answer (`metadata_answers`) just before.
    """
    flow, run_id = str(context.flow.name), str(context.run_id)

    def review() -> Any:
        return review_run(
            context.metadata,
            flow,
            run_id,
            earlier_runs=settings.history,
            earlier_s=EARLIER_TIME_S,
            before=read_runs(handover_folder),
        )

    try:
        found = within(TIME_LIMIT_S, review, may_hang=context.metadata.TYPE != "local") if metadata_answers else None
    except TimeoutError:
        found = None
    use_bundled()
    from resource_tracker.report.render import render_error, render_review

    if found is None:
        return render_error(
            f"{flow}/{run_id} has no cost review yet",
            f"The metadata of the run could not be read within the {TIME_LIMIT_S:g} s that its last step waits. "
            f"Make it with: resource-tracker review {flow}/{run_id} --html review.html",
            **_NO_REVIEW,
        )
    return render_review(found)


def page_of_task(task: Any) -> str:
    """The page of the run that a task belongs to; where nothing of it was tracked, a page that says so."""
    use_bundled()
    from resource_tracker.report.render import render_error, render_review

    flow, run_id = str(task.pathspec).split("/")[:2]
    try:
        return render_review(review_run(client_provider(), flow, run_id))
    except ResourceTrackerError as error:
        return render_error(f"{flow}/{run_id} has no cost review", str(error), **_NO_REVIEW)
