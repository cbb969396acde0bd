"""The stretches that the step's own code marked: in the charts, and as a table with the use and cost of each."""

from __future__ import annotations

from typing import Any, NamedTuple

from resource_tracker.records import Span, TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import Costs, costs_of

MAX_SPANS = 100
"""Beyond, the longest are shown: a step may mark every round of a loop."""
_DEEPEST = 6


class SpanRow(NamedTuple):
    """One stretch; `cells` as in the heading: start, duration, CPU time, mean cores, peak of memory, cost.

    `is_drawn`: the charts show it, too; those within others, and many of one name together, are in the table only.
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
    spans = sorted(record.spans, key=lambda span: (span.start_s, span.depth))
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
                label=span.label if span.count == 1 else f"{span.label} ({span.count:,}×)",
                start_s=round(span.start_s, 3),
                end_s=None if span.end_s is None else round(span.end_s, 3),
                depth=min(span.depth, _DEEPEST),
                cells=_cells(span, record) + ((_cost(span, costs),) if priced else ()),
                is_drawn=span.depth == 0 and span.count == 1,
            )
            for span in spans
        ),
        note=f"The {MAX_SPANS} longest; {left_out:,} shorter left out." if left_out > 0 else "",
    )


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
        fmt.elapsed(length) + (", still open" if span.end_s is None else ""),
        fmt.duration(span.cpu_seconds),
        fmt.hundredths(cores),
        fmt.memory_kib(span.memory_peak_kib),
    )


def _cost(span: Span, costs: Costs) -> str:
    return "" if _is_moment(span) else costs.text(span.cost_usd)


def _is_moment(span: Span) -> bool:
    return span.count == 1 and span.end_s is not None and span.end_s <= span.start_s


def _length(span: Span, record: TaskRecord) -> float:
    """One that is open reaches to the end, so far."""
    known = span.duration_s
    return max(record.usage.duration_s - span.start_s, 0.0) if known is None else known
