"""How an attempt was measured, and what the measuring gave."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from resource_tracker.dataclass import dataclass
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records.usage import FileSystemUse, GpuFacts, Span

TrackingMode = Literal["sampler", "start_end", "untracked"]


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
    ``core_frame`` has a column for each core; empty where they were not told apart.
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
    core_frame: TinyDataFrame = field(default_factory=TinyDataFrame)
    spans: tuple[Span, ...] = ()
    tracking: Tracking
