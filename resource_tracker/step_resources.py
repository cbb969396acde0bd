"""What the measured code can ask and say while it runs: ``current.track_resources``, and ``live`` of a tracker."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from resource_tracker.records import Limits, ResourceRequest
from resource_tracker.units import kib_to_mib

if TYPE_CHECKING:
    from resource_tracker.attached import Attached
    from resource_tracker.latest import Latest
    from resource_tracker.marks import Mark
    from resource_tracker.start_end import StartEndReadings
    from resource_tracker.tracker import SamplerProcess

FIGURES = (
    "elapsed_s",
    "memory_mib",
    "peak_memory_mib",
    "memory_left_mib",
    "cpu_cores",
    "cpu_seconds",
    "gpu_usage",
    "gpu_memory_mib",
    "processes",
    "threads",
)
"""Names of the figures, as :meth:`StepResources.figures` gives them."""


class StepResources:
    """Live figures of the running step, and marks that divide it.

    Figures are those of the step's process with all its descendants, of the last row: with the default ``interval`` at
    most a second old. ``nan`` is not known (yet). Reading one takes about 0.2 ms, and never waits.

    Attributes
    ----------
    tracked : bool
        Whether anything is measured: elsewhere every figure is ``nan``, and marks do nothing.
    limits : Limits
        What the kernel lets the step use: ``limits.cpus``, ``limits.memory_mib``; ``None`` where there is no limit.
    request : ResourceRequest
        What the step asked for: ``request.cpu``, ``request.memory_mb`` (MB, as Metaflow counts), ``request.gpu``.
    """

    tracked = True

    def __init__(
        self,
        measuring: SamplerProcess | StartEndReadings | Attached,
        limits: Limits,
        request: ResourceRequest,
        usable_memory_mib: float | None = None,
    ) -> None:
        self._measuring = measuring
        self._usable_memory_mib = usable_memory_mib
        self.limits = limits
        self.request = request

    def mark(self, label: str) -> Mark:
        """Name what was done since the last mark, or with ``with`` what the block does.

        It becomes a span in the charts of the card, with its time, CPU time, highest memory and part of the cost. Takes
        about 0.1 ms, and never waits or fails. Marks may stand in loops, threads, and blocks of others.

        Parameters
        ----------
        label : str
            A few words; of more than 80 characters, the beginning.

        Returns
        -------
        Mark
            For the ``with`` statement.
        """
        return self._measuring.marks.mark(label)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the step's code began; once that is over, how long it took."""
        return self._measuring.timeline.elapsed_s

    @property
    def memory_mib(self) -> float:
        """Memory that the step uses, MiB: the mean of the last row."""
        return kib_to_mib(self._latest().memory_kib)

    @property
    def peak_memory_mib(self) -> float:
        """The highest memory so far, MiB; what came since the last row is missing, unless the kernel has it."""
        return kib_to_mib(self._latest().memory_peak_kib)

    @property
    def memory_left_mib(self) -> float:
        """What the step could take in addition, MiB: its limit, or the machine's memory, less what it uses."""
        return self._left_mib(self._latest())

    @property
    def cpu_cores(self) -> float:
        """Cores in use, over the last row, or the last half second where rows are shorter."""
        return self._latest().cpu_cores

    @property
    def cpu_seconds(self) -> float:
        """CPU time that was used so far."""
        return self._latest().cpu_seconds

    @property
    def gpu_usage(self) -> float:
        """GPUs in use: 1.0 is one whole GPU."""
        return self._latest().gpu_usage

    @property
    def gpu_memory_mib(self) -> float:
        """GPU memory that the step holds, MiB over all GPUs."""
        return self._latest().gpu_vram_mib

    def figures(self) -> dict[str, float]:
        """All figures at once, by their names: for a log, or to send with your own metrics."""
        latest = self._latest()
        found = {
            "elapsed_s": self.elapsed_s,
            "memory_mib": kib_to_mib(latest.memory_kib),
            "peak_memory_mib": kib_to_mib(latest.memory_peak_kib),
            "memory_left_mib": self._left_mib(latest),
            "cpu_cores": latest.cpu_cores,
            "cpu_seconds": latest.cpu_seconds,
            "gpu_usage": latest.gpu_usage,
            "gpu_memory_mib": latest.gpu_vram_mib,
            "processes": latest.children + 1,
            "threads": latest.threads,
        }
        return {name: found[name] for name in FIGURES}

    def __reduce__(self) -> tuple[Any, ...]:
        """For workers that are started afresh: in another process of this machine it marks and asks as here."""
        start = self._measuring.timeline.start
        spool_dir = getattr(self._measuring, "spool_dir", None)
        place = spool_dir, self._measuring.timeline.pid, start.unix_s, start.monotonic_s
        return _attached, (place, self.limits, self.request, self._usable_memory_mib)

    def __repr__(self) -> str:
        latest = self._latest()
        return f"<track_resources: {kib_to_mib(latest.memory_kib):.0f} MiB, {latest.cpu_cores:.2f} cores>"

    def _latest(self) -> Latest:
        return self._measuring.latest()

    def _left_mib(self, latest: Latest) -> float:
        if self._usable_memory_mib is None:
            return math.nan
        left_mib = self._usable_memory_mib - kib_to_mib(latest.memory_kib)
        return 0.0 if left_mib < 0.0 else left_mib  # nan stays nan


def _attached(
    place: tuple[str | None, int, float, float],
    limits: Limits,
    request: ResourceRequest,
    usable_memory_mib: float | None,
) -> StepResources:
    from resource_tracker.attached import Attached  # few steps hand it on

    return StepResources(Attached(*place), limits, request, usable_memory_mib)
