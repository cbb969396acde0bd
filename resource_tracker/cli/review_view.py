"""A cost review in a terminal: the words and figures of its page, with bars of characters."""

from __future__ import annotations

from resource_tracker.cli.terminal import Table, Terminal
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import Costs
from resource_tracker.report.review_model import (
    SHOWN_CHANGES,
    Part,
    ReviewPage,
    StepRow,
    build_page,
    costs_of_review,
)
from resource_tracker.review import RunReview, StepReview

_LINE_WIDTH, _BAR_WIDTH = 30, 16
_LEVELS = "▁▂▃▄▅▆▇█"
_PARTS = {"used": "█", "cpu": "▒", "memory": "░", "gpu": "▓", "lost": "×"}
_COLUMNS = ("step", "tasks", "lost", "start to end of the run", "time", "cost", "share", "", "bought nothing")


def show_review(terminal: Terminal, review: RunReview, *, with_tasks: bool = False) -> None:
    """What the run cost and wasted, what to change, its steps over time, and the runs before."""
    page, costs = build_page(review), costs_of_review(review)
    terminal.heading(f"{page.pathspec}: {page.badge.text} after {page.duration}")
    terminal.line(f"{page.verdict}.")
    for sentence in (*page.sentences, *([page.assumed] if page.assumed else [])):
        terminal.line(sentence)
    _show_changes(terminal, page, costs)
    _show_steps(terminal, review, page, with_tasks)
    _show_comparison(terminal, page)


def _show_changes(terminal: Terminal, page: ReviewPage, costs: Costs) -> None:
    terminal.line()
    terminal.heading(page.changes_title if page.changes else page.no_changes)
    of = "" if costs.runs == 1 else f" in {costs.label}"
    for change in page.changes[:SHOWN_CHANGES]:
        month = f", {change.per_month}" if change.per_month else ""
        asked = f" instead of {change.asked}" if change.asked else ""
        terminal.line(f"  {change.step} saves {change.saving}{of}{month}")
        terminal.line(f"    {change.code}{asked}")
    if page.changes_aside:
        terminal.line(f"  {page.changes_aside}")
    if page.needs:
        terminal.line()
        terminal.heading("Asks for less than it needs")
        for change in page.needs:
            asked = f" instead of {change.asked}" if change.asked else ""
            terminal.line(f"  {change.step}")
            terminal.line(f"    {change.code}{asked}")


def _show_steps(terminal: Terminal, review: RunReview, page: ReviewPage, with_tasks: bool) -> None:
    spending = {row.name: row for row in page.spending}
    rows = []
    for step, shown in zip(review.steps, page.steps, strict=True):
        paid = spending.get(step.name)
        rows.append(
            [
                step.name if step.tracked else f"{step.name} (not tracked)",
                fmt.count(step.tasks),
                fmt.count(step.lost) if step.lost else "",
                activity(step, review.totals.started_at, review.totals.wall_s),
                shown.duration,
                shown.cost if step.tracked else "",
                paid.share if paid else "",
                stacked(paid.parts) if paid else "",
                paid.wasted if paid else "",
            ]
        )
        if with_tasks and len(step.attempts) > 1:
            rows.extend(_task_rows(shown))
    terminal.line()
    numbers = frozenset(_COLUMNS) - {"step", "start to end of the run", ""}
    terminal.table(Table(columns=_COLUMNS, rows=rows, numbers=numbers))
    used = {part.kind for row in page.spending for part in row.parts}
    names = [f"{_PARTS[part.key]} {part.label} {part.text}" for part in page.legend if part.key in used]
    if names:
        terminal.line("  ".join(names))


def _task_rows(step: StepRow) -> list[list[str]]:
    return [
        [
            f"  {task.task}",
            "",
            "" if task.outcome == "ok" else task.outcome,
            _placed(task.left, task.width),
            task.duration,
            "" if task.cost == fmt.UNKNOWN else task.cost,
            "",
            stacked(task.parts),
            "" if task.wasted == fmt.UNKNOWN else task.wasted,
        ]
        for task in step.tasks
    ]


def _show_comparison(terminal: Terminal, page: ReviewPage) -> None:
    terminal.line()
    terminal.heading(f"Against {page.comparison}" if page.metrics else page.comparison)
    if page.metrics:
        columns = ("", "this run", "usual", "range", "change")
        rows = [[m.name, m.now, m.usual, m.range, m.change] for m in page.metrics]
        terminal.table(Table(columns=columns, rows=rows, numbers=frozenset(columns[1:])))


def activity(step: StepReview, began: float | None, length_s: float | None, width: int = _LINE_WIDTH) -> str:
    """How many of a step's attempts ran at each time of the run, as a line of columns of different heights."""
    if began is None or not length_s:
        return ""
    running = [0.0] * width
    for one in step.attempts:
        if one.attempt.started_at is None:
            continue
        first = (one.attempt.started_at - began) / length_s * width
        last = first + (one.duration_s or 0.0) / length_s * width
        for column in range(max(0, int(first)), min(width - 1, int(last)) + 1):
            running[column] += max(0.02, min(last, column + 1) - max(first, column))
    most = max(running)
    if most <= 0:
        return ""
    return "".join(_LEVELS[round(amount / most * (len(_LEVELS) - 1))] if amount else " " for amount in running)


def _placed(left: float, width: float) -> str:
    begin = min(_LINE_WIDTH - 1, int(left / 100 * _LINE_WIDTH))
    return " " * begin + "─" * max(1, min(_LINE_WIDTH - begin, round(width / 100 * _LINE_WIDTH)))


def stacked(parts: tuple[Part, ...], width: int = _BAR_WIDTH) -> str:
    """A stacked bar of characters; what is above nothing is at least seen where it is the largest part."""
    text, position, drawn = "", 0.0, 0
    for part in parts:
        position += part.share / 100 * width
        count = round(position) - drawn
        text += _PARTS[part.kind] * count
        drawn += count
    return text or ("▏" if parts else "")
