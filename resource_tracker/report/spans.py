"""The stretches that the step's own code marked: in the charts, and as a table with the use and cost of each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from resource_tracker.records import Span, TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import Costs, costs_of

MAX_SPANS = 100
"""Beyond, the longest are shown."""
EACH_UP_TO = 5
"""Stretches of one name on one level: more, as of the rounds of a loop, are one row."""
_DEEPEST = 6


class SpanRow(NamedTuple):
    """One stretch, or all of one name; `cells` as in the heading: start, time, CPU time, mean cores, peak, cost.

    `is_drawn`: the charts show it, too; those within others, and those of one name between others, are in the table
    only.
    """

    label: str
    start_s: float
    end_s: float | None
    depth: int
    cells: tuple[str, ...]
    is_drawn: bool


class SpanTable(NamedTuple):
    heads: tuple[str, ...]
    rows: tuple[SpanRow, ...]
    note: str


def span_table(record: TaskRecord) -> SpanTable:
    """Without rows where the step has marked nothing; those of a running step may follow."""
    spans = sorted(_rounds_together(record), key=lambda span: (span.start_s, span.depth))
    left_out = len(spans) - MAX_SPANS
    if left_out > 0:
        kept = set(sorted(range(len(spans)), key=lambda i: -_length(spans[i], record))[:MAX_SPANS])
        spans = [span for index, span in enumerate(spans) if index in kept]
    priced = any(span.cost_usd is not None for span in spans)
    costs = costs_of(record.pricing, *(span.cost_usd for span in spans))
    heads = ("from", "time", "CPU time", "cores, mean", "memory, peak")
    return SpanTable(
        heads=(*heads, "cost" if costs.runs == 1 else f"cost of {costs.label}") if priced else heads,
        rows=tuple(
            SpanRow(
                label=span.label,
                start_s=round(span.start_s, 3),
                end_s=None if span.end_s is None else round(span.end_s, 3),
                depth=min(span.depth, _DEEPEST),
                cells=_cells(span, record) + ((_cost(span, costs),) if priced else ()),
                is_drawn=span.depth == 0 and not _has_others_within(span, spans),
            )
            for span in spans
        ),
        note=f"The {MAX_SPANS} longest; {left_out:,} shorter left out." if left_out > 0 else "",
    )


def where_it_was(record: TaskRecord) -> str:
    """In which marked block a step died, in a sentence; empty where it was in none, or ended well."""
    still_open = [span for span in record.spans if span.end_s is None]
    if not still_open or record.outcome.status in ("ok", "running"):
        return ""
    innermost = max(still_open, key=lambda span: span.start_s)
    began = fmt.duration(innermost.start_s)
    return f"It was in the marked block “{innermost.label}”, which began {began} after the start."


def _rounds_together(record: TaskRecord) -> list[Span]:
    """The spans, with one for all of a name where there are many, whose label says how many."""
    groups: dict[tuple[str, int], list[Span]] = {}
    depths: dict[str, int] = {}
    for span in sorted(record.spans, key=lambda span: span.count > 1):  # what was added up has no level of its own
        depth = span.depth if span.count == 1 else depths.get(span.label, 0)
        depths.setdefault(span.label, depth)
        groups.setdefault((span.label, depth), []).append(span)
    found: list[Span] = []
    for (label, depth), spans in groups.items():
        many = sum(span.count for span in spans)
        if many <= EACH_UP_TO:
            found.extend(spans)
            continue
        lengths = [_length(span, record) for span in spans]
        longest = f", the longest {fmt.duration(max(lengths))}" if many == len(spans) else ""
        found.append(
            Span(
                label=f"{label} ({many:,}×{longest})",
                start_s=min(span.start_s for span in spans),
                end_s=_last_end(spans),
                depth=depth,
                cpu_seconds=_sum(span.cpu_seconds for span in spans),
                memory_peak_kib=max((span.memory_peak_kib for span in spans if span.memory_peak_kib), default=None),
                cost_usd=_sum(span.cost_usd for span in spans),
                count=many,
                total_s=sum(lengths),
            )
        )
    return found


def _sum(amounts: Iterable[float | None]) -> float | None:
    """``None`` where none is known."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _has_others_within(span: Span, spans: list[Span]) -> bool:
    """Of many of one name: whether there is anything else between the first and the last."""
    if span.count == 1:
        return False
    return any(
        other is not span and not other.depth and other.start_s < _end_of(span) and _end_of(other) > span.start_s
        for other in spans
    )


def _last_end(spans: list[Span]) -> float | None:
    """``None`` where one of them goes on."""
    ends = [span.end_s for span in spans if span.end_s is not None]
    return max(ends) if len(ends) == len(spans) else None


def _end_of(span: Span) -> float:
    return math.inf if span.end_s is None else span.end_s


def span_data(record: TaskRecord) -> list[list[Any]]:
    """The rows as JSON-able builtins."""
    return [
        [row.label, row.start_s, row.end_s, row.depth, list(row.cells), row.is_drawn] for row in span_table(record).rows
    ]


def _cells(span: Span, record: TaskRecord) -> tuple[str, ...]:
    start = fmt.duration(span.start_s) if span.start_s >= 0.0005 else "0"
    if _is_moment(span):  # it used nothing
        return (start, "", "", "", "" if span.memory_peak_kib is None else fmt.memory_kib(span.memory_peak_kib))
    length = _length(span, record)
    cores = span.cpu_seconds / length if span.cpu_seconds is not None and length > 0 else None
    return (
        start,
        fmt.elapsed(length) + (_unended(record) if span.end_s is None else ""),
        fmt.duration(span.cpu_seconds),
        fmt.hundredths(cores),
        fmt.memory_kib(span.memory_peak_kib),
    )


def _unended(record: TaskRecord) -> str:
    """What ended the step ended it in there."""
    return ", still open" if record.outcome.status == "running" else ", cut off"


def _cost(span: Span, costs: Costs) -> str:
    return "" if _is_moment(span) else costs.text(span.cost_usd)


def _is_moment(span: Span) -> bool:
    return span.count == 1 and span.end_s is not None and span.end_s <= span.start_s


def _length(span: Span, record: TaskRecord) -> float:
    """One that is open reaches to the end, so far."""
    known = span.duration_s
    return max(record.usage.duration_s - span.start_s, 0.0) if known is None else known
