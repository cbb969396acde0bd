"""What a spool file looks like: a header in plain text that says what follows, then records of one width.

::

    resource_tracker spool 1
    header 2560
    record 400
    byteorder little
    meta pid 4711
    column process last timestamp
    ...

padded to the header's length. A record is 8 bytes (kind, phase, 2 bytes unused, rows merged into it) and one
double for each column; an event has its time in the first double, and its text in the others.
"""

import struct
import sys

from resource_tracker.columns import PEAK, PROCESS_COLUMNS, SYSTEM_COLUMNS
from resource_tracker.errors import SpoolError

MAGIC = "resource_tracker spool 1"
HEADER_STEP = 512
ROW, FIRST, EVENT = 1, 2, 3
"""Kinds of record: a row; the reading at start, which has no length; something that happened."""

INTERNAL_COLUMNS = (
    ("memory_sampled_kib", PEAK),
    ("sampler_memory_kib", PEAK),
    ("attempts_left_out", PEAK),
    ("cpu_cgroup_shared", PEAK),
    ("memory_cgroup_shared", PEAK),
    ("space_1_used_gb", PEAK),
    ("space_2_used_gb", PEAK),
    ("space_3_used_gb", PEAK),
)
"""Not in the frames: the highest memory that a sub-sample saw, the sampler's own memory, how many descendants were
attempts with a sampler of their own, whether others run in the cgroups whose throttling and kills were counted, and the
most in use on further file systems."""

COLUMNS = (
    *(("process", column.kind, column.name) for column in PROCESS_COLUMNS),
    *(("system", column.kind, column.name) for column in SYSTEM_COLUMNS),
    *(("internal", kind, name) for name, kind in INTERNAL_COLUMNS),
)
PREFIX = struct.Struct("=BBHI")


class Layout:
    """Columns as ``(frame, kind, name)``, what the header says besides, and the sizes that follow from them."""

    __slots__ = ("byteorder", "columns", "header_bytes", "interval_at", "meta", "record_bytes", "row")

    def __init__(
        self, meta: dict[str, str], columns: tuple[tuple[str, str, str], ...] = COLUMNS, byteorder: str = sys.byteorder
    ) -> None:
        self.meta = meta
        self.columns = columns
        self.byteorder = byteorder
        # The same in all frames; -1 in a spool of no use, without any.
        self.interval_at = next((i for i, (_, _, name) in enumerate(columns) if name == "interval_s"), -1)
        self.row = struct.Struct(f"{'<' if byteorder == 'little' else '>'}BBHI{len(columns)}d")
        self.record_bytes = self.row.size
        self.header_bytes = -(-len(self._text(0)) // HEADER_STEP) * HEADER_STEP

    def _text(self, header_bytes: int) -> bytes:
        lines = [
            MAGIC,
            f"header {header_bytes:8d}",
            f"record {self.record_bytes}",
            f"byteorder {self.byteorder}",
            *(f"meta {key} {value}" for key, value in self.meta.items()),
            *(f"column {frame} {kind} {name}" for frame, kind, name in self.columns),
            "",
        ]
        return "\n".join(lines).encode("utf-8", "surrogateescape")

    def header(self) -> bytes:
        """The header, padded to its length with newlines."""
        return self._text(self.header_bytes).ljust(self.header_bytes, b"\n")


def pack_event(layout: Layout, phase: int, time_s: float, text: str) -> bytes:
    """An event record; text that does not fit is cut."""
    room = layout.record_bytes - PREFIX.size - 8
    payload = text.encode("utf-8", "surrogateescape")[:room].ljust(room, b"\0")
    order = "<" if layout.byteorder == "little" else ">"
    return struct.pack(f"{order}BBHId", EVENT, phase, 0, 0, time_s) + payload


def unpack_event(layout: Layout, record: bytes) -> tuple[int, float, str]:
    """``(phase, Unix time, text)`` of an event record."""
    order = "<" if layout.byteorder == "little" else ">"
    _, phase, _, _, time_s = struct.unpack_from(f"{order}BBHId", record)
    text = record[PREFIX.size + 8 :].rstrip(b"\0").decode("utf-8", "replace")
    return phase, time_s, text


def parse_header(data: bytes, path: str) -> Layout:
    """The layout that a file's first bytes describe. Raises SpoolError, which names the file."""
    try:
        return _parse_header(data)
    except (ValueError, IndexError, KeyError) as error:
        raise SpoolError(f"{path}: damaged header ({error})") from None


def _parse_header(data: bytes) -> Layout:
    lines = data.split(b"\n", 4)
    if lines[0] != MAGIC.encode():
        raise ValueError("it does not begin as a spool does")
    header_bytes = int(lines[1].removeprefix(b"header"))
    if not 0 < header_bytes <= len(data):
        raise ValueError("it is cut")
    facts: dict[str, str] = {}
    meta: dict[str, str] = {}
    columns: list[tuple[str, str, str]] = []
    for line in data[:header_bytes].decode("utf-8", "surrogateescape").split("\n")[2:]:
        key, _, rest = line.partition(" ")
        if key == "meta":
            name, _, meta[name] = rest.partition(" ")
        elif key == "column":
            frame, kind, column = rest.split(" ")
            columns.append((frame, kind, column))
        elif key:
            facts[key] = rest
    if facts["byteorder"] not in ("little", "big"):
        raise ValueError("unknown byte order")
    layout = Layout(meta, tuple(columns), facts["byteorder"])
    if layout.header_bytes != header_bytes or layout.record_bytes != int(facts["record"]):
        raise ValueError("its sizes contradict each other")
    return layout
