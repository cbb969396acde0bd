"""Stretches that the step's own code marked: from what the sampler wrote to records. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from resource_tracker.dataclass import replace
from resource_tracker.records import Span


def spans_of(lines: Iterable[str], start_s: float) -> tuple[Span, ...]:
    """The spans of an attempt, in the order in which they began; a line that is cut or makes no sense is left out.

    Parameters
    ----------
    lines : iterable of str
        As :meth:`resource_tracker.sampler.spans.Spans.lines` gives them, in monotonic time.
    start_s : float
        Monotonic time of the attempt's start.
    """
    found = [span for span in (_span(line, start_s) for line in lines) if span is not None]
    found.sort(key=lambda span: (span.start_s, -_end_of(span)))
    return tuple(replace(span, depth=depth) for span, depth in zip(found, _depths(found), strict=True))


def priced(spans: Sequence[Span], run_cost_usd: float | None, duration_s: float) -> tuple[Span, ...]:
    """Each span with its part of what the attempt cost, by time; ``None`` where that is not known."""
    if run_cost_usd is None or not duration_s > 0:
        return tuple(replace(span, cost_usd=None) for span in spans)
    return tuple(replace(span, cost_usd=_share_of(span, duration_s) * run_cost_usd) for span in spans)


def _share_of(span: Span, duration_s: float) -> float:
    """Of the attempt's time. One that is open lasts until now."""
    seconds = span.duration_s
    return max(0.0, duration_s - span.start_s if seconds is None else seconds) / duration_s


def _span(line: str, start_s: float) -> Span | None:
    fields = line.split("\t", 6)
    try:
        began, ended, count, seconds, cpu_s, memory_kib, label = fields
        many = int(count) > 1
        return Span(
            label=label,
            start_s=max(0.0, _rounded(float(began) - start_s)),
            end_s=max(0.0, _rounded(float(ended) - start_s)) if ended else None,
            cpu_seconds=_known(cpu_s),
            memory_peak_kib=_known(memory_kib),
            count=int(count),
            total_s=_rounded(float(seconds)) if many else None,
        )
    except ValueError:
        return None


def _rounded(seconds: float) -> float:
    return round(seconds, 6)


def _known(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _end_of(span: Span) -> float:
    return math.inf if span.end_s is None else span.end_s


def _depths(spans: Sequence[Span]) -> list[int]:
    """The lowest level of each on which none of those before it is still going on: inside of what it stands in.

    Those that overlap without standing in each other (of two threads) get levels of their own, too.
    """
    levels: list[float] = []
    depths = []
    for span in spans:
        depth = next((level for level, until_s in enumerate(levels) if until_s <= span.start_s), len(levels))
        levels[depth : depth + 1] = [_end_of(span)]
        depths.append(depth)
    return depths
