"""What a live card costs: each of its updates, and a step that has one beside steps without it and with Metaflow's."""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import environments
from benchmarks.local_runs import LocalRuns
from benchmarks.measure import Cost, added, alternate, cpu, median, say, wall
from benchmarks.tables import Table, against, kilobytes, milliseconds, times
from resource_tracker.dataclass import replace
from resource_tracker.flows.cards import CardStore
from resource_tracker.flows.publisher.live import SHARE_OF_STEP, LiveCard
from resource_tracker.flows.publisher.status import Status
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.cores import CoreSpool
from resource_tracker.sampler.layout import COLUMNS, Layout
from resource_tracker.sampler.spool import SpoolWriter

REFRESH_MS, DATA_BYTES = 5.0, 100_000
LENGTHS = {"1 min": 60, "1 h": 3600, "24 h": 86_400}
UPDATES = 21
STEP_S, REFRESH_S = 20.0, 5.0
NO_CARD, AT_THE_END, LIVE, METAFLOW = "no card", "card at the end", "live card", "Metaflow's own live card"


def measure(folder: Path, quick: bool) -> list[Table]:
    """Updates in this process, by CPU time, with a store that takes everything at once; then real steps."""
    return [_updates(folder, quick), _updates_of_cores(folder, quick), _steps(folder, 1 if quick else 5)]


def _updates(folder: Path, quick: bool) -> Table:
    found = Table("An update of the live card, by length of the step", ("", "CPU", "target", "data", "target"))
    for name, seconds in LENGTHS.items():
        if quick and seconds > 3600:
            continue
        say(f"updates after {name}")
        (spent_ms, *_), data_bytes = _update(folder / name.replace(" ", ""), seconds)
        found.add(
            name,
            milliseconds(spent_ms),
            against(spent_ms, REFRESH_MS, f"<= {REFRESH_MS:.0f} ms"),
            kilobytes(data_bytes),
            against(data_bytes, DATA_BYTES, f"<= {kilobytes(DATA_BYTES)}"),
        )
    new_rows = ", ".join(f"{_rows_between(seconds)} after {name}" for name, seconds in LENGTHS.items())
    found.notes.append(
        f"Low quartiles of {UPDATES} updates, apart from the store. New rows of a second in each: {new_rows}."
    )
    return found


def _updates_of_cores(folder: Path, quick: bool) -> Table:
    """With each core by itself, which do something else in each row."""
    found = Table("An update of the live card after 1 h, by cores", ("cores", "CPU", "quartiles", "longest", "data"))
    for cores in (0, 64) if quick else (0, 8, 32, 64, 192, 512):
        say(f"updates with {cores} cores")
        spent_ms, data_bytes = _update(folder / f"cores{cores}", LENGTHS["1 h"], cores)
        low, middle, high, longest = map(milliseconds, spent_ms)
        found.add(str(cores) if cores else "not told apart", low, f"{middle}, {high}", longest, kilobytes(data_bytes))
    return found


class _Store(CardStore):
    """Takes everything at once."""

    def __init__(self) -> None:
        self.data_bytes = 0

    def save(self, html: str) -> None:
        pass

    def save_data(self, data: dict[str, Any], reload_token: str, created_on: float, early: str | None = None) -> None:
        import json

        self.data_bytes = len(json.dumps({"data": data, "early": early}))


def _update(folder: Path, seconds: int, cores: int = 0) -> tuple[list[float], int]:
    """Quartiles of the milliseconds of updates, the longest one, and bytes of the last."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from sample_order import an_order

    folder.mkdir()
    writer, store, began_at = SpoolWriter(str(folder), Layout({"pid": "1"})), _Store(), time.time() - seconds
    order = replace(an_order(handover_folder=str(folder)), started_at=began_at, started_monotonic_s=0.0)
    card = LiveCard(order, str(folder), store, Status(str(folder)))
    writer.first(_row(0, began_at))
    each_core, made_up = CoreSpool(str(folder), Failures()), random.Random(cores)
    ticks = {core: (0.0, 0.0) for core in range(cores)}
    each_core.begin((lambda: ticks) if cores else None)
    spent_ms = []
    apart = _rows_between(seconds)
    for second in range(1, seconds + apart * UPDATES + 1):
        writer.row(0, _row(second, began_at))
        if cores:
            ticks = {core: (busy + made_up.random(), whole + 1.0) for core, (busy, whole) in ticks.items()}
            each_core.row(0, lambda now=ticks: now, began_at + second, 1.0)  # type: ignore[misc]
        if second < seconds and second % 600 == 0:
            card.refresh()  # as if it had been updated all the time
        elif second > seconds and second % apart == 0:
            begun_s = time.process_time()
            card.refresh()
            spent_ms.append((time.process_time() - begun_s) * 1000)
    return [*statistics.quantiles(spent_ms[1:], n=4), max(spent_ms[1:])], store.data_bytes


def _rows_between(seconds: int) -> int:
    """Rows of a second between two updates of a step of that length."""
    return round(max(REFRESH_S, seconds * SHARE_OF_STEP))


def _row(second: int, began_at: float) -> list[float]:
    wave = 1 + math.sin(second / 300)
    cells = {"timestamp": began_at + second, "interval_s": 1.0, "memory": 4e5 * wave, "cpu_usage": wave}
    cells |= {"memory_peak_kib": 5e5 * wave, "read_bytes": 1e6 * wave, "write_bytes": 1e5 * second}
    return [cells.get(name, math.nan if name.startswith("gpu") else 0.0) for _, _, name in COLUMNS]


def _steps(folder: Path, rounds: int) -> Table:
    ours = environments.ours()
    soon = {"METAFLOW_RESOURCE_TRACKER_LIVE_AFTER": "1", "METAFLOW_RESOURCE_TRACKER_REFRESH_INTERVAL": f"{REFRESH_S}"}
    runs = {
        NO_CARD: LocalRuns(folder / "without", ours, "without card"),
        AT_THE_END: LocalRuns(folder / "end", ours, "with card", {"METAFLOW_RESOURCE_TRACKER_LIVE": "False"}),
        LIVE: LocalRuns(folder / "live", ours, "with card", soon),
        METAFLOW: LocalRuns(folder / "metaflow", ours, "Metaflow's card", {"BENCH_REFRESH_S": f"{REFRESH_S}"}),
    }
    taken = alternate("live step", {name: partial(run.task, STEP_S) for name, run in runs.items()}, rounds)
    return _steps_table(taken)


def _steps_table(taken: dict[str, list[Cost]]) -> Table:
    found = Table(f"A step of {STEP_S:.0f} s with a live card", ("", "wall", "added", "CPU", "added", "x ours"))
    base = taken[NO_CARD]
    live_ms = added(cpu, taken[LIVE], base)
    for name, costs in taken.items():
        more_ms = added(cpu, costs, base)
        found.add(
            name,
            milliseconds(median(wall, costs)),
            "" if name == NO_CARD else milliseconds(added(wall, costs, base), signed=True),
            milliseconds(median(cpu, costs)),
            "" if name == NO_CARD else milliseconds(more_ms, signed=True),
            "" if name == NO_CARD else times(more_ms, live_ms),
        )
    found.notes.append(
        f"Medians of {len(base)} rounds; an update every {REFRESH_S:.0f} s. CPU: of all processes, also the publisher."
    )
    found.notes.append(
        f"{METAFLOW}: of the type `blank`, by `current.card.refresh()`, which starts a process for each update."
    )
    return found
