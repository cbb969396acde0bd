"""The collector of NVIDIA GPUs, through NVML in this process.

Source: NVML API reference, https://docs.nvidia.com/deploy/nvml-api/.
"""

import os
import sys

from resource_tracker.sampler.collector import NAN, Collector, Failures, Row
from resource_tracker.units import bytes_to_mib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

LIBRARY = "libnvidia-ml.so.1"
LIBRARY_DIRS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/lib/x86_64-linux-gnu",
    "/usr/local/nvidia/lib64",
    "/usr/lib/wsl/lib",
    "/run/opengl-driver/lib",
)
DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")
Use = tuple[float, float]
"""Share of its time in which a GPU was busy, and MiB."""
COLUMNS = ("gpu_usage", "gpu_vram", "gpu_utilized")


def library_found() -> bool:
    """Whether NVIDIA's management library is on this machine, without loading anything."""
    searched = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    return any(os.path.exists(f"{folder}/{LIBRARY}") for folder in (*searched, *LIBRARY_DIRS))


def device_found() -> bool:
    """Whether there is an NVIDIA GPU (readable or not)."""
    return any(os.path.exists(path) for path in DEVICES)


class NoGpuCollector(Collector):
    """A machine without GPUs: their use is known to be 0."""

    source = "NVML"

    def read(self, row: Row, interval_s: float) -> None:
        for column in COLUMNS:
            row.process[column] = row.system[column] = 0.0


class UnreadableGpuCollector(Collector):
    """A machine whose GPUs cannot be read: says why, once, and leaves the columns nan."""

    source = "NVML"

    def read(self, row: Row, interval_s: float) -> None:
        raise OSError(0, f"a GPU is there, but not {LIBRARY}, or not pynvml")


class GpuCollector(Collector):
    """All GPUs that the driver shows us.

    Parameters
    ----------
    nvml : module
        ``pynvml``, or what behaves like it.
    member_pids : callable
        The processes of the step, as they are now.
    failures : Failures
        Where a GPU that cannot be read is noted; the others are read all the same.
    """

    source = "NVML"

    def __init__(self, nvml: "Any", member_pids: "Callable[[], Collection[int]]", failures: Failures) -> None:
        self._nvml = nvml
        self._member_pids = member_pids
        self._failures = failures
        self._seen_us: dict[int, int] = {}
        nvml.nvmlInit()
        self._handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]

    def read(self, row: Row, interval_s: float) -> None:
        pids = self._member_pids()
        for column in COLUMNS:
            row.process[column] = row.system[column] = 0.0
        for index, handle in enumerate(self._handles):
            try:
                of_machine, of_step = self._gpu(index, handle, pids)
            except self._nvml.NVMLError as error:
                self._failures.note(self.source, str(error))
                of_machine = of_step = (NAN, NAN)
            for cells, (used, held_mib) in ((row.system, of_machine), (row.process, of_step)):
                cells["gpu_usage"] += used
                cells["gpu_vram"] += held_mib
                cells["gpu_utilized"] += used > 0 if used == used else NAN

    def _gpu(self, index: int, handle: object, pids: "Collection[int]") -> tuple[Use, Use]:
        """Use of one GPU: the machine's, and the step's (nan where that cannot be told)."""
        used = self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
        machine = used, bytes_to_mib(self._nvml.nvmlDeviceGetMemoryInfo(handle).used)
        running = self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
        held = {process.pid: process.usedGpuMemory for process in running}
        amounts = [amount for pid, amount in held.items() if pid in pids]
        if not held and used > 0:  # in a container the driver may hide who uses the GPU
            return machine, (NAN, NAN)
        if not amounts:
            return machine, (0.0, 0.0)
        held_mib = NAN if None in amounts else bytes_to_mib(sum(amounts))
        return machine, (used if len(amounts) == len(held) else self._own_share(index, handle, pids), held_mib)

    def _own_share(self, index: int, handle: object, pids: "Collection[int]") -> float:
        """The step's share of a GPU that others use, too: the mean of the driver's samples since the last row."""
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(handle, self._seen_us.get(index, 0))
        except self._nvml.NVMLError as error:
            not_found: int = self._nvml.NVML_ERROR_NOT_FOUND
            return 0.0 if error.value == not_found else NAN
        by_pid: dict[int, list[int]] = {}
        for sample in samples:
            self._seen_us[index] = max(self._seen_us.get(index, 0), sample.timeStamp)
            if sample.pid in pids:
                by_pid.setdefault(sample.pid, []).append(sample.smUtil)
        return min(1.0, sum(sum(shares) / len(shares) for shares in by_pid.values()) / 100)


def gpu_collector(
    pynvml_dir: str | None, member_pids: "Callable[[], Collection[int]]", failures: Failures
) -> Collector:
    """The collector that fits this machine. Loads ``pynvml`` from `pynvml_dir`, only where there is a driver."""
    if library_found() and pynvml_dir is not None:
        sys.path.append(pynvml_dir)
        try:
            import pynvml

            return GpuCollector(pynvml, member_pids, failures)
        except Exception as error:  # noqa: BLE001 (whatever the driver or its library may do)
            if device_found():
                failures.note("NVML", error)
    return UnreadableGpuCollector() if device_found() else NoGpuCollector()
