"""The port that a vendor's library joins: which GPUs there are, what each can tell, and how it fails.

AMD, Intel or Jetson need a :class:`Backend` and a :class:`Gpu` of their own, and a line in ``find``.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

MAX_GPUS = 16
"""With more in a machine, the first ones are watched."""


class GpuError(Exception):
    """A reading that failed this time; its text is the reason."""


class UnsupportedError(GpuError):
    """This GPU never tells that."""


class DeniedError(GpuError):
    """We may not know that."""


class LostError(GpuError):
    """The GPU is gone: fell off the bus, is being reset. It may come back."""


class ClosedError(GpuError):
    """The library has to be opened again: the driver was unloaded or replaced."""


class Gpu:
    """One GPU, or one instance of a divided one. Methods read its figures; each may raise :class:`GpuError`.

    Attributes
    ----------
    key : str
        Its identity over a reload of the driver. Names a device for ever, so it is stored nowhere.
    parent : str
        The key of the whole GPU; its own, unless this is an instance.
    name : str
    memory_mib : float
    """

    def __init__(self, key: str, name: str, memory_mib: float, parent: str | None = None) -> None:
        self.key = key
        self.parent = key if parent is None else parent
        self.name = name
        self.memory_mib = memory_mib

    def utilisation(self) -> tuple[float, float]:
        """Shares of the last moments (up to a second) in which anything ran, and in which memory was moved."""
        raise UnsupportedError

    def used_mib(self) -> float:
        """Memory in use by anyone."""
        raise UnsupportedError

    def held_mib(self, *, graphics: bool) -> dict[int, float]:
        """Memory by process, nan where that is not told; those that draw only with `graphics`."""
        raise UnsupportedError

    def shares(self, pids: "Collection[int]") -> float:
        """Share of the time since the last call in which processes of `pids` had work."""
        raise UnsupportedError

    def energy_j(self) -> float:
        """Energy used since some moment in the past."""
        raise UnsupportedError

    def power_w(self) -> float:
        raise UnsupportedError

    def temperature_c(self) -> float:
        raise UnsupportedError

    def clocks_mhz(self) -> tuple[float, float]:
        """Of the processors, and of the memory."""
        raise UnsupportedError

    def throttled(self) -> tuple[bool, bool, bool]:
        """Whether it is slowed down now: by its power limit, by heat, by something else."""
        raise UnsupportedError

    def received_bytes_per_s(self) -> float:
        """Over PCIe, at this moment."""
        raise UnsupportedError

    def sent_bytes_per_s(self) -> float:
        """Over PCIe, at this moment."""
        raise UnsupportedError


class Backend:
    """A vendor's library."""

    source = ""
    driver = ""
    """Version, known once it is open."""

    def open(self) -> list[Gpu]:
        """The GPUs that it shows; those that cannot be asked are left out, and stand in `unreadable`. Raises GpuError.

        May take seconds: a driver that nobody uses is started by it.
        """
        raise NotImplementedError

    unreadable: tuple[str, ...] = ()
    """Why GPUs are missing in the list, one text each."""

    def close(self) -> None:
        """Lets go of the library. Never raises GpuError."""
