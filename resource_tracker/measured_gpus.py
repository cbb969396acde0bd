"""From the spool of the GPUs to a frame for each, and what is known of it besides."""

from __future__ import annotations

import math
from typing import NamedTuple

from resource_tracker.columns import GPU_COLUMNS
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import GpuFacts
from resource_tracker.sampler.gpu.rows import FRAME
from resource_tracker.sampler.spool_read import Spool, rows_of_step

_MAY_USE = {"yes": True, "no": False}


class MeasuredGpus(NamedTuple):
    """All empty where there are no GPUs, or none was read."""

    frames: tuple[TinyDataFrame, ...] = ()
    facts: tuple[GpuFacts, ...] = ()
    source: str = ""
    driver: str | None = None


def gpus_of(spool: Spool, step_ended_at: float | None, *, marked: bool) -> MeasuredGpus:
    """The GPUs of a spool, with the rows up to the end of the step.

    Parameters
    ----------
    step_ended_at : float or None
        Unix time.
    marked : bool
        Whether the sampler learnt of that end: then the rows say on which side they are.
    """
    facts = _facts(spool)
    rows = rows_of_step(spool, (FRAME, "timestamp"), step_ended_at, marked=marked)
    if not facts or not rows:
        return MeasuredGpus()
    sources = [event.text.split("\t", 2)[2] for event in spool.events if event.text.startswith("source\tgpu\t")]
    return MeasuredGpus(
        frames=tuple(_frame(spool, place, rows) for place in range(len(facts))),
        facts=facts,
        source=next((source for source in reversed(sources) if source), ""),
        driver=spool.meta.get("driver") or None,
    )


def _facts(spool: Spool) -> tuple[GpuFacts, ...]:
    found: list[GpuFacts] = []
    while (text := spool.meta.get(f"{FRAME}{len(found)}")) is not None:
        memory, _, rest = text.partition(" ")
        may_use, _, name = rest.partition(" ")
        memory_mib = float(memory)
        found.append(
            GpuFacts(
                name=name,
                memory_mib=memory_mib if math.isfinite(memory_mib) else None,
                may_use=_MAY_USE.get(may_use),
            )
        )
    return tuple(found)


def _frame(spool: Spool, place: int, rows: list[int]) -> TinyDataFrame:
    columns = {}
    for column in GPU_COLUMNS:
        shared = spool.columns.get((FRAME, column.name))
        values = spool.columns.get((f"{FRAME}{place}", column.name)) if shared is None else shared
        # The sampler may be of an earlier version than we.
        columns[column.name] = [math.nan] * len(rows) if values is None else [values[index] for index in rows]
    return TinyDataFrame(columns)
