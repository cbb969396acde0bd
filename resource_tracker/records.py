"""Frozen records that travel between modules.

Unknown is ``None``, never 0. None of these is ever pickled into an artifact:
:mod:`resource_tracker.artifact` turns a :class:`TaskRecord` into builtins and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from resource_tracker.dataclass import dataclass
from resource_tracker.frame import TinyDataFrame

Status = Literal["running", "ok", "failed", "unknown"]
TrackingMode = Literal["sampler", "start_end", "untracked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the attempt's own user code ended.

    Parameters
    ----------
    status : {"running", "ok", "failed", "unknown"}
        ``failed`` is an exception from the step's code, also one that ``@catch`` swallowed.
    exception_type : str or None
        Class name only: a message may hold secrets.
    caught : bool
        The exception was handled by a decorator, so the flow went on.
    error_name : str or None
        The kernel's name of the error behind the exception, such as ``ENOSPC``.
    ended_by : str or None
        What ended a task that could not say so itself: the ``cause`` of its :class:`Ending`.
    """

    status: Status
    exception_type: str | None = None
    caught: bool = False
    error_name: str | None = None
    ended_by: str | None = None


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
    names a file system that was full, with its size.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to ask for next time: whole CPUs, Metaflow's MB, GPUs (0: none needed).

    ``disk_mb`` (MB) and ``shared_memory_mb`` (MiB, as Metaflow counts it) are ``None`` where there is no need to ask
    for any. ``decorator`` is the one to write it in. ``estimate`` holds the numbers, by the names of ``reasons``, in
    which this advice stops short of what was estimated; ``notes`` are sentences about what one line cannot say.
    """

    cpu: int
    memory_mb: int
    gpu: int = 0
    reasons: dict[str, str] = field(default_factory=dict)
    based_on_runs: int = 1
    basis_memory_kib: float | None = None
    basis_cpu_cores: float | None = None
    disk_mb: int | None = None
    shared_memory_mb: int | None = None
    decorator: str = "resources"
    policy: str = "safe"
    expected_failure_rate: float | None = None
    estimate: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        return True

    def arguments(self) -> dict[str, int]:
        """What the decorator takes, by name and in Metaflow's units; only what there is to ask for."""
        named = {
            "cpu": self.cpu,
            "memory": self.memory_mb,
            "gpu": self.gpu or None,
            "disk": self.disk_mb,
            "shared_memory": self.shared_memory_mb,
        }
        return {name: amount for name, amount in named.items() if amount is not None}

    def as_text(self) -> str:
        """The line to paste above ``@step``; ``gpu``, ``disk`` and ``shared_memory`` only where needed."""
        return decorator_text(self.decorator, self.arguments())

    def __str__(self) -> str:
        return self.as_text()


def decorator_text(decorator: str, amounts: Mapping[str, float]) -> str:
    """Amounts as a decorator takes them: ``@resources(cpu=2, memory=4096)``."""
    return f"@{decorator}({', '.join(f'{name}={amount:.10g}' for name, amount in amounts.items())})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRecommendation:
    """Nothing to advise, and why."""

    reason: str

    @property
    def available(self) -> bool:
        return False

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """A machine that a cloud rents out. ``gpu_memory_mib`` is per GPU."""

    vendor: str
    name: str
    vcpus: float
    memory_mib: float
    gpu_count: int = 0
    gpu_model: str | None = None
    gpu_memory_mib: float | None = None
    architecture: str = "x86_64"
    storage_gb: float | None = None
    burstable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An instance type at an on-demand price in a region.

    ``run_cost_usd`` is what this attempt cost, or would have cost, on it, and ``run_hours`` in what time.
    """

    instance: InstanceType
    region: str
    price_usd_per_hour: float
    run_cost_usd: float | None = None
    run_hours: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """The cheapest machines that would have been enough, and what the attempt cost on its own machine.

    ``assumed`` is True where the vendor is unknown and ``vendor``/``region`` are a stated default; then
    ``run_cost_usd`` and ``saving_usd`` are ``None``. ``note`` says what a reader must know
    (own machine not in the catalog, live prices not reachable, ...). ``own_share`` is the part of a shared machine
    that ``run_cost_usd`` counts. ``offers_anywhere`` are the cheapest over all vendors and regions, and
    ``anywhere_date`` the oldest day of their prices, ``anywhere_newest_date`` the newest. ``spot_usd`` is an estimate
    for the first offer.
    """

    offers: tuple[Offer, ...] = ()
    vendor: str | None = None
    region: str | None = None
    assumed: bool = False
    own: Offer | None = None
    run_cost_usd: float | None = None
    saving_usd: float | None = None
    catalog_source: str = ""
    catalog_date: str = ""
    note: str | None = None
    own_share: float | None = None
    offers_anywhere: tuple[Offer, ...] = ()
    anywhere_date: str = ""
    anywhere_newest_date: str = ""
    spot_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedSource:
    """A source that gave nothing: which, why, how often."""

    source: str
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerCost:
    """What the watcher itself used; excluded from the step's figures.

    ``by_source`` is CPU time by what it was spent on, ``"start"`` among it; what remains of ``cpu_s`` went into waking
    up and writing. ``publisher_*`` is of the process that kept the card live, which is in no other figure.
    """

    cpu_s: float | None = None
    memory_kib: float | None = None
    samples: int = 0
    rows: int = 0
    by_source: dict[str, float] | None = None
    publisher_cpu_s: float | None = None
    publisher_memory_kib: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """How the attempt was measured. ``reason`` says why where ``mode`` is not ``sampler``.

    ``overhead_budget`` is the share of one core that it might use.
    """

    mode: TrackingMode
    interval_s: float
    reason: str | None = None
    ended_early: str | None = None
    cost: SamplerCost = SamplerCost()
    overhead_budget: float | None = None
    failed_sources: tuple[FailedSource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """What the sampler (or readings at start and end) gave, before anything is made of it.

    ``process`` and ``system`` hold only the rows up to ``step_ended_at`` where that is known.
    Peaks are the best of all sources, with the source named; the persist phase is everything after
    ``step_ended_at``. ``gpu_frames`` and ``gpu_facts`` have one for each GPU that was watched.
    """

    process: TinyDataFrame
    system: TinyDataFrame
    started_at: float
    ended_at: float
    duration_s: float
    step_ended_at: float | None = None
    memory_peak_kib: float | None = None
    memory_peak_source: str = ""
    persist_memory_peak_kib: float | None = None
    cpu_seconds: float | None = None
    cpu_source: str = ""
    cpu_is_lower_bound: bool = False
    shared_memory_peak_kib: float | None = None
    disk_growth_gb: float | None = None
    cpu_cgroup_shared: bool | None = None
    memory_cgroup_shared: bool | None = None
    file_systems: tuple[FileSystemUse, ...] = ()
    gpu_frames: tuple[TinyDataFrame, ...] = ()
    gpu_facts: tuple[GpuFacts, ...] = ()
    gpu_source: str = ""
    gpu_driver: str | None = None
    spans: tuple[Span, ...] = ()
    tracking: Tracking


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What ended a task that could not say so itself.

    ``cause`` is a few words (``out of memory``, ``killed by SIGTERM``, ``exit code 3``, ``interrupted``, ``unknown``);
    ``evidence`` a sentence with the figures behind it, ``source`` where that was read, ``remedy`` what to do about it.
    """

    cause: str
    evidence: str = ""
    source: str = ""
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierAttempt:
    """What became of the attempt before this one, where ``@retry`` repeated the task: in sentences, and what to do.

    ``headline`` is the first of them, for a line of the log; ``resources`` says whether it was for lack of any.
    """

    attempt: int
    text: str
    remedy: str | None = None
    headline: str = ""
    resources: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Where a running step is heading, in a sentence; ``kind`` is ``memory``, ``cpu``, ``gpu`` or ``disk``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """All of one attempt: what the artifact stores and what the card shows.

    ``pathspec`` is ``"Flow/run/step/task"``, or ``None`` for a standalone run, whose ``title`` is shown instead.
    ``process_metrics`` and ``system_metrics`` have the columns of :mod:`resource_tracker.columns`, and so have the
    frames of ``gpu_metrics``, by the names ``gpu0``, ``gpu1``, ... ``projections`` are there only while it runs.
    """

    pathspec: str | None
    attempt: int
    title: str
    started_at: float
    ended_at: float | None
    outcome: Outcome
    tracking: Tracking
    process_metrics: TinyDataFrame
    system_metrics: TinyDataFrame
    usage: UsageSummary
    server: ServerInfo = ServerInfo()
    cloud: CloudInfo = CloudInfo()
    request: ResourceRequest = ResourceRequest()
    limits: Limits = Limits()
    history: History = History(available=False, reason="not read")
    recommendation: Recommendation | NoRecommendation = NoRecommendation(reason="not computed")
    pricing: Pricing = Pricing()
    versions: dict[str, str] = field(default_factory=dict)
    gpu_metrics: dict[str, TinyDataFrame] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    ending: Ending | None = None
    attempt_before: EarlierAttempt | None = None
    projections: tuple[Projection, ...] = ()
