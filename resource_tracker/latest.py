"""What is known of a running attempt just now: the last row of a spool, and the sums over all of them.

Costs about 0.2 ms a reading: only what was added since the last one is read. No lock is held, so threads may ask at
once, and so may forks.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
from collections.abc import Mapping

from resource_tracker.dataclass import dataclass, replace
from resource_tracker.errors import SpoolError
from resource_tracker.sampler.layout import FIRST, PREFIX, ROW, Layout, parse_header
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.timeline import Timeline
from resource_tracker.units import bytes_to_kib, ticks_to_seconds

HEADER_BYTES = 1 << 16
LAST_OF_ROW = {
    "memory_kib": "memory",
    "gpu_usage": "gpu_usage",
    "gpu_vram_mib": "gpu_vram",
    "children": "children",
    "threads": "threads",
}
"""Figures that are those of the last row, and their columns."""
SHORTEST_S = 0.5
"""CPU time is counted in ticks: how many cores are in use is told over at least this long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The step as of its last row, and since its start. ``nan`` is not known."""

    memory_kib: float = math.nan
    cpu_cores: float = math.nan
    gpu_usage: float = math.nan
    gpu_vram_mib: float = math.nan
    children: float = math.nan
    threads: float = math.nan
    memory_peak_kib: float = math.nan
    cpu_seconds: float = math.nan


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a file was read, and what was found until then."""

    path: str
    read_bytes: int
    layout: Layout
    peak_kib: float
    ticks: float
    recent: tuple[tuple[float, float], ...]
    last: Mapping[str, float]


def with_kernel_peak(latest: Latest, timeline: Timeline) -> Latest:
    """With the highest memory that the kernel kept of the task, where that is above what rows show."""
    peaks = timeline.now().usage.peaks_since(timeline.start.usage, with_children=False)
    known = [peak for peak in (latest.memory_peak_kib, *peaks.values()) if peak == peak]
    return replace(latest, memory_peak_kib=max(known, default=math.nan))


def latest_of_task(timeline: Timeline) -> Latest:
    """Where no rows are made while it runs: what the kernel tells of this very process, without its children."""
    used = timeline.now().usage
    cpu_s = used.cpu_since(timeline.start.usage)
    try:
        resident_pages = int(read_record(f"/proc/{timeline.pid}/statm", 256).split()[1])
        memory_kib = bytes_to_kib(resident_pages * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, IndexError):
        memory_kib = math.nan
    peak_kib = math.nan if used.peak_kib is None else used.peak_kib
    return Latest(
        memory_kib=memory_kib,
        memory_peak_kib=peak_kib,
        cpu_seconds=math.nan if cpu_s is None else cpu_s,
    )


class LatestRows:
    """Follows the spool in `directory`.

    Parameters
    ----------
    directory : str
    ticks_per_s : float
        ``sysconf(_SC_CLK_TCK)``.
    """

    def __init__(self, directory: str, ticks_per_s: float) -> None:
        self._directory = directory
        self._ticks_per_s = ticks_per_s
        self._place: _Place | None = None

    def read(self) -> Latest:
        """What is known now; after the spool is gone, what was known last."""
        with contextlib.suppress(OSError, SpoolError):
            self._place = self._follow(self._place)
        place = self._place
        if place is None:
            return Latest()
        seconds = sum(seconds for _, seconds in place.recent)
        recent_s = ticks_to_seconds(sum(ticks for ticks, _ in place.recent), self._ticks_per_s)
        return replace(
            Latest(**place.last),
            memory_peak_kib=place.peak_kib,
            cpu_cores=recent_s / seconds if seconds > 0 else math.nan,
            cpu_seconds=ticks_to_seconds(place.ticks, self._ticks_per_s),
        )

    def _follow(self, place: _Place | None) -> _Place:
        names = os.listdir(self._directory)
        generation = max((name.removeprefix("sealed.") for name in names if _is_sealed(name)), key=int, default="0")
        path = f"{self._directory}/rows.{generation}"
        if place is not None and place.path == path:
            return _read_on(path, place)
        # Rows were merged, or this is the first reading: all of them.
        sealed = None if generation == "0" else _read_on(f"{self._directory}/sealed.{generation}", None)
        if sealed is not None and place is not None:  # of merged rows, the last is a mean over a long time
            sealed = replace(sealed, last=place.last, recent=place.recent)
        try:
            return _read_on(path, sealed)
        except FileNotFoundError:  # it is just being made
            if sealed is None:
                raise
            return sealed


def _is_sealed(name: str) -> bool:
    return name.startswith("sealed.") and name.removeprefix("sealed.").isdigit()


def _read_on(path: str, place: _Place | None) -> _Place:
    """What stands in `path` after `place`; from its beginning, where that is of another file."""
    with open(path, "rb", buffering=0) as file:
        if place is None or place.path != path:
            layout = parse_header(file.read(HEADER_BYTES), path)
            at = layout.header_bytes
        else:
            layout, at = place.layout, place.read_bytes
        file.seek(at)
        data = file.read() or b""
    whole = len(data) - len(data) % layout.record_bytes
    records = [start for start in range(0, whole, layout.record_bytes) if data[start] in (ROW, FIRST)]
    cells = _Cells(layout, data)
    peak_kib, ticks, recent = (math.nan, 0.0, ()) if place is None else (place.peak_kib, place.ticks, place.recent)
    last = {} if place is None else place.last
    for record in records:
        highest_kib = cells.value(record, "memory_peak_kib")
        if highest_kib == highest_kib and not peak_kib >= highest_kib:
            peak_kib = highest_kib
        used = cells.value(record, "utime") + cells.value(record, "stime")
        if data[record] == ROW and used == used:
            ticks += used
            recent = _trimmed((*recent, (used, cells.value(record, "interval_s"))))
    if records:
        last = {figure: cells.value(records[-1], column) for figure, column in LAST_OF_ROW.items()}
    return _Place(path, at + whole, layout, peak_kib, ticks, recent, last)


class _Cells:
    """Single cells of records: to take them apart as a whole would cost ten times as much."""

    def __init__(self, layout: Layout, data: bytes) -> None:
        columns = enumerate(layout.columns)
        self._offsets = {name: PREFIX.size + 8 * place for place, (frame, _, name) in columns if frame == "process"}
        self._cell = struct.Struct("<d" if layout.byteorder == "little" else ">d")
        self._data = data

    def value(self, record: int, name: str) -> float:
        if name not in self._offsets:  # the sampler may be of an earlier version than we
            return math.nan
        found: float = self._cell.unpack_from(self._data, record + self._offsets[name])[0]
        return found


def _trimmed(rows: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """The last of these rows, ``(ticks, seconds)``, that together are long enough."""
    while len(rows) > 1 and sum(seconds for _, seconds in rows[1:]) >= SHORTEST_S:
        rows = rows[1:]
    return rows
