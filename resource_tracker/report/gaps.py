"""Time that nobody looked at: where the tracker was stopped, the machine slept, or its clock was set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from resource_tracker.frame_merge import total
from resource_tracker.records import TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.series import row_edges

_WORTH_A_MARK_S = 1.0
_SHARE = 0.1
"""Of a row: where rows are merged, one second of an hour shades no hour."""
_CLOCK_SET_S = 1.0
"""Stamps further apart than their row is long by more than this: the machine slept, or somebody set the clock."""


def gap_data(record: TaskRecord) -> dict[str, Any]:
    """For the charts: ``unwatched`` stretches and moments of sleep, ``slept``, in seconds since the start.

    ``jumps`` says from when on the wall clock is how many seconds further than the charts' time. Empty lists are left
    out.
    """
    frame = record.system_metrics
    edges = row_edges(frame, record.started_at)
    stamps, lost, asleep = (_cells(record, name) for name in ("timestamp", "unwatched_s", "suspended_s"))
    unwatched, slept, jumps = [], [], []
    before: float | None = None
    for (start, end), stamp, lost_s, slept_s in zip(edges, stamps, lost, asleep, strict=True):
        if lost_s >= max(_WORTH_A_MARK_S, _SHARE * (end - start)):
            unwatched.append([round(start, 3), round(end, 3)])
        if slept_s >= _WORTH_A_MARK_S:
            slept.append(round((start + end) / 2, 3))
        jump_s = 0.0 if before is None else stamp - before - (end - start)
        before = stamp
        if abs(jump_s) > _CLOCK_SET_S:
            jumps.append([round(end, 3), round(jump_s, 3)])
    found = {"unwatched": unwatched, "slept": slept, "jumps": jumps}
    return {name: marks for name, marks in found.items() if marks}


def gap_sentence(record: TaskRecord, marks: Mapping[str, Any] | None = None) -> str:
    """What the marks in the charts (:func:`gap_data`) mean; empty where there are none."""
    marks = gap_data(record) if marks is None else marks
    sentences = []
    if "unwatched" in marks:
        sentences.append(
            f"Shaded: for {fmt.duration(_sum(record, 'unwatched_s'))} nothing was looked at, because the tracker was"
            " stopped or the machine had no time for it. Sums and means are right, a peak in between may be missing."
        )
    if "slept" in marks:
        sentences.append(
            f"Dotted: the machine slept for {fmt.duration(_sum(record, 'suspended_s'))}, which is in no figure."
        )
    return " ".join(sentences)


def _cells(record: TaskRecord, name: str) -> list[float]:
    """0 where it is not known: measured by an earlier version, or without a sampler."""
    frame = record.system_metrics
    values = frame[name] if name in frame else [math.nan] * len(frame)
    return [value if value == value else 0.0 for value in values]


def _sum(record: TaskRecord, name: str) -> float:
    return total(record.system_metrics[name])
