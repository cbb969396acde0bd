"""What stands beside the card of an attempt: all that is known of one whose metadata have nothing of it."""

from __future__ import annotations

import time

from resource_tracker.dataclass import replace
from resource_tracker.endings import interrupted
from resource_tracker.flows.runs import every_namespace
from resource_tracker.lost_attempts import MAX_ATTEMPTS
from resource_tracker.records import TaskSummary
from resource_tracker.run_attempts import Attempt
from resource_tracker.summary import decode_summary

SILENT_S, SILENT_SHARE = 600.0, 0.05
"""Updates come every few seconds, in long steps every few minutes, and later where the store was slow."""
SILENT_AFTER_STOP_S = 60.0


def told_by(text: str) -> TaskSummary:
    """The summary of an attempt that is over: as it was told, or what it came to while it ran. Raises ArtifactError."""
    found = decode_summary(text)
    return found if found.status != "running" else interrupted(found)


def with_left_record(attempt: Attempt, pathspec: str) -> Attempt:
    """The attempt, with what stands beside its card, where it has told nothing else."""
    if attempt.measured or not (attempt.died or attempt.status == "running"):
        return attempt
    left = left_record(pathspec, attempt.attempt)
    if left is None:
        return attempt
    if attempt.status == "running" and left.status == "running" and not _is_silent(left):
        return replace(attempt, summary=left)
    left = left if left.status != "running" else interrupted(left)
    return replace(attempt, summary=left, measured=True, status="failed", lost=True)


def attempts_left(step: str, task_id: str, pathspec: str) -> list[Attempt]:
    """The attempts of a task of which the metadata here know nothing, as where they did not come home."""
    found = []
    for number in range(MAX_ATTEMPTS):
        left = left_record(pathspec, number)
        if left is None:
            break
        known = Attempt(
            step=step,
            task_id=task_id,
            attempt=number,
            status="running",
            lost=False,
            started_at=None,
            ended_at=None,
            summary=None,
            measured=False,
        )
        found.append(with_left_record(known, pathspec))
    return found


def left_record(pathspec: str, attempt: int) -> TaskSummary | None:
    """Its summary so far, or its last one; ``None`` where there is none, or the store does not give it."""
    import metaflow
    from metaflow.metaflow_config import DEFAULT_DATASTORE
    from metaflow.plugins import DATASTORES
    from metaflow.plugins.cards.card_datastore import CardDatastore

    from resource_tracker.flows.cards import CardStore

    try:
        with every_namespace():
            kind = metaflow.Task(pathspec).metadata_dict.get("ds-type") or DEFAULT_DATASTORE
        storage = next(storage for storage in DATASTORES if kind == storage.TYPE)
        cards = CardStore(storage, str(CardDatastore.get_storage_root(kind)), pathspec, attempt)
        text = cards.early_record()
        return None if text is None else decode_summary(text)
    except Exception:  # noqa: BLE001 - a store may fail in any way; then it is as if there were nothing
        return None


def _is_silent(left: TaskSummary) -> bool:
    """Whether the record should have been followed by another one since."""
    if left.finished_at is None:
        return False
    apart_s = time.time() - left.finished_at
    if left.stopping_at is not None:
        return apart_s > SILENT_AFTER_STOP_S
    return apart_s > max(SILENT_S, SILENT_SHARE * left.duration_s)
