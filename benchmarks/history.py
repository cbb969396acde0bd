"""Whether a flow with a long past makes its steps slower: the comparison must not stand in a task's way."""

from __future__ import annotations

from pathlib import Path

from benchmarks import environments
from benchmarks.local_runs import LocalRuns
from benchmarks.measure import Cost, added, alternate, cpu, least_added, median, say, wall
from benchmarks.tables import Table, milliseconds, times

RUNS = 1000


def measure(folder: Path, quick: bool) -> list[Table]:
    """Whole runs and single tasks, without a past and with one of many runs, each beside the bare flow."""
    count = RUNS // 5 if quick else RUNS
    names = {"no earlier runs": 0, f"{count} earlier runs": count}
    stores = {
        (variant, past): LocalRuns(folder / f"{variant}-{number}", python, variant)
        for past, number in names.items()
        for variant, python in (("bare", environments.bare()), ("with card", environments.ours()))
    }
    for (_, past), runs in stores.items():
        if names[past]:
            say(f"making up {names[past]} earlier runs")
            runs.make_up_history(names[past])
    tasks = alternate("task", {f"{v}, {p}": runs.task for (v, p), runs in stores.items()}, 3 if quick else 7)
    whole = alternate("whole run", {f"{v}, {p}": runs.whole_run for (v, p), runs in stores.items()}, 1 if quick else 3)
    return [_table("One task", tasks, names), _table("A whole run", whole, names)]


def _table(what: str, costs: dict[str, list[Cost]], pasts: dict[str, int]) -> Table:
    none, many = pasts
    found = Table(f"{what}, {none} and {many}", ("", none, many, "wall added", "best", "x", "CPU added", "best"))
    for variant in ("bare", "with card"):
        without, past = costs[f"{variant}, {none}"], costs[f"{variant}, {many}"]
        found.add(
            variant,
            milliseconds(median(wall, without)),
            milliseconds(median(wall, past)),
            milliseconds(added(wall, past, without), signed=True),
            milliseconds(least_added(wall, past, without), signed=True),
            times(median(wall, past), median(wall, without)),
            milliseconds(added(cpu, past, without), signed=True),
            milliseconds(least_added(cpu, past, without), signed=True),
        )
    found.notes.append(f"Medians of {len(without)} rounds.")
    return found
