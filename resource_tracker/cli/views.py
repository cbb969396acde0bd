"""What a terminal shows of a record: the same words and figures as the card."""

from __future__ import annotations

from collections.abc import Iterable

from resource_tracker.cli.terminal import Table, Terminal
from resource_tracker.cli.words import advice_lines, lines_to_paste, said_of, totals_line, why_failed
from resource_tracker.records import Recommendation, TaskRecord
from resource_tracker.report import format as fmt
from resource_tracker.report.comparison import comparison
from resource_tracker.report.ending import attempt_before
from resource_tracker.report.headline import advice, badge, money
from resource_tracker.report.offers import OfferRow, OfferTable, offer_table
from resource_tracker.report.scales import scales
from resource_tracker.report.spans import span_table

_MARKS = {
    "requested": "asked",
    "limit": "allowed",
    "mean": "mean",
    "peak": "peak",
    "saving": "saving artifacts",
    "recommended": "advised",
}
"""Marks of the card's scales, in the order of the table's columns."""
_LEAST_MEAN = 0.02
"""Share of the peak; a mean below it, in a single row, is that of a process that was hardly seen."""
_TASK_COLUMNS = (
    "task",
    "outcome",
    "duration",
    "CPU\nasked",
    "CPU\npeak",
    "CPU\nadvised",
    "memory\nasked",
    "memory\npeak",
    "memory\nadvised",
    "GPU\nasked",
    "GPU\nadvised",
    "cost",
)

_OPTIONAL = ("duration", "cost", "CPU\npeak", "GPU\nasked", "CPU\nasked", "memory\nasked", "outcome")
_OPTIONAL_OF_SPANS = ("cores, mean", "from")
_OFFER_COLUMNS = ("machine", "where", "vCPUs", "memory", "GPU", "per hour", "this run", " ")
_OFFER_NUMBERS = frozenset(("vCPUs", "memory", "per hour", "this run"))


def show_record(terminal: Terminal, record: TaskRecord) -> None:
    """One attempt: how it ended, what it used beside what it asked for, advice, comparison, machines."""
    terminal.heading(f"{_name(record)}: {_outcome(record)}")
    before = attempt_before(record)
    if before is not None:
        terminal.paragraph(f"{before.name}, before this one: {before.text} {before.remedy}".strip(), 2)
    table = usage_table(record)
    if table.rows:
        terminal.line()
        terminal.table(table)
        known = totals_line(record)
        if known:
            terminal.line()
            terminal.line(known)
    _show_spans(terminal, record)
    _show_advice(terminal, record)
    _show_gaps(terminal, record)
    _show_comparison(terminal, record)
    _show_money(terminal, record)


def show_summary(terminal: Terminal, record: TaskRecord) -> None:
    """One attempt as a step's log wants it: usage, advice, machines; nothing about earlier runs."""
    terminal.heading(f"{_name(record)}: {_outcome(record)}")
    table = usage_table(record)
    if table.rows:
        terminal.table(table)
    _show_advice(terminal, record)
    _show_gaps(terminal, record)
    _show_money(terminal, record)


def usage_table(record: TaskRecord) -> Table:
    """A row for each resource: asked for, allowed, used, advised."""
    rows = []
    for scale in scales(record):
        if scale.shown:
            texts = {mark.kind: mark.text for mark in scale.marks if mark.text != fmt.UNKNOWN}
            if scale.key == "memory" and "peak" in texts and not _has_memory_mean(record):
                texts["mean"] = fmt.UNKNOWN
            name = f"{scale.name} ({scale.unit})" if scale.unit and scale.unit not in scale.name else scale.name
            rows.append([name, *(texts.get(kind, "") for kind in _MARKS)])
    columns = ["", *_MARKS.values()]
    return Table(columns=columns, rows=rows, numbers=frozenset(columns[1:]), optional=("saving artifacts", "mean"))


def _show_spans(terminal: Terminal, record: TaskRecord) -> None:
    """What the step's own code marked, those within others indented."""
    found = span_table(record)
    if not found.rows:
        return
    columns = ("marked", *found.heads)
    rows = [[f"{'  ' * row.depth}{row.label}", *row.cells] for row in found.rows]
    terminal.line()
    terminal.table(Table(columns=columns, rows=rows, numbers=frozenset(columns[1:]), optional=_OPTIONAL_OF_SPANS))
    if found.note:
        terminal.line(found.note)


def _has_memory_mean(record: TaskRecord) -> bool:
    """False where all readings may have been taken before it began and after it ended: its peak is the kernel's."""
    mean_kib, peak_kib = record.usage.memory_mean_kib or 0.0, record.usage.memory_peak_kib or 0.0
    return mean_kib > 0 and (len(record.process_metrics) > 1 or mean_kib > _LEAST_MEAN * peak_kib)


def show_tasks(terminal: Terminal, title: str, records: Iterable[TaskRecord]) -> None:
    """Tasks, a row for each: CPU, memory and GPUs asked for, used and advised, cost; then a line for each step."""
    rows, advice, failed = [], [], ""
    for record in records:
        rows.append(_task_row(record))
        if record.attempt or record.outcome.status == "failed":
            failed = failed or "/".join((record.pathspec or "").split("/")[:2])
        if isinstance(record.recommendation, Recommendation) and record.outcome.status != "running":
            advice.append((_step(record), record.recommendation))
    terminal.heading(title)
    terminal.line()
    terminal.table(Table(columns=_TASK_COLUMNS, rows=rows, numbers=frozenset(_TASK_COLUMNS[2:]), optional=_OPTIONAL))
    lines = lines_to_paste(advice)
    if lines:
        terminal.line()
        terminal.heading("What to request next time")
        for line in lines:
            terminal.line(f"  {line}")
    if failed:
        terminal.line()
        terminal.line(why_failed(failed))


def _task_row(record: TaskRecord) -> list[str]:
    usage, request = record.usage, record.request
    advised = record.recommendation if isinstance(record.recommendation, Recommendation) else None
    name = "/".join(_name(record).split("/")[2:]) or _name(record)
    if record.attempt:
        name += f" (attempt {record.attempt})"
    cells = [
        fmt.elapsed(usage.duration_s),
        fmt.whole(request.cpu),
        fmt.cores(usage.cpu_max_cores),
        str(advised.cpu) if advised else "",
        fmt.memory_mb(request.memory_mb),
        fmt.memory_kib(usage.overall_memory_peak_kib),
        fmt.memory_mb(advised.memory_mb) if advised else "",
        str(request.gpu) if request.gpu else "",
        str(advised.gpu) if advised and (advised.gpu or request.gpu) else "",
        fmt.usd(record.pricing.run_cost_usd),
    ]
    return [name, badge(record).text, *("" if cell == fmt.UNKNOWN else cell for cell in cells)]


def _name(record: TaskRecord) -> str:
    return record.pathspec or record.title


def _step(record: TaskRecord) -> str:
    parts = _name(record).split("/")
    return parts[2] if len(parts) > 2 else parts[0]


def _outcome(record: TaskRecord) -> str:
    attempt = f", attempt {record.attempt}" if record.attempt else ""
    return f"{badge(record).text} after {fmt.elapsed(record.usage.duration_s)}{attempt}"


def _show_advice(terminal: Terminal, record: TaskRecord) -> None:
    said = advice(record)
    terminal.line()
    terminal.heading(said_of(record, said.verdict))
    if said.code:
        terminal.line(f"  {said.code}")
    for sentence in advice_lines(record) if said.code else said.sentences:
        terminal.line(f"  {said_of(record, sentence)}")


def _show_gaps(terminal: Terminal, record: TaskRecord) -> None:
    """What was not measured as it should have been."""
    tracking = record.tracking
    if tracking.mode == "start_end":
        terminal.line(f"  Only readings at start and end were taken: {tracking.reason or 'the reason is not known'}.")
    if tracking.ended_early:
        terminal.line(f"  Measuring ended early: {tracking.ended_early}.")
    for failed in tracking.failed_sources:
        terminal.line(f"  Not measured: {failed.source} ({failed.reason})")


def _show_comparison(terminal: Terminal, record: TaskRecord) -> None:
    compared = comparison(record)
    terminal.line()
    terminal.heading(f"Compared with {compared.summary}" if compared.metrics else compared.summary)
    if compared.metrics:
        columns = ("", "now", "usual", "range", "change")
        rows = [[m.name, m.now, m.usual, m.range, m.change] for m in compared.metrics]
        terminal.table(Table(columns=columns, rows=rows, numbers=frozenset(columns[1:]), optional=("range",)))


def _show_money(terminal: Terminal, record: TaskRecord) -> None:
    table = offer_table(record.pricing)
    if table.rows:
        terminal.line()
        terminal.heading(f"Cheapest machines that would do: {table.caption}")
        rows = [_offer_cells(row, table) for row in (*table.rows, *table.anywhere)]
        terminal.table(Table(columns=_OFFER_COLUMNS, rows=rows, numbers=_OFFER_NUMBERS, optional=("memory", "vCPUs")))
        if table.anywhere:
            last = "last row" if len(table.anywhere) == 1 else f"last {len(table.anywhere)} rows"
            terminal.line(f"  The {last}: {table.anywhere_title[0].lower()}{table.anywhere_title[1:]}.")
    spent = money(record)
    for line in spent.lines if spent else ():
        if line.label == "Saving":
            terminal.line(f"  {line.label} {line.value}: {line.detail}")
    if table.note:
        terminal.line(f"  {said_of(record, table.note)}")


def _offer_cells(row: OfferRow, table: OfferTable) -> list[str]:
    return [
        row.name,
        row.where if table.with_where or row.elsewhere else "",
        row.vcpus,
        row.memory,
        row.gpu if table.with_gpu else "",
        row.per_hour,
        row.run_cost if table.with_cost else "",
        ", ".join((*(("where it ran",) if row.own else ()), *row.tags)),
    ]
