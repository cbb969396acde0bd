"""Why Metaflow ended an attempt with its run: what the run's other tasks tell. Pure."""

from __future__ import annotations

from resource_tracker.endings import STOPPED_EVIDENCE
from resource_tracker.explanation import Explanation
from resource_tracker.run_attempts import Attempt, RunAttempts
from resource_tracker.why import INTERRUPTED_BY_USER, explain


def with_what_stopped(why: Explanation, attempt: Attempt, run: RunAttempts) -> Explanation:
    """Of an attempt that was stopped with its run, which task had failed, or that somebody had interrupted the run."""
    if STOPPED_EVIDENCE not in why.sentences:
        return why
    last = {(one.step, one.task_id): one for one in run.attempts}  # a task that was repeated did not end the run
    failed = [one for one in last.values() if one.status == "failed" and one is not attempt]
    told = ((one, explain(one)) for one in sorted(failed, key=lambda one: one.ended_at or 0.0))
    found = next(((one, its) for one, its in told if STOPPED_EVIDENCE not in its.sentences), None)
    if found is None:
        return why
    name = f"{found[0].step}/{found[0].task_id}"
    if found[1].headline == INTERRUPTED_BY_USER:
        said, remedy = "Metaflow ended it, as the user had interrupted the run (Ctrl-C).", None
    else:
        said = f"Metaflow ended it, as another task of the run, {name}, had failed."
        remedy = (
            f"Nothing is wrong with this task: look at that one (resource-tracker why {run.flow}/{run.run_id}/{name})."
        )
    sentences = tuple(said if text == STOPPED_EVIDENCE else text for text in why.sentences)
    return why._replace(sentences=sentences, remedy=remedy, source=f"{why.source}, and what is known of {name}")
