"""What ended a step that could not say so itself, and what became of the attempt before this one."""

from __future__ import annotations

from typing import NamedTuple

from resource_tracker.records import TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.spans import where_it_was


class EndingPanel(NamedTuple):
    """Cause in a few words, the figures behind it, where that is known from, and what to do; empty where not known."""

    cause: str
    evidence: str
    source: str
    remedy: str


class Before(NamedTuple):
    """An earlier attempt of the same task."""

    name: str
    text: str
    remedy: str


def ending_panel(record: TaskRecord) -> EndingPanel | None:
    """``None`` where the step ended by itself, or still runs."""
    ending = record.ending
    if ending is None:
        return None
    return EndingPanel(
        cause=_capitalised(ending.cause),
        evidence=fmt.unbroken(f"{ending.evidence} {where_it_was(record)}".strip()),
        source=ending.source,
        remedy=fmt.unbroken(ending.remedy or ""),
    )


def attempt_before(record: TaskRecord) -> Before | None:
    """``None`` where there was none, or nothing is known of it."""
    before = record.attempt_before
    if before is None:
        return None
    return Before(
        name=f"Attempt {before.attempt}", text=fmt.unbroken(before.text), remedy=fmt.unbroken(before.remedy or "")
    )


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
