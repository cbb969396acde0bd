"""What became of the attempt before this one, for its card and one line in its log.

The attempt reads it itself where that takes a few files. Else it is told by whoever finds out first: the process that
finishes the attempt before, on the same machine, or the publisher of this one. Who tells leaves a note in the spool.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from resource_tracker.dataclass import replace
from resource_tracker.errors import ArtifactError
from resource_tracker.flows.order import Order, read_order
from resource_tracker.plain import from_plain, to_plain
from resource_tracker.records import EarlierAttempt, TaskRecord, TaskSummary
from resource_tracker.spool_dirs import PREFIX, is_private
from resource_tracker.summary import summary_of

if TYPE_CHECKING:
    from resource_tracker.flows.cards import CardStore

NOTE = "attempt_before"
"""File in the spool's folder: it has been told."""


def look_back(
    provider: Any, pathspec: str, attempt: int, cards: Callable[[], CardStore] | None = None
) -> EarlierAttempt | None:
    """What is known of the attempt before; ``None`` for a first one, or where nothing is known yet.

    Parameters
    ----------
    provider : metaflow MetadataProvider
        Its task's metadata are asked first.
    cards : callable, optional
        Gives the place of the card of the attempt before, with its last record, for where its whole container is gone.
        What that tells is stored in the metadata and the card in its place. Not where somebody is about to tell more.
    """
    if attempt < 1:
        return None
    from resource_tracker.flows.run_reading import read_task  # most attempts are the first

    found = read_task(provider, *pathspec.split("/")).attempts
    before = next((one for one in found if one.attempt == attempt - 1), None)
    if before is not None and before.summary is not None and before.measured:
        earlier = [one.summary for one in found if one.attempt < before.attempt and one.measured]
        return with_memory_of(of_summary(before.summary), *(of_summary(one) for one in earlier if one is not None))
    store = cards() if cards is not None else None
    text = store.early_record() if store is not None else None
    if store is None or text is None:
        return None
    return of_summary(_tell_of_interrupted(provider, pathspec, store, text))


def _tell_of_interrupted(provider: Any, pathspec: str, store: CardStore, text: str) -> TaskSummary:
    """Store what the last record of an attempt tells, whose whole container is gone, in metadata and card."""
    from resource_tracker.flows.guard import guarded
    from resource_tracker.flows.interrupted_card import end_interrupted_card  # with all of the report
    from resource_tracker.flows.left_record import told_by
    from resource_tracker.flows.summaries import write_summary

    summary = told_by(text)
    write_summary(provider, summary)
    if store.is_live():
        guarded("end the card of the attempt before", end_interrupted_card, store, pathspec, summary)
    return summary


def of_summary(summary: TaskSummary) -> EarlierAttempt:
    """What the next attempt says of the one with this summary."""
    from resource_tracker.run_attempts import Attempt
    from resource_tracker.why import earlier_attempt

    return earlier_attempt(
        Attempt(
            step=summary.step,
            task_id=summary.task_id,
            attempt=summary.attempt,
            status=summary.status,
            lost=True,
            started_at=None,
            ended_at=summary.finished_at,
            summary=summary,
        )
    )


def with_memory_of(before: EarlierAttempt, *earlier: EarlierAttempt) -> EarlierAttempt:
    """What is told of the attempt before, with the most memory that any attempt ran out of: that is not forgotten."""
    most = max((before, *earlier), key=lambda one: one.memory_mb or 0)
    if most is before or most.memory_mb is None:
        return before
    number = most.attempt if most.memory_attempt is None else most.memory_attempt
    return replace(before, memory_mb=most.memory_mb, memory_attempt=number)


def line_of(before: EarlierAttempt, pathspec: str) -> str | None:
    """One line for the log, where the attempt before was short of something that can be asked for, or was killed.

    ``None`` where it ended with an exception: then Metaflow's own log says what there is to say.
    """
    headline = f"{before.headline[:1].lower()}{before.headline[1:]}"
    line = f"[track_resources] attempt {before.attempt}: {headline}"
    if before.resources:
        return f"{line}. {before.remedy or ''}".rstrip()
    if not before.died:
        return None
    source = f", seen in {before.source}" if before.source else ""
    peak = before.memory_peak_mb
    used = f"; its memory had peaked at {peak:,} MB" if peak else ""
    return f"{line}{source}{used}. More: resource-tracker why {pathspec}"


def tell_the_next(order: Order, spool_dir: str, record: TaskRecord) -> None:
    """Tell the attempt that follows this one on the same machine, if it has begun; raises OSError."""
    earlier = (record.attempt_before,) if record.attempt_before is not None else ()
    for path, other in _orders_beside(spool_dir):
        if (other.pathspec, other.attempt) == (order.pathspec, order.attempt + 1) and other.attempt_before is None:
            tell(other, path, with_memory_of(of_summary(summary_of(record)), *earlier))


def is_being_told(order: Order, spool_dir: str) -> bool:
    """Whether what was measured of the attempt before is here, so that somebody is about to tell; raises OSError."""
    before = (order.pathspec, order.attempt - 1)
    return any((other.pathspec, other.attempt) == before for _, other in _orders_beside(spool_dir))


def _orders_beside(spool_dir: str) -> Iterator[tuple[str, Order]]:
    """Other spools of this user's, with their orders; raises OSError."""
    parent = os.path.dirname(spool_dir)
    for name in os.listdir(parent):
        path = f"{parent}/{name}"
        if not name.startswith(f"{PREFIX}.") or path == spool_dir or not is_private(path):
            continue  # what others left there may name any process, or be a pipe that never ends
        try:
            yield path, read_order(path)
        except (OSError, ArtifactError):
            continue  # it has no order, or none that can be read


def tell(order: Order, spool_dir: str, before: EarlierAttempt) -> None:
    """Tell the attempt of an order from outside, once: a note in its spool, and the line in its log. Raises OSError."""
    line = line_of(before, order.pathspec)
    if leave_note(spool_dir, before) and line and not order.quiet and order.log is not None:
        _say_in_log(order.pid, order.log, line)


def leave_note(spool_dir: str, before: EarlierAttempt) -> bool:
    """Whether this is the first note: only then it is ours to say it in the log, too. Raises OSError."""
    part = f"{spool_dir}/{NOTE}.{os.getpid()}"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        json.dump(to_plain(before), file)
    try:
        os.link(part, f"{spool_dir}/{NOTE}")  # whole, and only once
    except FileExistsError:
        return False
    finally:
        os.unlink(part)
    return True


def read_note(spool_dir: str) -> EarlierAttempt | None:
    """What was told; ``None`` where nothing was yet."""
    try:
        with open(f"{spool_dir}/{NOTE}", encoding="utf-8") as file:
            return from_plain(EarlierAttempt, json.load(file), "note")
    except (OSError, ValueError, ArtifactError):
        return None


def _say_in_log(pid: int, log: tuple[int, int], line: str) -> None:
    """Into a task's standard error, a pipe that Metaflow made; what the step put in its place is its own.

    Raises OSError.
    """
    path = f"/proc/{pid}/fd/2"
    found = os.stat(path)
    if not stat.S_ISFIFO(found.st_mode) or (found.st_dev, found.st_ino) != log:
        return
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.write(fd, f"{line}\n".encode())
    finally:
        os.close(fd)
