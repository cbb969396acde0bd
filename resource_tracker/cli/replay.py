"""``resource-tracker replay TRACE.csv``: the memory advice on a trace, beside the rules that people use today."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from resource_tracker.cli.amounts import whole_number
from resource_tracker.cli.messages import say
from resource_tracker.cli.progress import Progress
from resource_tracker.cli.terminal import Table, Terminal
from resource_tracker.errors import SettingError, TraceError
from resource_tracker.replay.comparison import Replay, against_best, replay, ways
from resource_tracker.replay.score import BEARABLE_FAILURES, OURS, Group, tasks_looked_at
from resource_tracker.replay.synthetic import synthetic_trace
from resource_tracker.replay.trace import TraceTask
from resource_tracker.report import format as fmt
from resource_tracker.trace_file import read_trace

MOST_RUNS = 1000
_S_PER_LOOK = 4e-5
"""All rules together, for each earlier instance that a task is sized from, on a machine of 2024."""
_LONG_S = 120.0
_COLUMNS = ("rule", "wasted\nGiB-hours", "failed", "failed\nshare", "allocated\nover used")


def main(options: argparse.Namespace) -> int:
    """Print what was asked for; returns the exit code."""
    runs = None if options.runs is None else whole_number(options.runs, "--runs", 2, MOST_RUNS)
    traces = _traces(options)
    for name, tasks in traces:
        if runs is None:
            say_how_long(name, tasks, options.inputs)
    with Progress(sys.stderr) as progress:
        replays = [
            replay(name, groups, known, progress.update)
            for name, tasks in traces
            for known, groups in _ways(name, tasks, runs, options.inputs)
        ]
    if options.json:
        print(json.dumps([_plain(found) for found in replays], indent=2, allow_nan=False))
    else:
        _show(Terminal(sys.stdout), replays, runs)
    return 0


def _traces(options: argparse.Namespace) -> list[tuple[str, list[TraceTask]]]:
    found = [(path.name, read_trace(path)) for path in options.traces]
    if options.synthetic is not None:
        seed = whole_number(options.synthetic, "--synthetic", 0, 999_999_999)
        found.append((f"synthetic trace {seed}", synthetic_trace(seed)))
    if not found:
        raise SettingError("replay: name a trace, a CSV file, or try a made-up one with --synthetic 1")
    return found


def say_how_long(name: str, tasks: list[TraceTask], inputs: bool) -> None:
    """Where somebody may wonder whether it still does anything."""
    seconds = sum(tasks_looked_at(groups) for _, groups in ways(tasks, None, inputs)) * _S_PER_LOOK
    if seconds > _LONG_S:
        say(f"{name}: {len(tasks):,} tasks take about {fmt.duration(seconds)}; a part of them is quicker")


def _ways(name: str, tasks: list[TraceTask], runs: int | None, inputs: bool) -> list[tuple[bool, list[Group]]]:
    found = ways(tasks, runs, inputs)
    if not any(groups for _, groups in found):
        raise TraceError(f"{name}: no task has as many as --runs {runs} instances: give fewer runs")
    return found


def _show(terminal: Terminal, replays: list[Replay], runs: int | None) -> None:
    for found in replays:
        what = f"one size per step for each of {runs} runs" if runs else _tasks(found.scores[0].tasks)
        inputs = "known" if found.inputs_known else "not known"
        terminal.heading(f"{found.trace}: {what}, input sizes {inputs}")
        terminal.table(_table(found))
        terminal.line()
    for known in (True, False):
        alike = [found for found in replays if found.inputs_known is known]
        _show_ratios(terminal, alike, known)


def _tasks(number: int) -> str:
    return f"{number:,} task{'' if number == 1 else 's'}"


def _table(found: Replay) -> Table:
    rows = [
        (s.rule, f"{s.wasted_gib_hours:,.2f}", f"{s.failed:,}", f"{s.failed_share:.2%}", f"{s.allocated_over_used:.2f}")
        for s in found.scores
    ]
    best = None if found.best_other is None else found.scores.index(found.best_other)
    return Table(columns=_COLUMNS, rows=rows, numbers=frozenset(_COLUMNS[1:]), strong=best)


def _show_ratios(terminal: Terminal, replays: list[Replay], known: bool) -> None:
    best = sorted({found.best_other.rule for found in replays if found.best_other is not None})
    over = f", as a geometric mean over {len(replays)} traces" if len(replays) > 1 else ""
    inputs = f"with input sizes {'known' if known else 'not known'}"
    for rule in OURS:
        worst = max((s.failed_share for found in replays if (s := found.of(rule.name)) is not None), default=0.0)
        ratio = against_best(replays, rule.name)
        if worst > BEARABLE_FAILURES:
            terminal.paragraph(f"{rule.name} itself fails in {worst:.2%} {inputs}: not compared with the others.")
        elif ratio is not None:
            terminal.paragraph(
                f"{rule.name} wastes {ratio:.2f} times what the best other rule does that fails in at most "
                f"{BEARABLE_FAILURES:.1%} ({' or '.join(best)}){over}, {inputs}."
            )


def _plain(found: Replay) -> dict[str, object]:
    best = found.best_other
    return {
        "trace": found.trace,
        "inputs_known": found.inputs_known,
        "scores": [{**asdict(s), "failed_share": s.failed_share} for s in found.scores],
        "best_other": None if best is None else best.rule,
    }
