"""Times the cost review of one run in the way that a task meets it, and as Metaflow's own interface would read it.

Prints milliseconds as JSON: reading the run, reading it task by task, what the review adds to the last step, its size.
"""

from __future__ import annotations

import json
import sys
import time
from types import SimpleNamespace

from metaflow.plugins.metadata_providers.local import LocalMetadataProvider

from resource_tracker.flows import session
from resource_tracker.flows.run_reading import read_run
from resource_tracker.report.render import render_card
from resource_tracker.testing import fake_record

# What a task has loaded by the time it writes the review: its record, catalog and card.
assert session.TaskSession
render_card(fake_record("short"))


class TaskByTask:
    """The same metadata through the door that every provider has."""

    TYPE = "any"
    get_object = LocalMetadataProvider.get_object


def timed(action):
    """What it returns, and milliseconds of CPU."""
    begun = time.process_time()
    found = action()
    return found, 1000 * (time.process_time() - begun)


def page(flow: str, run_id: str, history: int) -> str:
    """What the decorator does at the end of the last step."""
    from resource_tracker.flows.review_card import page_of_run

    context = SimpleNamespace(flow=SimpleNamespace(name=flow), run_id=run_id, metadata=LocalMetadataProvider)
    return page_of_run(context, SimpleNamespace(history=history, policy="safe"), None)


def main() -> None:
    flow, run_id = sys.argv[1:]
    html, compared_ms = timed(lambda: page(flow, run_id, 5))
    _, alone_ms = timed(lambda: page(flow, run_id, 0))
    run, read_ms = timed(lambda: read_run(LocalMetadataProvider, flow, run_id))
    other, by_task_ms = timed(lambda: read_run(TaskByTask, flow, run_id))
    assert len(run.summaries) == len(other.summaries)
    figures = {"attempts": len(run.attempts), "read_ms": read_ms, "by_task_ms": by_task_ms}
    print(json.dumps({**figures, "compared_ms": compared_ms, "alone_ms": alone_ms, "page_bytes": len(html)}))


if __name__ == "__main__":
    main()
