"""What a step of a day and one of ten days leave behind at a row a second, in made-up time: no waiting."""

from __future__ import annotations

import gzip
import math
import os
import pickle
import random
import time
from pathlib import Path

from benchmarks.measure import say
from benchmarks.tables import Table, against, kilobytes
from resource_tracker.artifact import to_artifact
from resource_tracker.columns import PEAK, PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.dataclass import replace
from resource_tracker.frame import TinyDataFrame
from resource_tracker.sampler.layout import COLUMNS, Layout
from resource_tracker.sampler.spool import SpoolWriter
from resource_tracker.sampler.spool_read import read_spool
from resource_tracker.testing import fake_record

DAY_S = 86_400
SPOOL_BYTES, ARTIFACT_BYTES = 8_000_000, 1_000_000
PEAK_KIB = 9e9
LOOK_EVERY = 500


def measure(folder: Path, quick: bool) -> list[Table]:
    """Rows of chance through the sampler's own writer; no two cells are alike, so they compress badly."""
    found = Table("A row a second for long", ("", "spool", "target", "artifact", "target", "peak and sum", "writing"))
    for name, days in (("24 h", 1), ("10 days", 10)):
        if quick and days > 1:
            continue
        say(f"spool of {name}")
        spool_bytes, artifact_bytes, exact, spent_s = _life(folder / f"days{days}", days * DAY_S)
        found.add(
            name,
            kilobytes(spool_bytes),
            against(spool_bytes, SPOOL_BYTES, f"<= {kilobytes(SPOOL_BYTES)}"),
            kilobytes(artifact_bytes),
            against(artifact_bytes, ARTIFACT_BYTES, f"<= {kilobytes(ARTIFACT_BYTES)}"),
            "kept" if exact else "lost",
            f"{100 * spent_s / (days * DAY_S):.4f} %",
        )
    found.notes.append("Spool: the most of all its files at any time. Writing: share of a core, merging included.")
    found.notes.append("Cells of chance: real ones compress to a quarter of that.")
    return [found]


def _life(folder: Path, seconds: int) -> tuple[int, int, bool, float]:
    folder.mkdir()
    layout, chance = Layout({}), random.Random(seconds)
    writer, most, spent_s = SpoolWriter(str(folder), layout), 0, 0.0
    lengths_at = [at for at, (_, _, name) in enumerate(COLUMNS) if name == "interval_s"]
    peak_at = COLUMNS.index(("process", PEAK, "memory_peak_kib"))
    for second in range(1, seconds + 1):
        values = [chance.random() for _ in COLUMNS]
        for at in lengths_at:
            values[at] = 1.0
        if second == seconds // 3:
            values[peak_at] = PEAK_KIB
        begun_s = time.process_time()
        writer.row(0, values)
        spent_s += time.process_time() - begun_s
        if second % LOOK_EVERY == 0:
            most = max(most, sum(entry.stat().st_size for entry in os.scandir(folder)))
    spool = read_spool(str(folder))
    process, system = (
        TinyDataFrame({name: list(spool.columns[frame, name]) for name in names})
        for frame, names in (("process", PROCESS_NAMES), ("system", SYSTEM_NAMES))
    )
    artifact = to_artifact(replace(fake_record("hour"), process_metrics=process, system_metrics=system))
    stored = gzip.compress(pickle.dumps(artifact, protocol=4), compresslevel=3)  # as Metaflow does
    kept = max(artifact["process_metrics"]["memory_peak_kib"]) == PEAK_KIB
    total_s = math.fsum(artifact["system_metrics"]["interval_s"])
    return most, len(stored), kept and total_s == seconds, spent_s
