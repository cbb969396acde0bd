"""Entry point of the sampler where there is no ``/proc``: the same life, with figures from psutil.

psutil is found in its own folder, which the task names: the interpreter starts without the task's search path.
"""

import os
import sys

from resource_tracker.errors import ResourceTrackerError
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.control import Control
from resource_tracker.sampler.cores import CoreSpool
from resource_tracker.sampler.cost import CostCollector
from resource_tracker.sampler.lifeline import Lifeline
from resource_tracker.sampler.loop import Loop
from resource_tracker.sampler.main import Arguments, become, first_reading, refuse_adoption
from resource_tracker.sampler.psutil_machine import PsutilMachineCollector
from resource_tracker.sampler.psutil_member import start_time_of
from resource_tracker.sampler.psutil_source import PsutilProcessCollector
from resource_tracker.sampler.rows import RowMaker
from resource_tracker.units import bytes_to_kib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class PsutilLifeline(Lifeline):
    """The life of one process, by pid and the time at which it was made: asked for now and then."""

    def __init__(self, psutil: "Any", pid: int, start_time: int) -> None:
        self._psutil = psutil
        self._pid = pid
        self._start_time = start_time
        self.fd = -1
        self._ended = not self._still_there()

    def _still_there(self) -> bool:
        return is_running(self._psutil, self._pid, self._start_time)


class PsutilCostCollector(CostCollector):
    """What this process itself uses."""

    source = "psutil, of itself"

    def __init__(self, psutil: "Any", before_s: float) -> None:
        super().__init__("", before_s)
        self._own = psutil.Process()

    def own_memory_kib(self) -> float:
        return bytes_to_kib(self._own.memory_info().rss)


def is_running(psutil: "Any", pid: int, start_time: int) -> bool:
    """Whether that very process is there and has not ended (a zombie has)."""
    try:
        process = psutil.Process(pid)
        ended: bool = process.status() == psutil.STATUS_ZOMBIE
        return start_time_of(process) == start_time and not ended
    except psutil.Error:
        return False


def main() -> None:
    """The sampler of other systems."""
    become(_begin)


def _begin(arguments: Arguments, launcher_cpu_s: float) -> Loop:
    """Takes the first reading into the spool."""
    refuse_adoption(arguments)
    psutil = _psutil(arguments.psutil_dir)
    lifeline = PsutilLifeline(psutil, arguments.pid, arguments.start_time)
    reader = None
    if arguments.starter != arguments.pid:
        reader = PsutilLifeline(psutil, arguments.starter, arguments.starter_start_time)
    control = Control(arguments.spool)
    failures, budget = Failures(), Budget(arguments.overhead_budget)
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    try:
        of_step = PsutilProcessCollector(psutil, arguments.pid, ticks_per_s, arguments.spool)
    except psutil.Error as error:
        raise ResourceTrackerError(f"process {arguments.pid} cannot be read ({error})") from None
    collectors = [
        of_step,
        PsutilMachineCollector(psutil, ticks_per_s, dict(arguments.places).get("directory", os.sep)),
        PsutilCostCollector(psutil, launcher_cpu_s),
    ]
    maker = RowMaker(collectors, failures)
    spool = first_reading(arguments, maker, collectors, start_time_of(psutil.Process()))
    core_spool = CoreSpool(arguments.spool, failures, _allowed_cpus(psutil, arguments.pid))
    return Loop(
        *(maker, spool, control, lifeline, arguments.interval_s, budget, reader),
        before_s=launcher_cpu_s,
        core_spool=core_spool,
    )


def _allowed_cpus(psutil: "Any", pid: int) -> "set[int] | None":
    """``None`` where a process cannot be kept to some of them, as on macOS."""
    try:
        return set(psutil.Process(pid).cpu_affinity())
    except (AttributeError, psutil.Error):
        return None


def _psutil(folder: str | None) -> "Any":
    if folder is not None:
        sys.path.append(folder)
    import psutil

    return psutil
