"""Entry point of the sampler: become nobody's child, take the first reading, say so, watch.

Arguments: pairs of ``NAME VALUE``, see :class:`Arguments`. Standard output is a pipe to the task, on which the launcher
writes ``pid N``, and the sampler ``ok`` or ``error REASON``; standard input reads as ended once the launcher has
been waited for, so that its own CPU time lies before the first reading. Then both are let go.
"""

import _signal as signal  # type: ignore[import-not-found]  # `signal` would bring enum and more: 5 ms, 0.4 MB
import os
import select
import sys
import time

from resource_tracker.errors import ResourceTrackerError
from resource_tracker.sampler.aftermath import after_death, remove_spool
from resource_tracker.sampler.attempts import ATTEMPT
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.collector import Failures, reason_of
from resource_tracker.sampler.control import Control
from resource_tracker.sampler.cores import CoreSpool
from resource_tracker.sampler.cost import CostCollector
from resource_tracker.sampler.gpu.spool import GpuSpool
from resource_tracker.sampler.layout import Layout
from resource_tracker.sampler.lifeline import Lifeline
from resource_tracker.sampler.loop import READER_DIED, SPOOL_GONE, STOPPED, TASK_DIED, Loop
from resource_tracker.sampler.procfs import pid_status
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.sampler.procfs.pid_stat import PidStat
from resource_tracker.sampler.publisher import Publisher, environment_of
from resource_tracker.sampler.rows import PROC, RowMaker, standard_collectors
from resource_tracker.sampler.spool import SpoolWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from resource_tracker.sampler.collector import Collector

PLACES = ("directory", "temporary", "metaflow_temporary", "datastore", "home")
"""Roles of directories that the step writes to."""
NICE = 5
"""It sleeps nearly always, so it still gets its turn at once on a busy machine."""
OOM_SCORE = 100
"""Added to the task's: as if we used a tenth more of the memory. The kernel should rather end us than a small worker,
but with the full 1000 it would end us first whenever the step takes all memory, which is what we are to report."""


class Arguments:
    """What the task says: the process to watch, how, and where to."""

    __slots__ = (
        "adopted",
        "cuda_device_order",
        "cuda_visible_devices",
        "interval_s",
        "marker",
        "overhead_budget",
        "pid",
        "places",
        "psutil_dir",
        "pynvml_dir",
        "spool",
        "start_time",
        "starter",
        "starter_start_time",
        "untold",
    )

    def __init__(self, words: list[str]) -> None:
        given = dict(zip(words[::2], words[1::2], strict=True))
        self.pid = int(given["pid"])
        self.start_time = int(given["start_time"])
        self.starter = int(given["starter"])
        self.starter_start_time = int(given["starter_start_time"])
        self.adopted = given.get("adopted") == "yes"
        self.interval_s = float(given["interval_s"])
        self.overhead_budget = float(given["overhead_budget"])
        self.spool = given["spool"]
        self.places = [(role, given[role]) for role in PLACES if role in given]
        self.psutil_dir = given.get("psutil_dir")
        self.pynvml_dir = given.get("pynvml_dir")
        self.cuda_visible_devices = given.get("cuda_visible_devices")
        self.cuda_device_order = given.get("cuda_device_order")
        self.untold = given.get("untold", "")
        name, equals, value = given.get("marker", "").partition("=")
        self.marker = (name, value) if equals else None


def main() -> None:
    """The sampler of Linux."""
    become(_begin)


def become(begin: "Callable[[Arguments, float], Loop]") -> None:
    """Starts a sampler as a process of its own, and ends this one. `begin` takes the first reading."""
    os.setsid()
    launcher_pid, launcher_cpu_s = os.getpid(), time.process_time()
    pid = os.fork()
    if pid:
        os.write(1, b"pid %d\n" % pid)
        os._exit(0)
    try:
        _detach()
        _wait_for_the_start(launcher_pid)
        _live(begin, Arguments(sys.argv[2:]), launcher_cpu_s)
    finally:
        os._exit(0)


def _detach() -> None:
    """Keeps nothing of the task's: directory, signals, standing with the memory killer, priority."""
    # Python itself ignores SIGPIPE and SIGXFSZ: a write that fails is no reason to die.
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.chdir("/")
    os.umask(0o077)
    try:
        os.nice(NICE)
        fd = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
        score = int(os.read(fd, 16))
        os.pwrite(fd, b"%d" % min(1000, score + OOM_SCORE), 0)
        os.close(fd)
    except (OSError, ValueError):
        return  # better for the step if it goes before us, but no must


def _wait_for_the_start(launcher_pid: int) -> None:
    """Until the task waited for the launcher: it lets go of our standard input then.

    Another thread of the task may be forking just now: its child would hold on to that pipe, so the launcher's end
    is looked at, too.
    """
    poll = select.poll()
    poll.register(0, select.POLLIN)
    while not poll.poll(1) and _is_there(launcher_pid):
        continue


def _is_there(pid: int) -> bool:
    """Also where it only waits to be waited for."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _live(begin: "Callable[[Arguments, float], Loop]", arguments: Arguments, launcher_cpu_s: float) -> None:
    try:
        loop = begin(arguments, launcher_cpu_s)
    except (OSError, ImportError, ResourceTrackerError, ValueError) as error:
        _answer(f"error {reason_of(error)}\n")
        return
    if not _answer("ok\n"):
        remove_spool(arguments.spool)
        return
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
    why = loop.run()
    if why == STOPPED and loop.publisher is not None:
        why = loop.await_goodbye()
    if why == TASK_DIED:
        after_death(arguments.spool, loop.publisher)
    elif why in (READER_DIED, SPOOL_GONE):
        remove_spool(arguments.spool)


def _answer(text: str) -> bool:
    """Whether whoever started this is there to hear it."""
    try:
        os.write(1, text.encode("utf-8", "replace"))
    except OSError:
        return False
    return True


def _begin(arguments: Arguments, launcher_cpu_s: float) -> Loop:
    """Takes the first reading into the spool."""
    refuse_adoption(arguments)
    lifeline = Lifeline(PROC, arguments.pid, arguments.start_time)
    reader = None
    if arguments.starter != arguments.pid:
        reader = Lifeline(PROC, arguments.starter, arguments.starter_start_time)
    control = Control(arguments.spool)
    failures, budget = Failures(), Budget(arguments.overhead_budget)
    collectors = standard_collectors(
        arguments.pid,
        failures,
        budget=budget,
        marker=arguments.marker,
        places=arguments.places,
        pynvml_dir=arguments.pynvml_dir,
        spool=arguments.spool,
        visible_gpus=(arguments.cuda_visible_devices, arguments.cuda_device_order),
    )
    collectors.append(CostCollector(PROC, launcher_cpu_s))
    maker = RowMaker(collectors, failures)
    spool = first_reading(arguments, maker, collectors, PidStat(read_record(f"{PROC}/self/stat")).start_time)
    gpu_spool = GpuSpool(arguments.spool, failures)
    publisher = _publisher(arguments)
    if publisher is not None:  # it has something left to say when the machine, or the container, is being stopped
        signal.signal(signal.SIGTERM, lambda number, frame: control.note_stopping())
    core_spool = CoreSpool(arguments.spool, failures, _allowed_cpus(arguments.pid))
    return Loop(
        *(maker, spool, control, lifeline, arguments.interval_s, budget, reader, gpu_spool, launcher_cpu_s),
        publisher=publisher,
        core_spool=core_spool,
    )


def _allowed_cpus(pid: int) -> "set[int] | None":
    try:
        return pid_status.allowed_cpus(read_record(f"{PROC}/{pid}/status"))
    except OSError:
        return None


def _publisher(arguments: Arguments) -> Publisher | None:
    """Who will tell of a Metaflow attempt, with the environment that the task has: it may be dead by then."""
    if not os.path.exists(f"{arguments.spool}/{ATTEMPT}"):
        return None
    environment = environment_of(PROC, arguments.pid, arguments.marker)
    return None if environment is None else Publisher(arguments.spool, environment, time.monotonic(), arguments.untold)


def refuse_adoption(arguments: Arguments) -> None:
    """Raises ResourceTrackerError where the task would get this process as its child."""
    if os.getppid() in (arguments.starter, arguments.pid) and not arguments.adopted:
        raise ResourceTrackerError("the task is where orphans go (process 1, or a subreaper)")


def first_reading(
    arguments: Arguments, maker: RowMaker, collectors: "list[Collector]", own_start_time: int
) -> SpoolWriter:
    """The spool, which has the first reading. Raises SpoolError."""
    first = maker.first()
    meta = {
        "pid": str(arguments.pid),
        "sampler_pid": str(os.getpid()),
        "sampler_start_time": str(own_start_time),
        "interval_s": repr(arguments.interval_s),
        "started_at": repr(first.process["timestamp"]),
    }
    for collector in collectors:
        meta.update(collector.described)
    spool = SpoolWriter(arguments.spool, Layout(meta))
    spool.first(first.values())
    return spool
