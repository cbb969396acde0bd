"""What earlier attempts of the step left in their metadata."""

from __future__ import annotations

from resource_tracker.dataclass import dataclass
from resource_tracker.records.ending import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSummary:
    """One earlier attempt, as read back from task metadata: a row of the history.

    ``cpu_limit`` is what the kernel let it use; ``vcpus``, ``gpu_count`` and ``gpu_memory_mib`` (of one GPU) are the
    machine's. Of the ``gpus_given`` that the step might use, ``gpus_used`` ever had work of it, and of ``gpus_held`` it
    held memory, at most ``gpu_vram_each_mib`` of one. ``ran_out_of_memory``, ``bound_evidence`` and ``policy``, which
    is what the step's advice is for, are ``None`` where the attempt was tracked by an older version.

    What held it back stands there only where it was the step alone: ``throttled_share``, ``cpu_wanted_cores`` and
    ``oom_kills`` are ``None`` where others ran in its cgroup, too.

    ``exception_type`` and ``error_name`` are of the exception that ended it, if one did. Of a task that died without a
    word ``ended_by`` says of what, ``ended_evidence`` how that shows, ``ended_source`` where it was read. ``full_disk``
    names a file system that was full, with its size. ``stopping_at`` is when what watched a running attempt was told
    that its machine or container is being stopped.
    """

    run_id: str
    step: str
    task_id: str
    attempt: int
    status: Status
    finished_at: float | None
    duration_s: float
    cpu_mean_cores: float | None = None
    cpu_max_cores: float | None = None
    memory_peak_kib: float | None = None
    persist_growth_kib: float | None = None
    persist_memory_peak_kib: float | None = None
    gpu_usage_mean: float | None = None
    gpu_vram_max_mib: float | None = None
    gpu_utilized_max: float | None = None
    request_cpu: float | None = None
    request_memory_mb: float | None = None
    request_gpu: int | None = None
    memory_limit_mib: float | None = None
    vendor: str | None = None
    region: str | None = None
    instance_type: str | None = None
    run_cost_usd: float | None = None
    cpu_p95_cores: float | None = None
    cpu_limit: float | None = None
    architecture: str | None = None
    allocation: str | None = None
    input_bytes: float | None = None
    input_source: str | None = None
    shared_memory_peak_kib: float | None = None
    disk_growth_gb: float | None = None
    cpu_seconds: float | None = None
    cpu_is_lower_bound: bool | None = None
    vcpus: int | None = None
    threads_max: int | None = None
    gpu_count: int | None = None
    gpu_model: str | None = None
    gpu_memory_mib: float | None = None
    bound: str | None = None
    ran_out_of_memory: bool | None = None
    request_disk_mb: float | None = None
    request_shared_memory_mb: float | None = None
    request_chosen: tuple[str, ...] | None = None
    request_decorators: tuple[str, ...] | None = None
    request_written_in: tuple[str, ...] | None = None
    shared_memory_limit_mib: float | None = None
    policy: str | None = None
    bound_evidence: str | None = None
    throttled_share: float | None = None
    cpu_wanted_cores: float | None = None
    oom_kills: int | None = None
    gpus_given: int | None = None
    gpus_used: int | None = None
    gpus_held: int | None = None
    gpu_vram_each_mib: float | None = None
    gpu_hours: float | None = None
    gpu_energy_j: float | None = None
    exception_type: str | None = None
    error_name: str | None = None
    ended_by: str | None = None
    ended_evidence: str | None = None
    ended_source: str | None = None
    full_disk: str | None = None
    swapped_kib: float | None = None
    stopping_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The comparison with earlier runs. Where not ``available``, ``reason`` says plainly why.

    ``max_memory_max`` is KiB; ``tasks`` are newest first. ``lost_attempts`` of those looked at ended without a trace,
    and no later run has shown what they needed.
    """

    available: bool
    reason: str | None = None
    runs_analyzed: int = 0
    tasks_analyzed: int = 0
    tasks_left_out: int = 0
    avg_cpu_mean: float | None = None
    max_cpu_max: float | None = None
    max_memory_max: float | None = None
    max_persist_growth_kib: float | None = None
    avg_gpu_mean: float | None = None
    max_vram_max: float | None = None
    max_gpu_count: float | None = None
    avg_duration: float | None = None
    lost_attempts: int | None = None
    tasks: tuple[TaskSummary, ...] = ()
