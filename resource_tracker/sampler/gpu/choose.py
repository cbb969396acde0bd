"""The collector that fits this machine."""

import sys

from resource_tracker.sampler.collector import Collector, Failures, Row
from resource_tracker.sampler.gpu.find import LIBRARY, device_found, library_found
from resource_tracker.sampler.gpu.rows import fill_sums

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any


class NoGpuCollector(Collector):
    """A machine without GPUs: their use is known to be 0."""

    source = "NVML"

    def read(self, row: Row, interval_s: float) -> None:
        fill_sums(row, ())


class UnreadableGpuCollector(Collector):
    """A machine whose GPUs cannot be read: says why, once, and leaves the columns nan."""

    source = "NVML"

    def read(self, row: Row, interval_s: float) -> None:
        raise OSError(0, f"a GPU is there, but not {LIBRARY}, or not pynvml")


def gpu_collector(
    pynvml_dir: str | None,
    member_pids: "Callable[[], Collection[int]]",
    failures: Failures,
    chosen: tuple[str | None, str | None] = (None, None),
    proc: str = "/proc",
) -> Collector:
    """NVIDIA's where there is its library; ``pynvml`` is loaded from `pynvml_dir`, and only there.

    `chosen` are the step's ``CUDA_VISIBLE_DEVICES`` and ``CUDA_DEVICE_ORDER``.
    """
    if not library_found() or pynvml_dir is None:
        return UnreadableGpuCollector() if device_found() else NoGpuCollector()
    from resource_tracker.sampler.gpu.collector import GpuCollector
    from resource_tracker.sampler.gpu.nvml import NvmlBackend
    from resource_tracker.sampler.gpu.ownership import Ownership, in_container

    return GpuCollector(
        NvmlBackend(lambda: _pynvml(pynvml_dir)),
        member_pids,
        failures,
        Ownership(proc, contained=in_container(proc)),
        chosen,
        expected=device_found(),
    )


def _pynvml(folder: str) -> "Any":
    sys.path.append(folder)
    import pynvml

    return pynvml
