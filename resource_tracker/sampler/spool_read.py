"""Reading a spool, while it grows, after it ended, or cut anywhere: what is whole is there, the rest is left out."""

import os
from array import array

from resource_tracker.errors import SpoolError
from resource_tracker.sampler.layout import EVENT, FIRST, ROW, Layout, parse_header, unpack_event
from resource_tracker.sampler.spans import SPANS

TRIES = 5


class Event:
    """Something that happened: in which phase, when (Unix time), and what."""

    __slots__ = ("phase", "text", "time_s")

    def __init__(self, phase: int, time_s: float, text: str) -> None:
        self.phase = phase
        self.time_s = time_s
        self.text = text


class Spool:
    """What a spool holds. `columns` maps ``(frame, name)`` to values, one a row; `phases` and `merged` have one a row.

    `first` is the reading at start, which is no row: it has no length. Empty where it is missing. `span_lines` are
    those of :meth:`resource_tracker.sampler.spans.Spans.lines`.
    """

    def __init__(self, layout: Layout) -> None:
        self.meta = layout.meta
        self.columns: dict[tuple[str, str], array[float]] = {
            (frame, name): array("d") for frame, _, name in layout.columns
        }
        self.phases: list[int] = []
        self.merged: list[int] = []
        self.events: list[Event] = []
        self.first: dict[tuple[str, str], float] = {}
        self.span_lines: list[str] = []

    def add(self, layout: Layout, record: bytes) -> None:
        """Appends what one record holds; a kind of a later version is left out."""
        if record[0] == EVENT:
            self.events.append(Event(*unpack_event(layout, record)))
            return
        _, phase, _, merged, *values = layout.row.unpack(record)
        if record[0] == FIRST:
            self.first = dict(zip(self.columns, values, strict=True))
        elif record[0] == ROW:
            self.add_row(phase, values, merged)

    def add_row(self, phase: int, values: list[float], merged: int = 1) -> None:
        """Appends a row, its values in the order of `columns`."""
        self.phases.append(phase)
        self.merged.append(merged)
        for column, value in zip(self.columns.values(), values, strict=True):
            column.append(value)


def read_spool(directory: str, prefix: str = "") -> Spool:
    """What the spool in `directory` holds now; that of `prefix`, where several share it.

    Raises
    ------
    SpoolError
        There is none, it cannot be read, or a header is damaged; the message names the file.
    """
    for attempt in range(TRIES):
        generation = generation_of(directory, prefix)
        try:
            sealed = _read(f"{directory}/{prefix}sealed.{generation}") if generation else None
            if generation and sealed is None:
                continue  # the sampler went on to the next one while we looked
            tail = _read(f"{directory}/{prefix}rows.{generation}")
        except OSError as error:
            raise SpoolError(f"{error.filename or directory}: {error.strerror}") from None
        if sealed is None and tail is None and attempt < TRIES - 1:
            continue
        if tail is None and generation_of(directory, prefix) != generation:
            continue
        spool = _spool(directory, [(p, d) for p, d in (sealed or ("", b""), tail or ("", b"")) if p])
        if not prefix:
            spool.span_lines = span_lines_of(directory)
        return spool
    raise SpoolError(f"{directory}: its files change faster than they can be read")


def read_spool_beside(directory: str, prefix: str) -> Spool | None:
    """That of `prefix`; ``None`` where nothing of the kind was measured, or not yet."""
    try:
        return read_spool(directory, prefix)
    except SpoolError:
        return None


def rows_of_step(spool: Spool, stamp: tuple[str, str], step_ended_at: float | None, *, marked: bool) -> list[int]:
    """Which rows lie before the end of the step, by their phase where it is `marked`, else by the column `stamp`."""
    return [
        index
        for index, time_s in enumerate(spool.columns.get(stamp, ()))
        if (spool.phases[index] == 0 if marked else step_ended_at is None or time_s <= step_ended_at)
    ]


def generation_of(directory: str, prefix: str) -> int:
    """The highest one with a sealed file; 0 without any."""
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise SpoolError(f"{directory}: {error.strerror}") from None
    sealed = f"{prefix}sealed."
    numbers = [name.removeprefix(sealed) for name in names if name.startswith(sealed)]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def _read(path: str) -> tuple[str, bytes] | None:
    try:
        with open(path, "rb") as file:
            return path, file.read()
    except FileNotFoundError:
        return None


def span_lines_of(directory: str) -> list[str]:
    """What the step marked so far; where it cannot be read, nothing: the rows are worth more than an error here."""
    try:
        with open(f"{directory}/{SPANS}", encoding="utf-8", errors="replace") as file:
            return file.read().split("\n")
    except OSError:
        return []


def _spool(directory: str, files: list[tuple[str, bytes]]) -> Spool:
    spool: Spool | None = None
    for path, data in files:
        layout = parse_header(data, path)
        if spool is None:
            spool = Spool(layout)
        elif [*spool.columns] != [(frame, name) for frame, _, name in layout.columns]:
            raise SpoolError(f"{path}: damaged header (its columns differ from the sealed file's)")
        body, width = memoryview(data)[layout.header_bytes :], layout.record_bytes
        for start in range(0, len(body) - width + 1, width):
            spool.add(layout, bytes(body[start : start + width]))
    if spool is None:
        raise SpoolError(f"{directory}: no rows file")
    return spool
