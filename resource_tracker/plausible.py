"""What a machine may have and cost: bounds that every price passes, bundled or live.

Pure.
"""

from __future__ import annotations

from resource_tracker.records import InstanceType
from resource_tracker.units import mib_to_gib

LEAST_PER_VCPU = 0.001
MOST_PER_VCPU = 0.5
"""USD per vCPU-hour without GPUs. The dearest real ones are machines with tens of GiB for each vCPU."""
MOST_PER_GIB = 0.03
MOST_PER_GPU = 20.0

MOST_VCPUS = 2.0**14
MOST_MEMORY_MIB = 2.0**28
MOST_GPUS = 2**10
MOST_STORAGE_GB = 1e7
"""Several times what the largest machines for hire have."""


def price_bounds(vcpus: float, memory_mib: float, gpu_count: int) -> tuple[float, float]:
    """The least and the most USD per hour that a machine of this size may plausibly cost."""
    most = MOST_PER_VCPU * vcpus + MOST_PER_GIB * mib_to_gib(memory_mib) + MOST_PER_GPU * gpu_count
    return LEAST_PER_VCPU * vcpus, most


def is_plausible(machine: InstanceType, usd_per_hour: float) -> bool:
    """Whether there may be such a machine, and it may cost that; never for what is not finite."""
    sizes = (
        (machine.vcpus, MOST_VCPUS),
        (machine.memory_mib, MOST_MEMORY_MIB),
        (machine.gpu_count, MOST_GPUS),
        (machine.gpu_memory_mib or 0, MOST_MEMORY_MIB),
        (machine.storage_gb or 0, MOST_STORAGE_GB),
    )
    if not all(0 <= size <= most for size, most in sizes) or not (machine.vcpus > 0 and machine.memory_mib > 0):
        return False
    least, most = price_bounds(machine.vcpus, machine.memory_mib, machine.gpu_count)
    return least <= usd_per_hour <= most
