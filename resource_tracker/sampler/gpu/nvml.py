"""NVIDIA's GPUs, through NVML in this process.

Source: NVML API reference, https://docs.nvidia.com/deploy/nvml-api/. Units there: percent, bytes, milliwatts,
millijoules, and KB/s of 1000 bytes for PCIe.
"""

from resource_tracker.sampler.gpu.port import (
    MAX_GPUS,
    Backend,
    ClosedError,
    DeniedError,
    Gpu,
    GpuError,
    LostError,
    UnsupportedError,
)
from resource_tracker.units import bytes_to_mib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any, TypeVar

    T = TypeVar("T")

NAN = float("nan")
UNSUPPORTED = (3, 13, 25)
"""NVML_ERROR_NOT_SUPPORTED, FUNCTION_NOT_FOUND (an older library), ARGUMENT_VERSION_MISMATCH."""
DENIED = (4,)
"""NVML_ERROR_NO_PERMISSION."""
NOT_FOUND = 6
LOST = (15, 16)
"""NVML_ERROR_GPU_IS_LOST, RESET_REQUIRED."""
CLOSED = (1, 9, 18)
"""NVML_ERROR_UNINITIALIZED, DRIVER_NOT_LOADED, LIB_RM_VERSION_MISMATCH."""

POWER_REASONS = 0x04 | 0x80
"""nvmlClocksThrottleReasonSwPowerCap, HwPowerBrakeSlowdown."""
HEAT_REASONS = 0x20 | 0x40
"""SwThermalSlowdown, HwThermalSlowdown."""
HARDWARE_REASON = 0x08
"""HwSlowdown stands beside the hardware's more precise reasons, or alone."""
OTHER_REASONS = 0x02 | 0x10
"""ApplicationsClocksSetting, SyncBoost. An idle GPU (0x01) and display clocks (0x100) are no throttling."""


class NvmlGpu(Gpu):
    """A GPU, or an instance of one (MIG): `handle` is what has memory and processes, `whole` the GPU below it."""

    def __init__(self, nvml: "Any", handle: "Any", whole: "Any | None" = None) -> None:
        self._nvml = nvml
        self._handle = handle
        self._whole = handle if whole is None else whole
        self._seen_us = 0
        key = _text(nvml.nvmlDeviceGetUUID(handle))
        super().__init__(
            key,
            _text(nvml.nvmlDeviceGetName(handle)),
            self._memory_mib(),
            key if whole is None else _text(nvml.nvmlDeviceGetUUID(whole)),
        )

    def _memory_mib(self) -> float:
        try:
            return bytes_to_mib(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).total)
        except self._nvml.NVMLError as error:
            if error.value in UNSUPPORTED:  # one that has no memory of its own
                return NAN
            raise

    @property
    def _is_instance(self) -> bool:
        return self._whole is not self._handle

    def utilisation(self) -> tuple[float, float]:
        rates = self._call(self._nvml.nvmlDeviceGetUtilizationRates, self._handle)
        return rates.gpu / 100, rates.memory / 100

    def used_mib(self) -> float:
        return bytes_to_mib(self._call(self._nvml.nvmlDeviceGetMemoryInfo, self._handle).used)

    def held_mib(self, *, graphics: bool) -> dict[int, float]:
        held = self._holders(self._nvml.nvmlDeviceGetComputeRunningProcesses)
        if graphics and not held:
            try:
                held = self._holders(self._nvml.nvmlDeviceGetGraphicsRunningProcesses)
            except UnsupportedError:
                return held
        return held

    def _holders(self, function: "Callable[[Any], Any]") -> dict[int, float]:
        return {
            process.pid: NAN if process.usedGpuMemory is None else bytes_to_mib(process.usedGpuMemory)
            for process in self._call(function, self._handle)
        }

    def shares(self, pids: "Collection[int]") -> float:
        try:
            samples = self._nvml.nvmlDeviceGetProcessUtilization(self._handle, self._seen_us)
        except self._nvml.NVMLError as error:
            if error.value == NOT_FOUND:  # nobody had work since the last call
                return 0.0
            raise translated(error) from None
        by_pid: dict[int, list[int]] = {}
        for sample in samples:
            self._seen_us = max(self._seen_us, sample.timeStamp)
            if sample.pid in pids:
                by_pid.setdefault(sample.pid, []).append(sample.smUtil)
        return min(1.0, sum(sum(shares) / len(shares) for shares in by_pid.values()) / 100)

    def energy_j(self) -> float:
        self._refuse_of_instance()
        millijoules: int = self._call(self._nvml.nvmlDeviceGetTotalEnergyConsumption, self._handle)
        return millijoules / 1000

    def power_w(self) -> float:
        self._refuse_of_instance()
        milliwatts: int = self._call(self._nvml.nvmlDeviceGetPowerUsage, self._handle)
        return milliwatts / 1000

    def temperature_c(self) -> float:
        return float(self._call(self._nvml.nvmlDeviceGetTemperature, self._whole, self._nvml.NVML_TEMPERATURE_GPU))

    def clocks_mhz(self) -> tuple[float, float]:
        nvml, read = self._nvml, self._nvml.nvmlDeviceGetClockInfo
        return (
            float(self._call(read, self._whole, nvml.NVML_CLOCK_SM)),
            float(self._call(read, self._whole, nvml.NVML_CLOCK_MEM)),
        )

    def throttled(self) -> tuple[bool, bool, bool]:
        # Its newer name, ...ClocksEventReasons, is missing in drivers before 535; this one is still there.
        reasons: int = self._call(self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons, self._whole)
        power, heat = bool(reasons & POWER_REASONS), bool(reasons & HEAT_REASONS)
        hardware = bool(reasons & HARDWARE_REASON) and not power and not heat
        return power, heat, hardware or bool(reasons & OTHER_REASONS)

    def received_bytes_per_s(self) -> float:
        return self._pcie(self._nvml.NVML_PCIE_UTIL_RX_BYTES)

    def sent_bytes_per_s(self) -> float:
        return self._pcie(self._nvml.NVML_PCIE_UTIL_TX_BYTES)

    def _pcie(self, counter: int) -> float:
        self._refuse_of_instance()
        kilobytes: int = self._call(self._nvml.nvmlDeviceGetPcieThroughput, self._handle, counter)
        return kilobytes * 1000.0

    def _refuse_of_instance(self) -> None:
        """All instances together use the power and the bus: no part of that is one's own."""
        if self._is_instance:
            raise UnsupportedError("Not Supported")

    def _call(self, function: "Callable[..., T]", *arguments: object) -> "T":
        try:
            return function(*arguments)
        except self._nvml.NVMLError as error:
            raise translated(error) from None


class NvmlBackend(Backend):
    """Opened once; `load` gives ``pynvml``, or what behaves like it, and is called when it is opened first."""

    source = "NVML"

    def __init__(self, load: "Callable[[], Any]") -> None:
        self._load = load
        self._nvml: Any = None

    def open(self) -> list[Gpu]:
        self._nvml = nvml = self._nvml or self._load()
        unreadable = []
        found: list[Gpu] = []
        try:
            nvml.nvmlInit()
            self.driver = _text(nvml.nvmlSystemGetDriverVersion())
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            raise translated(error) from None
        for index in range(count):
            try:
                handle = nvml.nvmlDeviceGetHandleByIndex(index)
                found += self._instances(handle) or [NvmlGpu(nvml, handle)]
            except nvml.NVMLError as error:
                unreadable.append(f"GPU {index}: {error}")
        self.unreadable = tuple(unreadable)
        return found[:MAX_GPUS]

    def _instances(self, handle: "Any") -> list[Gpu]:
        """The instances of a divided GPU that we may see; empty for a whole one."""
        nvml = self._nvml
        try:
            if not nvml.nvmlDeviceGetMigMode(handle)[0]:
                return []
            count = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
        except nvml.NVMLError:  # before Ampere, or an older library
            return []
        found: list[Gpu] = []
        for index in range(count):
            try:
                found.append(NvmlGpu(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index), handle))
            except nvml.NVMLError:  # no instance in this place, or another container's
                continue
        return found

    def close(self) -> None:
        if self._nvml is None:
            return
        try:
            self._nvml.nvmlShutdown()
        except self._nvml.NVMLError:
            return  # it was closed by what made us close it


def translated(error: "Any") -> GpuError:
    """An NVMLError as one of the port's."""
    kinds = ((UNSUPPORTED, UnsupportedError), (DENIED, DeniedError), (LOST, LostError), (CLOSED, ClosedError))
    kind = next((kind for values, kind in kinds if error.value in values), GpuError)
    return kind(str(error))


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
