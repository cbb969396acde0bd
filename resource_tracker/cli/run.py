"""``resource-tracker run -- COMMAND``: measures a command without changing what it does."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import TYPE_CHECKING

from resource_tracker.cli.command import Command, Ending, end_like, exec_failure
from resource_tracker.cli.messages import say
from resource_tracker.errors import SettingError

if TYPE_CHECKING:
    from pathlib import Path

    from resource_tracker.cli.live import LiveLine
    from resource_tracker.cli.watch import Watch
    from resource_tracker.records import TaskRecord

MARKER_VARIABLE = "METAFLOW_RESOURCE_TRACKER_MARKER"
"""Tells the sampler which orphans are the command's; the same variable as in Metaflow's tasks, so that they nest."""
_GLANCES_S = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
"""Pauses between looks at a command that may end before the sampler looks for the second time."""
_SURVEY_AFTER_S = 0.1
_LIVE_S = 1.0


def main(options: argparse.Namespace, argv: list[str]) -> int:
    """Run the command; returns its exit code, or dies of the signal that killed it."""
    if not argv:
        raise SettingError("no command: put it after --, as in 'resource-tracker run -- python train.py'")
    if not sys.platform.startswith("linux"):
        say(f"measuring needs Linux: {argv[0]} runs without it")
        os.execvp(argv[0], argv)  # noqa: S606
    marker = (MARKER_VARIABLE, os.urandom(16).hex())
    command = Command(argv, dict([marker]))  # forked before we grow: it is measured from here on
    try:
        watch = _begin(options, argv, command.pid, marker)
    except BaseException:
        command.abandon()
        raise
    if not command.release():
        watch.discard()
        assert command.exec_error is not None
        code, message = exec_failure(argv[0], command.exec_error)
        say(message)
        return code
    ending = _follow(command, watch, options)
    try:
        _report(options, watch, ending)
    except KeyboardInterrupt:  # the command is over; who interrupts now will not wait for the rest
        say("interrupted: the summary was left out")
    except BrokenPipeError:  # nobody reads standard error
        pass
    except Exception as error:  # noqa: BLE001 - whatever we fail at, the exit status stays the command's
        say(f"the summary failed: {type(error).__name__}: {error}")
    finally:
        watch.discard()
    return end_like(ending)


def _begin(options: argparse.Namespace, argv: list[str], pid: int, marker: tuple[str, str]) -> Watch:
    """Check what can be checked, then begin to measure."""
    from resource_tracker.settings import interval_of, overhead_budget_of

    interval_s = interval_of(options.interval, "run")
    overhead_budget = overhead_budget_of(options.overhead_budget, "run")
    if options.output:
        from resource_tracker.export import check_destination

        for path in options.output:
            check_destination(path)

    from resource_tracker.cli.watch import Watch, title_of

    title = options.title or title_of(argv)
    return Watch(pid, interval_s=interval_s, overhead_budget=overhead_budget, marker=marker, title=title)


def _follow(command: Command, watch: Watch, options: argparse.Namespace) -> Ending:
    """Wait for the end of the command, and pass its signals on whatever fails meanwhile."""
    live = _live_line(watch) if options.live and not options.quiet else None
    ticks: list[Callable[[], None]] = [watch.glance] * len(_GLANCES_S)
    delays: Iterator[float] = iter(_GLANCES_S)
    if not _is_silent(options):
        ticks.append(watch.survey)  # not sooner: the command has the machine to itself while it starts
        delays = chain(delays, [_SURVEY_AFTER_S], repeat(_LIVE_S) if live else ())
    tick = chain(ticks, repeat(live.update) if live else ())
    command.wait(lambda: _harmless(next(tick)), delays)
    if live:
        _harmless(live.clear)
    _harmless(watch.end)
    return command.reap()


def _harmless(action: Callable[[], None]) -> None:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - the command goes on, whatever the matter with us
        say(f"measuring goes on with a fault: {type(error).__name__}: {error}")


def _live_line(watch: Watch) -> LiveLine | None:
    from resource_tracker.cli.live import LiveLine, can_show

    return LiveLine(sys.stderr, watch.status) if can_show(sys.stderr) else None


def _is_silent(options: argparse.Namespace) -> bool:
    return options.quiet and not options.output


def _report(options: argparse.Namespace, watch: Watch, ending: Ending) -> None:
    if _is_silent(options):
        return
    record = watch.record(ending)
    said = [_write(record, path) for path in options.output]  # first: nobody may be reading standard error
    if not options.quiet:
        from resource_tracker.cli.terminal import Terminal
        from resource_tracker.cli.views import show_summary

        show_summary(Terminal(sys.stderr), record)
    for is_error, line in said:
        if is_error or not options.quiet:
            say(line)


def _write(record: TaskRecord, path: Path) -> tuple[bool, str]:
    """Whether it failed, and what to say of it."""
    from resource_tracker.export import write

    try:
        write(record, path)
    except OSError as error:
        return True, f"{path} could not be written: {error.strerror}"
    return False, f"wrote {path}"
