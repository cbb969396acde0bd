"""Time that tracking adds to a step: bare, with us, and with the package of PyPI."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import environments
from benchmarks.local_runs import LocalRuns
from benchmarks.measure import Cost, added, alternate, cpu, least_added, median, wall
from benchmarks.tables import Table, against, milliseconds, times

WITHOUT_CARD_MS = 30.0
WITH_CARD_MS = 120.0
BARE, WITHOUT_CARD, WITH_CARD, PEER = "bare", "without card", "with card", "peer"
COLUMNS = ("", "wall", "added", "best", "x bare", "CPU", "added", "best", "target")


def measure(folder: Path, quick: bool) -> list[Table]:
    """A task by itself with an empty step and with one of 2 s, then whole runs."""
    runs, notes = variants(folder)
    rounds = 3 if quick else 11
    tables = [table("One task, empty step", alternate("empty step", _tasks(runs, 0), rounds))]
    if not quick:
        tables.append(table("One task, step of 2 s", alternate("step of 2 s", _tasks(runs, 2), 3)))
    whole = alternate("whole run", {name: run.whole_run for name, run in runs.items()}, 1 if quick else 3)
    tables.append(table("A whole run of two tasks, one of them tracked", whole, targets=False))
    tables[-1].notes.append("The runtime looks for ended tasks once a second at worst: its wall time is coarse.")
    for result in tables:
        result.notes.extend(notes)
    return tables


def variants(folder: Path) -> tuple[dict[str, LocalRuns], list[str]]:
    """The flow in every variant that can be had, and what to say of the others."""
    bare, ours = environments.bare(), environments.ours()
    found = {
        BARE: LocalRuns(folder / "bare", bare, "bare"),
        WITHOUT_CARD: LocalRuns(folder / "without", ours, WITHOUT_CARD),
        WITH_CARD: LocalRuns(folder / "with", ours, WITH_CARD),
    }
    try:
        return {**found, PEER: LocalRuns(folder / "peer", environments.peer(), "peer")}, [f"peer: {environments.PEER}"]
    except environments.MissingError as error:
        return found, [f"{PEER} is left out: {error}"]


def table(title: str, costs: dict[str, list[Cost]], *, targets: bool = True) -> Table:
    """What each variant took, and what that is more than the bare one in the same round."""
    bare = costs[BARE]
    found = Table(title, COLUMNS)
    for name, taken in costs.items():
        target = {WITHOUT_CARD: WITHOUT_CARD_MS, WITH_CARD: WITH_CARD_MS}.get(name) if targets else None
        more = added(wall, taken, bare)
        found.add(
            name,
            milliseconds(median(wall, taken)),
            "" if name == BARE else milliseconds(more, signed=True),
            "" if name == BARE else milliseconds(least_added(wall, taken, bare), signed=True),
            times(median(wall, taken), median(wall, bare)),
            milliseconds(median(cpu, taken)),
            "" if name == BARE else milliseconds(added(cpu, taken, bare), signed=True),
            "" if name == BARE else milliseconds(least_added(cpu, taken, bare), signed=True),
            "" if target is None else against(more, target, f"<= {target:.0f} ms"),
        )
    found.notes.append(
        f"Medians of {len(bare)} rounds; `best` compares the best rounds. CPU: all processes, the sampler's included."
    )
    return found


def _tasks(runs: dict[str, LocalRuns], sleep_s: float) -> dict[str, Callable[[], Cost]]:
    return {name: partial(run.task, sleep_s) for name, run in runs.items()}
