"""``resource-tracker why PATHSPEC``: why attempts of a task ended as they did, and what to do about it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from resource_tracker.cli.messages import say

if TYPE_CHECKING:
    from resource_tracker.cli.terminal import Terminal
    from resource_tracker.flows.explaining import Explained

_STYLES = {"ok": "bold green", "running": "bold"}


def main(options: argparse.Namespace) -> int:
    """Print the explanations; returns the exit code."""
    from resource_tracker.flows.runs import errors_as_ours

    with errors_as_ours():
        from resource_tracker.flows.explaining import explained

        found = explained(options.pathspec)
    if found.note:
        say(found.note)
    if options.json:
        print(json.dumps([_plain(one) for one in found.attempts], indent=2))
        return 0
    from resource_tracker.cli.terminal import Terminal

    _show(Terminal(sys.stdout), found.attempts)
    return 0


def _show(terminal: Terminal, attempts: tuple[Explained, ...]) -> None:
    for index, one in enumerate(attempts):
        if index:
            terminal.line()
        why = one.why
        terminal.line(f"{one.name}: {why.headline}", _STYLES.get(why.kind, "bold red"))
        if why.sentences:
            terminal.paragraph(" ".join(why.sentences), indent=2)
        if why.remedy:
            terminal.paragraph(f"What to do: {why.remedy}", indent=2, hanging=2)
        if why.source:
            terminal.paragraph(f"Seen in: {why.source}", indent=2)


def _plain(one: Explained) -> dict[str, object]:
    return {"pathspec": one.pathspec, "attempt": one.attempt, **one.why._asdict()}
