"""What of a GPU is the step's: by the processes that the driver lists, or all of it where it hides them."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

NAN = float("nan")
HOST_NAMESPACE = "pid:[4026531836]"
"""The kernel's PROC_PID_INIT_INO (include/linux/proc_ns.h): the namespace in which drivers know processes."""
BY_PROCESS = "NVML, by process"
WHOLE_GPU = "NVML, whole GPUs: the driver hides processes in this container"
Own = tuple[float, float]
"""The step's share of the time, and MiB of memory; nan is unknown."""


def in_container(proc: str) -> bool:
    """Whether process ids here are not those of the host."""
    try:
        return os.readlink(f"{proc}/self/ns/pid") != HOST_NAMESPACE
    except OSError:
        return True  # gVisor and the like


class Ownership:
    """Tells the step's use of a GPU from others'.

    In a container, newer drivers list its own processes under the ids they have there; older ones list the host's ids,
    or nothing. Then what the step may use, and nobody in sight uses, is taken to be the step's: GPUs are rarely shared
    between containers. Once one of our processes was recognised, the lists are believed.
    """

    def __init__(self, proc: str, *, contained: bool) -> None:
        self._proc = proc
        self._contained = contained
        self._recognised = False
        self._idle_mib: dict[int, float] = {}
        self.source = ""

    def of_step(
        self,
        place: int,
        used: float,
        used_mib: float,
        held: dict[int, float] | None,
        pids: "Collection[int]",
        share: "Callable[[], float]",
        *,
        visible: bool,
    ) -> Own:
        """The step's part of a GPU.

        Parameters
        ----------
        place : int
            Which GPU.
        used, used_mib : float
            By anyone.
        held : dict or None
            Memory by process; ``None`` where the driver does not list processes.
        pids : collection of int
            The step's processes.
        share : callable
            Asks the driver for the share of `pids`.
        visible : bool
            Whether the step may use this GPU.
        """
        self._idle_mib.setdefault(place, used_mib if used == 0 else 0.0)
        ours = [] if held is None else [mib for pid, mib in held.items() if pid in pids]
        if ours:
            self._recognised = True
            self.source = self.source or BY_PROCESS
            assert held is not None
            return used if len(ours) == len(held) or used == 0 else share(), sum(ours)
        if held is not None and not self._hides(held):
            self.source = self.source or BY_PROCESS
            return (NAN, NAN) if not held and used > 0 and not self._recognised else (0.0, 0.0)
        if not self._contained:
            return NAN, NAN
        if not visible:
            return 0.0, 0.0
        if used > 0 or used_mib > self._idle_mib[place]:
            self.source = WHOLE_GPU
        return used, max(0.0, used_mib - self._idle_mib[place])

    def _hides(self, held: dict[int, float]) -> bool:
        """Whether the list says nothing about us."""
        if not self._contained or self._recognised:
            return False
        return not any(os.path.exists(f"{self._proc}/{pid}") for pid in held)
