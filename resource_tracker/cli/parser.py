"""The command line: verbs, options and their help. Imports nothing that takes time."""

from __future__ import annotations

import argparse
from pathlib import Path

from resource_tracker.options import DEFAULT_ARTIFACT_NAME

_EXAMPLES = """\
examples:
  resource-tracker run -- python train.py
  resource-tracker show TrainFlow
"""
_RUN_EXAMPLES = """\
examples:
  resource-tracker run -- python train.py --epochs 3
  resource-tracker run --interval 0.2 --output usage.html --output usage.csv -- make -j4
  resource-tracker run --quiet --output usage.json -- ./job.sh < input > output

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


def build_parser() -> argparse.ArgumentParser:
    """The parser; the verb's name lands in ``verb``."""
    parser = argparse.ArgumentParser(
        prog="resource-tracker",
        description="What a command or a Metaflow step really needs, and what that costs.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    _add_run(verbs)
    _add_show(verbs)
    return parser


def _add_run(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "run",
        help="run a command and measure it",
        description=(
            "Run a command and measure it with all its child processes. Standard input, output, signals and the "
            "exit status are the command's own; a summary goes to standard error."
        ),
        usage="resource-tracker run [options] -- COMMAND [ARGUMENT ...]",
        epilog=_RUN_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--interval", metavar="SECONDS", default="1", help="seconds between stored rows, at most a day (default: 1)"
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


def _add_show(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "show",
        help="show what tracked Metaflow tasks asked for, used, should ask for, and cost",
        description="Show what tracked Metaflow tasks asked for, used, should ask for next time, and cost.",
        epilog=_SHOW_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("pathspec", metavar="PATHSPEC", help="FLOW, FLOW/RUN, FLOW/RUN/STEP or FLOW/RUN/STEP/TASK")
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument("--html", metavar="FILE", type=Path, help="write the card of one task to FILE")
    formats.add_argument("--json", action="store_true", help="print everything that is stored, as JSON")
    formats.add_argument("--csv", action="store_true", help="print every stored row, as CSV")
    parser.add_argument(
        "--artifact-name",
        metavar="NAME",
        default=DEFAULT_ARTIFACT_NAME,
        help="the artifact to read, where @track_resources was given artifact_name= (default: %(default)s)",
    )
