"""From what was measured to what to ask for: one decorator line, with the reason beside each number.

Pure. Rules and thresholds are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from resource_tracker.damping import damped
from resource_tracker.dataclass import replace
from resource_tracker.lost_attempts import not_below_before, without_cut, without_trace
from resource_tracker.memory_need import (
    LEAST_MB,
    UNLISTED_RUN,
    as_asked,
    has_only_run_out,
    memory_need,
    peak_kib,
    round_up_mb,
)
from resource_tracker.needs import Amount, cpu_need, disk_need, gpu_need, known, shared_memory_need
from resource_tracker.notes import notes_for
from resource_tracker.records import (
    EarlierAttempt,
    History,
    InstanceType,
    Limits,
    NoRecommendation,
    Outcome,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    TaskSummary,
    UsageSummary,
)
from resource_tracker.sizing import MemoryAdvice, Observation, Policy, recommend_memory
from resource_tracker.summary import persist_growth_kib, summary_of_attempt
from resource_tracker.units import mib_to_kib

__all__ = [
    "LEAST_MB",
    "MemoryAdvice",
    "Observation",
    "Policy",
    "estimate",
    "policy_called",
    "policy_of",
    "recommend",
    "recommend_memory",
    "round_up_mb",
]

PERSIST_SHARE = 0.10
PERSIST_LEAST_MIB = 64
"""Allowance for saving artifacts where no attempt has shown it yet: the larger of 10 % and 64 MiB."""


def recommend(
    usage: UsageSummary,
    history: History,
    request: ResourceRequest,
    outcome: Outcome,
    limits: Limits,
    *,
    server: ServerInfo = ServerInfo(),  # noqa: B008 - frozen
    policy: Policy = Policy.SAFE,
    instances: Iterable[InstanceType] = (),
    before: EarlierAttempt | None = None,
) -> Recommendation | NoRecommendation:
    """Advise what to ask for next time, from this attempt and the earlier ones.

    Parameters
    ----------
    usage : UsageSummary
        What this attempt used. Its persist peak may not be known yet: an allowance takes its place.
    history : History
        Earlier attempts of this step.
    request, limits, server : ResourceRequest, Limits, ServerInfo
        What the step asked for, what the kernel let it use, and on what machine.
    outcome : Outcome
        An attempt that did not succeed gives advice that is labelled as a lower bound.
    policy : Policy
        ``SAFE``: practically never too little; ``LEAN``: least expected cost.
    instances : iterable of InstanceType
        Machines among which to look for a smaller GPU.
    before : EarlierAttempt, optional
        What became of the attempt before this one, of the same task.

    Returns
    -------
    Recommendation or NoRecommendation
        Never less than half of the request; ``estimate`` then has what was estimated.
        ``NoRecommendation`` where neither this attempt nor an earlier one was measured.
    """
    this = _this_attempt(usage, history, request, outcome, limits, server)
    measured = any(known(this.memory_peak_kib, this.cpu_max_cores))
    tasks = [this, *history.tasks, *_beyond_listed(history)]
    advice = estimate(tasks, request, policy=policy)
    if isinstance(advice, NoRecommendation):
        return advice
    reasons = advice.reasons
    _, allowed_for = _saving(usage, history, outcome)
    if allowed_for and advice.basis_memory_kib == peak_kib(this):
        reasons = {**reasons, "memory": f"{reasons['memory']} That peak includes {allowed_for}."}
    if outcome.status != "ok":
        why = "this attempt has not ended yet" if outcome.status == "running" else "this attempt did not succeed"
        reasons = {**reasons, "memory": f"At least, because {why}. {reasons['memory']}"}
    lost = history.lost_attempts or 0
    advice = replace(advice, reasons=reasons, based_on_runs=measured + history.runs_analyzed)
    advice = not_below_before(advice, before)
    advice = without_cut(advice, request, lost, ran_out=has_only_run_out(tasks))
    advice = damped(advice, request, again=outcome.status in ("ok", "running"))
    said = [without_trace(lost)] if lost else []
    return replace(advice, notes=(*advice.notes, *notes_for(tasks, request, advice, instances), *said))


def estimate(
    tasks: Sequence[TaskSummary],
    request: ResourceRequest,
    *,
    policy: Policy = Policy.SAFE,
    input_bytes: float | None = None,
) -> Recommendation | NoRecommendation:
    """The pure estimate of one request that is enough for every task of the step's next run.

    Parameters
    ----------
    tasks : sequence of TaskSummary
        Attempts of one step, the newest first: several runs, siblings of a foreach, retries, failures.
    request : ResourceRequest
        What is in force: kept where something was not measured.
    input_bytes : float, optional
        Size of the next run's largest input, where known.
    """
    sized = memory_need(tasks, policy, input_bytes, request.memory_mb if request.decorators else None)
    cpu = cpu_need(tasks, policy)
    if sized is None and cpu is None:
        return NoRecommendation(reason="neither memory nor CPU was measured in this attempt or an earlier one")
    memory, failure_rate = (as_asked(request.memory_mb), None) if sized is None else sized
    if memory is None or memory.amount is None:
        return NoRecommendation(reason="memory was not measured, and the step does not ask for a certain amount")
    cpu = cpu or Amount(_asked_cpu(request), None, "CPU use was not measured: as asked for.")
    needs = {"cpu": cpu, "memory": memory, "gpu": gpu_need(tasks, request)}
    needs |= {"disk": disk_need(tasks, request), "shared_memory": shared_memory_need(tasks, request)}
    return Recommendation(
        cpu=cpu.amount or 1,
        memory_mb=memory.amount,
        gpu=needs["gpu"].amount or 0,
        disk_mb=needs["disk"].amount,
        shared_memory_mb=needs["shared_memory"].amount,
        reasons={name: need.reason for name, need in needs.items() if need.reason},
        based_on_runs=len({task.run_id for task in tasks}),
        basis_memory_kib=memory.basis,
        basis_cpu_cores=cpu.basis,
        decorator=decorator_of(request),
        policy=policy.value,
        expected_failure_rate=failure_rate,
    )


def decorator_of(request: ResourceRequest) -> str:
    """The decorator to write the advice in: ``@kubernetes`` or ``@batch`` where the numbers stand in it alone."""
    if "resources" in request.written_in or not request.written_in:
        return "resources"
    return request.written_in[-1]


def policy_of(advice: Recommendation | NoRecommendation) -> Policy:
    """What an advice was for; ``SAFE`` where it does not say, or this version does not know it."""
    return policy_called(advice.policy if isinstance(advice, Recommendation) else None)


def policy_called(word: str | None) -> Policy:
    """The policy of that name; ``SAFE`` where there is no such one."""
    return next((policy for policy in Policy if policy.value == word), Policy.SAFE)


def _asked_cpu(request: ResourceRequest) -> int:
    return max(1, math.ceil(next(known(request.cpu), 1.0)))


def _this_attempt(
    usage: UsageSummary,
    history: History,
    request: ResourceRequest,
    outcome: Outcome,
    limits: Limits,
    server: ServerInfo,
) -> TaskSummary:
    """The attempt as one of its step's; what saving its artifacts adds is allowed for until it is known."""
    growth, _ = _saving(usage, history, outcome)
    summary = summary_of_attempt(usage, request, outcome, limits, server)
    known_peak = usage.memory_peak_kib if usage.memory_peak_kib is not None else usage.persist_memory_peak_kib
    return replace(summary, memory_peak_kib=known_peak, persist_growth_kib=growth)


def _saving(usage: UsageSummary, history: History, outcome: Outcome) -> tuple[float | None, str]:
    """KiB that saving the artifacts adds to the step's own peak, and where that is not measured, what it is.

    Of an attempt that has not succeeded, or not without kills, what it reached is a lower bound as it is.
    """
    growth = persist_growth_kib(usage.memory_peak_kib, usage.persist_memory_peak_kib)
    own = next(known(usage.memory_peak_kib), None)
    if growth is not None or own is None or outcome.status != "ok" or usage.own_oom_kills:
        return growth, ""
    for earlier in known(history.max_persist_growth_kib):
        return earlier, "what saving artifacts added earlier"
    return max(PERSIST_SHARE * own, mib_to_kib(PERSIST_LEAST_MIB)), "an allowance for saving its artifacts"


def _beyond_listed(history: History) -> list[TaskSummary]:
    """What the history's figures know of tasks that it does not list, as one more of them; none where they do not."""
    nothing = TaskSummary(
        run_id=UNLISTED_RUN, step="", task_id="", attempt=0, status="ok", finished_at=None, duration_s=0.0
    )
    highest = max((peak_kib(task) for task in history.tasks), default=-1.0)
    memory = next((peak for peak in known(history.max_memory_max) if peak > highest), None)
    cpu_listed = any(True for task in history.tasks for _ in known(task.cpu_max_cores))
    gpu_listed = any(True for task in history.tasks for _ in known(task.gpu_utilized_max))
    found = replace(
        nothing,
        memory_peak_kib=memory,
        cpu_max_cores=None if cpu_listed else history.max_cpu_max,
        gpu_utilized_max=None if gpu_listed else history.max_gpu_count,
        gpu_vram_max_mib=None if gpu_listed else history.max_vram_max,
    )
    return [] if found == nothing else [found]
