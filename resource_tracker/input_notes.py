"""That a step's memory follows the size of its input, which advice for an unknown next input cannot use.

Pure. Rules and thresholds are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from resource_tracker.memory_need import last_successes, peak_kib
from resource_tracker.outlook import LEAST_INPUT_BYTES
from resource_tracker.records import TaskSummary
from resource_tracker.units import bytes_to_kib, kib_to_bytes, kib_to_mb, mib_to_kib

LEAST_ATTEMPTS = 5
CORRELATION = 0.9
"""Of input and peak: by chance, 2 in 100 for 5 attempts, hardly ever for more."""
LEAST_GROWTH_SHARE, LEAST_GROWTH_MIB = 0.10, 64.0
"""Growth between the smallest and the largest input, of the highest peak: below either, no request would differ."""


def input_note(tasks: Sequence[TaskSummary]) -> str | None:
    """By how much memory grows with the input; ``None`` where it does not, or too few sizes are known.

    Parameters
    ----------
    tasks : sequence of TaskSummary
        Attempts of one step, the newest first. Sizes told in another way than the newest do not count.
    """
    source = next((task.input_source for task in tasks if task.input_bytes is not None), None)
    seen = [
        (max(task.input_bytes, LEAST_INPUT_BYTES), kib_to_bytes(peak_kib(task)))
        for task in last_successes(tasks)
        if task.input_bytes is not None and task.input_source == source and peak_kib(task) > 0
    ]
    if len(seen) < LEAST_ATTEMPTS:
        return None
    sizes, peaks = [size for size, _ in seen], [peak for _, peak in seen]
    slope = _slope(sizes, peaks)
    growth = slope * (max(sizes) - min(sizes))
    if growth < max(LEAST_GROWTH_SHARE * max(peaks), kib_to_bytes(mib_to_kib(LEAST_GROWTH_MIB))):
        return None
    smallest, largest = (_figure(kib_to_mb(bytes_to_kib(size)), 3) for size in (min(sizes), max(sizes)))
    return (
        f"Memory follows the input, by about {_figure(slope, 2)} MB for each MB ({len(seen)} tasks with "
        f"{smallest} to {largest} MB): the advice is for inputs like these. For "
        f"another size, run `resource-tracker recommend` with --step {_step(tasks)} --input-bytes SIZE."
    )


def _step(tasks: Sequence[TaskSummary]) -> str:
    """The name of the step, which an attempt that has not ended does not have yet."""
    return next((task.step for task in tasks if task.step), "NAME")


def _slope(sizes: Sequence[float], peaks: Sequence[float]) -> float:
    """Least squares, in bytes per byte; 0 where the two are not closely related."""
    mean_size, mean_peak = math.fsum(sizes) / len(sizes), math.fsum(peaks) / len(peaks)
    together = math.fsum((s - mean_size) * (p - mean_peak) for s, p in zip(sizes, peaks, strict=True))
    of_sizes = math.fsum((size - mean_size) ** 2 for size in sizes)
    of_peaks = math.fsum((peak - mean_peak) ** 2 for peak in peaks)
    if not of_sizes or not of_peaks or together / math.sqrt(of_sizes * of_peaks) < CORRELATION:
        return 0.0
    return together / of_sizes


def _figure(value: float, digits: int) -> str:
    return f"{float(f'{value:.{digits - 1}e}'):,.10g}"
