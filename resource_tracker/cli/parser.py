"""The command line: verbs, options and their help. Imports nothing that takes time."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from resource_tracker.cli.arguments import Parser
from resource_tracker.cli.catalog_parser import add_catalog
from resource_tracker.cli.record_parser import add_record
from resource_tracker.cli.replay_parser import add_replay
from resource_tracker.options import DEFAULT_ARTIFACT_NAME, DEFAULT_OVERHEAD_BUDGET

_EXAMPLES = """\
examples:
  resource-tracker run -- python train.py
  resource-tracker show TrainFlow
  resource-tracker review TrainFlow
  resource-tracker recommend TrainFlow --diff flow.py
  resource-tracker why TrainFlow/1234/train/7
  resource-tracker catalog search --vcpus 4 --memory 16GB
  resource-tracker replay trace.csv
"""
_RUN_EXAMPLES = """\
examples:
  resource-tracker run -- python train.py --epochs 3
  resource-tracker run --interval 0.2 --output usage.html -- make -j4
  resource-tracker run --quiet --output usage.json -- ./job.sh < input

exit status:
  that of the command; where a signal kills it, the same signal ends resource-tracker (128+N in the shell);
  127 command not found, 126 not executable, 2 wrong usage (the command has not run)
"""
_SHOW_EXAMPLES = """\
examples:
  resource-tracker show TrainFlow                 the latest run, every tracked step
  resource-tracker show TrainFlow/1234
  resource-tracker show TrainFlow/1234/train      every task of a step
  resource-tracker show TrainFlow/1234/train/7 --html card.html
  resource-tracker show TrainFlow/1234/train --csv > rows.csv
"""
_REVIEW_EXAMPLES = """\
examples:
  resource-tracker review TrainFlow                   the latest tracked run
  resource-tracker review TrainFlow/1234 --tasks      with the tasks that cost most
  resource-tracker review TrainFlow/1234 --html review.html
"""
_WHY_EXAMPLES = """\
examples:
  resource-tracker why TrainFlow                      what failed in the latest run
  resource-tracker why TrainFlow/1234
  resource-tracker why TrainFlow/1234/train/7         every attempt of a task, also one that went well
"""
_RECOMMEND_EXAMPLES = """\
examples:
  resource-tracker recommend TrainFlow
  resource-tracker recommend TrainFlow --step train --verbose
  resource-tracker recommend TrainFlow --policy lean --runs 30
  resource-tracker recommend TrainFlow --estimate     all at once, not by half
  resource-tracker recommend TrainFlow --diff flow.py | git apply -p0
"""


def parse(arguments: Sequence[str], *, has_command: bool) -> argparse.Namespace:
    """The options; what cannot be understood ends the program with the verb's usage and what may have been meant.

    Parameters
    ----------
    arguments : sequence of str
        What stands before ``--``.
    has_command : bool
        Whether something stands behind it.
    """
    parser = build_parser()
    options, unknown = parser.parse_known_args(arguments)
    verb = _verbs(parser)[options.verb] if options.verb else parser
    verb = _verbs(verb)[options.action] if options.verb == "catalog" else verb
    stray = getattr(options, "command", [])
    if stray and (has_command or not unknown or arguments.index(stray[0]) < arguments.index(unknown[0])):
        where = arguments.index(stray[0])
        if has_command:
            verb.error(f"unexpected {shlex.join(arguments[where:])!r} before --")
        verb.error(f"put -- before the command: resource-tracker run -- {shlex.join(arguments[where:])}")
    if unknown:
        verb.refuse_unknown(unknown[0])
    return options


def _verbs(parser: Parser) -> dict[str, Parser]:
    (action,) = (found for found in parser._actions if isinstance(found, argparse._SubParsersAction))
    return dict(action.choices)


def build_parser() -> Parser:
    """The parser; the verb's name lands in ``verb``."""
    parser = Parser(
        prog="resource-tracker",
        description="What a command or a Metaflow step really needs, and what that costs.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    _add_run(verbs)
    _add_show(verbs)
    _add_review(verbs)
    _add_recommend(verbs)
    _add_why(verbs)
    add_catalog(verbs)
    add_replay(verbs)
    add_record(verbs)
    return parser


def _add_run(verbs: argparse._SubParsersAction[Parser]) -> None:
    parser = verbs.add_parser(
        "run",
        help="run a command and measure it",
        description=(
            "Run a command and measure it with all its child processes. Standard input, output, signals and the "
            "exit status are the command's own; a summary goes to standard error."
        ),
        usage="resource-tracker run [options] -- COMMAND [ARGUMENT ...]",
        epilog=_RUN_EXAMPLES,
    )
    parser.add_argument(
        "--interval", metavar="SECONDS", default="1", help="seconds between stored rows, at most a day (default: 1)"
    )
    parser.add_argument(
        "--overhead-budget",
        metavar="SHARE",
        default=str(DEFAULT_OVERHEAD_BUDGET),
        help="share of one core that measuring may use, from 0.0005 to 0.1 (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="write the measurements: .json (everything), .csv (every stored row) or .html (the card); repeatable",
    )
    parser.add_argument("command", nargs="*", help=argparse.SUPPRESS)  # what stands before --
    parser.add_argument("--title", help="name of the measurement (default: the command's name)")
    parser.add_argument("--quiet", action="store_true", help="no live status and no summary")
    parser.add_argument("--no-live", dest="live", action="store_false", help="no live status on a terminal")


def _add_show(verbs: argparse._SubParsersAction[Parser]) -> None:
    parser = verbs.add_parser(
        "show",
        help="show what tracked Metaflow tasks asked for, used, should ask for, and cost",
        description="Show what tracked Metaflow tasks asked for, used, should ask for next time, and cost.",
        epilog=_SHOW_EXAMPLES,
    )
    parser.add_argument("pathspec", metavar="PATHSPEC", help="FLOW, FLOW/RUN, FLOW/RUN/STEP or FLOW/RUN/STEP/TASK")
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--html", metavar="FILE", type=Path, help="write the card of one task to FILE")
    formats.add_argument("--json", action="store_true", help="print everything that is stored, as JSON")
    formats.add_argument("--csv", action="store_true", help="print every stored row, as CSV")
    formats.add_argument(
        "--cores", action="store_true", help="print how busy each core of the machine was, as CSV: a line for each row"
    )
    parser.add_argument(
        "--artifact-name",
        metavar="NAME",
        default=DEFAULT_ARTIFACT_NAME,
        help="the artifact to read, where @track_resources was given artifact_name= (default: %(default)s)",
    )


def _add_review(verbs: argparse._SubParsersAction[Parser]) -> None:
    parser = verbs.add_parser(
        "review",
        help="show what a whole run cost, what bought nothing, and which changes save most",
        description=(
            "Show what a whole run cost, step by step, failed and retried attempts included; what of it bought "
            "nothing; and the changes that save most, as lines to paste. Read from task metadata: no artifact is "
            "loaded."
        ),
        epilog=_REVIEW_EXAMPLES,
    )
    parser.add_argument("pathspec", metavar="PATHSPEC", help="FLOW (its latest tracked run) or FLOW/RUN")
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--html", metavar="FILE", type=Path, help="write the review as a page to FILE")
    formats.add_argument("--json", action="store_true", help="print every figure, as JSON")
    parser.add_argument("--tasks", action="store_true", help="also the tasks of each step that cost most")
    parser.add_argument(
        "--runs",
        metavar="N",
        type=int,
        help="earlier runs to compare with (default: 5, or as many as are read in a second)",
    )
    parser.add_argument("--policy", choices=("safe", "lean"), help="of the advice (default: each step's own)")
    parser.add_argument("--vendor", help="look for machines of this vendor, rather than where the steps ran")
    parser.add_argument("--region", help="look for machines in this region, rather than where the steps ran")


def _add_why(verbs: argparse._SubParsersAction[Parser]) -> None:
    parser = verbs.add_parser(
        "why",
        help="why a task failed: memory, a full disk, throttling, waiting, or nothing to do with resources",
        description=(
            "Say why attempts of Metaflow tasks ended as they did, what shows it, and what to do. Read from task "
            "metadata: no artifact is loaded."
        ),
        epilog=_WHY_EXAMPLES,
    )
    parser.add_argument(
        "pathspec", metavar="PATHSPEC", help="FLOW/RUN/STEP/TASK; or FLOW (its latest run), FLOW/RUN or FLOW/RUN/STEP"
    )
    parser.add_argument("--json", action="store_true", help="print everything, as JSON")


def _add_recommend(verbs: argparse._SubParsersAction[Parser]) -> None:
    parser = verbs.add_parser(
        "recommend",
        help="what each step of a flow should ask for, what that saves, and the diff that does it",
        description="What each step of a flow should ask for, by its latest tracked runs, and what that saves.",
        epilog=_RECOMMEND_EXAMPLES,
    )
    parser.add_argument("flow", metavar="FLOW", help="name of the flow")
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument(
        "--diff", metavar="FILE", type=Path, help="print the advice as a diff of the flow's file, which is not written"
    )
    formats.add_argument("--json", action="store_true", help="print everything as JSON")
    formats.add_argument(
        "--verbose", action="store_true", help="print the reason for each number, and what bound the step"
    )
    parser.add_argument("--runs", metavar="N", default="10", help="tracked runs to go by, 1 to 100 (default: 10)")
    parser.add_argument("--step", metavar="STEP", action="append", default=[], help="only this step; repeatable")
    parser.add_argument(
        "--policy",
        choices=("safe", "lean"),
        help="safe: practically never too little; lean: least expected cost, retries counted (default: each "
        "step's own, of @track_resources, which is safe where it says nothing)",
    )
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="advise the estimate at once, also where it is less than half of what the step asks for",
    )
    parser.add_argument(
        "--input-bytes",
        metavar="SIZE",
        help="size of the step's largest input in the next run, such as 10GB; with --step",
    )
    parser.add_argument("--vendor", help="look for machines and prices at this vendor, such as aws")
    parser.add_argument("--region", help="look for machines and prices in this region, such as eu-west-1")
