"""Rows that become one: neighbours merge by the kind of each column."""

from resource_tracker.columns import COUNTER, LAST, PEAK

Values = list[float]


def merge_values(kinds: tuple[str, ...], a: Values, a_s: float, b: Values, b_s: float) -> Values:
    """One row for the neighbours `a` and `b` of `a_s` and `b_s` seconds; nan gives way to what is known.

    Counters add, gauges average by length, peaks keep the maximum, stamps keep the last.
    """
    merged = []
    for kind, x, y in zip(kinds, a, b):  # noqa: B905 (strict costs, and this runs for every cell of a long step)
        if y != y:
            merged.append(x)
        elif x != x or kind == LAST:
            merged.append(y)
        elif kind == COUNTER:
            merged.append(x + y)
        elif kind == PEAK:
            merged.append(x if x > y else y)
        else:
            merged.append((x * a_s + y * b_s) / (a_s + b_s) if a_s + b_s > 0 else (x + y) / 2)
    return merged


def bucket_length(rows: list[tuple[int, float]], limit: int) -> float:
    """Seconds that merged rows may span so that at most `limit` remain (rows of different phases never merge).

    `rows` holds ``(phase, seconds)`` of each row, oldest first.
    """
    length = max(sum(seconds for _, seconds in rows) / limit, 1e-9)
    while count_buckets(rows, length) > limit and length < 1e12:
        length *= 1.25
    return length


def count_buckets(rows: list[tuple[int, float]], length: float) -> int:
    """How many rows remain where merged ones span at most `length` seconds."""
    count, filled, last_phase = 0, 0.0, -1
    for phase, seconds in rows:
        if phase == last_phase and filled + seconds <= length:
            filled += seconds
        else:
            count, filled, last_phase = count + 1, seconds, phase
    return count
