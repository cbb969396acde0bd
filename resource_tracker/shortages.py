"""What an attempt was short of: memory, a GPU's memory, disk, shared memory, or time for want of CPUs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from resource_tracker.endings import STOPPED
from resource_tracker.explanation import Explanation
from resource_tracker.recommend import estimate, policy_called
from resource_tracker.records import Ending, NoRecommendation, Recommendation, TaskSummary
from resource_tracker.remedies import remedy_of
from resource_tracker.summary import KILLED_FOR_MEMORY, request_of
from resource_tracker.units import gb_to_mb, kib_to_mib, mib_to_kib

NO_SPACE = ("ENOSPC", "EDQUOT")
"""Names of the kernel's errors for no space, and for no more of one's quota."""
GPU_OUT_OF_MEMORY = ("OutOfMemoryError", "CudaError", "ResourceExhaustedError")
"""PyTorch's, CuPy's and TensorFlow's words, of attempts that had a GPU."""
HELD_BACK = 0.2
"""Share of its time in which a quota held an attempt back, from which on that may be why it was late."""
SHARED_MEMORY_FULL = 0.95

Finder = Callable[[TaskSummary, "Recommendation | None"], "Explanation | None"]
"""Explains an attempt by one thing, or does not; with the advice for its step."""


def _memory(summary: TaskSummary, advice: Recommendation | None) -> Explanation | None:
    if not summary.ran_out_of_memory:
        return None
    said = summary.ended_evidence if summary.ended_by == KILLED_FOR_MEMORY else None
    if said is None and summary.exception_type:
        said = f"It ended with {summary.exception_type}."
    if said is None and summary.oom_kills:
        said = f"For lack of memory the kernel killed {summary.oom_kills} of its processes."
    remedy = remedy_for(Ending(cause=KILLED_FOR_MEMORY), summary, advice)
    return Explanation("memory", "It ran out of memory", (said or "",), remedy, summary.ended_source)


def _gpu_memory(summary: TaskSummary, advice: Recommendation | None) -> Explanation | None:
    if not summary.gpu_count or summary.exception_type not in GPU_OUT_OF_MEMORY:
        return None
    held = summary.gpu_vram_each_mib or summary.gpu_vram_max_mib
    of = f" of {summary.gpu_memory_mib:,.0f} MiB" if summary.gpu_memory_mib else ""
    said = f"It ended with {summary.exception_type}" + (f", having held {held:,.0f}{of}." if held else ".")
    return Explanation(
        "gpu_memory", "A GPU ran out of memory", (said,), "Take a GPU with more memory, or smaller batches."
    )


def _disk(summary: TaskSummary, advice: Recommendation | None) -> Explanation | None:
    no_space = summary.error_name in NO_SPACE
    if not no_space and (not summary.full_disk or summary.ended_by == STOPPED):
        return None
    where = f"Full was the file system of: {summary.full_disk}." if summary.full_disk else ""
    said = summary.ended_evidence or ""  # what it was that ended it: a full disk need not be why
    if summary.exception_type:
        said = f"It ended with {summary.exception_type}{f' ({summary.error_name})' if no_space else ''}."
    grown_mb = gb_to_mb(summary.disk_growth_gb or 0.0)
    grown = f"Its disk had grown by {grown_mb:,.0f} MB." if grown_mb >= 1 else ""
    remedy = "Ask for a larger disk, or write less."
    if advice and advice.disk_mb:
        remedy = f"Ask for at least disk={advice.disk_mb}: it may need more than it got to."
    if summary.full_disk and "tmpfs" in summary.full_disk:
        remedy = "It is in memory: write to a folder on a disk (TMPDIR says which), or give it more room."
    return Explanation("disk", "The disk was full", (said, where, grown), remedy, summary.ended_source)


def _shared_memory(summary: TaskSummary, advice: Recommendation | None) -> Explanation | None:
    peak, size = summary.shared_memory_peak_kib, summary.shared_memory_limit_mib
    if not peak or not size or peak < SHARED_MEMORY_FULL * mib_to_kib(size):
        return None
    said = f"It used {kib_to_mib(peak):,.0f} of {size:,.0f} MiB of /dev/shm."
    amount = advice.shared_memory_mb if advice else None
    remedy = f"Ask for at least shared_memory={amount or round(2 * size)} (in MiB)."
    return Explanation("shared_memory", "Its shared memory was full", (said, summary.ended_evidence or ""), remedy)


def _timed_out(summary: TaskSummary, advice: Recommendation | None) -> Explanation | None:
    """By Metaflow's ``@timeout``, by another, or by a scheduler that asks a task to end when its time is up."""
    exception = summary.exception_type or ""
    if "timeout" not in exception.lower() and "timedout" not in exception.lower():
        return None
    said = f"It ended with {exception}."
    evidence = summary.bound_evidence or ""
    if summary.bound in ("quota", "cpu") or (summary.throttled_share or 0.0) >= HELD_BACK:
        share = summary.throttled_share
        held = f"Its CPU quota held it back in {share:.0%} of its time." if share and summary.bound != "quota" else ""
        throttled = summary.bound == "quota" or bool(held)
        return Explanation(
            "throttled" if throttled else "timeout",
            "It was throttled into its time-out" if throttled else "Its time was up while all its CPUs were busy",
            (said, evidence, held),
            f"Ask for more CPUs{_cpus(advice, summary)}, or give it more time.",
        )
    if summary.bound == "waiting":
        return Explanation(
            "waiting",
            "It waited until its time was up",
            (said, evidence),
            "Look at what it waited for (a lock, a service, a download): other resources would not have helped.",
        )
    return Explanation("timeout", "Its time was up", (said, evidence), "Give it more time, or less to do.")


def advice_for(summary: TaskSummary, others: Sequence[TaskSummary]) -> Recommendation | None:
    tasks = [summary, *(other for other in others if other is not summary)]
    found = estimate(tasks, request_of(summary), policy=policy_called(summary.policy))
    return found if isinstance(found, Recommendation) else None


def remedy_for(ending: Ending, summary: TaskSummary, advice: Recommendation | None) -> str | None:
    return remedy_of(
        ending, advice or NoRecommendation(reason="nothing was measured"), request_of(summary), summary.memory_limit_mib
    )


def _cpus(advice: Recommendation | None, summary: TaskSummary) -> str:
    asked = summary.request_cpu or summary.cpu_limit
    return f" (at least cpu={advice.cpu})" if advice and asked and advice.cpu > asked else ""


SHORTAGES: tuple[Finder, ...] = (_memory, _gpu_memory, _disk, _shared_memory, _timed_out)
"""In the order in which they are looked for."""
