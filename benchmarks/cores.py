"""What telling the cores apart costs, on made-up machines: reading them, writing them, and their part of a page."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import time
from pathlib import Path

from benchmarks.measure import say
from benchmarks.tables import Table, against, kilobytes
from resource_tracker.dataclass import replace
from resource_tracker.measured_cores import cores_of
from resource_tracker.report.cores import core_data
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.cores import CORES_PREFIX, MAX_BYTES, CoreSpool
from resource_tracker.sampler.procfs import cpu_cores
from resource_tracker.sampler.spool_read import read_spool
from resource_tracker.testing import fake_record

ROWS, QUICK_ROWS = 3600, 400
TARGET = 0.01
"""Per cent of a core, where there are two: no more than can be measured."""
LOOK_EVERY = 50


def measure(folder: Path, quick: bool) -> list[Table]:
    """An hour of rows through the sampler's own code; each core does something else in each."""
    found = Table("Each core, at a row a second", ("cores", "CPU", "target", "spool", "target", "artifact", "page"))
    for cores in (2, 8, 64, 192, 512):
        say(f"{cores} cores")
        share, spool_bytes, stored, drawn = _hour(folder / f"cores{cores}", cores, QUICK_ROWS if quick else ROWS)
        found.add(
            str(cores),
            f"{100 * share:.4f} %",
            against(100 * share, TARGET, f"<= {TARGET} %") if cores == 2 else "",
            kilobytes(spool_bytes),
            against(spool_bytes, MAX_BYTES, f"<= {kilobytes(MAX_BYTES)}"),
            kilobytes(stored),
            kilobytes(drawn),
        )
    found.notes.append("CPU: share of a core, for reading the lines of all cores and writing them, merging included.")
    found.notes.append("Artifact: compressed, as Metaflow stores it. Page: what the card holds of it.")
    return [found]


def _hour(folder: Path, cores: int, rows: int) -> tuple[float, int, int, int]:
    folder.mkdir()
    spool, most, spent_s = CoreSpool(str(folder), Failures()), 0, 0.0
    for row in range(rows + 1):
        text = _stat(cores, row)
        begun_s = time.process_time()
        if row:
            spool.row(0, lambda text=text: cpu_cores.parse(text), float(row), 1.0, last=row == rows)  # type: ignore[misc]
        else:
            spool.begin(lambda text=text: cpu_cores.parse(text))  # type: ignore[misc]
        spent_s += time.process_time() - begun_s
        if row % LOOK_EVERY == 0:
            most = max(most, sum(entry.stat().st_size for entry in os.scandir(folder)))
    frame = cores_of(read_spool(str(folder), CORES_PREFIX), None, marked=False)
    stored = gzip.compress(pickle.dumps(frame, protocol=4), compresslevel=3)
    record = replace(fake_record("hour"), core_metrics=frame, started_at=0.0)
    drawn = json.dumps(core_data(record), separators=(",", ":"))
    return spent_s / rows, most, len(stored), len(drawn)


def _stat(cores: int, second: int) -> bytes:
    """``/proc/stat`` of a machine that began to work a year ago."""
    lines = [b"cpu  1 2 3 4 5 6 7 8 9 10"]
    for core in range(cores):
        busy = 90 * second * (core + 1) // cores + (7 * core + 13 * second) % 10
        idle = 3_153_600_000 + 100 * second - busy
        lines.append(b"cpu%d %d 1234 56789 %d 4567 0 8901 0 0 0" % (core, 201_234_567 + busy, idle))
    return b"\n".join([*lines, b"intr 1234567" + b" 0" * 500, b"ctxt 1", b"processes 1", b""])
