"""What one line of advice cannot say: outliers among siblings, splitting, two decorators.

Pure. Rules and thresholds are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from resource_tracker.gpu_notes import gpu_notes
from resource_tracker.input_notes import input_note
from resource_tracker.memory_need import last_successes, peak_kib
from resource_tracker.records import InstanceType, Recommendation, ResourceRequest, TaskSummary
from resource_tracker.units import kib_to_whole_mb, mib_to_kib

SIBLINGS_LEAST = 3
"""Tasks of a run, the largest included."""
OUTLIER = 1.5
"""Times the median of its siblings in the same run, from which on the largest is named."""
SPLIT = 3.0
"""Times the median, from which on splitting is proposed: two thirds of what the others ask for lies idle."""
WORTH_SPLITTING_MIB = 512.0
"""Below it, no machine gets cheaper."""
KUBERNETES_LEAST_MB = 4096
"""Metaflow's default of ``@kubernetes(memory=)``, which wins over a smaller one of ``@resources``."""


def notes_for(
    tasks: Sequence[TaskSummary],
    request: ResourceRequest,
    advice: Recommendation,
    instances: Iterable[InstanceType] = (),
) -> tuple[str, ...]:
    """Sentences beside the advice for a step.

    Parameters
    ----------
    tasks : sequence of TaskSummary
        Attempts of one step, the newest first.
    instances : iterable of InstanceType
        Machines among which to look for a smaller GPU.
    """
    found = (_outlier(tasks), input_note(tasks), *gpu_notes(tasks, instances), *_where_to_write(request, advice))
    return tuple(note for note in found if note)


def _outlier(tasks: Sequence[TaskSummary]) -> str | None:
    """The largest sibling of the newest run that has several, where it stands out."""
    for run_id in dict.fromkeys(task.run_id for task in tasks):
        siblings = [t for t in last_successes(t for t in tasks if t.run_id == run_id) if peak_kib(t) > 0]
        if len(siblings) < SIBLINGS_LEAST:
            continue
        largest = max(siblings, key=peak_kib)
        others = [peak_kib(task) for task in siblings if task is not largest]
        median = _median(others)
        times = peak_kib(largest) / median
        if times < OUTLIER or peak_kib(largest) < mib_to_kib(WORTH_SPLITTING_MIB):
            return None
        text = (
            f"Task {largest.task_id} of run {run_id} needed {_mb(peak_kib(largest))}, {times:.1f} times the "
            f"{_mb(median)} that were enough for half of its {len(others)} siblings in that run"
        )
        if times <= SPLIT:
            return f"{text}: one request has to be enough for it, too."
        return (
            f"{text}: all of them ask for as much. Splitting what it works on, or giving the large ones a step of "
            "their own, would let the others ask for far less."
        )
    return None


def _median(values: Sequence[float]) -> float:
    """The lower one of two: a second outlier is not to hide the first among few siblings."""
    return sorted(values)[(len(values) - 1) // 2]


def _where_to_write(request: ResourceRequest, advice: Recommendation) -> Iterator[str]:
    """Where Metaflow's rule for two decorators (the larger number wins) would keep the advice from taking effect."""
    both = [name for name in request.written_in if name != "resources"]
    if "resources" in request.written_in and both:
        yield f"Metaflow takes the larger of @resources and @{both[0]}: change the numbers in both."
    elif "kubernetes" in request.decorators and not both and advice.memory_mb < KUBERNETES_LEAST_MB:
        yield (
            f"On Kubernetes, Metaflow gives at least the {KUBERNETES_LEAST_MB} MB that are @kubernetes' default: for "
            f"less, write memory={advice.memory_mb} in @kubernetes itself, or --with "
            f"kubernetes:memory={advice.memory_mb}."
        )


def _mb(kib: float) -> str:
    return f"{kib_to_whole_mb(kib):,} MB"
