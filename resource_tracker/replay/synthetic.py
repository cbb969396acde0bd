"""Made-up traces for trying rules: kinds of tasks that real workflows have, drawn from a seed. Labelled synthetic."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

from resource_tracker.replay.trace import TraceTask

INSTANCES = 40
START = 1_700_000_000.0
Draw = Callable[[random.Random, float], float]
"""From an input size in GiB to a peak in MiB."""


def _constant(dice: random.Random, gib: float) -> float:
    return 3000 + dice.uniform(-20, 20)


def _linear(dice: random.Random, gib: float) -> float:
    return (400 + 900 * gib) * dice.gauss(1, 0.03)


def _saturating(dice: random.Random, gib: float) -> float:
    return (500 + 6000 * (1 - math.exp(-gib / 3))) * dice.gauss(1, 0.02)


def _two_modes(dice: random.Random, gib: float) -> float:
    return (9000 if dice.random() < 0.15 else 5500) * dice.gauss(1, 0.02)


def _long_tail(dice: random.Random, gib: float) -> float:
    return 1500 * min(8.0, dice.paretovariate(6))


def _stepwise(dice: random.Random, gib: float) -> float:
    return 1024 * math.ceil(gib) + dice.uniform(0, 60)


def _tiny(dice: random.Random, gib: float) -> float:
    return dice.uniform(4, 12)


def _noisy(dice: random.Random, gib: float) -> float:
    return 2500 * dice.lognormvariate(0, 0.25)


KINDS: dict[str, Draw] = {
    "constant": _constant,
    "linear": _linear,
    "saturating": _saturating,
    "two_modes": _two_modes,
    "long_tail": _long_tail,
    "stepwise": _stepwise,
    "tiny": _tiny,
    "noisy": _noisy,
}
REQUEST_STEPS_MIB = (1024.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0)
"""What authors ask for: round numbers."""


def synthetic_trace(seed: int, instances: int = INSTANCES) -> list[TraceTask]:
    """A trace with `instances` of each kind of task, in order of start.

    Each sample of a workflow has an input size, which its tasks share; requests are round numbers that no instance
    exceeds, as in workflows that were once tuned by hand to get through.
    """
    return sorted(_instances(random.Random(seed), instances), key=lambda task: task.started_at)  # noqa: S311


def _instances(dice: random.Random, instances: int) -> Iterator[TraceTask]:
    inputs = [min(12.0, max(0.2, dice.lognormvariate(1, 0.5))) for _ in range(instances)]
    for name, draw in KINDS.items():
        peaks = [max(1.0, draw(dice, gib)) for gib in inputs]
        asked = next((size for size in REQUEST_STEPS_MIB if size > max(peaks)), 2 * max(peaks))
        for sample, (gib, peak) in enumerate(zip(inputs, peaks, strict=True)):
            yield TraceTask(
                task=name,
                started_at=START + 600 * sample + dice.uniform(0, 300),
                duration_s=dice.uniform(20, 120) * (1 + gib),
                peak_mib=peak,
                input_bytes=gib * 2**30,
                requested_mib=asked,
            )
