"""Measures a command from outside, and finds out what surrounds it while it runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resource_tracker.records import Measurements, Outcome, TaskRecord
from resource_tracker.tracker import start_measuring

if TYPE_CHECKING:
    from resource_tracker.cli.command import Ending
    from resource_tracker.cli.survey import Survey


class Watch:
    """The measurement of one command, from before its exec to its end.

    Parameters
    ----------
    pid : int
        The process that becomes the command.
    marker : (str, str)
        Variable in the command's environment by which its orphans are found.
    """

    def __init__(
        self, pid: int, *, interval_s: float, overhead_budget: float, marker: tuple[str, str], title: str
    ) -> None:
        self._pid = pid
        self._title = title
        self._peak_kib = 0.0
        self._survey: Survey | None = None
        self._measuring = start_measuring(
            pid=pid, interval_s=interval_s, overhead_budget=overhead_budget, marker=marker, adopts=True
        )

    def survey(self) -> None:
        """Find out in the background what surrounds the command."""
        from resource_tracker.cli.survey import Survey

        self._survey = self._survey or Survey(self._pid)

    def glance(self) -> None:
        """Note the command's own peak so far: it may be over before the sampler looks a second time."""
        self._peak_kib = max(self._peak_kib, _peak_kib(self._pid))

    def status(self) -> str | None:
        """Where the command stands now, in a few words."""
        from resource_tracker.report import format as fmt

        measurements = self._measuring.measurements()
        if not len(measurements.process):
            return None
        last = measurements.process[-1]
        parts = [
            fmt.duration(measurements.duration_s),
            f"{fmt.cores(last['cpu_usage'])} CPUs",
            f"{fmt.memory_kib(last['memory'])}, peak {fmt.memory_kib(measurements.memory_peak_kib)}",
        ]
        return " | ".join(parts).replace("\N{NO-BREAK SPACE}", " ")

    def end(self) -> None:
        """Take the last reading."""
        self._measuring.stop()

    def record(self, ending: Ending) -> TaskRecord:
        """All that is known of the command."""
        self.survey()
        assert self._survey is not None
        surroundings, cloud = self._survey.result()
        measurements = with_totals(self._measuring.measurements(), ending, self._peak_kib)
        return surroundings.record(measurements, title=self._title, outcome=outcome_of(ending), cloud=cloud)

    def discard(self) -> None:
        """End the sampler if it still runs, and delete what it wrote."""
        self._measuring.stop()
        self._measuring.remove()


def title_of(argv: Sequence[str]) -> str:
    """The command's name, and the script that it runs; never the other arguments, which may hold secrets."""
    name = Path(argv[0]).name
    script = next((word for word in argv[1:] if not word.startswith("-")), None)
    if script and os.path.isfile(script):  # unlike Path.is_file, False for a name that can be none
        return f"{name} {Path(script).name}"
    return name


def outcome_of(ending: Ending) -> Outcome:
    """Exit code 0 is success."""
    if ending.signal is not None:
        return Outcome(status="failed", exception_type=f"killed by {_signal_name(ending.signal)}")
    if ending.exit_code:
        return Outcome(status="failed", exception_type=f"exit code {ending.exit_code}")
    return Outcome(status="ok")


def with_totals(measurements: Measurements, ending: Ending, glanced_kib: float) -> Measurements:
    """The measurements, raised to what the kernel counted for the command and the children it waited for.

    Children that came and went between two readings are in it; the sampler may have missed them. A peak of 0 is
    none: no reading fell into the command's life.
    """
    changes: dict[str, Any] = {}
    if ending.cpu_s > (measurements.cpu_seconds or 0.0):
        changes.update(cpu_seconds=ending.cpu_s, cpu_source="wait4")
    peaks = [
        (measurements.memory_peak_kib or 0.0, measurements.memory_peak_source),
        (ending.max_rss_kib or 0.0, "wait4 ru_maxrss"),
        (glanced_kib, "VmHWM"),
    ]
    peak_kib, source = max(peaks, key=itemgetter(0))
    changes.update(memory_peak_kib=peak_kib or None, memory_peak_source=source if peak_kib else "")
    return replace(measurements, **changes)


def _peak_kib(pid: int) -> float:
    """Highest resident memory of a process since its exec; 0 where it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1])
    except OSError:
        pass
    return 0.0


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
