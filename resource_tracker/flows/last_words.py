"""What a task could not store when it ended: left in its spool, and stored by a process that outlives it.

So a step ends when it would without us, and its card and its summary are complete all the same.
"""

from __future__ import annotations

import json
import os

from resource_tracker.dataclass import dataclass, replace
from resource_tracker.records import FailedSource, TaskRecord

_FILE = "last_words"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWords:
    """Parts that a store did not take: the encoded summary, the last page. ``None``: there is nothing left to do."""

    summary: str | None = None
    page: str | None = None


def leave_last_words(spool_dir: str, words: LastWords) -> None:
    """Whole or not at all. Raises OSError."""
    path = f"{spool_dir}/{_FILE}"
    descriptor = os.open(f"{path}.part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump({"summary": words.summary, "page": words.page}, file, ensure_ascii=False)
    os.replace(f"{path}.part", path)


def read_last_words(spool_dir: str) -> LastWords | None:
    """``None`` where the task left none."""
    try:
        with open(f"{spool_dir}/{_FILE}", encoding="utf-8", errors="surrogateescape") as file:
            found = json.load(file)
        return LastWords(summary=found["summary"], page=found["page"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def without_metadata(record: TaskRecord) -> TaskRecord:
    """The record of an attempt whose summary the metadata did not take: its card says that."""
    reason = (
        "the service did not take the summary of the attempt when the step ended; where it did not later either, "
        "history and `why` do not know of the attempt"
    )
    failed = FailedSource(source="task metadata", reason=reason)
    return replace(record, tracking=replace(record.tracking, failed_sources=(*record.tracking.failed_sources, failed)))
