"""Options of ``resource-tracker record``."""

from __future__ import annotations

import argparse
from pathlib import Path

from resource_tracker.cli.arguments import Parser

_EXAMPLES = """\
examples:
  resource-tracker record
  resource-tracker record --pid 4711 --seconds 20 --output slow-disk.tar.gz
  tar xzOf scene.tar.gz 0/proc/stat               see for yourself what is in it
"""


def add_record(verbs: argparse._SubParsersAction[Parser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "record",
        help="record the kernel files of this machine for a report, without any names",
        description=(
            "Record what the kernel says of this machine and of one process with its descendants, once a second, so "
            "that a report of wrong figures becomes a test. Numbers only: no names, command lines, environments, "
            "paths or addresses. What was recorded, what was not and what could not be read is printed."
        ),
        epilog=_EXAMPLES,
    )
    parser.add_argument("--seconds", metavar="N", default="5", help="how long, 1 to 60 (default: 5)")
    parser.add_argument("--pid", metavar="PID", help="the process, such as that of a step (default: this command)")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("scene.tar.gz"), help="default: %(default)s"
    )
