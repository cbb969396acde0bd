"""Where a running step is heading: when memory or the disk will be full, and what it waits for. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import row_weights
from resource_tracker.records import Limits, Projection, ServerInfo, UsageSummary
from resource_tracker.units import kib_to_whole_mb, mib_to_kib

LOOKS_BACK = 0.25
"""Share of the time so far that a trend is taken from, and the least and most seconds of it."""
LEAST_S, MOST_S = 30.0, 1800.0
LEAST_CPU_S = 10.0
LEAST_ROWS = 5
STEADY = 0.8
"""How well a straight line must explain the growth (its coefficient of determination): steps and saws do not."""
LEAST_GROWTH = 0.02
"""Share of the limit by which it must have grown in that time: else it is noise, or far away."""
WORTH_TELLING_S = 4 * 3600.0
MOSTLY_OWN = 0.8
"""Of a machine's CPU use: where the step has so much of it, its own threads are what they wait for."""
IDLE_GPU = 0.02
IDLE_FOR_S = 60.0
STARVED = 0.3
"""Share of the last minutes in which the CPU quota was used up, or threads waited for a CPU."""


def projections(
    process: TinyDataFrame, system: TinyDataFrame, usage: UsageSummary, limits: Limits, server: ServerInfo
) -> tuple[Projection, ...]:
    """What is worth knowing while there is still time, the most urgent first; empty where nothing is.

    Parameters
    ----------
    process, system : TinyDataFrame
        The rows so far.
    usage : UsageSummary
        Of the rows so far.
    """
    found = [*_memory(process, limits, server), *_disk(system, usage), *_cpu(process, system, limits), *_gpu(process)]
    return tuple(found)


def seconds_until(values: Sequence[float], lengths: Sequence[float], limit: float) -> float | None:
    """When values that grow along a straight line reach `limit`; ``None`` where they do not, or too late to matter.

    Parameters
    ----------
    values, lengths : sequence of float
        A gauge in each row, and the rows' lengths in seconds.
    """
    times, known, now = [], [], 0.0
    for value, length in zip(values, lengths, strict=True):
        now += length
        if value == value:
            times.append(now - length / 2)
            known.append(value)
    if len(known) < LEAST_ROWS or not limit > 0:
        return None
    slope, explained = _line(times, known)
    if slope * now < LEAST_GROWTH * limit or explained < STEADY:
        return None
    seconds = (limit - known[-1]) / slope
    return max(0.0, seconds) if seconds <= WORTH_TELLING_S else None


def _memory(process: TinyDataFrame, limits: Limits, server: ServerInfo) -> Iterator[Projection]:
    limit_mib = limits.memory_mib or server.usable_memory_mb or server.memory_mb
    if limit_mib is None or "memory" not in process:
        return
    rows = _recent(process)
    lengths = row_weights(rows)
    seconds = seconds_until(rows["memory"], lengths, mib_to_kib(limit_mib))
    if seconds is not None:
        whose = "its limit" if limits.memory_mib else "all that the machine has"
        size = f"{kib_to_whole_mb(mib_to_kib(limit_mib)):,} MB".replace(",", "\N{NO-BREAK SPACE}")
        since = _minutes(sum(lengths))
        text = f"Memory reaches {whose} of {size} in {_about(seconds)}, if it goes on growing as in the last {since}."
        yield Projection(kind="memory", text=text)


def _disk(system: TinyDataFrame, usage: UsageSummary) -> Iterator[Projection]:
    size_gb = usage.file_systems[0].size_gb if usage.file_systems else None
    if size_gb is None or "disk_space_used_gb" not in system:
        return
    rows = _recent(system)
    lengths = row_weights(rows)
    seconds = seconds_until(rows["disk_space_used_gb"], lengths, size_gb)
    if seconds is not None:
        since = _minutes(sum(lengths))
        text = (
            f"The disk of {size_gb:.0f} GB is full in {_about(seconds)}, if it goes on filling as in the last {since}."
        )
        yield Projection(kind="disk", text=text)


def _cpu(process: TinyDataFrame, system: TinyDataFrame, limits: Limits) -> Iterator[Projection]:
    """Kept from CPUs that it could use: by its quota, by others on the machine, or by more threads than CPUs."""
    rows = _recent(process)
    lengths = row_weights(rows)
    seconds = sum(lengths)
    if seconds < LEAST_CPU_S:
        return
    throttled_s = _total(rows, "throttled_s")
    used_s = _integral(rows, "cpu_usage")
    if limits.cpus and throttled_s > STARVED * seconds * limits.cpus:
        wanted = (used_s + throttled_s) / seconds
        text = f"The step looks starved of CPU: it may use {limits.cpus:g} CPUs, and could use {wanted:.1f} of them"
        yield Projection(kind="cpu", text=f"{text} (as far as its quota held it back in the last {_minutes(seconds)}).")
        return
    waited_s = _total(rows, "run_wait_s")
    if waited_s > STARVED * seconds and waited_s > STARVED * used_s:
        text = f"The step looks starved of CPU: its threads waited {_minutes(waited_s)} for one"
        machine_s = _integral(_recent(system), "cpu_usage")
        own = used_s > MOSTLY_OWN * machine_s > 0
        why = "as it has more of them than there are CPUs" if own else "because others use the machine"
        yield Projection(kind="cpu", text=f"{text} in the last {_minutes(seconds)}, {why}.")


def _gpu(process: TinyDataFrame) -> Iterator[Projection]:
    if "gpu_usage" not in process:
        return
    idle_s = 0.0
    for value, length in zip(reversed(process["gpu_usage"]), reversed(row_weights(process)), strict=True):
        if not value <= IDLE_GPU:  # nan: not measured
            break
        idle_s += length
    if idle_s >= IDLE_FOR_S:
        yield Projection(kind="gpu", text=f"The GPU has been idle for {_minutes(idle_s)}.")


def _recent(frame: TinyDataFrame) -> TinyDataFrame:
    """The last rows, as far back as a trend is taken from."""
    lengths = row_weights(frame)
    wanted_s = min(max(LOOKS_BACK * sum(lengths), LEAST_S), MOST_S)
    first, seconds = len(lengths), 0.0
    while first > 0 and seconds < wanted_s:
        first -= 1
        seconds += lengths[first]
    return frame[first:]


def _line(times: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Slope of the straight line through the points, and how much of their variance it explains."""
    mean_t, mean_v = math.fsum(times) / len(times), math.fsum(values) / len(values)
    over_t = math.fsum((t - mean_t) ** 2 for t in times)
    over_v = math.fsum((v - mean_v) ** 2 for v in values)
    both = math.fsum((t - mean_t) * (v - mean_v) for t, v in zip(times, values, strict=True))
    if over_t <= 0 or over_v <= 0:
        return 0.0, 0.0
    return both / over_t, both * both / (over_t * over_v)


def _total(frame: TinyDataFrame, name: str) -> float:
    return math.fsum(value for value in frame[name] if value == value) if name in frame else 0.0


def _integral(frame: TinyDataFrame, name: str) -> float:
    """Of a gauge over time, where it is known."""
    if name not in frame:
        return 0.0
    return math.fsum(v * s for v, s in zip(frame[name], row_weights(frame), strict=True) if v == v)


def _about(seconds: float) -> str:
    return "less than a minute" if seconds < 60 else f"about {_minutes(seconds)}"


def _minutes(seconds: float) -> str:
    """Rounded as one says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
