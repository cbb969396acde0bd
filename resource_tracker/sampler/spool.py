"""Writing a spool: rows are appended; when there are many, the older ones merge into a sealed file.

Files of a spool directory: ``rows.G`` grows, ``sealed.G`` holds all that came before it. A new generation is a new
sealed file renamed into place, then a new ``rows`` file, then the removal of the old pair: whenever the sampler
dies, the highest generation with a sealed file (or generation 0) is complete.
"""

import errno
import os

from resource_tracker.errors import SpoolError
from resource_tracker.sampler.layout import FIRST, ROW, Layout, pack_event, parse_header
from resource_tracker.sampler.merge import Values, bucket_length, merge_values

MOST_BYTES = 4_400_000
"""Of all files of a spool together, while they are rewritten too, whatever the length of the step: with those of
GPUs and cores 9 MB."""
SEALED_ROWS = 4096
"""At most, and half as many in the file that grows: with many columns fewer, so that they fit."""
MAX_EVENTS = 512
READ_RECORDS = 128

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class SpoolWriter:
    """Appends rows and events below `directory`; a full disk costs resolution, never a row's totals.

    Several spools may share a directory: `prefix` begins the names of one's files.

    Raises
    ------
    SpoolError
        The first file cannot be written.
    """

    def __init__(
        self,
        directory: str,
        layout: Layout,
        *,
        tail_rows: int | None = None,
        sealed_rows: int | None = None,
        prefix: str = "",
    ) -> None:
        self.directory = directory
        self._layout = layout
        self._sealed_rows = sealed_rows or sealed_rows_that_fit(layout)
        self._tail_rows = tail_rows or self._sealed_rows // 2
        self._kinds = tuple(kind for _, kind, _ in layout.columns)
        self._interval_at = layout.interval_at
        self._prefix = prefix
        self._generation = 0
        self._events = 0
        self._waiting: list[tuple[int, int, Values]] = []
        self._fd: int | None = None
        try:
            self._open_tail()
        except OSError as error:
            raise SpoolError(f"{self._path('rows')}: {error.strerror}") from None

    def first(self, values: Values) -> None:
        """The reading at start. Raises SpoolError."""
        if not self._append(self._layout.row.pack(FIRST, 0, 0, 1, *values)):
            raise SpoolError(f"{self._path('rows')}: no space left")

    def row(self, phase: int, values: Values) -> None:
        """Appends a row; where that fails (a full disk), it waits, merged with the next of its phase."""
        rows = 1
        if self._waiting and self._waiting[-1][0] == phase:
            _, waited, old = self._waiting.pop()
            values = merge_values(self._kinds, old, old[self._interval_at], values, values[self._interval_at])
            rows += waited
        self._waiting.append((phase, rows, values))
        while self._waiting:
            phase, rows, values = self._waiting[0]
            if not self._append(self._layout.row.pack(ROW, phase, 0, rows, *values)):
                return
            del self._waiting[0]
        if self._records >= self._tail_rows:
            self._next_generation()

    def event(self, phase: int, time_s: float, text: str) -> None:
        """Appends an event; beyond `MAX_EVENTS` of them they are left out."""
        self._events += 1
        if self._events <= MAX_EVENTS:
            self._append(pack_event(self._layout, phase, time_s, text))

    @property
    def reachable(self) -> bool:
        """Whether the spool can still be found by others: its directory may have been deleted."""
        return os.path.exists(self.directory)

    def _path(self, name: str) -> str:
        return f"{self.directory}/{self._prefix}{name}.{self._generation}"

    def _open_tail(self) -> None:
        path = self._path("rows")
        fd = os.open(f"{path}.tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, self._layout.header())
            os.rename(f"{path}.tmp", path)
        except OSError:
            os.close(fd)
            raise
        self._fd = fd
        self._size = self._layout.header_bytes
        self._records = 0

    def _append(self, record: bytes) -> bool:
        try:
            if self._fd is None:
                self._open_tail()
            assert self._fd is not None
            written = os.write(self._fd, record)
            if written < len(record):  # a full disk takes a part: without it, the file stays readable
                os.ftruncate(self._fd, self._size)
                os.lseek(self._fd, self._size, os.SEEK_SET)
                return False
        except OSError:
            return False
        self._size += written
        self._records += 1
        return True

    def _next_generation(self) -> None:
        """Seals what is there. Where that fails, the tail grows on for a while until the next try."""
        tail, sealed = self._path("rows"), self._path("sealed")
        new = f"{self.directory}/{self._prefix}sealed.{self._generation + 1}"
        try:
            seal([sealed, tail], f"{new}.tmp", self._layout, self._sealed_rows)
            os.rename(f"{new}.tmp", new)
        except (OSError, SpoolError):
            unlink(f"{new}.tmp")
            self._tail_rows += READ_RECORDS
            return
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        self._generation += 1
        self._records = 0
        unlink(tail)
        unlink(sealed)


def sealed_rows_that_fit(layout: Layout) -> int:
    """Rows of a sealed file, of which there may be two, beside a tail of half as many, and events in each."""
    records = (MOST_BYTES - 3 * layout.header_bytes) // layout.record_bytes - 3 * MAX_EVENTS - READ_RECORDS - 2
    return min(SEALED_ROWS, records * 2 // 5)


def seal(sources: list[str], target: str, layout: Layout, limit: int) -> None:
    """Writes to `target` what `sources` hold, in at most `limit` rows; first reading and events stay as they are.

    Reads in small pieces, twice: the sampler has no memory for all rows. Raises OSError, SpoolError.
    """
    interval_at = layout.interval_at
    kinds = tuple(kind for _, kind, _ in layout.columns)
    lengths = []
    for record in _records(sources, layout):
        if record[0] == ROW:
            fields = layout.row.unpack(record)
            lengths.append((fields[1], fields[4 + interval_at]))
    longest = bucket_length(lengths, limit)
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, layout.header())
        held: tuple[int, int, Values] | None = None
        for record in _records(sources, layout):
            if record[0] != ROW:
                _write_all(fd, record)
                continue
            _, phase, _, rows, *values = layout.row.unpack(record)
            if held is not None:
                filled, length = held[2][interval_at], values[interval_at]
                if held[0] == phase and filled + length <= longest:
                    held = phase, held[1] + rows, merge_values(kinds, held[2], filled, values, length)
                    continue
                _write_all(fd, layout.row.pack(ROW, held[0], 0, held[1], *held[2]))
            held = phase, rows, values
        if held is not None:
            _write_all(fd, layout.row.pack(ROW, held[0], 0, held[1], *held[2]))
    finally:
        os.close(fd)


def _records(paths: list[str], layout: Layout) -> "Iterator[bytes]":
    for path in paths:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            parse_header(os.read(fd, layout.header_bytes), path)
            while block := os.read(fd, layout.record_bytes * READ_RECORDS):
                for start in range(0, len(block) - layout.record_bytes + 1, layout.record_bytes):
                    yield block[start : start + layout.record_bytes]
        finally:
            os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    if os.write(fd, data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def unlink(path: str) -> None:
    """Removes a file that may be gone already."""
    try:  # noqa: SIM105 (contextlib costs memory)
        os.unlink(path)
    except OSError:
        pass
