"""What the kernel kept of the task itself: CPU time and the highest resident memory, from getrusage(2)."""

from __future__ import annotations

import os
import sys

from resource_tracker.dataclass import dataclass
from resource_tracker.units import bytes_to_kib


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUsage:
    """One reading of this process and of the children it waited for; ``None`` where the system has none."""

    pid: int
    cpu_s: float | None = None
    peak_kib: float | None = None
    children_peak_kib: float | None = None

    @classmethod
    def of(cls, pid: int) -> TaskUsage:
        """A reading, if `pid` is this very process; of others (or in a fork) getrusage(2) tells nothing."""
        if pid != os.getpid():
            return cls(pid=pid)
        try:
            import resource
        except ImportError:  # Windows
            return cls(pid=pid)
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return cls(
            pid=pid,
            cpu_s=own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
            peak_kib=_kib(own.ru_maxrss),
            children_peak_kib=_kib(children.ru_maxrss),
        )

    def cpu_since(self, start: TaskUsage) -> float | None:
        """CPU seconds used since `start`; ``None`` where unknown."""
        if self.cpu_s is None or start.cpu_s is None:
            return None
        return max(0.0, self.cpu_s - start.cpu_s)

    def peaks_since(self, start: TaskUsage, *, with_children: bool = True) -> dict[str, float]:
        """Peaks by source, KiB: only those that grew since `start`, because they include all that was before.

        Without children where some of them are other attempts: the kernel does not tell whose peak it kept.

        A child that executes a program inherits its parent's peak of that moment: one no higher than the task's own
        says nothing of the child.
        """
        if self.peak_kib is None or start.peak_kib is None:
            return {}
        peaks = {}
        if self.peak_kib > start.peak_kib:
            peaks["ru_maxrss"] = self.peak_kib
        children, before = self.children_peak_kib or 0.0, start.children_peak_kib or 0.0
        if with_children and children > before and children > start.peak_kib:
            peaks["ru_maxrss of children"] = children
        return peaks


def _kib(maxrss: float) -> float:
    return bytes_to_kib(maxrss) if sys.platform == "darwin" else float(maxrss)  # getrusage(2): bytes there, KiB here
