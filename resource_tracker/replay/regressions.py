"""Published rules that follow the size of the input."""

from __future__ import annotations

import math
from collections.abc import Sequence

from resource_tracker.dataclass import dataclass
from resource_tracker.observation import Observation
from resource_tracker.replay.rules import Question, back_to_request

FIXED_OFFSET_MIB = 128.0
FIRST_TASKS = 5
LEAST_CORRELATION = 0.3
OVERESTIMATE_WEIGHT = 0.1
QUANTILES = (0.51, 0.65, 0.75, 0.85, 0.91, 0.95, 0.99, 1.0)
SLOPES_FITTED = 30


@dataclass(frozen=True, slots=True)
class Line:
    """``intercept`` in MiB, ``slope`` in MiB for each byte, and how the sizes and peaks correlate (Pearson)."""

    intercept: float
    slope: float
    correlation: float

    def at(self, input_bytes: float) -> float:
        return self.intercept + self.slope * input_bytes


@dataclass(frozen=True, slots=True)
class Ponder:
    """A line over the input where it correlates, else the highest, each with an offset, and never above the request.

    Source: F. Lehmann et al., "Ponder: Online Prediction of Task Memory Requirements for Scientific Workflows",
    e-Science 2024, in the variant of CommonWorkflowScheduler/KubernetesScheduler with weighted deviations: of the
    first 5 instances only those with a smaller input than another's are sized; the line's loss counts an overestimate
    a tenth; the offset is twice the deviation weighted by the distance of the inputs, at least 128 MiB; a repetition
    gets the request.
    """

    name: str = "Ponder"

    def first(self, question: Question) -> float | None:
        size = self._unlimited(question)
        if size is None or question.requested_mib is None:
            return size
        return min(size, question.requested_mib)

    def again(self, question: Question, too_small: float) -> float:
        return back_to_request(question, too_small)

    def _unlimited(self, question: Question) -> float | None:
        seen, size = question.seen, question.input_bytes
        sizes = _sizes(seen)
        above_all = question.highest + FIXED_OFFSET_MIB
        if len(seen) < FIRST_TASKS:
            return above_all if size is not None and any(known > size for known in sizes) else None
        line = asymmetric_line(seen) if size is not None and len(sizes) == len(seen) else None
        if size is None or line is None or line.correlation <= LEAST_CORRELATION:
            return above_all
        expected = max(line.at(size), min(o.peak_mib for o in seen))
        largest = max(sizes)
        if (expected > question.highest and size < largest) or (expected < question.highest and size >= largest):
            expected = question.highest
        return expected + max(FIXED_OFFSET_MIB, 2 * _weighted_deviation(seen, line, size))


@dataclass(frozen=True, slots=True)
class LowWastageRegression:
    """The line with the least waste over what was seen, had failures doubled.

    Source: C. Witt et al., "Feedback-Based Resource Allocation for Batch Scheduling of Scientific Workflows" and
    "Learning Low-Wastage Memory Allocations for Scientific Workflows at IceCube", HPCS 2019. The candidates are lines
    through quantiles of the deviations, with slopes by least squares, by the ratio of the quartile ranges, and none;
    the authors' search beyond these is left out.
    """

    name: str = "Witt's low-wastage line"

    def first(self, question: Question) -> float | None:
        seen = question.seen
        if len(seen) < 2:
            return None
        by_size = question.input_bytes is not None and len(_sizes(seen)) == len(seen)
        lines = [line for slope in _slopes(seen, by_size) for line in _quantile_lines(seen, slope)]
        best = min(lines, key=lambda line: _waste(seen, line))
        return max(1.0, best.at(question.input_bytes or 0.0))

    def again(self, question: Question, too_small: float) -> float:
        return 2 * too_small


def least_squares(seen: Sequence[Observation], weights: Sequence[float] | None = None) -> Line | None:
    """The line through (input, peak) with the least squares; ``None`` where the inputs do not differ."""
    weights = weights or [1.0] * len(seen)
    sizes, total = _sizes(seen), sum(weights)
    if len(seen) < 2:
        return None
    mean_size = sum(w * x for w, x in zip(weights, sizes, strict=True)) / total
    mean_peak = sum(w * o.peak_mib for w, o in zip(weights, seen, strict=True)) / total
    xx = sum(w * (x - mean_size) ** 2 for w, x in zip(weights, sizes, strict=True))
    yy = sum(w * (o.peak_mib - mean_peak) ** 2 for w, o in zip(weights, seen, strict=True))
    xy = sum(w * (x - mean_size) * (o.peak_mib - mean_peak) for w, x, o in zip(weights, sizes, seen, strict=True))
    if xx <= 1e-12 * total * mean_size**2:
        return None
    return Line(mean_peak - xy / xx * mean_size, xy / xx, xy / math.sqrt(xx * yy) if yy > 0 else 0.0)


def asymmetric_line(seen: Sequence[Observation]) -> Line | None:
    """Least squares in which an overestimate counts a tenth; the correlation is that of the plain ones."""
    plain = line = least_squares(seen)
    if plain is None or line is None:
        return None
    above: list[bool] = []
    for _ in range(SLOPES_FITTED):
        before, above = above, [o.peak_mib > line.at(o.input_bytes or 0.0) for o in seen]
        if above == before:
            break
        line = least_squares(seen, [1.0 if under else OVERESTIMATE_WEIGHT for under in above]) or line
    return Line(line.intercept, line.slope, plain.correlation)


def _sizes(seen: Sequence[Observation]) -> list[float]:
    return [o.input_bytes for o in seen if o.input_bytes is not None]


def _weighted_deviation(seen: Sequence[Observation], line: Line, size: float) -> float:
    """Standard deviation from the line, each weighted by how near its input is."""
    distances = [abs(known - size) for known in _sizes(seen)]
    furthest = max(distances)
    extra = max(0.0, 1 - len(seen) / 10) / 100
    weights = [1 - d / furthest + extra if furthest else 1.0 for d in distances]
    off = [o.peak_mib - line.at(o.input_bytes or 0.0) for o in seen]
    total = sum(weights)
    if total <= 0:
        return 0.0
    mean = sum(w * d for w, d in zip(weights, off, strict=True)) / total
    degrees = total - sum(w * w for w in weights) / total
    squares = sum(w * (d - mean) ** 2 for w, d in zip(weights, off, strict=True))
    return math.sqrt(squares / degrees) if degrees > 0 else 0.0


def _slopes(seen: Sequence[Observation], by_size: bool) -> list[float]:
    slopes = [0.0]
    if by_size:
        slopes += [line.slope for line in (least_squares(seen), asymmetric_line(seen)) if line is not None]
        sizes, peaks = sorted(_sizes(seen)), sorted(o.peak_mib for o in seen)
        span = _quantile(sizes, 0.75) - _quantile(sizes, 0.25)
        if span > 0:
            slopes.append((_quantile(peaks, 0.75) - _quantile(peaks, 0.25)) / span)
    return slopes


def _quantile_lines(seen: Sequence[Observation], slope: float) -> list[Line]:
    off = sorted(o.peak_mib - slope * (o.input_bytes or 0.0) for o in seen)
    return [Line(_quantile(off, q), slope, 0.0) for q in QUANTILES]


def _quantile(ascending: Sequence[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, max(0, math.ceil(share * len(ascending)) - 1))]


def _waste(seen: Sequence[Observation], line: Line) -> float:
    """MiB x seconds that were allocated and not used, had each instance been sized by the line and failures doubled."""
    wasted = 0.0
    for o in seen:
        size = max(1.0, line.at(o.input_bytes or 0.0))
        while size < o.peak_mib:
            wasted += size * o.duration_s
            size *= 2
        wasted += (size - o.peak_mib) * o.duration_s
    return wasted
