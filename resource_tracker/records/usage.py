"""What an attempt used, in all and between its marks."""

from __future__ import annotations

from resource_tracker.dataclass import dataclass

ARTIFACTS = "artifacts"
"""Source of an input size: the artifacts that the step began with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSize:
    """How large an attempt's input is, told without looking at what the step does with it.

    ``source`` is :data:`ARTIFACTS`, or the user's own ``input_size``; sizes of different sources do not compare.
    ``note`` says why there is none, or what the size leaves out.
    """

    bytes: float | None = None
    source: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystemUse:
    """Space on one file system that the attempt could write to, whoever used it.

    ``kind`` is ``disk``, ``overlay`` (a container's own layer), ``memory``, ``network`` or ``host``; ``type`` the
    kernel's name; ``roles`` what lies on it: ``directory`` (the step's), ``temporary``, ``metaflow_temporary``,
    ``datastore``, ``home``. ``growth_gb`` is how far its use went above that at the start.
    """

    roles: tuple[str, ...]
    kind: str
    type: str
    size_gb: float | None = None
    used_peak_gb: float | None = None
    growth_gb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    """One GPU, or one instance of a divided one. ``may_use`` is ``None`` where all may be, or it cannot be told."""

    name: str
    memory_mib: float | None = None
    may_use: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """What one GPU did during an attempt; ``None`` is not measured.

    ``usage_*`` and ``vram_max_mib`` are anyone's, ``step_*`` the step's own. Shares are between 0 and 1; energy, power
    and throttling are of the whole GPU, whoever used it.
    """

    name: str
    memory_mib: float | None = None
    may_use: bool | None = None
    usage_mean: float | None = None
    usage_max: float | None = None
    step_usage_mean: float | None = None
    step_usage_max: float | None = None
    vram_max_mib: float | None = None
    step_vram_max_mib: float | None = None
    power_mean_w: float | None = None
    energy_j: float | None = None
    temperature_max_c: float | None = None
    throttled_power: float | None = None
    throttled_heat: float | None = None
    throttled_other: float | None = None
    pcie_received_bytes_per_s: float | None = None
    pcie_sent_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSummary:
    """What one attempt used, in the frames' units.

    ``memory_peak_kib`` is the best known peak of the step's own code; ``persist_memory_peak_kib``
    the highest while Metaflow saved the artifacts, known only once the task finished.
    ``cpu_max_cores`` is the busiest row. ``gpu_*`` and others are ``None`` where not measured.
    ``shared_memory_peak_kib`` and ``disk_growth_gb`` are how far ``/dev/shm`` and the file system of the step's
    directory went above their use at the start, by anyone. ``input_bytes`` is the size of the step's input, known
    before it starts; ``input_source`` says how it was told, and only sizes of the same source compare.
    ``bound`` is a word of :data:`resource_tracker.bounds.WORDS`, with its evidence in a sentence.

    What held it back: ``throttled_s`` by its CPU quota, summed over CPUs, in ``throttled_share`` of its time;
    ``cpu_wanted_cores`` are those that it used or was kept from by the quota, for 95 % of its time or less;
    ``run_wait_s`` its threads waited for a CPU; ``*_pressure_s`` something waited in its cgroup, or where that is not
    counted on the machine (``pressure_of``); ``oom_kills`` processes of its cgroup were killed for memory.
    ``cpu_cgroup_shared`` and ``memory_cgroup_shared``: others run in the cgroups that these stand for, too.

    ``swapped_kib`` lay in swap while it was close to its limit on memory: it needed so much more than its peak.

    ``gpus`` are those that were watched, ``gpu_hours`` the GPUs in use times the duration, ``gpu_energy_j`` of those
    that the step may use.
    """

    duration_s: float
    cpu_mean_cores: float | None = None
    cpu_max_cores: float | None = None
    cpu_p95_cores: float | None = None
    cpu_seconds: float | None = None
    cpu_source: str = ""
    cpu_is_lower_bound: bool = False
    memory_mean_kib: float | None = None
    memory_peak_kib: float | None = None
    memory_peak_source: str = ""
    persist_memory_peak_kib: float | None = None
    process_read_bytes: float | None = None
    process_write_bytes: float | None = None
    disk_read_bytes: float | None = None
    disk_write_bytes: float | None = None
    disk_used_max_gb: float | None = None
    net_recv_bytes: float | None = None
    net_sent_bytes: float | None = None
    gpu_usage_mean: float | None = None
    gpu_usage_max: float | None = None
    gpu_vram_mean_mib: float | None = None
    gpu_vram_max_mib: float | None = None
    gpu_utilized_mean: float | None = None
    gpu_utilized_max: float | None = None
    children_max: int | None = None
    threads_max: int | None = None
    shared_memory_peak_kib: float | None = None
    disk_growth_gb: float | None = None
    input_bytes: float | None = None
    input_source: str | None = None
    bound: str | None = None
    bound_evidence: str | None = None
    throttled_s: float | None = None
    throttled_share: float | None = None
    cpu_wanted_cores: float | None = None
    run_wait_s: float | None = None
    cpu_pressure_s: float | None = None
    memory_pressure_s: float | None = None
    io_pressure_s: float | None = None
    pressure_of: str | None = None
    oom_kills: int | None = None
    cpu_cgroup_shared: bool | None = None
    memory_cgroup_shared: bool | None = None
    file_systems: tuple[FileSystemUse, ...] = ()
    gpus: tuple[GpuUse, ...] = ()
    gpu_source: str = ""
    gpu_hours: float | None = None
    gpu_energy_j: float | None = None
    swapped_kib: float | None = None

    @property
    def own_oom_kills(self) -> int:
        """Processes of the step that were killed for memory, as far as that is known to have been the step's."""
        return self.oom_kills if self.oom_kills and self.memory_cgroup_shared is False else 0

    @property
    def overall_memory_peak_kib(self) -> float | None:
        """Highest memory of the attempt, the saving of artifacts included."""
        known = [v for v in (self.memory_peak_kib, self.persist_memory_peak_kib) if v is not None]
        return max(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch that the step's own code marked, with what was used in it; one that ends where it begins is a moment.

    ``start_s`` and ``end_s`` count from the attempt's start; an ``end_s`` of ``None`` is still open, or was when the
    task died. ``depth`` is how many other stretches it stands in. One with a ``count`` stands for so many stretches of
    its label, beyond those that are kept one by one: ``total_s`` is what they took together, between ``start_s`` of the
    first and ``end_s`` of the last.
    """

    label: str
    start_s: float
    end_s: float | None = None
    depth: int = 0
    cpu_seconds: float | None = None
    memory_peak_kib: float | None = None
    cost_usd: float | None = None
    count: int = 1
    total_s: float | None = None

    @property
    def duration_s(self) -> float | None:
        """Seconds, of all it stands for; ``None`` while it is open."""
        if self.total_s is not None or self.end_s is None:
            return self.total_s
        return self.end_s - self.start_s
