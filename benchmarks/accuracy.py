"""Spot checks of what trackers say against what is known to be true."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import environments
from benchmarks.measure import clean_environment, run, say
from benchmarks.tables import Table

PROGRAM = Path(__file__).parent / "programs" / "truth.py"
MB_OF_MIB = 1.048576


def measure(folder: Path, quick: bool) -> list[Table]:
    """Each workload under us and under the package of PyPI, one after the other."""
    pythons, notes = {"ours": environments.ours()}, []
    try:
        pythons["peer"] = environments.peer()
    except environments.MissingError as error:
        notes.append(f"{environments.PEER} is left out: {error}")
    found = Table("What is seen of what happened", ("", "tracker", "truth", "seen", "error"))
    advice = Table("Memory advised for the next run", ("", "tracker", "peak", "advised", "enough"))
    for kind, name, unit in (
        ("spike", "1 GiB for 0.2 s, between the seconds", "MiB"),
        ("short", "CPU of 150 children of 40 ms", "s"),
    ):
        for tracker, python in pythons.items():
            say(f"accuracy: {name}, {tracker}")
            result = json.loads(run([python, PROGRAM, tracker, kind], clean_environment(folder), folder).output)
            truth, seen = result["truth"], result["seen"]
            found.add(
                name, tracker, f"{truth:,.2f} {unit}", f"{seen:,.2f} {unit}", f"{100 * (seen / truth - 1):+.0f} %"
            )
            if kind == "spike":
                peak_mb, advised = truth * MB_OF_MIB, result["advised_mb"]
                advice.add(
                    name, tracker, f"{peak_mb:,.0f} MB", f"{advised:,} MB", "yes" if advised >= peak_mb else "no"
                )
    found.notes.append("Truth is what the kernel kept of the process itself (getrusage).")
    found.notes += notes
    return [found, advice]
