"""What an installed extension adds to ``import metaflow``, which everybody pays who has it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks import environments
from benchmarks.measure import Cost, added, alternate, clean_environment, cpu, least_added, median, run, wall
from benchmarks.tables import Table, against, milliseconds

TARGET_MS = 5.0
BARE, OURS = "Metaflow alone", "with us"
PROGRAM = (
    "import time; wall, cpu = time.perf_counter(), time.process_time(); import metaflow; "
    "print(time.perf_counter() - wall, time.process_time() - cpu)"
)
HEAVY = ("jinja2", "markupsafe", "psutil", "pynvml")
LOADED = f"import sys, metaflow; print(*[name for name in {HEAVY!r} if name in sys.modules])"


def measure(folder: Path, quick: bool) -> list[Table]:
    """With Metaflow alone, with us, with the package of PyPI."""
    pythons, notes = {BARE: environments.bare(), OURS: environments.ours()}, []
    try:
        pythons["with the peer"] = environments.peer()
        notes.append(f"peer: {environments.PEER}")
    except environments.MissingError as error:
        notes.append(f"{environments.PEER} is left out: {error}")
    variants = {name: partial(_import, python, folder) for name, python in pythons.items()}
    costs = alternate("import metaflow", variants, 5 if quick else 25)
    bare = costs[BARE]
    found = Table("import metaflow", ("", "wall", "added", "best", "CPU", "added", "best", "target"))
    for name, taken in costs.items():
        best = least_added(cpu, taken, bare)
        found.add(
            name,
            milliseconds(median(wall, taken)),
            "" if name == BARE else milliseconds(added(wall, taken, bare), signed=True),
            "" if name == BARE else milliseconds(least_added(wall, taken, bare), signed=True),
            milliseconds(median(cpu, taken)),
            "" if name == BARE else milliseconds(added(cpu, taken, bare), signed=True),
            "" if name == BARE else milliseconds(best, signed=True),
            against(best, TARGET_MS, f"<= {TARGET_MS:.0f} ms") if name == OURS else "",
        )
    loaded = run([pythons[OURS], "-c", LOADED], clean_environment(folder), folder).output.strip()
    notes.append(f"Of {', '.join(HEAVY)}, it loads with us: {loaded or 'none'}.")
    found.notes += [
        f"Medians of {len(bare)} rounds, taken within the process; the best rounds' CPU decides on the target.",
        *notes,
    ]
    return [found]


def _import(python: Path, folder: Path) -> Cost:
    wall_s, cpu_s = run([python, "-c", PROGRAM], clean_environment(folder), folder).output.split()
    return Cost(float(wall_s), float(cpu_s))
