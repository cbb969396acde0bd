"""What the use of the single cores says of an attempt. Pure."""

from __future__ import annotations

import math
from functools import lru_cache

from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import row_weights, weighted_mean
from resource_tracker.records import TaskRecord

CORE = "core"
"""Begins the names of the columns, the kernel's number of the core follows."""
MOST_LINES = 64
"""Of a picture: of more cores, neighbours share a line."""
LEAST_S = 10.0
BUSY, OTHERS_IDLE, EACH_IDLE = 0.6, 0.25, 0.02
"""One core at a time: so busy is the busiest at least, and so much are all others together at most, or each of them."""
MOST_OF_THE_TIME = 0.8
STEPS_OWN = 0.6
"""The step's part of what the busiest did, from which on that is the step's doing."""
ALWAYS = 0.9
"""Part of that time for which one core was the busiest, from which on it was always the same."""
WAITED = 0.5
"""Seconds that threads waited for a CPU, by seconds of the attempt, from which on they stood in each other's way."""


def core_numbers(frame: TinyDataFrame) -> list[int]:
    """The cores of a frame, in its order."""
    return [*_numbers(tuple(frame.columns))]


@lru_cache(maxsize=2)
def _numbers(columns: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(int(name[len(CORE) :]) for name in columns if name.startswith(CORE))


def lines_together(cores: int) -> int:
    """How many neighbours share a line of the picture."""
    return max(1, math.ceil(cores / MOST_LINES))


def group_label(cores: list[int]) -> str:
    """Of the line of these neighbours."""
    return str(cores[0]) if len(cores) == 1 else f"{cores[0]}–{cores[-1]}"


def mean_shares(frame: TinyDataFrame) -> dict[int, float]:
    """How busy each core was on average, by its number; without those that were never read."""
    weights = row_weights(frame)
    means = {core: weighted_mean(frame[f"{CORE}{core}"], weights) for core in core_numbers(frame)}
    return {core: mean for core, mean in means.items() if math.isfinite(mean)}


def core_note(record: TaskRecord) -> str:
    """That one core at a time was busy while the others were idle; empty where that was not so, or cannot be told.

    The cores are the machine's: it is said only where most of what they did was the step's.
    """
    usage, allowed = record.usage, record.limits.cpus or math.inf
    count = len(mean_shares(record.core_metrics))
    if count < 2 or usage.duration_s < LEAST_S or allowed < 2:
        return ""
    whole, alone, used = _times_alone(record.core_metrics)
    share = sum(alone.values()) / whole if whole > 0 else 0.0
    if share < MOST_OF_THE_TIME or (usage.cpu_mean_cores or 0.0) < STEPS_OWN * used / whole:
        return ""
    busiest = max(alone, key=lambda core: alone[core])
    waited = (usage.run_wait_s or 0.0) / usage.duration_s
    if alone[busiest] >= ALWAYS * share * whole and waited >= WAITED:
        return (
            f"Core {busiest} did nearly all of the work while the other {count - 1} were idle, and the step's "
            "threads waited for it: they look bound to it (taskset, OMP_PROC_BIND or a library's affinity)."
        )
    if usage.bound == "one_thread":
        return ""  # says so already
    return f"One of {count} cores was busy at a time, for {share * 100:.0f} % of the time: the work ran in one thread."


def _times_alone(frame: TinyDataFrame) -> tuple[float, dict[int, float], float]:
    """Seconds in all; those in which one core alone was busy, by core; and what of them that one used."""
    cores = core_numbers(frame)
    columns = [frame[f"{CORE}{core}"] for core in cores]
    weights = row_weights(frame)
    alone: dict[int, float] = {}
    used = 0.0
    for weight, *shares in zip(weights, *columns, strict=True):
        known = [share if share == share else 0.0 for share in shares]
        highest = max(known)
        if highest >= BUSY and sum(known) - highest <= max(OTHERS_IDLE, EACH_IDLE * len(cores)):
            core = cores[known.index(highest)]
            alone[core] = alone.get(core, 0.0) + weight
            used += weight * highest
    return sum(weights), alone, used
