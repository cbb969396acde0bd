"""The cores of a step that runs, in a few moments and lines: averaged as rows come in, so that no look costs more."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from operator import add, mul, truediv
from typing import NamedTuple

from resource_tracker.core_use import CORE, group_label, lines_together
from resource_tracker.sampler.layout import Layout
from resource_tracker.sampler.merge import bucket_length
from resource_tracker.spool_follow import LiveSpool

MOST_MOMENTS = 48
"""Then neighbours merge, to half as many."""


class _Moment(NamedTuple):
    """Seconds that it took, and of each line those in which its cores were busy, and in which that is known."""

    seconds: float
    busy: list[float]
    known: list[float]


class LiveCores(LiveSpool):
    """What was read so far of the spool of the cores, until the step's end.

    It holds sums rather than rows (`columns` stay empty): a mean over time, and over cores that share a line, is one
    sum by another, however often neighbours have merged.

    Attributes
    ----------
    cores : list of int
        The kernel's numbers.
    first_start : float
        When the first moment began (Unix time); nan before there is one.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.cores = [int(name.removeprefix(CORE)) for _, _, name in layout.columns if name.startswith(CORE)]
        self.first_start = math.nan
        self._together = lines_together(len(self.cores))
        self._used = [0.0] * len(self.cores)
        self._looked_at = [0.0] * len(self.cores)
        self._moments: list[_Moment] = []
        self._length = 0.0

    def add_rows(self, phases: Sequence[int], merged: Sequence[int], columns: Sequence[array[float]]) -> None:
        """Counts rows in, each of `columns` (stamps, lengths, then a share for each core) with a value of each."""
        rows = sum(phase == 0 for phase in phases)  # those after the step's end are the last
        if not rows:
            return
        stamps, lengths, *shares = [column[:rows] for column in columns]
        if self.first_start != self.first_start:
            self.first_start = stamps[0] - lengths[0]
        if sum(lengths) <= self._length:  # as in a long step: all new rows are part of one moment
            self._add(lengths, shares)
            return
        for row in range(rows):
            self._add(lengths[row : row + 1], [share[row : row + 1] for share in shares])

    def moments(self) -> list[float]:
        """Seconds that each moment took; they follow one another."""
        return [moment.seconds for moment in self._moments]

    def lines(self) -> dict[str, list[float]]:
        """The mean share in each moment, by label, of each line that is drawn; nan where it is not known."""
        size = self._together
        labels = [group_label(self.cores[first : first + size]) for first in range(0, len(self.cores), size)]
        means = [_means(moment.busy, moment.known) for moment in self._moments]
        return {label: list(values) for label, values in zip(labels, zip(*means, strict=True), strict=False)}

    def mean_shares(self) -> dict[int, float]:
        """Like :func:`resource_tracker.core_use.mean_shares`."""
        means = zip(self.cores, _means(self._used, self._looked_at), strict=True)
        return {core: mean for core, mean in means if mean == mean}

    def _add(self, lengths: Sequence[float], shares: list[array[float]]) -> None:
        """Rows that are one moment, or part of the one that is under way."""
        seconds = sum(lengths)
        busy = [float(sum(map(mul, share, lengths))) for share in shares]
        known = [seconds] * len(busy)
        if math.isnan(sum(busy)):
            for place, share in enumerate(shares):
                cells = [(used * length, length) for used, length in zip(share, lengths, strict=True) if used == used]
                busy[place], known[place] = sum(used for used, _ in cells), sum(length for _, length in cells)
        self._used = [*map(add, self._used, busy)]
        self._looked_at = [*map(add, self._looked_at, known)]
        self._append(_Moment(seconds, self._in_lines(busy), self._in_lines(known)))
        if len(self._moments) > MOST_MOMENTS:
            moments, self._moments = self._moments, []
            self._length = bucket_length([(0, moment.seconds) for moment in moments], MOST_MOMENTS // 2 + 1)
            for moment in moments:
                self._append(moment)

    def _append(self, moment: _Moment) -> None:
        latest = self._moments[-1] if self._moments else None
        if latest is None or latest.seconds + moment.seconds > self._length:
            self._moments.append(moment)
            return
        seconds = latest.seconds + moment.seconds
        self._moments[-1] = _Moment(
            seconds, [*map(add, latest.busy, moment.busy)], [*map(add, latest.known, moment.known)]
        )

    def _in_lines(self, sums: list[float]) -> list[float]:
        size = self._together
        return sums if size == 1 else [sum(sums[first : first + size]) for first in range(0, len(sums), size)]


def _means(busy: list[float], known: list[float]) -> list[float]:
    if all(known):
        return [*map(truediv, busy, known)]
    return [used / seconds if seconds > 0 else math.nan for used, seconds in zip(busy, known, strict=True)]
