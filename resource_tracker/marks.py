"""What the measured code says of itself: marks and blocks, which become spans of the measurement.

Nothing here waits: each word goes into a pipe of the sampler's, or nowhere. It takes about 0.1 ms.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType

from resource_tracker.dataclass import replace
from resource_tracker.records import FailedSource, Measurements
from resource_tracker.sampler.control import BEGIN, END, STAGE
from resource_tracker.sampler.spans import TOP

LABEL_LENGTH = 80
CONSIDERED = 1000
"""Characters of what was given as a label: the rest is not looked at."""
MARKS_AT_ONCE, MARKS_PER_S = 1000, 100
"""What is marked more often is left out, and counted: the sampler reads every word."""


class Mark:
    """What :meth:`Marks.mark` gave: the end of a stage, or in a ``with`` statement the beginning of a block."""

    __slots__ = ("_at_ns", "_level", "_marks", "_name", "label")

    def __init__(self, marks: Marks, name: str, label: str, level: str, at_ns: int) -> None:
        self._marks = marks
        self._name = name
        self._level = level
        self._at_ns = at_ns
        self.label = label

    def __enter__(self) -> Mark:
        self._marks.begin(self._name, self._at_ns, self.label)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._marks.end(self._name, self._level)

    def __repr__(self) -> str:
        return f"<Mark {self.label!r}>"


class Marks:
    """Marks of one measurement, from any thread of its process, and from forks of it.

    Parameters
    ----------
    tell : callable
        Takes a word and what goes with it to the sampler, and does not wait.
    """

    def __init__(self, tell: Callable[[str, str], object]) -> None:
        self._tell = tell
        self._numbers = itertools.count(1)
        self._of_thread = threading.local()
        self._left = float(MARKS_AT_ONCE)
        self._at_s = time.monotonic()
        self.left_out = 0

    def mark(self, label: object) -> Mark:
        """Ends what was done since the last mark, as a span named `label`; ``with`` it, the block is the span."""
        at_ns, name, text = time.monotonic_ns(), f"{os.getpid()}x{next(self._numbers)}", clean(label)
        level = self._levels[-1]
        if not self._may():
            return Mark(self, "", text, level, at_ns)
        self._tell(STAGE, f"{level}:{name}:{at_ns}:{text.encode().hex()}")
        return Mark(self, name, text, level, at_ns)

    def begin(self, name: str, at_ns: int, label: str) -> None:
        """The mark was the beginning of a block. Those within are of its level."""
        if name:
            self._tell(BEGIN, f"{name}:{at_ns}:{label.encode().hex()}")
            self._levels.append(name)

    def end(self, name: str, level: str) -> None:
        """The block is over."""
        if name:
            self._tell(END, f"{name}:{level}:{time.monotonic_ns()}")
            if name in self._levels:  # not always the innermost: coroutines take turns in a thread
                self._levels.remove(name)

    def with_left_out(self, found: Measurements) -> Measurements:
        """Measurements that say how many marks are missing."""
        if not self.left_out:
            return found
        reason = f"more than {MARKS_PER_S} a second; the others are left out"
        failed = FailedSource(source="marks of the step", reason=reason, count=self.left_out)
        tracking = replace(found.tracking, failed_sources=(*found.tracking.failed_sources, failed))
        return replace(found, tracking=tracking)

    @property
    def _levels(self) -> list[str]:
        """The blocks that this thread is in, from the outside."""
        try:
            levels: list[str] = self._of_thread.levels
        except AttributeError:
            levels = self._of_thread.levels = [TOP]
        return levels

    def _may(self) -> bool:
        now_s = time.monotonic()
        self._left = min(float(MARKS_AT_ONCE), self._left + (now_s - self._at_s) * MARKS_PER_S)
        self._at_s = now_s
        if self._left < 1:
            self.left_out += 1
            return False
        self._left -= 1
        return True


def clean(label: object) -> str:
    """One short line of text, whatever was given: nobody's step fails for a name."""
    try:
        # The beginning, as a plain string: a subclass may do anything, and all of a gigabyte takes long.
        text = str.__getitem__(str(label), slice(CONSIDERED))
    except Exception:  # noqa: BLE001 (the watcher meets the user's step)
        text = type(label).__name__
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.encode("utf-8", "replace").decode().split())
    return (f"{line[: LABEL_LENGTH - 1]}…" if len(line) > LABEL_LENGTH else line) or "mark"
