"""Spot checks of what trackers say against what is known to be true."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import environments
from benchmarks.measure import clean_environment, run, say
from benchmarks.tables import Table

PROGRAM = Path(__file__).parent / "programs" / "truth.py"
MB_OF_MIB = 1.048576
QUICK = {
    "spike": "memory: 1 GiB for 200 ms, between the seconds",
    "grandchildren": "CPU: 100 grandchildren of 30 ms below a shell",
}
SLOW = {
    "blip": "memory: 1 GiB for 20 ms, between the seconds",
    "short child": "memory: a child of 500 MiB, gone at once",
    "children in turn": "memory: ten children, 100 MiB each in turn",
    "shared": "memory: 1 GiB shared with five forks",
    "sequential": "CPU: 1000 children of 10 ms, one after the other",
    "unwaited": "CPU: 20 children that nobody waits for",
    "daemon": "CPU: a daemon of a daemon, 10 s",
    "pool": "CPU: a pool of four processes",
    "threads": "CPU: four threads of a library",
}


def measure(folder: Path, quick: bool) -> list[Table]:
    """Each workload under us and under the package of PyPI, one after the other."""
    pythons, notes = {"ours": environments.ours()}, []
    try:
        pythons["peer"] = environments.peer()
    except environments.MissingError as error:
        notes.append(f"{environments.PEER} is left out: {error}")
    found = Table("What is seen of what happened", ("", "tracker", "truth", "seen", "error"))
    advice = Table("Memory advised for the next run", ("", "tracker", "peak", "advised", "enough"))
    for kind, name in (QUICK if quick else {**QUICK, **SLOW}).items():
        for tracker, python in pythons.items():
            say(f"accuracy: {name}, {tracker}")
            result = json.loads(run([python, PROGRAM, tracker, kind], clean_environment(folder), folder).output)
            truth, seen, unit = result["truth"], result["seen"], result["unit"]
            found.add(
                name if tracker == "ours" else "",
                tracker,
                f"{truth:,.2f} {unit}",
                f"{seen:,.2f} {unit}",
                f"{100 * (seen / truth - 1):+.1f} %",
            )
            if kind == "spike":
                peak_mb, advised = truth * MB_OF_MIB, result["advised_mb"]
                advice.add(
                    name, tracker, f"{peak_mb:,.0f} MB", f"{advised:,} MB", "yes" if advised >= peak_mb else "no"
                )
    found.notes.append("Truth: the kernel's record of the process and of children waited for (getrusage), proportional")
    found.notes.append("set size for memory of several processes, what processes wrote down that nobody waits for.")
    found.notes += notes
    return [found, advice]
