"""Why an attempt ended as it did, from its summary: for lack of something, or for nothing to do with resources.

Pure. What decides, in which order, is explained in ``docs/post-mortem.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from resource_tracker.bounds import LEAST_S
from resource_tracker.dataclass import replace
from resource_tracker.endings import (
    BEING_STOPPED,
    INTERRUPTED,
    RUNTIME_RECORD,
    STOPPED,
    STOPPED_EVIDENCE,
    UNKNOWN,
)
from resource_tracker.history import overall_peak_kib
from resource_tracker.recommend import estimate, policy_called
from resource_tracker.records import EarlierAttempt, Ending, NoRecommendation, Recommendation, TaskSummary
from resource_tracker.remedies import remedy_of
from resource_tracker.run_attempts import Attempt
from resource_tracker.summary import KILLED_FOR_MEMORY, request_of
from resource_tracker.units import gb_to_mb, kib_to_mib, kib_to_whole_mb, mib_to_kib

NO_SPACE = ("ENOSPC", "EDQUOT")
"""Names of the kernel's errors for no space, and for no more of one's quota."""
GPU_OUT_OF_MEMORY = ("OutOfMemoryError", "CudaError", "ResourceExhaustedError")
"""PyTorch's, CuPy's and TensorFlow's words, of attempts that had a GPU."""
HELD_BACK = 0.2
"""Share of its time in which a quota held an attempt back, from which on that may be why it was late."""
SHARED_MEMORY_FULL = 0.95
INTERRUPTED_BY_USER = "It was interrupted by the user (Ctrl-C)"
FOR_LACK = ("memory", "gpu_memory", "disk", "shared_memory", "throttled", "interrupted")
"""Kinds of explanations that other resources would change, or might."""


class Explanation(NamedTuple):
    """Why an attempt ended so.

    ``kind`` is one word for programs: ``ok``, ``running``, ``memory``, ``gpu_memory``, ``disk``, ``shared_memory``,
    ``throttled``, ``waiting``, ``timeout``, ``killed``, ``stopped``, ``interrupted``, ``crash``, ``exit``,
    ``exception``, ``unknown``. ``headline`` says the same in a few words, ``sentences`` what shows it, ``source``
    where that was read; ``remedy`` is what to do, where something can be done.
    """

    kind: str
    headline: str
    sentences: tuple[str, ...] = ()
    remedy: str | None = None
    source: str | None = None


def explain(attempt: Attempt, others: Sequence[TaskSummary] = ()) -> Explanation:
    """Why the attempt ended so; `others` are of its step, and make the advice better."""
    summary = attempt.summary
    if attempt.status == "running":
        so_far = tuple(_used(summary)) if summary is not None and summary.status == "running" else ()
        return Explanation("running", "It is still running, as far as is known", so_far)
    if summary is None or not attempt.measured:
        return _without_measurements(attempt)
    if summary.status == "ok":
        kills = (
            f"For lack of memory the kernel killed {summary.oom_kills} of its processes." if summary.oom_kills else ""
        )
        return Explanation("ok", "It succeeded", tuple(text for text in (kills, *_used(summary)) if text))
    if attempt.stopped and summary.ended_by != STOPPED:  # Metaflow's word came after whoever told of its end
        summary = replace(
            summary,
            ended_by=STOPPED,
            ended_evidence=STOPPED_EVIDENCE,
            ended_source=RUNTIME_RECORD,
            ran_out_of_memory=False,
        )
    advice = _advice(summary, others)
    for found in _in_turn(summary, advice):
        sentences = (*found.sentences, *_used(summary))
        return found._replace(sentences=tuple(text for text in sentences if text))
    raise AssertionError("the last explanation always holds")


def _without_measurements(attempt: Attempt) -> Explanation:
    if attempt.status == "ok":
        return Explanation("ok", "It succeeded", ("It was not tracked.",))
    if attempt.stopped:
        return Explanation("stopped", "It was stopped with the run", (STOPPED_EVIDENCE,), None, RUNTIME_RECORD)
    if attempt.died:
        said = "Neither the attempt nor what watched it could leave a word: the container or the machine went at once, "
        return Explanation(
            "unknown",
            "It was killed from outside, and nothing was measured",
            (f"{said}or its step is not tracked.",),
            "See what the scheduler or the machine's log says of it; if that was for lack of memory, ask for more.",
        )
    return Explanation("unknown", "It failed, and was not tracked", ("What it used is not known.",))


def _in_turn(summary: TaskSummary, advice: Recommendation | None) -> Iterator[Explanation]:
    """What it was short of first, then how it was ended, then what it said itself."""
    for find in _FINDERS:
        found = find(summary, advice)
        if found is not None:
            yield found


def _memory(summary: TaskSummary, advice: Recommendation | None) -> Explanation | None:
    if not summary.ran_out_of_memory:
        return None
    said = summary.ended_evidence if summary.ended_by == KILLED_FOR_MEMORY else None
    if said is None and summary.exception_type:
        said = f"It ended with {summary.exception_type}."
    if said is None and summary.oom_kills:
        said = f"For lack of memory the kernel killed {summary.oom_kills} of its processes."
    remedy = _remedy(Ending(cause=KILLED_FOR_MEMORY), summary, advice)
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


def _interrupted(summary: TaskSummary, advice: Recommendation | None) -> Explanation | None:
    if summary.exception_type != "KeyboardInterrupt":
        return None
    said = "It ended with KeyboardInterrupt, as Python makes it of Ctrl-C (SIGINT)."
    return Explanation("stopped", INTERRUPTED_BY_USER, (said,))


def _ended(summary: TaskSummary, advice: Recommendation | None) -> Explanation | None:
    cause = summary.ended_by
    if cause is None:
        return None
    ending = Ending(cause=cause, evidence=summary.ended_evidence or "")
    kind, headline = next(
        ((kind, text) for begins, kind, text in _ENDINGS if cause.startswith(begins)),
        ("unknown", "It ended without a word"),
    )
    if BEING_STOPPED in ending.evidence:
        headline = f"It was {cause}: its machine, container or job was being stopped"
    remedy = _remedy(ending, summary, advice) or (
        "Look into its log: resources are not why." if kind == "exit" else None
    )
    held = summary.bound_evidence if summary.bound in ("waiting", "quota") and kind not in ("crash", "exit") else None
    return Explanation(kind, headline.format(cause=cause), (ending.evidence, held or ""), remedy, summary.ended_source)


_ENDINGS = (
    (STOPPED, "stopped", "It was stopped with the run"),
    ("killed by SIGINT", "stopped", INTERRUPTED_BY_USER),
    (INTERRUPTED, "interrupted", "It was interrupted: its container or machine went at once"),
    (UNKNOWN, "unknown", "It ended without a word"),
    ("exit code", "exit", "It left by itself ({cause})"),
    *((f"killed by {name}", "crash", "It crashed ({cause})") for name in ("SIGSEGV", "SIGABRT", "SIGBUS")),
    *((f"killed by {name}", "crash", "It crashed ({cause})") for name in ("SIGILL", "SIGFPE", "SIGSYS")),
    ("killed by", "killed", "It was {cause}"),
)


def _exception(summary: TaskSummary, advice: Recommendation | None) -> Explanation:
    """The last one: nothing that was measured explains it."""
    what = summary.exception_type or "an error before its end"
    waited = summary.bound_evidence if summary.bound == "waiting" else None
    return Explanation(
        "exception",
        f"It failed with {what}: nothing to do with resources, as far as was measured",
        (waited or "",),
        "Look into its log: other resources would not have helped.",
    )


_Finder = Callable[[TaskSummary, "Recommendation | None"], "Explanation | None"]
_FINDERS: tuple[_Finder, ...] = (
    _memory,
    _gpu_memory,
    _disk,
    _shared_memory,
    _timed_out,
    _interrupted,
    _ended,
    _exception,
)


def _advice(summary: TaskSummary, others: Sequence[TaskSummary]) -> Recommendation | None:
    tasks = [summary, *(other for other in others if other is not summary)]
    found = estimate(tasks, request_of(summary), policy=policy_called(summary.policy))
    return found if isinstance(found, Recommendation) else None


def _remedy(ending: Ending, summary: TaskSummary, advice: Recommendation | None) -> str | None:
    return remedy_of(
        ending, advice or NoRecommendation(reason="nothing was measured"), request_of(summary), summary.memory_limit_mib
    )


def _used(summary: TaskSummary) -> Iterator[str]:
    """What it used beside what it might: also where that explains nothing, it shows that it does not."""
    yield f"It ran for {_time(summary.duration_s)}." if summary.duration_s else "How long it ran is not known."
    peak = overall_peak_kib(summary)
    if peak is not None:
        allowed = summary.memory_limit_mib
        of = (
            f" of {kib_to_whole_mb(mib_to_kib(allowed)):,} MB allowed ({100 * peak / mib_to_kib(allowed):.0f} %)"
            if allowed
            else ""
        )
        if not allowed and summary.request_memory_mb:
            of = f" ({summary.request_memory_mb:,.0f} MB asked for)"
        yield f"Its memory peaked at {kib_to_whole_mb(peak):,} MB{of}."
    if summary.cpu_mean_cores is not None and summary.duration_s >= LEAST_S:
        asked = summary.request_cpu if summary.request_decorators and not summary.cpu_limit else None
        given = summary.cpu_limit or (None if asked else summary.vcpus)
        of, beside = f" of {given:g}" if given else "", f" ({asked:g} asked for)" if asked else ""
        busy = round(summary.cpu_mean_cores, 2)
        text = f"{busy:g}" if busy else "less than 0.01"
        yield f"It kept {text}{of} {'CPU' if (given or busy) == 1 else 'CPUs'} busy on average{beside}."


def _cpus(advice: Recommendation | None, summary: TaskSummary) -> str:
    asked = summary.request_cpu or summary.cpu_limit
    return f" (at least cpu={advice.cpu})" if advice and asked and advice.cpu > asked else ""


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{max(1000 * seconds, 1):.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def earlier_attempt(attempt: Attempt) -> EarlierAttempt:
    """What the next attempt says of the one before it."""
    why = explain(attempt)
    shown = [text for text in why.sentences if text]
    summary = attempt.summary
    advice = _advice(summary, ()) if summary is not None and why.kind == "memory" else None
    peak = overall_peak_kib(summary) if summary is not None else None
    return EarlierAttempt(
        attempt=attempt.attempt,
        text=" ".join([f"{why.headline}.", *shown]),
        remedy=why.remedy,
        headline=why.headline,
        resources=why.kind in FOR_LACK,
        memory_mb=advice.memory_mb if advice else None,
        died=summary is not None and summary.ended_by is not None,
        source=why.source or "",
        memory_peak_mb=None if peak is None else kib_to_whole_mb(peak),
    )
