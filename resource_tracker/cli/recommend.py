"""``resource-tracker recommend FLOW``: what each step should ask for, what that saves, and the diff that does it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from resource_tracker.cli.amounts import size_in_bytes, whole_number
from resource_tracker.cli.messages import say
from resource_tracker.errors import SettingError
from resource_tracker.outlook import LARGEST_INPUT_RATIO
from resource_tracker.report import format as fmt

if TYPE_CHECKING:
    from resource_tracker.cli.recommendations import Recommendations, StepRecommendation
    from resource_tracker.flows.recent_runs import RecentRuns

MOST_RUNS = 100


def main(options: argparse.Namespace) -> int:
    """Print what was asked for; returns the exit code."""
    runs = whole_number(options.runs, "--runs", 1, MOST_RUNS)
    input_bytes = None if options.input_bytes is None else size_in_bytes(options.input_bytes, "--input-bytes")
    if input_bytes is not None and len(set(options.step)) != 1:
        raise SettingError("--input-bytes is the input of one step: name it by --step")
    source = None
    if options.diff is not None:
        from resource_tracker.cli.recommend_diff import read_source

        source = read_source(options.diff, options.flow)  # a file that does not fit is known before anything is read
    found = _recommendations(options, runs, input_bytes)
    if input_bytes is not None:
        say_of_input(input_bytes, found.steps[0])
    if options.json:
        print(json.dumps(found.as_plain(), indent=2, allow_nan=False))
    elif source is not None:
        from resource_tracker.cli.recommend_diff import print_diff

        print_diff(source, options.diff, found)
    else:
        from resource_tracker.cli.recommend_view import show_recommendations
        from resource_tracker.cli.terminal import Terminal

        show_recommendations(Terminal(sys.stdout), found, verbose=options.verbose)
    return 0


def say_of_input(input_bytes: float, step: StepRecommendation) -> None:
    """Where the size of the next input changes nothing, or is far from all that was seen."""
    largest = step.largest_input_bytes
    if largest is None:
        say(f"{step.name}: no attempt's input was measured: --input-bytes changes nothing")
    elif input_bytes > LARGEST_INPUT_RATIO * largest:
        say(
            f"{step.name}: the largest input seen so far was {fmt.data_size(largest)}: more than "
            f"{LARGEST_INPUT_RATIO:.0f} times as much is a guess; try it in between first"
        )


def _recommendations(options: argparse.Namespace, runs: int, input_bytes: float | None) -> Recommendations:
    from resource_tracker.catalog import load_bundled
    from resource_tracker.cli.recommendations import recommendations
    from resource_tracker.sizing import Policy

    catalog = load_bundled()
    return recommendations(
        _read(options.flow, runs),
        steps=tuple(options.step),
        policy=None if options.policy is None else Policy(options.policy),
        input_bytes=input_bytes,
        catalog=catalog,
        vendor=options.vendor,
        region=options.region,
        at_estimate=options.estimate,
        now=time.time(),
    )


def _read(flow_name: str, runs: int) -> RecentRuns:
    from resource_tracker.cli.progress import Progress
    from resource_tracker.flows.runs import errors_as_ours

    with errors_as_ours(), Progress(sys.stderr) as progress:
        from resource_tracker.flows.recent_runs import recent_runs
        from resource_tracker.flows.untold import told_note

        progress.update("looking for attempts of which nobody has told")
        note = told_note(flow_name)
        if note:
            say(note)
        return recent_runs(flow_name, runs, progress.update)
