"""What attempts of a step show that it needs, but for memory: CPUs, GPUs, disk, shared memory; each with its reason.

Pure. Rules and thresholds are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from resource_tracker.dataclass import dataclass
from resource_tracker.records import ResourceRequest, TaskSummary
from resource_tracker.sizing import Policy, is_measurement
from resource_tracker.summary import AT_LIMIT
from resource_tracker.units import gb_to_mb, kib_to_mib

CPU_TOLERANCE = 0.1
"""Cores by which use may exceed a whole number: ticks are 10 ms, and a row's edges are not exact."""
CPU_STEP_UP = 1.5
"""Of CPUs that were all in use: half as many again, as nobody knows how many more it would have used."""
THROTTLED = 0.05
"""Share of the time from which on a used-up quota hides the need, which is what suffices for the rest of the time."""
CPU_PERCENTILE = {Policy.SAFE: 95, Policy.LEAN: 50}
"""Which of the attempts counts, ordered by the cores each used for 95 % of its time: SAFE's is the highest below 20."""
GPU_LEAST_S = 5.0
"""A shorter attempt says nothing about an idle GPU: the driver's utilisation is a mean over up to a second."""
DISK_HEADROOM = 1.25
DISK_STEP_MB = 1024
DISK_IMAGE_MB = 5120
"""Left for what is not the step's own growth: the image's writable layer, logs, the code package."""
SHARED_MEMORY_HEADROOM = 1.25
SHARED_MEMORY_STEP_MIB = 64
SHARED_MEMORY_DEFAULT_MIB = 64
SHARED_MEMORY_FULL = 0.95
"""Share of ``/dev/shm`` from which on it was too small: what the step needed is not known."""
"""What Docker and Kubernetes give a container that asks for none."""


@dataclass(frozen=True, slots=True)
class Amount:
    """One number of the advice: what to ask for, what it is based on, and why. ``None``: nothing to ask for."""

    amount: int | None
    basis: float | None
    reason: str


def known(*readings: float | None) -> Iterator[float]:
    """Those that can be reckoned with."""
    return (value for value in readings if value is not None and is_measurement(value))


# --- CPU ------------------------------------------------------------------------------------------


def busy_cores(task: TaskSummary) -> float | None:
    """Cores that an attempt used for 95 % of its time or less; of one without enough rows, the busiest.

    Never below its mean, which also knows of processes too short for any row.
    """
    usual = next(known(task.cpu_p95_cores), None)
    if usual is None:
        return max(known(task.cpu_max_cores, task.cpu_mean_cores), default=None)
    return max(known(usual, task.cpu_mean_cores))


def allowed_cpus(task: TaskSummary) -> float | None:
    """What the kernel let an attempt use, or else all that its machine has."""
    return next(known(task.cpu_limit, task.vcpus), None)


def cpu_need(tasks: Sequence[TaskSummary], policy: Policy) -> Amount | None:
    """Whole CPUs for the attempts of a step; ``None`` where no attempt was measured."""
    busy = sorted((cores, index) for index, task in enumerate(tasks) for cores in known(busy_cores(task)))
    if not busy:
        return None
    rank = max(0, math.ceil(len(busy) * CPU_PERCENTILE[policy] / 100) - 1)
    basis, index = busy[rank]
    reason = f"{_which(len(busy), rank)} used {basis:.2f} cores"
    reason += " in its busiest moments." if tasks[index].cpu_p95_cores is None else " or less for 95 % of its time."
    asked = next(known(tasks[index].request_cpu), math.inf) if tasks[index].request_decorators else math.inf
    if basis > asked + CPU_TOLERANCE:
        reason += f" Nothing held it to the {asked:g} it asked for."
    amount = max(1, math.ceil(basis - CPU_TOLERANCE))
    full = _used_up(tasks[index], basis)
    if full is not None and not _seen_with_more(tasks, full):
        more, why = _step_up(tasks[index], full)
        amount = max(amount, more)
        reason += why
    if tasks[index].cpu_is_lower_bound:
        reason += " Short-lived child processes may have been missed: at least this."
    return Amount(amount, basis, reason)


def _which(count: int, rank: int) -> str:
    if count == 1:
        return "The attempt"
    return f"The {'busiest' if rank == count - 1 else f'attempt busier than {rank}'} of {count} attempts"


def _used_up(task: TaskSummary, cores: float) -> float | None:
    """The CPUs that an attempt was allowed, if it could have used more.

    The kernel counted that it was held back; or it used them all, and has more than one thread.
    """
    allowed = allowed_cpus(task)
    if allowed and _is_throttled(task):
        return allowed
    if not allowed or cores < AT_LIMIT * allowed:
        return None
    return None if task.threads_max == 1 else allowed


def _is_throttled(task: TaskSummary) -> bool:
    return any(share >= THROTTLED for share in known(task.throttled_share))


def _step_up(task: TaskSummary, full: float) -> tuple[int, str]:
    """CPUs for an attempt that could have used more than the `full` that it was allowed, and why.

    What the quota kept it from is the most that it could have used: only where that is less, it is the step.
    """
    half_more = math.ceil(full * CPU_STEP_UP)
    if not _is_throttled(task):
        return (
            half_more,
            f" That is all of the {full:g} it was allowed, and it may be able to use more: half as many again.",
        )
    share = next(known(task.throttled_share), 0.0)
    why = f" In {share * 100:.0f} % of its time its quota of {full:g} {'CPU' if full == 1 else 'CPUs'} held it back"
    for wanted in known(task.cpu_wanted_cores):
        if wanted - CPU_TOLERANCE <= half_more:
            return math.ceil(wanted - CPU_TOLERANCE), f"{why}: without, it would have used up to {wanted:.2f}."
    return half_more, f"{why}: half as many again."


def _seen_with_more(tasks: Sequence[TaskSummary], full: float) -> bool:
    """Whether an attempt that was allowed more CPUs left some of them unused: then its use is the true one."""
    return any(
        cores < AT_LIMIT * allowed and not _is_throttled(task)
        for task in tasks
        for allowed in known(allowed_cpus(task))
        if allowed >= full + 0.5
        for cores in known(busy_cores(task))
    )


# --- GPU ------------------------------------------------------------------------------------------


def gpu_need(tasks: Sequence[TaskSummary], request: ResourceRequest) -> Amount:
    """GPUs to ask for. An asked-for GPU is given up only where its use was measured and there was none."""
    asked = math.ceil(next(known(request.gpu), 0))
    counts = [count for task in tasks for count in known(task.gpu_utilized_max, task.gpus_used)]
    if not counts:
        return Amount(
            asked, None, "GPU use was not measured: as asked for." if asked else "No GPU was asked for, none was seen."
        )
    most = math.ceil(max(counts))
    if most > 0:
        gpus = "GPU was" if most == 1 else "GPUs were"
        at_once = max((count for task in tasks for count in known(task.gpu_utilized_max)), default=0.0)
        when = "at once" if at_once >= most else "by an attempt, though not at once"
        return Amount(most, most, f"At most {most} {gpus} in use {when}.")
    if not asked:
        return Amount(0, 0.0, "No GPU was used.")
    doubt = _doubt_about_idle_gpu(tasks)
    if doubt:
        return Amount(asked, 0.0, f"No GPU was seen in use, but {doubt}: as asked for.")
    over = "in this attempt" if len(tasks) == 1 else f"in any of {len(tasks)} attempts"
    return Amount(0, 0.0, f"Asked for {asked}, but no GPU was used {over}: without, the step would run on any machine.")


def _doubt_about_idle_gpu(tasks: Sequence[TaskSummary]) -> str | None:
    """Why a GPU that was not seen in use may still be needed. The newest attempt stands first."""
    held = max((mib for task in tasks for mib in known(task.gpu_vram_max_mib)), default=0.0)
    newest = tasks[0]
    if held > 0:
        return f"the step held {held:,.0f} MiB of its memory"
    if newest.status != "ok":
        return "this attempt did not succeed, and may not have come that far"
    if not is_measurement(newest.gpu_utilized_max):
        return "it was not measured in this attempt"
    if not newest.duration_s >= GPU_LEAST_S:
        return f"the attempt was shorter than {GPU_LEAST_S:g} s, too short to tell"
    return None


# --- disk and shared memory -------------------------------------------------------------------------


def disk_need(tasks: Sequence[TaskSummary], request: ResourceRequest) -> Amount:
    """Disk in MB, for back ends that take it; nothing where Metaflow's default suffices and nobody asked for other."""
    grown = max((gb for task in tasks for gb in known(task.disk_growth_gb)), default=None)
    asked = next(known(request.disk_mb), None)
    if "kubernetes" not in request.decorators:
        return Amount(None, grown, "")
    if grown is None:
        as_asked = math.ceil(asked) if asked and "disk" in request.chosen else None
        return Amount(as_asked, None, "Disk use was not measured: as asked for." if as_asked else "")
    needed_mb = gb_to_mb(grown) * DISK_HEADROOM + DISK_IMAGE_MB
    amount = math.ceil(needed_mb / DISK_STEP_MB) * DISK_STEP_MB
    if "disk" not in request.chosen and asked is not None and amount <= asked:
        return Amount(None, grown, "")
    reason = f"The disk became at most {grown:.1f} GB fuller: 25 % above that, and 5 GB for the image and logs."
    return Amount(amount, grown, reason)


def shared_memory_need(tasks: Sequence[TaskSummary], request: ResourceRequest) -> Amount:
    """Size of ``/dev/shm`` in MiB, for back ends that take it; nothing where a container's own 64 MiB suffice."""
    peaks = [kib for task in tasks for kib in known(task.shared_memory_peak_kib)]
    full = any(_filled_shared_memory(task) for task in tasks if task.shared_memory_peak_kib == max(peaks, default=None))
    asked = next(known(request.shared_memory_mb), None)
    if not {"kubernetes", "batch"} & set(request.decorators) and "shared_memory" not in request.chosen:
        return Amount(None, max(peaks, default=None), "")
    if not peaks:
        as_asked = math.ceil(asked) if asked and "shared_memory" in request.chosen else None
        return Amount(as_asked, None, "Shared memory was not measured: as asked for." if as_asked else "")
    needed = kib_to_mib(max(peaks)) * (2.0 if full else SHARED_MEMORY_HEADROOM)
    if needed <= SHARED_MEMORY_DEFAULT_MIB and "shared_memory" not in request.chosen:
        return Amount(None, max(peaks), "")
    amount = max(SHARED_MEMORY_STEP_MIB, math.ceil(needed / SHARED_MEMORY_STEP_MIB) * SHARED_MEMORY_STEP_MIB)
    held = f"{kib_to_mib(max(peaks)):,.0f} MiB"
    reason = (
        f"Shared memory was full with {held}: twice that."
        if full
        else f"Shared memory held at most {held}: 25 % above that."
    )
    return Amount(amount, max(peaks), reason)


def _filled_shared_memory(task: TaskSummary) -> bool:
    peak_kib, limit_mib = task.shared_memory_peak_kib, task.shared_memory_limit_mib
    return bool(peak_kib and limit_mib and kib_to_mib(peak_kib) >= SHARED_MEMORY_FULL * limit_mib)
