"""What the next attempt's peak may be, from those of earlier ones: weighted outcomes, and a tail beyond the highest.

Pure. Three ways to read the same history give an outlook each; :mod:`resource_tracker.sizing` takes the one that
promises to cost least. The reasoning is explained in ``docs/sizing.md``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Literal

from resource_tracker.dataclass import dataclass

TAIL_SHARE = 0.10
"""Before anything is known, a peak is taken to exceed the highest so far by 10 % of it on average, if at all."""
SEEN_INPUT_FACTOR = 1 / 3
"""Of that, what remains where an attempt with an input at least as large has been seen."""
TAIL_LEAST_MIB = 16.0
"""The least average excess: allocators, libraries and the kernel's accounting vary that much between any two runs."""
LARGER_INPUT_FACTOR = 2.0
"""For a larger input than any before, it grows by twice the share by which the input is larger."""
LARGEST_INPUT_RATIO = 10.0
"""A next input is taken as at most ten times the largest seen: beyond, the attempts say nothing at all about it."""
LEAST_INPUT_BYTES = 2.0**20
"""Smaller inputs are taken as this, and where all are smaller, sizes say nothing: no step's memory comes from less."""
LEAST_FOR_LINE, LEAST_FOR_NEIGHBOURS = 3, 12
NEIGHBOUR_SHARE = 0.5
"""Share of the attempts that count as neighbours of an input size, those nearer to it more than those further away."""
TREND_OVER, LEAST_FOR_TREND = 20, 8
"""Newest attempts in which a rise over time is looked for, and how few are not enough to see one."""
TREND_CORRELATION = 0.7
"""Of peak and order in time, from which on peaks are taken to rise: by chance, 3 in 100 for 8 attempts, none for 20."""
LEAST_VARIANCE = 1e-4
"""Of input sizes as shares of their mean: below it (1 %), they are too alike to show how the peak grows."""
MOST_LEVERAGE = 0.9
LARGEST_SCALE = 5.0
LEAST_WEIGHT = 1e-6


Method = Literal["all", "line", "neighbours", "trend"]


@dataclass(frozen=True, slots=True)
class Peak:
    """One attempt's peak: MiB, the bytes of its input (``None``: unknown), its duration, and how much it counts."""

    mib: float
    input_bytes: float | None
    duration_s: float
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """Possible peaks of the next attempt in MiB, ascending, with their weights and durations.

    Parameters
    ----------
    method : {"all", "line", "neighbours", "trend"}
        Whether it is of all attempts as they are, of a line over the input size, of attempts with similar inputs, or of
        a line over time.
    tail_prior_mib : float
        Average excess over the highest that is assumed before the peaks themselves say otherwise.
    """

    method: Method
    peaks: tuple[float, ...]
    weights: tuple[float, ...]
    durations: tuple[float, ...]
    tail_prior_mib: float

    @property
    def highest(self) -> float:
        return self.peaks[-1]

    def effective_count(self) -> float:
        """How many equally weighted attempts would say as much (Kish)."""
        return math.fsum(self.weights) ** 2 / math.fsum(w * w for w in self.weights)

    def tail(self) -> Tail:
        """The chance of a peak beyond the highest, and by how much.

        Of n + 1 attempts that are alike each is equally likely to be the highest: the next one is with 1 / (n + 1).
        The excess is taken as exponential, its mean as that of the upper half over the median, with the prior as one
        more attempt.
        """
        count = self.effective_count()
        below = bisect_right(tuple(accumulate(self.weights)), math.fsum(self.weights) / 2)
        upper = range(min(below, len(self.peaks) - 1), len(self.peaks))
        median = self.peaks[upper[0]]
        excess = math.fsum((self.peaks[i] - median) * self.weights[i] for i in upper)
        excess /= math.fsum(self.weights[i] for i in upper)
        scale = (count / 2 * excess + self.tail_prior_mib) / (count / 2 + 1)
        return Tail(self.highest, 1 / (count + 1), max(scale, TAIL_LEAST_MIB))

    def chance_above(self, size_mib: float) -> float:
        """Chance that the next attempt needs more than ``size_mib``."""
        tail = self.tail()
        above = math.fsum(w for peak, w in zip(self.peaks, self.weights, strict=True) if peak > size_mib)
        if not above:
            return tail.chance_above(size_mib)
        return tail.chance + (1 - tail.chance) * above / math.fsum(self.weights)

    def shares_above(self) -> tuple[list[float], list[float]]:
        """For each peak: the share of the weights, and of weight x duration, that lies above it."""
        seconds = [w * d for w, d in zip(self.weights, self.durations, strict=True)]
        return _shares_above(self.weights), _shares_above(seconds)


@dataclass(frozen=True, slots=True)
class Tail:
    """Beyond the ``highest`` peak lies the next one with the chance ``chance``, by ``scale_mib`` on average."""

    highest: float
    chance: float
    scale_mib: float

    def chance_above(self, size_mib: float) -> float:
        """Chance of a peak beyond a size that is at least the highest."""
        return self.chance * math.exp(-max(0.0, size_mib - self.highest) / self.scale_mib)

    def size_for(self, chance: float) -> float:
        """The least size that is exceeded with this chance or less."""
        return self.highest + self.scale_mib * max(0.0, math.log(self.chance / chance))


def outlooks(peaks: Sequence[Peak], input_bytes: float | None) -> Iterator[Outlook]:
    """The outlooks that these attempts allow; where the input sizes are known, also by size.

    Parameters
    ----------
    peaks : sequence of Peak
        At least one.
    input_bytes : float, optional
        Size of the next input.
    """
    highest = max(peak.mib for peak in peaks)
    prior = TAIL_SHARE * highest
    sized = [(p, max(p.input_bytes, LEAST_INPUT_BYTES)) for p in peaks if p.input_bytes is not None]
    if input_bytes is None or all(p.input_bytes < LEAST_INPUT_BYTES for p in peaks if p.input_bytes is not None):
        yield _outlook("all", peaks, [peak.mib for peak in peaks], prior)
        return
    largest = max(size for _, size in sized)
    input_bytes = min(max(input_bytes, LEAST_INPUT_BYTES), LARGEST_INPUT_RATIO * largest)
    if input_bytes <= largest:
        prior *= SEEN_INPUT_FACTOR
    else:
        prior *= 1 + LARGER_INPUT_FACTOR * (input_bytes / largest - 1)
    yield _outlook("all", peaks, [peak.mib for peak in peaks], prior)
    if len(sized) >= LEAST_FOR_LINE:
        line = _line(sized, input_bytes, prior)
        if line is not None:
            yield line
    if len(sized) >= LEAST_FOR_NEIGHBOURS and input_bytes <= largest:
        near = _neighbours(sized, input_bytes)
        if len(near) >= LEAST_FOR_LINE:
            yield _outlook("neighbours", near, [peak.mib for peak in near], prior)


def trend(in_time: Sequence[Peak]) -> Outlook | None:
    """Where peaks rise from attempt to attempt: a line over their order, for the next one; ``None`` where they do not.

    The next of a rising series is no more like the others than a larger input is: data grows, day by day.

    Parameters
    ----------
    in_time : sequence of Peak
        Successful attempts, the oldest first.
    """
    newest = in_time[-TREND_OVER:]
    if len(newest) < LEAST_FOR_TREND:
        return None
    ordered = [(peak, float(place)) for place, peak in enumerate(newest, start=1)]
    middle, mean = (len(newest) + 1) / 2, math.fsum(peak.mib for peak in newest) / len(newest)
    together = math.fsum((place - middle) * (peak.mib - mean) for peak, place in ordered)
    spread = math.fsum((peak.mib - mean) ** 2 for peak in newest)
    of_places = math.fsum((place - middle) ** 2 for _, place in ordered)
    if spread <= 0 or together / math.sqrt(spread * of_places) < TREND_CORRELATION:
        return None
    return _line(ordered, len(newest) + 1.0, TAIL_SHARE * max(peak.mib for peak in newest), "trend")


def _line(
    sized: Sequence[tuple[Peak, float]], input_bytes: float, prior: float, method: Method = "line"
) -> Outlook | None:
    """Peaks as a line over the input size (least squares), and what the attempts were off it.

    Each is off by what it would be had the line been drawn without it (its residual over 1 - leverage), widened for
    an input far from the others, and in proportion to the expected peak.
    """
    total = math.fsum(peak.weight for peak, _ in sized)
    mean_size = math.fsum(peak.weight * size for peak, size in sized) / total
    mean_peak = math.fsum(peak.weight * peak.mib for peak, _ in sized) / total
    spread = math.fsum(peak.weight * (size - mean_size) ** 2 for peak, size in sized)
    if spread <= LEAST_VARIANCE * total * mean_size**2:
        return None
    slope = math.fsum(peak.weight * (size - mean_size) * (peak.mib - mean_peak) for peak, size in sized) / spread

    def at(size: float) -> float:
        return mean_peak + slope * (size - mean_size)

    lowest, highest = min(peak.mib for peak, _ in sized), max(peak.mib for peak, _ in sized)
    steepest = highest * max(1.0, input_bytes / max(size for _, size in sized))  # in proportion: more is mostly noise
    expected = min(max(at(input_bytes), lowest), steepest)
    widened = math.sqrt(1 + 1 / total + (input_bytes - mean_size) ** 2 / spread)
    outcomes = []
    for peak, size in sized:
        fitted = at(size)
        leverage = min(MOST_LEVERAGE, peak.weight * (1 / total + (size - mean_size) ** 2 / spread))
        scale = min(LARGEST_SCALE, max(1 / LARGEST_SCALE, expected / fitted)) if fitted > 0 else 1.0
        outcomes.append(max(0.0, expected + (peak.mib - fitted) / (1 - leverage) * widened * scale))
    return _outlook(method, [peak for peak, _ in sized], outcomes, prior)


def _neighbours(sized: Sequence[tuple[Peak, float]], input_bytes: float) -> list[Peak]:
    """The attempts with the most similar input sizes, by their ratio; nearer ones count more (tricube)."""
    distances = [abs(math.log(size / input_bytes)) for _, size in sized]
    wanted = min(len(sized), max(LEAST_FOR_NEIGHBOURS, round(NEIGHBOUR_SHARE * len(sized))))
    reach = sorted(distances)[wanted - 1] * 1.0001 + 1e-9
    return [
        Peak(peak.mib, size, peak.duration_s, peak.weight * weight)
        for (peak, size), distance in zip(sized, distances, strict=True)
        if distance < reach and (weight := (1 - (distance / reach) ** 3) ** 3) > LEAST_WEIGHT
    ]


def _outlook(method: Method, peaks: Sequence[Peak], outcomes: Sequence[float], prior: float) -> Outlook:
    order = sorted(range(len(peaks)), key=outcomes.__getitem__)
    return Outlook(
        method,
        tuple(outcomes[i] for i in order),
        tuple(peaks[i].weight for i in order),
        tuple(peaks[i].duration_s for i in order),
        prior,
    )


def _shares_above(weights: Sequence[float]) -> list[float]:
    total = math.fsum(weights)
    return [max(0.0, 1 - below / total) for below in accumulate(weights)]
