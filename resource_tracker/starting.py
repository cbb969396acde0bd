"""The first half of starting a sampler: its interpreter loads while the task gets its own things ready.

On two cores that hides most of what the start takes. The second half, in :mod:`resource_tracker.tracker`, waits for the
first reading. Nothing heavy is imported here.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from resource_tracker.bundled import pynvml_file
from resource_tracker.dataclass import dataclass
from resource_tracker.errors import ParseError, TrackerError, is_of_a_signal_handler
from resource_tracker.folders import written_folders
from resource_tracker.launch import Launch
from resource_tracker.options import DEFAULT_OVERHEAD_BUDGET
from resource_tracker.sampler.aftermath import remove_spool
from resource_tracker.sampler.attempts import ATTEMPT
from resource_tracker.sampler.gpu.find import library_found
from resource_tracker.sampler.gpu.visible import ORDER, VARIABLE
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.spool_dirs import claim_untold, default_parents, make_spool_dir, sweep_dead_spools
from resource_tracker.systems import System, shows_another_namespace, this_system

ENVIRONMENT_BYTES = 1 << 18
START_TIMEOUT_S = 5.0
"""A sampler starts in 50 ms; in a container with half a CPU, where it has to be compiled first, in a second or two."""


@dataclass(frozen=True, slots=True)
class Starting:
    """A sampler that waits for the word to take its first reading."""

    pid: int
    interval_s: float
    overhead_budget: float
    spool_dir: str
    system: System
    launch: Launch

    def finish(self) -> int:
        """The sampler's pid, once its first reading is taken; it counts from here.

        Raises
        ------
        TrackerError
            It could not be started; nothing is left behind.
        """
        try:
            return self.launch.finish()
        except (OSError, ParseError, ValueError, RuntimeError) as error:
            self.abandon()
            raise TrackerError(f"the sampler cannot be started ({error})") from None
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Leaves no process and no file behind."""
        self.launch.abandon()
        remove_spool(self.spool_dir)


@dataclass(frozen=True, slots=True)
class Begun:
    """A measurement that was begun: the sampler, or the reason why there is none."""

    pid: int
    interval_s: float
    overhead_budget: float
    marker: tuple[str, str] | None
    starting: Starting | None
    reason: str = ""

    def abandon(self) -> None:
        """Leaves no process and no file behind."""
        if self.starting is not None:
            self.starting.abandon()


def begin_measuring(
    *,
    pid: int,
    interval_s: float,
    overhead_budget: float = DEFAULT_OVERHEAD_BUDGET,
    marker: tuple[str, str] | None = None,
    adopts: bool = False,
    is_attempt: bool = False,
) -> Begun:
    """Begins a sampler where one can run. Never raises.

    Parameters are those of :func:`begin`. The result goes to :func:`resource_tracker.tracker.finish_start`, or is
    abandoned.
    """
    try:
        starting = begin(
            pid=pid,
            interval_s=interval_s,
            overhead_budget=overhead_budget,
            marker=marker,
            adopts=adopts,
            is_attempt=is_attempt,
        )
        return Begun(pid, interval_s, overhead_budget, marker, starting)
    except TrackerError as error:
        reason = str(error)
    except Exception as error:
        if is_of_a_signal_handler(error):
            raise
        reason = f"{type(error).__name__}: {error}"
    return Begun(pid, interval_s, overhead_budget, marker, None, reason)


def begin(
    *,
    pid: int,
    interval_s: float = 1.0,
    overhead_budget: float = DEFAULT_OVERHEAD_BUDGET,
    spool_parents: Sequence[str] | None = None,
    marker: tuple[str, str] | None = None,
    start_timeout_s: float = START_TIMEOUT_S,
    adopts: bool = False,
    is_attempt: bool = False,
    system: System | None = None,
) -> Starting:
    """Begins a sampler that will watch a process and its descendants.

    Parameters
    ----------
    pid : int
        The process to watch, usually this one.
    interval_s : float
        Length of a row.
    overhead_budget : float
        Share of one core that the sampler may use.
    spool_parents : sequence of str, optional
        Folders for the spool, the first that works; default ``$TMPDIR``, ``/var/tmp``, ``/dev/shm``.
    marker : tuple of str, optional
        Name and value of an environment variable that the process had from its beginning: orphans that it left are
        known by it, and processes with another value belong to somebody else.
    start_timeout_s : float
        How long the start may take, up to the first reading.
    adopts : bool
        This process is not what is measured, and waits for whatever becomes its child: as process 1 or a
        subreaper it may get the sampler back as one.
    is_attempt : bool
        This is an attempt of a Metaflow task: an attempt that started it does not count it as its own.
    system : System, optional
        How processes are known; this machine's way if not given.

    Raises
    ------
    TrackerError
        It could not be started; nothing is left behind.
    """
    deadline_s = time.monotonic() + start_timeout_s
    if os.getpid() == 1 and not adopts:
        raise TrackerError("the task is process 1: orphans come back to it as its children")
    if not sys.executable:
        raise TrackerError("no Python interpreter is known (sys.executable is empty)")
    if shows_another_namespace():
        raise TrackerError("/proc shows the processes of another pid namespace")
    system = this_system() if system is None else system
    parents = default_parents() if spool_parents is None else list(spool_parents)
    sweep_dead_spools(parents)
    try:
        start_time, own_start_time = system.start_time_of(pid), system.start_time_of(os.getpid())
    except (OSError, ParseError) as error:
        raise TrackerError(f"process {pid} cannot be read ({error})") from None
    spool_dir = make_spool_dir(parents, os.getpid(), own_start_time)  # ours: we read it, also after the task's end
    try:
        if is_attempt:
            os.close(os.open(f"{spool_dir}/{ATTEMPT}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        given = {
            "pid": str(pid),
            "start_time": str(start_time),
            "starter": str(os.getpid()),
            "starter_start_time": str(own_start_time),
            "adopted": "yes" if adopts else "no",
            "interval_s": repr(interval_s),
            "overhead_budget": repr(overhead_budget),
            "spool": spool_dir,
            **dict(written_folders(system.directory_of(pid))),
        }
        if is_attempt and (untold := claim_untold(parents)):
            given["untold"] = untold
        if marker is not None:
            given["marker"] = "=".join(marker)
        arguments = [word for pair in (given | system.arguments() | _gpus(pid)).items() for word in pair]
        launch = Launch(system, arguments, spool_dir, deadline_s)
        return Starting(pid, interval_s, overhead_budget, spool_dir, system, launch)
    except (OSError, ParseError, ValueError, RuntimeError) as error:  # RuntimeError: Python is shutting down
        remove_spool(spool_dir)
        raise TrackerError(f"the sampler cannot be started ({error})") from None
    except BaseException:
        remove_spool(spool_dir)
        raise


def _gpus(pid: int) -> dict[str, str]:
    """The folder of ``pynvml``, and which GPUs the process may use; nothing where there is no NVIDIA driver."""
    if not library_found() or not (pynvml := pynvml_file()):
        return {}
    chosen = {"cuda_visible_devices": _variable_of(pid, VARIABLE), "cuda_device_order": _variable_of(pid, ORDER)}
    return {"pynvml_dir": os.path.dirname(pynvml)} | {key: text for key, text in chosen.items() if text is not None}


def _variable_of(pid: int, name: str) -> str | None:
    """A variable of a process's environment: ours as it is now, another's as it was at its start."""
    if pid == os.getpid():
        return os.environ.get(name)
    try:
        entries = read_record(f"/proc/{pid}/environ", ENVIRONMENT_BYTES).split(b"\0")
    except OSError:  # another user's
        return None
    prefix = os.fsencode(name) + b"="
    return next((os.fsdecode(entry.removeprefix(prefix)) for entry in entries if entry.startswith(prefix)), None)
