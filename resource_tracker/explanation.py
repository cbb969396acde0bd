"""What is said of why an attempt ended: :class:`Explanation`, and what it used, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from resource_tracker.bounds import LEAST_S
from resource_tracker.history import overall_peak_kib
from resource_tracker.records import TaskSummary
from resource_tracker.units import kib_to_whole_mb, mib_to_kib

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


def what_it_used(summary: TaskSummary) -> Iterator[str]:
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


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{max(1000 * seconds, 1):.0f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
