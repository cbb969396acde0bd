"""How long the cost review of a run takes: what it adds to the last step, and the command for a person who waits."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import environments
from benchmarks.made_up_runs import write_run
from benchmarks.measure import clean_environment, run, say
from benchmarks.tables import Table, against, kilobytes, milliseconds, times
from resource_tracker.testing import fake_run

PROGRAM = Path(__file__).parent / "programs" / "review.py"
SIBLINGS = (3, 1000)
RUNS = 5
LIMIT_MS = 2000.0
SMALL_LIMIT_MS = 50.0


def measure(folder: Path, quick: bool) -> list[Table]:
    """Runs with a small and a large foreach in a local store, each after four like it."""
    found = Table(
        "Cost review of a run, after four like it",
        ("tasks", "read", "task by task", "x", "added to the last step", "alone", "whole command", "page"),
    )
    rounds = 1 if quick else 5
    for siblings in SIBLINGS:
        store = folder / str(siblings)
        runs = [fake_run(siblings, days_ago=ago) for ago in reversed(range(RUNS))]
        say(f"making up {RUNS} runs of {siblings} siblings")
        for one in runs:
            write_run(store, one)
        last = runs[-1]
        say(f"review of {siblings} siblings")
        taken = sorted((_timed(store, last.flow, last.run_id) for _ in range(rounds)), key=lambda t: t["compared_ms"])
        typical = taken[len(taken) // 2]
        walls = sorted(_command(store, f"{last.flow}/{last.run_id}") for _ in range(rounds))
        found.add(
            f"{len({(a.step, a.task_id) for a in last.attempts}):,}",
            milliseconds(typical["read_ms"]),
            milliseconds(typical["by_task_ms"]),
            times(typical["by_task_ms"], typical["read_ms"]),
            milliseconds(typical["compared_ms"]),
            milliseconds(typical["alone_ms"]),
            milliseconds(walls[len(walls) // 2]),
            kilobytes(typical["page_bytes"]),
        )
        if siblings == SIBLINGS[0]:
            small = against(typical["compared_ms"], SMALL_LIMIT_MS, f"<= {SMALL_LIMIT_MS:.0f} ms")
        else:
            large = against(walls[len(walls) // 2], LIMIT_MS, f"<= {LIMIT_MS:.0f} ms")
    found.notes += [
        f"Added to a small run's last step: {small}; the whole command for a thousand tasks: {large}.",
        "CPU time, but wall time of the command. `alone`: without earlier runs; otherwise with those read in 0.8 s. "
        "`task by task`: as Metaflow's client reads.",
    ]
    return [found]


def _timed(store: Path, flow: str, run_id: str) -> dict[str, float]:
    command = [environments.ours(), PROGRAM, flow, run_id]
    result: dict[str, float] = json.loads(run(command, clean_environment(store), store).output.splitlines()[-1])
    return result


def _command(store: Path, pathspec: str) -> float:
    command = [environments.ours(), "-m", "resource_tracker", "review", pathspec]
    return 1000 * run(command, clean_environment(store), store).wall_s
