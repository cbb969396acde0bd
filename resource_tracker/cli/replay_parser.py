"""Options of ``resource-tracker replay``."""

from __future__ import annotations

import argparse
from pathlib import Path

from resource_tracker.cli.arguments import Parser

_EXAMPLES = """\
examples:
  resource-tracker replay trace.csv
  resource-tracker replay january.csv february.csv         and our policies against the best other rule over both
  resource-tracker replay trace.csv --runs 10              one size for a step per run, as @resources has it
  resource-tracker replay --synthetic 1                    a made-up trace

a trace, sorted by started_at; input_bytes and requested_mib may be empty:
  task,started_at,duration_s,peak_mib,input_bytes,requested_mib
  train,1700000000,62.5,1810,250000000,4096
"""


def add_replay(verbs: argparse._SubParsersAction[Parser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "replay",
        help="try the memory advice on a trace of tasks, beside the rules that people use today",
        description=(
            "Replay the tasks of a trace in order, each sized from those before it, and print what our policies "
            "and the rules that people use today waste and how many tasks they fail. A failed attempt wastes its "
            "whole size for its whole duration, and is repeated."
        ),
        epilog=_EXAMPLES,
    )
    parser.add_argument("traces", metavar="TRACE.csv", nargs="*", type=Path, help="a trace; several are compared")
    parser.add_argument("--synthetic", metavar="SEED", help="a made-up trace from this seed, a whole number")
    parser.add_argument(
        "--runs",
        metavar="N",
        help="spread each task's instances over N runs (2 to 1000), and give all of a run one size, inputs unknown",
    )
    parser.add_argument("--no-inputs", dest="inputs", action="store_false", help="only as if inputs were not known")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
