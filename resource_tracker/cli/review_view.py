"""A cost review in a terminal: the words and figures of its page, with bars of characters."""

from __future__ import annotations

from collections.abc import Iterable

from resource_tracker.cli.terminal import Table, Terminal
from resource_tracker.cli.words import why_failed
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import Costs
from resource_tracker.report.review_model import ChangeRow, ReviewPage, build_page, costs_of_review
from resource_tracker.report.review_steps import Part, StepRow, TaskRow
from resource_tracker.report.review_words import SHOWN_CHANGES, killed
from resource_tracker.review_records import RunReview, StepReview

_LINE_WIDTH, _BAR_WIDTH = 30, 16
_LEVELS = "▁▂▃▄▅▆▇█"
_PARTS = {"used": "█", "cpu": "▒", "memory": "░", "gpu": "▓", "lost": "×"}
_LINE, _SHARE, _BAR, _WASTED = "over the run", "share", "", "bought nothing"
_COLUMNS = ("step", "tasks", "lost", _LINE, "time", "cost", _SHARE, _BAR, _WASTED)
_GAP, _LEAST_BAR = 2, 8


def show_review(terminal: Terminal, review: RunReview, *, with_tasks: bool = False) -> None:
    """What the run cost and wasted, what to change, its steps over time, and the runs before."""
    page, costs = build_page(review), costs_of_review(review)
    terminal.heading(f"{page.pathspec}: {page.badge.text} after {page.duration}")
    for sentence in (f"{page.verdict}.", *page.sentences, *([page.assumed] if page.assumed else [])):
        terminal.paragraph(sentence)
    if review.totals.lost:
        terminal.paragraph(why_failed(page.pathspec))
    _show_changes(terminal, page, costs, killed(review))
    _show_steps(terminal, review, page, with_tasks)
    _show_comparison(terminal, page)


def _show_changes(terminal: Terminal, page: ReviewPage, costs: Costs, kept: Iterable[str]) -> None:
    terminal.line()
    terminal.heading(page.changes_title if page.changes else page.no_changes)
    of = "" if costs.runs == 1 else f" in {costs.label}"
    for change in page.changes[:SHOWN_CHANGES]:
        month = f", {change.per_month}" if change.per_month else ""
        asked = f" instead of {change.asked}" if change.asked else ""
        terminal.line(f"  {change.step} saves {change.saving}{of}{month}")
        terminal.line(f"    {change.code}{asked}")
        _show_shortfall(terminal, change)
    if page.changes_aside:
        terminal.line(f"  {page.changes_aside}")
    if page.needs:
        terminal.line()
        terminal.heading("Asks for less than it needs")
        for change in page.needs:
            asked = f" instead of {change.asked}" if change.asked else ""
            terminal.line(f"  {change.step}")
            terminal.line(f"    {change.code}{asked}")
            _show_shortfall(terminal, change)
    for sentence in kept:
        terminal.line()
        terminal.paragraph(sentence)


def _show_shortfall(terminal: Terminal, change: ChangeRow) -> None:
    if change.shortfall:
        terminal.paragraph(change.shortfall, indent=4)


def _show_steps(terminal: Terminal, review: RunReview, page: ReviewPage, with_tasks: bool) -> None:
    texts = [_texts(step, shown, page) for step, shown in zip(review.steps, page.steps, strict=True)]
    opened = [shown.tasks if with_tasks and len(shown.tasks) > 1 else () for shown in page.steps]
    all_texts = [*texts, *(_task_texts(task, 0, 0) for tasks in opened for task in tasks)]
    line_width, bar_width, columns = _layout(terminal.width, all_texts)
    rows = []
    for step, tasks, text in zip(review.steps, opened, texts, strict=True):
        text[_LINE] = activity(step, review.totals.started_at, review.totals.wall_s, line_width)
        text[_BAR] = stacked(_parts_of(step, page), bar_width)
        rows.append(text)
        rows.extend(_task_texts(task, line_width, bar_width) for task in tasks)
    terminal.line()
    cells = [[row[name] for name in columns] for row in rows]
    numbers = frozenset(columns) - {"step", _LINE, _BAR}
    terminal.table(
        Table(columns=columns, rows=cells, numbers=numbers, optional=(_LINE, "tasks", _SHARE, "time", "lost"))
    )
    used = {part.kind for row in page.spending for part in row.parts}
    drawn = _BAR in columns
    names = [
        f"{_PARTS[part.key]} {part.label} {part.text}" if drawn else f"{part.label} {part.text}"
        for part in page.legend
        if part.key in used
    ]
    if names:
        terminal.line("  ".join(names))


def _texts(step: StepReview, shown: StepRow, page: ReviewPage) -> dict[str, str]:
    """A step's cells by column, those of its bars still empty."""
    paid = next((row for row in page.spending if row.name == step.name), None)
    return {
        "step": f"{step.name} ({step.aside})" if step.aside else step.name,
        "tasks": fmt.count(step.tasks),
        "lost": fmt.count(step.lost) if step.lost else "",
        _LINE: "",
        "time": shown.duration,
        "cost": shown.cost if step.tracked else "",
        _SHARE: paid.share if paid else "",
        _BAR: "",
        _WASTED: paid.wasted if paid else "",
    }


def _task_texts(task: TaskRow, line_width: int, bar_width: int) -> dict[str, str]:
    return {
        "step": f"  {task.task}",
        "tasks": "",
        "lost": "" if task.outcome == "ok" else task.outcome,
        _LINE: _placed(task.left, task.width, line_width),
        "time": task.duration,
        "cost": "" if task.cost == fmt.UNKNOWN else task.cost,
        _SHARE: "",
        _BAR: stacked(task.parts, bar_width),
        _WASTED: "" if task.wasted == fmt.UNKNOWN else task.wasted,
    }


def _parts_of(step: StepReview, page: ReviewPage) -> tuple[Part, ...]:
    return next((row.parts for row in page.spending if row.name == step.name), ())


def _layout(width: int | None, texts: list[dict[str, str]]) -> tuple[int, int, tuple[str, ...]]:
    """How wide the line over time and the bar of the cost may be, and the columns; the line is the first to go."""
    columns: tuple[str, ...] = _COLUMNS
    if width is None:
        return _LINE_WIDTH, _BAR_WIDTH, columns
    others = {name: [text[name] for text in texts] for name in columns if name not in (_LINE, _BAR)}
    taken = {name: max(map(len, [name, *cells])) + _GAP for name, cells in others.items() if any(cells)}
    room = width - sum(taken.values()) + _GAP
    if room >= len(_LINE) + _GAP + _LEAST_BAR + _GAP:
        room -= 2 * _GAP
        line = max(len(_LINE), min(_LINE_WIDTH, room - _BAR_WIDTH, room * 2 // 3))
        return line, min(_BAR_WIDTH, room - line), columns
    if room < _LEAST_BAR + _GAP:  # the bar says the share, too
        columns = tuple(name for name in columns if name != _SHARE)
        room += taken.get(_SHARE, 0)
    if room >= _LEAST_BAR + _GAP:
        return len(_LINE), min(_BAR_WIDTH, room - _GAP), columns
    return len(_LINE), 0, tuple(name for name in columns if name != _BAR)


def _show_comparison(terminal: Terminal, page: ReviewPage) -> None:
    terminal.line()
    terminal.heading(f"Against {page.comparison}" if page.metrics else page.comparison)
    if page.metrics:
        columns = ("", "this run", "usual", "range", "change")
        rows = [[m.name, m.now, m.usual, m.range, m.change] for m in page.metrics]
        terminal.table(Table(columns=columns, rows=rows, numbers=frozenset(columns[1:]), optional=("range", "usual")))


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


def _placed(left: float, width: float, columns: int) -> str:
    begin = min(columns - 1, int(left / 100 * columns))
    return " " * begin + "─" * max(1, min(columns - begin, round(width / 100 * columns)))


def stacked(parts: tuple[Part, ...], width: int = _BAR_WIDTH) -> str:
    """A stacked bar of characters; what is above nothing is at least seen where it is the largest part."""
    text, position, drawn = "", 0.0, 0
    for part in parts:
        position += part.share / 100 * width
        count = round(position) - drawn
        text += _PARTS[part.kind] * count
        drawn += count
    return text or ("▏" if parts else "")
