"""What is read of a GPU, in groups by how dear they are. Runs in the worker's thread."""

import time

from resource_tracker.sampler.gpu.ownership import Ownership
from resource_tracker.sampler.gpu.port import ClosedError, DeniedError, Gpu, GpuError, LostError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeVar

    T = TypeVar("T")

NAN = float("nan")
Figures = dict[str, float]


class Group:
    """Readings that are taken together: how often at most, and how much of the time all GPUs may take for them.

    `wall_share` is of the time that passes: other programs may have to wait for the driver as long. `cpu_share` is of
    one core. `expected_s` is what one GPU takes, until it is known.
    """

    __slots__ = ("cpu_share", "every_s", "expected_s", "name", "wall_share")

    def __init__(self, name: str, every_s: float, *, wall_share: float, cpu_share: float, expected_s: float) -> None:
        self.name = name
        self.every_s = every_s
        self.wall_share = wall_share
        self.cpu_share = cpu_share
        self.expected_s = expected_s


USE = Group("use", 0.2, wall_share=0.04, cpu_share=0.0008, expected_s=0.0)
POWER = Group("power", 1.0, wall_share=0.02, cpu_share=0.0003, expected_s=0.001)
STATE = Group("state", 1.0, wall_share=0.02, cpu_share=0.0003, expected_s=0.001)
RECEIVED = Group("pcie received", 10.0, wall_share=0.01, cpu_share=0.0003, expected_s=0.02)
SENT = Group("pcie sent", 10.0, wall_share=0.01, cpu_share=0.0003, expected_s=0.02)
GROUPS = (USE, POWER, STATE, RECEIVED, SENT)


class Result:
    """What one group of one GPU gave: figures, what failed of them, or why there is nothing at all."""

    __slots__ = ("at_s", "closed", "cpu_s", "failed", "figures", "group", "lost", "place", "wall_s")

    def __init__(self, place: int, group: Group) -> None:
        self.place = place
        self.group = group
        self.figures: Figures = {}
        self.failed: list[tuple[str, str]] = []
        self.lost: str | None = None
        self.closed: str | None = None
        self.at_s = self.wall_s = self.cpu_s = 0.0


class Reader:
    """Reads groups, and remembers what a GPU does not tell."""

    def __init__(self, ownership: Ownership, clock: "Callable[[], float]") -> None:
        self._ownership = ownership
        self._clock = clock
        self._refused: set[tuple[int, str]] = set()

    def read(self, place: int, gpu: Gpu, group: Group, pids: "Collection[int]", *, visible: bool) -> Result:
        """One group of one GPU. Raises nothing but what nobody expects."""
        result = Result(place, group)
        began_s, cpu_s = self._clock(), time.thread_time()
        try:
            if group is USE:
                self._use(result, gpu, pids, visible=visible)
            elif group is POWER:
                self._power(result, gpu)
            elif group is STATE:
                self._state(result, gpu)
            elif group is RECEIVED:
                self._set(result, "pcie_received_bytes_per_s", gpu.received_bytes_per_s)
            else:
                self._set(result, "pcie_sent_bytes_per_s", gpu.sent_bytes_per_s)
        except LostError as error:
            result.lost = str(error)
        except ClosedError as error:
            result.closed = str(error)
        result.at_s = self._clock()
        result.wall_s, result.cpu_s = result.at_s - began_s, time.thread_time() - cpu_s
        return result

    def _use(self, result: Result, gpu: Gpu, pids: "Collection[int]", *, visible: bool) -> None:
        used, moving = self._ask(result, "utilisation", gpu.utilisation, (NAN, NAN), essential=True)
        used_mib = self._ask(result, "memory", gpu.used_mib, NAN, essential=True)
        held = self._ask(result, "processes", lambda: gpu.held_mib(graphics=used > 0), None, essential=True)

        def share() -> float:
            return self._ask(result, "shares of processes", lambda: gpu.shares(pids), NAN, essential=False)

        own, own_mib = self._ownership.of_step(result.place, used, used_mib, held, pids, share, visible=visible)
        result.figures.update(usage=used, memory_busy=moving, vram_mib=used_mib, step_usage=own, step_vram_mib=own_mib)

    def _power(self, result: Result, gpu: Gpu) -> None:
        """The counter of energy tells the mean power, too, and is no dearer; older GPUs only have the power."""
        energy_j = self._ask(result, "energy", gpu.energy_j, NAN, essential=False)
        if energy_j == energy_j:
            result.figures["energy_so_far_j"] = energy_j
        else:
            self._set(result, "power_w", gpu.power_w)

    def _state(self, result: Result, gpu: Gpu) -> None:
        self._set(result, "temperature_c", gpu.temperature_c)
        clocks = self._ask(result, "clocks", gpu.clocks_mhz, (NAN, NAN), essential=False)
        result.figures["sm_clock_mhz"], result.figures["memory_clock_mhz"] = clocks
        for name, value in zip(
            ("throttled_power", "throttled_heat", "throttled_other"),
            self._ask(result, "throttle reasons", gpu.throttled, (NAN, NAN, NAN), essential=False),
            strict=True,
        ):
            result.figures[name] = float(value)

    def _set(self, result: Result, name: str, function: "Callable[[], float]") -> None:
        result.figures[name] = self._ask(result, name, function, NAN, essential=False)

    def _ask(self, result: Result, name: str, function: "Callable[[], T]", otherwise: "T", *, essential: bool) -> "T":
        """What `function` gives. What a GPU never tells is not asked again; only of the `essential` it is said."""
        asked = result.place, name
        if asked in self._refused:
            return otherwise
        try:
            return function()
        except (UnsupportedError, DeniedError) as error:
            self._refused.add(asked)
            if essential or isinstance(error, DeniedError):
                result.failed.append((name, str(error)))
        except (LostError, ClosedError):
            raise
        except GpuError as error:
            result.failed.append((name, str(error)))
        return otherwise

    def reopened(self) -> None:
        """Another driver may tell more."""
        self._refused.clear()
