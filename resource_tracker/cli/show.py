"""``resource-tracker show PATHSPEC``: what tracked Metaflow tasks asked for, used, should ask for, and cost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from resource_tracker.cli.messages import say
from resource_tracker.errors import NotTrackedError, SettingError

if TYPE_CHECKING:
    from resource_tracker.flows.client import Target
    from resource_tracker.records import TaskRecord


def main(options: argparse.Namespace) -> int:
    """Print or write what was asked for; returns the exit code."""
    if options.html is not None:
        check_html(options.html)
    from resource_tracker.flows.runs import errors_as_ours

    with errors_as_ours():
        _show(options)
    return 0


def _show(options: argparse.Namespace) -> None:
    from resource_tracker.flows import client

    target = client.resolve(options.pathspec, options.artifact_name)
    records = _Records(target, options.artifact_name)
    if target.latest and (options.json or options.csv or options.cores or options.html):
        say(target.latest.note)
    if options.json:
        _print_json(records)
    elif options.csv:
        _print_csv(records)
    elif options.cores:
        _print_cores(records)
    elif options.html is not None:
        _write_card(records, options.html)
    else:
        _print_tables(records)


class _Records:
    """The records of a target, one after the other, with a complaint for each that cannot be had."""

    def __init__(self, target: Target, artifact_name: str) -> None:
        self._target = target
        self._artifact_name = artifact_name
        self.run = str(target.run.pathspec)
        self.latest = target.latest
        self.of_one_task = target.pathspec.strip("/").count("/") == 3

    def __iter__(self) -> Iterator[TaskRecord]:
        from resource_tracker.flows import client
        from resource_tracker.flows.runs import HOW_TO_TRACK

        tracked = readable = 0
        for task in client.tracked_tasks(self._target, self._artifact_name):
            tracked += 1
            if task.record is None:
                say(f"{task.pathspec}: {task.problem}")
            else:
                readable += 1
                yield task.record
        if tracked and not readable:
            raise NotTrackedError(self._unreadable())
        if not tracked:
            what, steps = self._target.pathspec, client.tracked_steps(self._target.run)
            if not steps:
                raise NotTrackedError(f"{what} was not tracked, nor any step of the run: {HOW_TO_TRACK}")
            raise NotTrackedError(f"{what} was not tracked; tracked steps of {self.run}: {', '.join(steps)}")

    def _unreadable(self) -> str:
        """What to say where there are measurements, but no artifact; of a flow also which run has one."""
        from resource_tracker.flows import client

        if self.latest is None:
            return f"{self._target.pathspec} was tracked, but no record of it can be read"
        earlier = client.readable_run_before(self._target, self._artifact_name)
        if earlier is None:
            return f"{self.run} was tracked, but no record of it can be read, nor of an earlier run"
        return f"no record of {self.run} can be read; of an earlier run it can: resource-tracker show {earlier}"


def _print_json(records: _Records) -> None:
    """An object for the pathspec of a task, else a list; one record in memory at a time."""
    from resource_tracker.export import to_json

    if records.of_one_task:
        for record in records:
            print(to_json(record))
        return
    before = "["
    for record in records:
        print(before, to_json(record), sep="\n", end="")
        before = ","
    print("\n]" if before == "," else "[]")


def _print_csv(records: _Records) -> None:
    from resource_tracker.export import csv_of_all

    for text in csv_of_all(records):
        sys.stdout.write(text)


def _print_cores(records: _Records) -> None:
    from resource_tracker.export import csv_of_cores

    lines = 0
    for text in csv_of_cores(records):
        sys.stdout.write(text)
        lines += text.count("\n")
    if lines == 1:  # the header
        say("no core was told apart: an earlier version measured it, or the kernel does not tell")


def _write_card(records: _Records, path: Path) -> None:
    from resource_tracker.export import write

    first, *others = (record for _, record in zip(range(2), records, strict=False))
    if others:
        raise SettingError(f"--html writes the card of one task: give its pathspec, such as {first.pathspec}")
    try:
        write(first, path)
    except OSError as error:
        raise SettingError(f"{path} could not be written: {error.strerror}") from error
    say(f"wrote {path}")


def _print_tables(records: _Records) -> None:
    from resource_tracker.cli.terminal import Terminal
    from resource_tracker.cli.views import show_record, show_tasks

    terminal = Terminal(sys.stdout)
    latest = records.latest
    remaining = iter(records)
    first, second = next(remaining, None), next(remaining, None)
    if first is not None and second is None:
        if latest:
            say(latest.note)
        show_record(terminal, first)
    elif first is not None and second is not None:
        if latest and latest.untracked:
            say(latest.note)
        title = f"{records.run}, the latest run {latest.where}" if latest and not latest.untracked else records.run
        show_tasks(terminal, title, chain((first, second), remaining))


def check_html(path: Path) -> None:
    """Refuse a file that no page can be written to, before anything is read."""
    from resource_tracker.export import check_destination

    if path.suffix.lower() != ".html":
        raise SettingError(f"{path}: --html writes a page: give a name that ends in .html")
    check_destination(path)
