"""From what was measured to what to ask for: one ``@resources`` line, with the reason beside each number.

Pure. Rules and thresholds are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from resource_tracker.dataclass import dataclass
from resource_tracker.records import (
    History,
    Limits,
    NoRecommendation,
    Outcome,
    Recommendation,
    ResourceRequest,
    UsageSummary,
)
from resource_tracker.sizing import (
    AGREEMENT,
    FIRST_HEADROOM,
    OOM_FACTOR,
    MemoryAdvice,
    Observation,
    Policy,
    headroom,
    is_measurement,
    percent_above,
    recommend_memory,
)
from resource_tracker.units import kib_to_mb_ceil, mib_to_kib

__all__ = ["MemoryAdvice", "Observation", "Policy", "recommend", "recommend_memory", "round_up_mb"]

CPU_TOLERANCE = 0.1
"""Cores by which the busiest row may exceed a whole number: ticks are 10 ms, and a row's edges are not exact."""
AT_LIMIT = 0.95
"""A peak of at least this share of the limit counts as having reached it."""
LEAST_MB = 256
"""Never advise less: unpacking the code package and starting Python in a container is not part of the step."""
PERSIST_SHARE = 0.10
PERSIST_LEAST_MIB = 64
"""Allowance for saving artifacts where no attempt has shown it yet: the larger of 10 % and 64 MiB."""
GPU_LEAST_S = 5.0
"""A shorter attempt says nothing about an idle GPU: the driver's utilisation is a mean over up to a second."""
_STEPS_MB = ((1024, 64), (4096, 128), (16384, 256))


def round_up_mb(memory_mb: int) -> int:
    """Next friendly number: multiples of 64 up to 1024, of 128 up to 4096, of 256 up to 16384, then of 512."""
    step = next((step for below, step in _STEPS_MB if memory_mb <= below), 512)
    return -(-memory_mb // step) * step


def recommend(
    usage: UsageSummary,
    history: History,
    request: ResourceRequest,
    outcome: Outcome,
    limits: Limits,
) -> Recommendation | NoRecommendation:
    """Advise what to ask for next time, from this attempt and the earlier ones.

    Parameters
    ----------
    usage : UsageSummary
        What this attempt used. Its persist peak may not be known yet: an allowance takes its place.
    history : History
        Earlier attempts of this step.
    request, limits : ResourceRequest, Limits
        What the step asked for, and what the kernel let it use.
    outcome : Outcome
        An attempt that did not succeed gives advice that is labelled as a lower bound.

    Returns
    -------
    Recommendation or NoRecommendation
        ``NoRecommendation`` where neither this attempt nor an earlier one was measured.
    """
    memory = _memory(usage, history, outcome, limits)
    cpu = _cpu(usage, history, limits)
    if memory is None and cpu is None:
        return NoRecommendation(reason="neither memory nor CPU was measured in this attempt or an earlier one")
    memory = memory or _memory_as_asked(request)
    if memory is None:
        return NoRecommendation(reason="memory was not measured, and the step does not ask for a certain amount")
    cpu = cpu or _Amount(_asked_cpu(request), None, "CPU use was not measured: as asked for.")
    gpu = _gpu(usage, history, request, outcome)
    return Recommendation(
        cpu=cpu.amount,
        memory_mb=memory.amount,
        gpu=gpu.amount,
        reasons={"cpu": cpu.reason, "memory": memory.reason, "gpu": gpu.reason},
        based_on_runs=(1 if _is_measured(usage) else 0) + history.runs_analyzed,
        basis_memory_kib=memory.basis,
        basis_cpu_cores=cpu.basis,
    )


@dataclass(frozen=True, slots=True)
class _Amount:
    """One number of the advice: what to ask for, what it is based on, and why."""

    amount: int
    basis: float | None
    reason: str


def _is_measured(usage: UsageSummary) -> bool:
    return is_measurement(usage.overall_memory_peak_kib) or is_measurement(usage.cpu_max_cores)


def _known(*readings: float | None) -> Iterator[float]:
    return (value for value in readings if value is not None and is_measurement(value))


# --- memory ---------------------------------------------------------------------------------------


def _memory(usage: UsageSummary, history: History, outcome: Outcome, limits: Limits) -> _Amount | None:
    candidates = list(_memory_candidates(usage, history))
    if not candidates:
        return None
    basis_kib, source = max(candidates)
    # this attempt does not count as confirming itself, so that a higher peak never gives a lower number
    agreeing = sum(peak >= AGREEMENT * basis_kib for peak in _earlier_peaks(history, succeeded_only=True))
    factor = headroom(agreeing)
    confirmed = f", which {agreeing} earlier tasks came near" if agreeing > 1 else ""
    reason = f"{source}: {_mb(basis_kib)}{confirmed}. {percent_above(factor)} headroom, rounded up."
    needed_kib = basis_kib * factor
    reached_kib = _ran_out_at(usage, outcome, limits)
    if reached_kib is not None and reached_kib * OOM_FACTOR > needed_kib:
        needed_kib = reached_kib * OOM_FACTOR
        reason = f"This attempt ran out of memory at {_mb(reached_kib)}: twice that, rounded up."
    elif outcome.status != "ok":
        needed_kib = max(needed_kib, basis_kib * FIRST_HEADROOM)
        why = "this attempt has not ended yet" if outcome.status == "running" else "this attempt did not succeed"
        reason = f"At least, because {why}. {reason}"
    amount = max(LEAST_MB, round_up_mb(kib_to_mb_ceil(needed_kib)))
    if amount == LEAST_MB:
        reason += f" {LEAST_MB} MB is the least advised: starting the container takes that."
    return _Amount(amount, basis_kib, reason)


def _memory_candidates(usage: UsageSummary, history: History) -> Iterator[tuple[float, str]]:
    """Every (KiB, what it is) that the advice must cover."""
    for peak in _known(usage.overall_memory_peak_kib):
        persisting = usage.persist_memory_peak_kib is not None and peak == usage.persist_memory_peak_kib
        yield peak, "Peak of this attempt, while its artifacts were saved" if persisting else "Peak of this attempt"
    for peak in _earlier_peaks(history):
        yield peak, "Highest peak of the earlier tasks"
    growths = list(_known(history.max_persist_growth_kib))
    for peak in _known(usage.memory_peak_kib):
        for growth in growths:
            yield peak + growth, "Peak of this attempt plus what saving artifacts added earlier"
        if not growths and usage.persist_memory_peak_kib is None:
            allowance = max(PERSIST_SHARE * peak, mib_to_kib(PERSIST_LEAST_MIB))
            yield peak + allowance, "Peak of this attempt plus an allowance for saving its artifacts"


def _earlier_peaks(history: History, succeeded_only: bool = False) -> list[float]:
    """Peaks of the earlier tasks in KiB, the saving of artifacts included."""
    tasks = [t for t in history.tasks if t.status == "ok" or not succeeded_only]
    peaks = [peak + sum(_known(t.persist_growth_kib)) for t in tasks for peak in _known(t.memory_peak_kib)]
    highest = list(_known(history.max_memory_max))
    if highest and max(peaks, default=-1.0) < highest[0]:
        peaks.append(highest[0])
    return peaks


def _ran_out_at(usage: UsageSummary, outcome: Outcome, limits: Limits) -> float | None:
    """KiB that were not enough for this attempt; ``None`` where it did not run out of memory."""
    if outcome.status == "ok":
        return None
    peak = next(_known(usage.overall_memory_peak_kib), None)
    limit = next((mib_to_kib(mib) for mib in _known(limits.memory_mib)), None)
    if outcome.exception_type == "MemoryError" or (peak is not None and limit and peak >= AT_LIMIT * limit):
        return max(_known(peak, limit), default=None)
    return None


def _memory_as_asked(request: ResourceRequest) -> _Amount | None:
    asked = next(_known(request.memory_mb), None)
    return _Amount(math.ceil(asked), None, "Memory was not measured: as asked for.") if asked else None


def _mb(kib: float) -> str:
    """In the unit of the advice itself, for people."""
    return f"{kib_to_mb_ceil(kib):,} MB"


# --- CPU ------------------------------------------------------------------------------------------


def _cpu(usage: UsageSummary, history: History, limits: Limits) -> _Amount | None:
    earlier = [*_known(history.max_cpu_max), *(c for t in history.tasks for c in _known(t.cpu_max_cores))]
    busiest = max([*_known(usage.cpu_max_cores), *earlier], default=None)
    if busiest is None:
        return None
    whose = "of an earlier task" if earlier and busiest == max(earlier) else "of this attempt"
    reason = f"The busiest interval {whose} used {busiest:.2f} cores."
    allowed = next(_known(limits.cpus), None)
    if allowed and busiest >= AT_LIMIT * allowed:
        reason += f" That is all of the {allowed:g} it was allowed: it may be able to use more."
    if usage.cpu_is_lower_bound and usage.children_max:
        reason += " Short-lived child processes may have been missed: at least this."
    return _Amount(max(1, math.ceil(busiest - CPU_TOLERANCE)), busiest, reason)


def _asked_cpu(request: ResourceRequest) -> int:
    return max(1, math.ceil(next(_known(request.cpu), 1.0)))


# --- GPU ------------------------------------------------------------------------------------------


def _gpu(usage: UsageSummary, history: History, request: ResourceRequest, outcome: Outcome) -> _Amount:
    """GPUs to ask for. An asked-for GPU is given up only where its use was measured and there was none."""
    asked = math.ceil(next(_known(request.gpu), 0))
    counts = [*_known(usage.gpu_utilized_max, history.max_gpu_count)]
    counts += [count for t in history.tasks for count in _known(t.gpu_utilized_max)]
    if not counts:
        reason = "GPU use was not measured: as asked for." if asked else "No GPU was asked for, none was seen."
        return _Amount(asked, None, reason)
    most = math.ceil(max(counts))
    if most > 0:
        reason = f"At most {most} {'GPU was' if most == 1 else 'GPUs were'} in use at once."
        return _Amount(most, most, reason)
    if not asked:
        return _Amount(0, 0.0, "No GPU was used.")
    held = max([*_known(usage.gpu_vram_max_mib, history.max_vram_max)], default=0.0)
    doubt = _doubt_about_idle_gpu(usage, outcome, held)
    if doubt:
        return _Amount(asked, 0.0, f"No GPU was seen in use, but {doubt}: as asked for.")
    runs = 1 + history.runs_analyzed
    over = "in this attempt" if runs == 1 else f"in this attempt and {runs - 1} earlier runs"
    return _Amount(
        0, 0.0, f"Asked for {asked}, but no GPU was used {over}: without, the step would run on any machine."
    )


def _doubt_about_idle_gpu(usage: UsageSummary, outcome: Outcome, vram_held_mib: float) -> str | None:
    """Why a GPU that was not seen in use may still be needed."""
    if vram_held_mib > 0:
        return f"the step held {vram_held_mib:,.0f} MiB of its memory"
    if outcome.status != "ok":
        return "this attempt did not succeed, and may not have come that far"
    if not is_measurement(usage.gpu_utilized_max):
        return "it was not measured in this attempt"
    if not usage.duration_s >= GPU_LEAST_S:
        return f"the attempt was shorter than {GPU_LEAST_S:g} s, too short to tell"
    return None
