"""The benchmarks' command line."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from benchmarks.measure import BenchmarkError, collect_orphans, loop_ms, say
from benchmarks.tables import Table, markdown, show

SUBJECTS = {
    "steps": "time that tracking adds to a step, bare and beside the package of PyPI",
    "imports": "what the installed extension adds to `import metaflow`",
    "sampler": "CPU and memory of the sampler itself, on idle, busy, wide and large workloads",
    "gpus": "whether GPUs with a slow driver make rows late, and what they cost the sampler",
    "spool": "size of what a step of a day and of ten days leaves",
    "cores": "what telling the cores of a machine apart costs, up to 512 of them",
    "card": "size of cards and artifacts, time of the final card",
    "live": "what an update of the live card costs, and a step that has one",
    "accuracy": "spot checks of the figures against what is known to be true",
    "history": "whether a thousand earlier runs slow a step down",
    "review": "how long the cost review of a run of a thousand tasks takes",
}
DESCRIPTION = """\
Measures what tracking costs, each time beside a run without it and beside the resource-tracker
package of PyPI. Variants run alternately, and figures are medians, so a busy machine blurs the
result less; CPU time, which counts all processes, stands beside wall time.

subjects:
"""
EPILOG = """\
examples:
  python -m benchmarks                      everything, about 5 minutes on two cores
  python -m benchmarks --quick              everything, few rounds, about 2 minutes
  python -m benchmarks steps imports        two subjects
  python -m benchmarks --markdown out.md    also as tables for a document

The first run installs Metaflow, this package and the others into benchmarks/.cache. What cannot be
installed is left out, with the reason below the table. Progress goes to standard error.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    listed = "".join(f"  {name:10} {about}\n" for name, about in SUBJECTS.items())
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=DESCRIPTION + listed,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("subjects", nargs="*", metavar="SUBJECT", help="what to measure (default: everything)")
    made.add_argument("--quick", action="store_true", help="fewer rounds and shorter looks: rough figures")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there, too")
    return made


def main() -> None:
    """Measure, print."""
    arguments = parser().parse_args()
    unknown = [name for name in arguments.subjects if name not in SUBJECTS]
    if unknown:
        parser().error(f"unknown subject {', '.join(unknown)}: there are {', '.join(SUBJECTS)}")
    collect_orphans()
    first_loop_ms = loop_ms()
    begun_s = time.monotonic()
    tables: list[Table] = []
    failed = False
    for name in arguments.subjects or SUBJECTS:
        try:
            with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
                found = import_module(f"benchmarks.{name}").measure(Path(folder), arguments.quick)
        except BenchmarkError as error:
            say(f"{name} failed: {error}")
            failed = True
            continue
        show(found)
        tables += found
    about = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    print(f"\n{about}; took {time.monotonic() - begun_s:.0f} s.")
    print(f"A Python loop of a million rounds took {first_loop_ms:.0f} ms of CPU before, {loop_ms():.0f} ms after.")
    if arguments.markdown:
        arguments.markdown.write_text("\n\n".join(markdown(table) for table in tables) + "\n", encoding="utf-8")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
