"""What a step may use and where it ran: its request, its limits, machine and cloud."""

from __future__ import annotations

from typing import Literal

from resource_tracker.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequest:
    """What the step asked for, in Metaflow's own units (``memory`` in MB).

    ``cpu``, ``memory_mb`` and ``gpu`` are what is in force, defaults included; ``chosen`` names
    those (``"cpu"``, ``"memory"``, ``"gpu"``, ...) that the user wrote; ``decorators`` those decorators, such as
    ``("resources", "kubernetes")``; ``written_in`` those of them in which the user wrote a number. All ``None`` and
    empty where the step has no such decorator. ``disk_mb`` is in MB, ``shared_memory_mb`` in MiB: so Metaflow counts.
    """

    cpu: float | None = None
    memory_mb: float | None = None
    gpu: int | None = None
    disk_mb: float | None = None
    shared_memory_mb: float | None = None
    chosen: tuple[str, ...] = ()
    decorators: tuple[str, ...] = ()
    written_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the kernel lets the step use. ``source`` says where CPUs and memory were read.

    ``shared_memory_mib`` is the size of ``/dev/shm``. ``cpu_period_s`` is the period of the CPU quota, where that is
    what limits the CPUs. From ``memory_high_mib`` on the kernel slows down who takes more memory; ``swap_mib`` is how
    much may be swapped out, where that is less than the machine has.
    """

    cpus: float | None = None
    memory_mib: float | None = None
    source: str = ""
    shared_memory_mib: float | None = None
    cpu_period_s: float | None = None
    memory_high_mib: float | None = None
    swap_mib: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """The machine. ``gpu_memory_mb`` is MiB summed over GPUs (the name is the published one).

    ``usable_vcpus`` and ``usable_memory_mb`` (MiB) are what the kernel lets the step use of it: the lowest limit, or
    all there is. ``scheduler`` is what placed the step there, such as ``"Kubernetes"``; ``None`` where nothing did.
    """

    os: str | None = None
    vcpus: int | None = None
    cpu_model: str | None = None
    architecture: str | None = None
    memory_mb: float | None = None
    gpu_count: int = 0
    gpu_names: tuple[str, ...] = ()
    gpu_memory_mb: float = 0.0
    gpu_driver: str | None = None
    allocation: Literal["dedicated", "shared", "unknown"] = "unknown"
    allocation_reason: str = ""
    usable_vcpus: float | None = None
    usable_memory_mb: float | None = None
    scheduler: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudInfo:
    """Where the machine stands. ``"unknown"`` where no metadata service answered, as published.

    ``zone`` and ``spot`` (whether it may be taken away at any time, and costs less) are ``None`` where the service does
    not tell. ``cpus`` and ``memory_mib`` are what a task on Fargate is given of a machine that shows more.
    """

    vendor: str = "unknown"
    instance_type: str = "unknown"
    region: str = "unknown"
    discovery_time: float | None = None
    reason: str | None = None
    zone: str | None = None
    spot: bool | None = None
    cpus: float | None = None
    memory_mib: float | None = None

    @property
    def known(self) -> bool:
        return self.vendor != "unknown"
