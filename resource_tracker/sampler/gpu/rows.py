"""GPUs in a row: the sums over all of them, which stand in the frames of step and machine, and each one's cells."""

from resource_tracker.columns import COUNTER, GPU_COLUMNS, LAST
from resource_tracker.sampler.gpu.watch import CELLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from resource_tracker.sampler.collector import Row

NAN = float("nan")

SUMS = ("gpu_usage", "gpu_vram", "gpu_utilized")
FRAME = "gpu"
"""Of the columns that all GPUs share: time stamp and length of the row."""


class GpuRows:
    """Cells of each GPU, what is known of them besides, and how the step's part of them was told."""

    __slots__ = ("cells", "meta", "source")

    def __init__(self, cells: list[dict[str, float]], meta: dict[str, str], source: str) -> None:
        self.cells = cells
        self.meta = meta
        self.source = source

    def columns(self) -> tuple[tuple[str, str, str], ...]:
        """Of the spool: frame, kind and name."""
        kinds = {column.name: column.kind for column in GPU_COLUMNS}
        return (
            (FRAME, LAST, "timestamp"),
            (FRAME, COUNTER, "interval_s"),
            *((f"{FRAME}{place}", kinds[name], name) for place in range(len(self.cells)) for name in CELLS),
        )

    def values(self, timestamp: float, interval_s: float) -> list[float]:
        """In the order of `columns`."""
        return [timestamp, interval_s, *(value for cells in self.cells for value in cells.values())]


def fill_sums(row: "Row", gpus: "Iterable[tuple[dict[str, float], bool]]") -> None:
    """The sums over all GPUs, nan as soon as one of them is unknown; 0 without any.

    Each comes with whether the step may use it: if not, it counts for the step only where it is seen to use it.
    """
    for name in SUMS:
        row.process[name] = row.system[name] = 0.0
    for cells, may_use in gpus:
        _add(row.system, cells["usage"], cells["vram_mib"], NAN)
        own, own_mib = cells["step_usage"], cells["step_vram_mib"]
        if may_use or own > 0 or own_mib > 0:
            # An instance of a divided GPU does not say how busy it is: that it is used, the step's memory there tells.
            _add(row.process, own, own_mib, float(own_mib > 0) if own_mib == own_mib else NAN)


def _add(sums: dict[str, float], used: float, held_mib: float, otherwise: float) -> None:
    sums["gpu_usage"] += used
    sums["gpu_vram"] += held_mib
    sums["gpu_utilized"] += float(used > 0) if used == used else otherwise
