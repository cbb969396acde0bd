"""``resource-tracker review FLOW/RUN``: what a whole run cost, what it wasted, and what to change."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resource_tracker.cli.messages import say
from resource_tracker.cli.show import check_html
from resource_tracker.errors import SettingError

if TYPE_CHECKING:
    from resource_tracker.review_records import RunReview


def main(options: argparse.Namespace) -> int:
    """Print or write what was asked for; returns the exit code."""
    if options.html is not None:
        check_html(options.html)
    if options.runs is not None and options.runs < 0:
        raise SettingError(f"--runs {options.runs}: give the number of earlier runs to compare with, 0 or more")
    from resource_tracker.flows.runs import errors_as_ours

    with errors_as_ours():
        review = _review(options)
    if options.json:
        from resource_tracker.report.review_data import review_data

        print(json.dumps(review_data(review), indent=2))
    elif options.html is not None:
        _write(review, options.html)
    else:
        from resource_tracker.cli.review_view import show_review
        from resource_tracker.cli.terminal import Terminal

        show_review(Terminal(sys.stdout), review, with_tasks=options.tasks)
    return 0


def _review(options: argparse.Namespace) -> RunReview:
    from resource_tracker.flows import review
    from resource_tracker.flows.untold import told_note
    from resource_tracker.sizing import Policy

    note = told_note(options.pathspec)
    if note:
        say(note)
    target = review.find_run(options.pathspec)
    if target.note:
        say(target.note)
    return review.review_run(
        target.provider,
        target.flow,
        target.run_id,
        newer=target.newer,
        earlier_runs=review.EARLIER_RUNS if options.runs is None else options.runs,
        earlier_s=review.EARLIER_TIME_S if options.runs is None else math.inf,
        policy=None if options.policy is None else Policy(options.policy),
        vendor=options.vendor,
        region=options.region,
    )


def _write(review: RunReview, path: Path) -> None:
    from resource_tracker.report.render import render_review

    text = render_review(review)
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SettingError(f"{path} could not be written: {error.strerror}") from error
    say(f"wrote {path}")
