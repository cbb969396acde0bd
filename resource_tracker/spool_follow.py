"""A spool as it grows: each look takes only what is new, and keeps few rows, however long the step is.

Where rows are merged, what a row of its own would have shown is kept beside them, so that no peak is lost.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import BinaryIO, Generic, TypeVar

from resource_tracker.columns import COUNTER, GAUGE
from resource_tracker.errors import SpoolError
from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import CELL_BYTES, MERGES, Merge, highest
from resource_tracker.sampler.cores import FRAME as CORES
from resource_tracker.sampler.layout import ROW, Layout, parse_header
from resource_tracker.sampler.merge import bucket_length
from resource_tracker.sampler.spool_read import Spool, generation_of, span_lines_of

MOST_ROWS = 160
"""Then neighbours merge, to half as many: a chart of a card is 370 pixels wide, and an update may cost 5 ms."""
TRIES = 5
CPU_OVER_S = 0.5
"""A row that ends at a mark may be so short that one clock tick in it looks like a core in use."""
NO_HIGHS = ("internal", CORES)

Column = tuple[str, str]


class LiveSpool(Spool):
    """What was read so far. `highs` has the highest single row within each row that is kept.

    Its columns are gauges as they are, and counters a second; CPU of a very short row is averaged with those before it.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self._kinds = tuple(kind for _, kind, _ in layout.columns)
        self._interval_at = layout.interval_at
        names = [(frame, name) for frame, _, name in layout.columns]
        self._cpu_at = names.index(("process", "cpu_usage")) if ("process", "cpu_usage") in names else None
        self._latest_cpu: list[tuple[float, float]] = []
        self._highs = [
            (index, kind == COUNTER, array("d"))
            for index, (frame, kind, _) in enumerate(layout.columns)
            if kind in (GAUGE, COUNTER) and frame not in NO_HIGHS
        ]

    def add_row(self, phase: int, values: list[float], merged: int = 1) -> None:
        """Appends a row, see :meth:`add_rows`."""
        self.add_rows([phase], [merged], [array("d", [value]) for value in values])

    def add_rows(self, phases: Sequence[int], merged: Sequence[int], columns: Sequence[array[float]]) -> None:
        """Appends rows, each of `columns` with a value of each; where there are too many, all become half as many."""
        self.phases.extend(phases)
        self.merged.extend(merged)
        for column, values in zip(self.columns.values(), columns, strict=True):
            column.extend(values)
        lengths = columns[self._interval_at]
        for index, is_counter, highs in self._highs:
            values = columns[index]
            if index == self._cpu_at:
                highs.extend(self._busiest(values, lengths))
            elif is_counter and any(values):
                cells = zip(values, lengths, strict=True)
                highs.extend([value / length if length > 0 else value for value, length in cells])
            else:
                highs.extend(values)
        if len(self.phases) > MOST_ROWS:
            self._merge()

    def _busiest(self, cores: Sequence[float], lengths: Sequence[float]) -> Iterable[float]:
        """Cores in use over each row: short ones count with those before them."""
        if min(lengths) < CPU_OVER_S or cores[-1] != cores[-1]:
            return map(self._busy, cores, lengths)
        self._busy(cores[-1], lengths[-1])  # all that a later row may look back to
        return cores

    def _busy(self, cores: float, length: float) -> float:
        """Cores in use over a row, or as many rows back as are long enough to count clock ticks."""
        if cores == cores and length > 0:
            self._latest_cpu.append((cores, length))
        while sum(seconds for _, seconds in self._latest_cpu[1:]) >= CPU_OVER_S:
            del self._latest_cpu[0]
        if cores != cores or length >= CPU_OVER_S:
            return cores
        seconds = sum(seconds for _, seconds in self._latest_cpu)
        return sum(busy * lasted for busy, lasted in self._latest_cpu) / max(seconds, CPU_OVER_S)

    def highs(self, frame: str) -> TinyDataFrame:
        """The highest single rows of one frame."""
        names = [*self.columns]
        return TinyDataFrame({names[i][1]: highs for i, _, highs in self._highs if names[i][0] == frame})

    def _merge(self) -> None:
        """Neighbours of one phase become one, so that about half as many remain, all of about the same length."""
        lengths = self.columns[[*self.columns][self._interval_at]].tolist()
        places = self._places(lengths)
        same = next((index for index, (first, last) in enumerate(places) if first != last), len(places))
        # In a long step the latest rows alone: those before are as long as they may be.
        changed = [(first, last, lengths[first : last + 1]) for first, last in places[same:]]
        for name, kind in zip(self.columns, self._kinds, strict=True):
            self.columns[name] = _merged(self.columns[name], MERGES[kind], same, changed)
        self._highs = [
            (index, is_counter, _merged(highs, highest, same, changed)) for index, is_counter, highs in self._highs
        ]
        self.merged = [sum(self.merged[first : last + 1]) for first, last in places]
        self.phases = [self.phases[first] for first, _ in places]

    def _places(self, lengths: list[float]) -> list[tuple[int, int]]:
        """First and last row of each that will remain."""
        longest = bucket_length(list(zip(self.phases, lengths, strict=True)), MOST_ROWS // 2)
        places: list[tuple[int, int]] = []
        filled = 0.0
        for index, length in enumerate(lengths):
            if places and self.phases[index] == self.phases[index - 1] and filled + length <= longest:
                places[-1] = (places[-1][0], index)
                filled += length
            else:
                places.append((index, index))
                filled = length
        return places


Kept = TypeVar("Kept", bound=LiveSpool)


class SpoolFollower(Generic[Kept]):
    """Reads a spool again and again.

    Parameters
    ----------
    directory : str
        The spool's folder.
    keep : callable
        Makes what takes the rows, of a layout: :class:`LiveSpool`, or a kind of it.
    prefix : str
        Which spool, where several share a folder.
    """

    def __init__(self, directory: str, keep: Callable[[Layout], Kept], prefix: str = "") -> None:
        self._directory = directory
        self._keep = keep
        self._prefix = prefix
        self._generation = -1
        self._file: BinaryIO | None = None
        self._layout: Layout | None = None
        self._spool: Kept | None = None

    def read(self) -> Kept:
        """The spool with all that was added since the last call.

        Raises
        ------
        SpoolError
            There is none, it cannot be read, or a header is damaged; the message names the file.
        """
        try:
            for _ in range(TRIES):
                generation = generation_of(self._directory, self._prefix)
                if generation != self._generation:
                    self._go_on_to(generation)
                self._open(f"{self._directory}/{self._prefix}rows.{generation}")
                self._read_on()
                if generation_of(self._directory, self._prefix) == generation:
                    break
        except OSError as error:
            raise SpoolError(f"{error.filename or self._directory}: {error.strerror}") from None
        if self._spool is None:
            raise SpoolError(f"{self._directory}: no rows file")
        if not self._prefix:
            self._spool.span_lines = span_lines_of(self._directory)
        return self._spool

    def close(self) -> None:
        """Lets go of the file that is read; :meth:`read` opens the next one."""
        if self._file is not None:
            self._file.close()
        self._file = self._layout = None

    def _go_on_to(self, generation: int) -> None:
        """The file that was read is complete, and gone from its folder, but not from us: what we lack is still there.

        If it is not the one before, all begins again with the sealed file, which has all that came before.
        """
        if generation == self._generation + 1 and self._file is not None:
            self._read_on()
        elif generation:
            self._spool = None
            self.close()
            self._open(f"{self._directory}/{self._prefix}sealed.{generation}")
            self._read_on()
        self.close()
        self._generation = generation

    def _open(self, path: str) -> None:
        if self._file is None:
            with suppress(FileNotFoundError):  # it is about to be made, or was just sealed
                self._file = open(path, "rb")  # noqa: SIM115 - held for as long as it grows

    def _read_on(self) -> None:
        """Adds the whole records that were appended since the last look."""
        if self._file is None:
            return
        data = self._file.read()
        if self._layout is None:
            layout = self._layout = parse_header(data, self._file.name)
            if self._spool is None:
                self._spool = self._keep(layout)
            elif [*self._spool.columns] != [(frame, name) for frame, _, name in layout.columns]:
                raise SpoolError(f"{self._file.name}: damaged header (its columns differ from the sealed file's)")
            data = data[layout.header_bytes :]
        assert self._spool is not None
        width = self._layout.record_bytes
        whole = len(data) - len(data) % width
        rows = data[:whole]
        if rows[::width].strip(bytes([ROW])):
            records = [data[start : start + width] for start in range(0, whole, width)]
            for record in records:
                if record[0] != ROW:
                    self._spool.add(self._layout, record)
            rows = b"".join(record for record in records if record[0] == ROW)
        if rows:
            self._spool.add_rows(*_columns(self._layout, rows))
        # What is half written comes again: on a full disk the writer takes it back.
        self._file.seek(whole - len(data), os.SEEK_CUR)


def _columns(layout: Layout, rows: bytes) -> tuple[Sequence[int], Sequence[int], list[array[float]]]:
    """Phases, how many rows were merged into each, and the columns of records that are all rows.

    A record is as long as a few doubles: cut out column by column, a hundred rows of a long step are as quick as one.
    """
    cells, width = array("d", rows), layout.record_bytes // CELL_BYTES
    merged = array("I", rows)[1 :: 2 * width]
    if layout.byteorder != sys.byteorder:
        cells.byteswap()
        merged.byteswap()
    columns = [cells[place::width] for place in range(1, width)]
    return rows[1 :: layout.record_bytes], merged, columns


def _merged(column: array[float], merge: Merge, same: int, places: list[tuple[int, int, list[float]]]) -> array[float]:
    """A column whose first rows stay the `same`, and in which those of each of `places`, so long each, become one."""
    merged = column[:same]
    for first, last, lengths in places:
        merged.append(column[first] if first == last else merge(column[first : last + 1], lengths))
    return merged
