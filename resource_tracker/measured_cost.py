"""What a sampler told of itself in its spool: what it cost, and which of its sources failed."""

from __future__ import annotations

import math
from array import array

from resource_tracker.records import FailedSource, SamplerCost
from resource_tracker.sampler.spool_read import Spool


def cost_of(spool: Spool) -> SamplerCost:
    """CPU time, memory and readings of the whole attempt."""
    cpu = spool.columns["system", "sampler_cpu_s"]
    of_start = spool.first.get(("system", "sampler_cpu_s"), 0.0)
    everything = range(len(spool.phases))
    publisher_cpu_s, publisher_memory_kib = _of_publisher(spool)
    by_source = _by_source(spool)
    cpu_s = None
    if of_start == of_start and (len(cpu) or spool.first):
        # The sources are told last: by then they may have spent more than the last row knows.
        cpu_s = max(_total(cpu) + of_start, math.fsum((by_source or {}).values()))
    return SamplerCost(
        cpu_s=cpu_s,
        memory_kib=highest_of(spool.columns["internal", "sampler_memory_kib"], list(everything)),
        samples=round(_total(spool.columns["process", "samples"])),
        rows=sum(spool.merged),
        by_source=by_source,
        publisher_cpu_s=publisher_cpu_s,
        publisher_memory_kib=publisher_memory_kib,
    )


def _of_publisher(spool: Spool) -> tuple[float | None, float | None]:
    """CPU seconds and memory of the process that kept the card live; told once, at the end."""
    told = [event.text.split("\t") for event in spool.events if event.text.startswith("publisher\t")]
    return (float(told[-1][1]), float(told[-1][2])) if told else (None, None)


def _by_source(spool: Spool) -> dict[str, float] | None:
    """CPU seconds by source, as last told."""
    told: dict[str, float] = {}
    for event in spool.events:
        kind, _, rest = event.text.partition("\t")
        source, _, seconds = rest.partition("\t")
        if kind == "cost" and seconds.replace(".", "", 1).isdigit():
            told[source] = float(seconds)
    return told or None


def failed_of(spool: Spool) -> tuple[FailedSource, ...]:
    """Each source once, with its last count and reason."""
    last: dict[str, FailedSource] = {}
    for event in spool.events:
        kind, _, rest = event.text.partition("\t")
        fields = rest.split("\t", 2)
        if kind == "failed" and len(fields) == 3 and fields[1].isdigit():
            last[fields[0]] = FailedSource(source=fields[0], reason=fields[2], count=int(fields[1]))
    return tuple(last.values())


def highest_of(column: array[float], rows: list[int]) -> float | None:
    """The highest of some rows of a column; ``None`` where it is not known in any."""
    quick = max(column, default=math.nan) if len(rows) == len(column) else math.nan
    if quick == quick:
        return quick  # of all rows; a nan hides others only where it stands first
    return max((column[index] for index in rows if column[index] == column[index]), default=None)


def _total(column: array[float]) -> float:
    return math.fsum(value for value in column if value == value)
