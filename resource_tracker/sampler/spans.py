"""Stretches that the step's own code marks, and what is used in each: counted row by row, where the rows are made.

Blocks have a beginning and an end. A stage ends at a mark, and began at the last one of its level: the top, or the
block that the mark stands in. The task says so in messages (:mod:`resource_tracker.marks`), with its own times, those
of CLOCK_MONOTONIC in nanoseconds.
"""

import math
import os

from resource_tracker.sampler.control import BEGIN, END, STAGE
from resource_tracker.sampler.spool import unlink
from resource_tracker.units import ticks_to_seconds

SPANS = "spans"
"""File of a spool: a line for each span, see :meth:`Spans.lines`."""
MAX_SPANS = 200
"""Kept one by one, the first ones and the latest; of the others those of one label are added up."""
MAX_LABELS = 50
MAX_OPEN = 200
MAX_ENDING = 1000
"""In one row; what more of them used remains unknown."""
WRITE_EVERY_S = 1.0
OTHERS = "(others)"
SPAN_WORDS = (BEGIN, END, STAGE)
TOP = "0"
NAN = float("nan")


class Stretch:
    """Times are monotonic, ticks those of the step since its beginning; ``None`` is not known yet."""

    __slots__ = ("began_s", "ended_s", "label", "memory_kib", "name", "text", "ticks_after", "ticks_before")

    def __init__(self, name: str, label: str, began_s: float, ticks_before: float | None) -> None:
        self.name = name
        self.label = label
        self.began_s = began_s
        self.ended_s: float | None = None
        self.ticks_before = ticks_before
        self.ticks_after: float | None = None
        self.memory_kib = NAN
        self.text = ""

    def line(self, ticks: float, ticks_per_s: float) -> str:
        """As :meth:`Spans.lines` has it; of one that is still open, what was used until `ticks`."""
        after = ticks if self.ended_s is None else self.ticks_after
        used = NAN if after is None or self.ticks_before is None else after - self.ticks_before
        ended, seconds = ("", "") if self.ended_s is None else (repr(self.ended_s), repr(self.ended_s - self.began_s))
        used_s = ticks_to_seconds(used, ticks_per_s)
        return f"{self.began_s!r}\t{ended}\t1\t{seconds}\t{used_s!r}\t{self.memory_kib!r}\t{self.label}"


class Sum:
    """What ended stretches of one label took together."""

    __slots__ = ("began_s", "count", "ended_s", "memory_kib", "seconds", "ticks")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.ended_s = began_s
        self.count = 0
        self.seconds = self.ticks = 0.0
        self.memory_kib = NAN

    def add(self, stretch: Stretch) -> None:
        ended_s = stretch.began_s if stretch.ended_s is None else stretch.ended_s
        self.began_s, self.ended_s = min(self.began_s, stretch.began_s), max(self.ended_s, ended_s)
        self.count += 1
        self.seconds += ended_s - stretch.began_s
        self.ticks += (stretch.ticks_after or 0.0) - (stretch.ticks_before or 0.0)
        self.memory_kib = higher(self.memory_kib, stretch.memory_kib)

    def line(self, label: str, ticks_per_s: float) -> str:
        used_s = ticks_to_seconds(self.ticks, ticks_per_s)
        figures = f"{self.count}\t{self.seconds!r}\t{used_s!r}\t{self.memory_kib!r}"
        return f"{self.began_s!r}\t{self.ended_s!r}\t{figures}\t{label}"


class Spans:
    """All stretches of an attempt that begins at `now_s`."""

    def __init__(self, now_s: float, ticks_per_s: float) -> None:
        self._ticks_per_s = ticks_per_s
        self._row_began_s = now_s
        self._ticks = 0.0
        self._blocks: dict[str, Stretch] = {}
        self._stages = {TOP: Stretch("", "", now_s, 0.0)}
        self._ending: list[Stretch] = []
        self._done: list[Stretch] = []
        self._sums: dict[str, Sum] = {}
        self._closed = False
        self._marked_at_s = now_s
        self._written_at_s = -math.inf
        self.changed = False

    def act(self, word: str, told: str) -> None:
        """What a message says; one that makes no sense is left out."""
        try:
            fields = told.split(":")
            if word == STAGE:
                level, name, time_ns, label = fields
                self._end_stage(level, name, int(time_ns) / 1e9, bytes.fromhex(label).decode())
            elif word == BEGIN:
                name, time_ns, label = fields
                self._begin(name, int(time_ns) / 1e9, bytes.fromhex(label).decode())
            elif word == END:
                name, level, time_ns = fields
                self._end(name, level, int(time_ns) / 1e9)
        except ValueError:
            return

    def row_closed(self, now_s: float, ticks: float, memory_kib: float, *, at_mark: bool = False) -> None:
        """A row ended: `ticks` of CPU time in it, and its highest memory. What began or ended in it gets its part.

        One that ended `at_mark`, the last word, says nothing of the memory of what began there.
        """
        began_s, row_s = self._row_began_s, now_s - self._row_began_s

        def until(at_s: float) -> float:
            return self._ticks + ticks * min(1.0, (at_s - began_s) / row_s if row_s > 0 else 1.0)

        for stretch in (*self._blocks.values(), *self._stages.values(), *self._ending):
            if stretch.ticks_before is None:
                stretch.ticks_before = until(stretch.began_s)
            if stretch.ended_s is not None and stretch.ticks_after is None:
                stretch.ticks_after = until(stretch.ended_s)
            if not at_mark or stretch.began_s < self._marked_at_s:
                stretch.memory_kib = higher(stretch.memory_kib, memory_kib)
        ended, self._ending = self._ending, []
        for stretch in ended:
            self._keep(stretch)
        self._ticks += ticks
        self._row_began_s = now_s
        self.changed = self.changed or bool(self._blocks)

    def close(self) -> None:
        """The step's code is over, and with it what is open: it ends with the last row."""
        if self._closed:
            return
        for name in list(self._blocks):
            self._end(name, TOP, self._row_began_s)
        self._closed = True

    def lines(self) -> list[str]:
        """For each span: began, ended (empty: open), how many it stands for, seconds, CPU seconds, KiB, label."""
        changing = (*self._ending, *self._blocks.values())
        lines = [stretch.text for stretch in self._done]
        lines += [stretch.line(self._ticks, self._ticks_per_s) for stretch in changing]
        return lines + [total.line(label, self._ticks_per_s) for label, total in self._sums.items()]

    def write_now_and_then(self, directory: str, now_s: float) -> None:
        """As :meth:`write`, at most once a second: for who looks on."""
        if self.changed and now_s - self._written_at_s >= WRITE_EVERY_S:
            self._written_at_s = now_s
            self.write(directory)

    def write(self, directory: str) -> None:
        """Replaces the file in `directory`, if there is anything new; where that fails, the next call tries again."""
        if not self.changed:
            return
        path = f"{directory}/{SPANS}"
        try:
            fd = os.open(f"{path}.tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                text = "".join(f"{line}\n" for line in self.lines()).encode()
                whole = os.write(fd, text) == len(text)
            finally:
                os.close(fd)
            if not whole:  # a full disk: what was there before stays
                unlink(f"{path}.tmp")
                return
            os.rename(f"{path}.tmp", path)
        except OSError:
            return
        self.changed = False

    def _end_stage(self, level: str, name: str, at_s: float, label: str) -> None:
        if self._closed:
            return
        stage = self._stages.get(level)
        if stage is None:
            block = self._blocks.get(level)
            if block is None:
                return
            stage = Stretch("", "", block.began_s, block.ticks_before)
            stage.memory_kib = block.memory_kib
        self._marked_at_s = at_s
        stage.name, stage.label = name, label
        self._finish(stage, at_s)
        self._stages[level] = Stretch("", "", at_s, self._ticks_at(at_s))

    def _begin(self, name: str, at_s: float, label: str) -> None:
        """A mark turned out to be the beginning of a block: it is no stage's end."""
        ticks = self._ticks_at(at_s)
        for stretches in (self._ending, self._done):
            for stretch in [stretch for stretch in stretches if stretch.name == name]:
                ticks = stretch.ticks_after
                stretches.remove(stretch)
        if not self._closed and len(self._blocks) < MAX_OPEN:
            self._blocks[name] = Stretch(name, label, at_s, ticks)
            self.changed = True

    def _end(self, name: str, level: str, at_s: float) -> None:
        block = self._blocks.pop(name, None)
        self._stages.pop(name, None)
        if block is None:
            return
        self._marked_at_s = at_s
        self._finish(block, at_s)
        if level == TOP or level in self._blocks:
            self._stages[level] = Stretch("", "", at_s, self._ticks_at(at_s))

    def _ticks_at(self, at_s: float) -> float | None:
        """Known only where no part of the present row lies before it."""
        return self._ticks if at_s <= self._row_began_s else None

    def _finish(self, stretch: Stretch, at_s: float) -> None:
        stretch.ended_s = max(at_s, stretch.began_s)  # threads may overtake each other on the way to us
        stretch.ticks_after = self._ticks_at(stretch.ended_s)
        self.changed = True
        known = stretch.ticks_after is not None and stretch.ticks_before is not None
        if not known and len(self._ending) < MAX_ENDING:
            self._ending.append(stretch)
            return
        if not known:
            stretch.ticks_before = stretch.ticks_after = NAN
        self._keep(stretch)

    def _keep(self, stretch: Stretch) -> None:
        if len(self._done) >= MAX_SPANS:  # the latest stays by itself: it may yet be the beginning of a block
            before = self._done.pop()
            label = before.label if before.label in self._sums or len(self._sums) < MAX_LABELS else OTHERS
            self._sums.setdefault(label, Sum(before.began_s)).add(before)
        stretch.text = stretch.line(self._ticks, self._ticks_per_s)  # once: they may be written with every row
        self._done.append(stretch)


def higher(a: float, b: float) -> float:
    """The higher of two, of which one or both may be nan."""
    return b if a != a or b > a else a
