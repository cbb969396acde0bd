"""The few figures of an attempt that its task's metadata keeps, for the history of later runs."""

from __future__ import annotations

import json
import math
from typing import Any

from resource_tracker.dataclass import defaults_of, field_names, replace
from resource_tracker.errors import ArtifactError
from resource_tracker.gpu_use import count_held, count_with_work, given, vram_of_fullest_mib
from resource_tracker.plain import from_plain
from resource_tracker.records import (
    Limits,
    Outcome,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    TaskRecord,
    TaskSummary,
    UsageSummary,
)
from resource_tracker.summary_bounds import why_not
from resource_tracker.units import mib_to_kib

SUMMARY_VERSION = 1
SUMMARY_FIELD = "resource-tracker-summary"
"""Under this name a task's metadata keeps it."""
AT_LIMIT = 0.95
"""A peak of at least this share of the limit counts as having reached it."""
OUT_OF_MEMORY = ("MemoryError", "_ArrayMemoryError", "ArrowMemoryError")
"""Python's, NumPy's and Arrow's words for no more memory. That of a GPU is another, and more of this would not help."""
KILLED_FOR_MEMORY = "out of memory"
"""The cause of an ending for lack of memory."""
DISK_FULL = 0.99
"""A file system of which so much was in use was full: some of it is often kept for root."""
MAX_SUMMARY_BYTES = 8000
"""Largest encoded summary: task metadata is append-only and kept for ever."""


def summary_of(record: TaskRecord) -> TaskSummary:
    """The summary of an attempt; a standalone record has its title as step, and no run or task."""
    parts = (record.pathspec or "").split("/")
    _flow, run_id, step, task_id = parts if len(parts) == 4 else ("", "", record.title, "")
    cloud = record.cloud
    return replace(
        summary_of_attempt(record.usage, record.request, record.outcome, record.limits, record.server),
        run_id=run_id,
        step=step,
        task_id=task_id,
        attempt=record.attempt,
        finished_at=record.ended_at,
        vendor=_unless_unknown(cloud.vendor),
        region=_unless_unknown(cloud.region),
        instance_type=_unless_unknown(cloud.instance_type),
        run_cost_usd=record.pricing.run_cost_usd,
        policy=record.recommendation.policy if isinstance(record.recommendation, Recommendation) else None,
        ended_evidence=record.ending.evidence if record.ending else None,
        ended_source=record.ending.source if record.ending else None,
    )


def summary_of_attempt(
    usage: UsageSummary, request: ResourceRequest, outcome: Outcome, limits: Limits, server: ServerInfo
) -> TaskSummary:
    """What an attempt used and what it was given; of no run, step or task yet."""
    throttled_alone = usage.cpu_cgroup_shared is False
    return TaskSummary(
        run_id="",
        step="",
        task_id="",
        attempt=0,
        status=outcome.status,
        finished_at=None,
        duration_s=usage.duration_s,
        cpu_mean_cores=usage.cpu_mean_cores,
        cpu_max_cores=usage.cpu_max_cores,
        memory_peak_kib=usage.memory_peak_kib,
        persist_growth_kib=persist_growth_kib(usage.memory_peak_kib, usage.persist_memory_peak_kib),
        persist_memory_peak_kib=usage.persist_memory_peak_kib,
        gpu_usage_mean=usage.gpu_usage_mean,
        gpu_vram_max_mib=usage.gpu_vram_max_mib,
        gpu_utilized_max=usage.gpu_utilized_max,
        request_cpu=request.cpu,
        request_memory_mb=request.memory_mb,
        request_gpu=request.gpu,
        memory_limit_mib=limits.memory_mib,
        cpu_p95_cores=usage.cpu_p95_cores,
        cpu_seconds=usage.cpu_seconds,
        cpu_limit=limits.cpus,
        vcpus=server.vcpus,
        architecture=server.architecture,
        allocation=_unless_unknown(server.allocation),
        cpu_is_lower_bound=usage.cpu_is_lower_bound and usage.children_max != 0,
        threads_max=usage.threads_max,
        gpu_count=server.gpu_count,
        gpu_model=server.gpu_names[0] if server.gpu_names else None,
        gpu_memory_mib=server.gpu_memory_mb / server.gpu_count if server.gpu_count else None,
        input_bytes=usage.input_bytes,
        input_source=usage.input_source,
        shared_memory_peak_kib=usage.shared_memory_peak_kib,
        disk_growth_gb=usage.disk_growth_gb,
        shared_memory_limit_mib=limits.shared_memory_mib,
        gpus_given=len(given(usage.gpus)) or None,
        gpus_used=count_with_work(given(usage.gpus)),
        gpus_held=count_held(given(usage.gpus)),
        gpu_vram_each_mib=vram_of_fullest_mib(usage.gpus),
        gpu_hours=usage.gpu_hours,
        gpu_energy_j=usage.gpu_energy_j,
        bound=usage.bound,
        bound_evidence=usage.bound_evidence,
        ran_out_of_memory=ran_out_of_memory(usage, outcome, limits),
        request_disk_mb=request.disk_mb,
        request_shared_memory_mb=request.shared_memory_mb,
        request_chosen=request.chosen or None,
        request_decorators=request.decorators or None,
        request_written_in=request.written_in or None,
        throttled_share=usage.throttled_share if throttled_alone else None,
        cpu_wanted_cores=usage.cpu_wanted_cores if throttled_alone else None,
        swapped_kib=usage.swapped_kib,
        oom_kills=usage.oom_kills if usage.memory_cgroup_shared is False else None,
        exception_type=outcome.exception_type,
        error_name=outcome.error_name,
        ended_by=outcome.ended_by,
        full_disk=full_disk(usage),
    )


def request_of(summary: TaskSummary) -> ResourceRequest:
    """What the attempt asked for. Of a summary by an older version all numbers count as asked for in ``@resources``."""
    numbers = {"cpu": summary.request_cpu, "memory": summary.request_memory_mb, "gpu": summary.request_gpu}
    decorators = summary.request_decorators
    if decorators is None and any(number is not None for number in numbers.values()):
        decorators = ("resources",)
    return ResourceRequest(
        cpu=summary.request_cpu,
        memory_mb=summary.request_memory_mb,
        gpu=summary.request_gpu,
        disk_mb=summary.request_disk_mb,
        shared_memory_mb=summary.request_shared_memory_mb,
        chosen=summary.request_chosen or (),
        decorators=decorators or (),
        written_in=summary.request_written_in or (),
    )


def ran_out_of_memory(usage: UsageSummary, outcome: Outcome, limits: Limits) -> bool:
    """Whether an attempt that did not end well had no memory left.

    It said so, part of it was killed for that, or it ended at its limit.
    """
    if outcome.status == "ok":
        return False
    if outcome.exception_type in OUT_OF_MEMORY or outcome.ended_by == KILLED_FOR_MEMORY or usage.own_oom_kills:
        return True
    peak_kib, limit = usage.overall_memory_peak_kib, limits.memory_mib
    return peak_kib is not None and limit is not None and limit > 0 and peak_kib >= AT_LIMIT * mib_to_kib(limit)


def full_disk(usage: UsageSummary) -> str | None:
    """The first file system of the step's that was full, such as ``temporary (tmpfs, 2.0 GB)``; None without any."""
    for system in usage.file_systems:
        if system.size_gb and system.used_peak_gb is not None and system.used_peak_gb >= DISK_FULL * system.size_gb:
            return f"{' and '.join(system.roles)} ({system.type}, {system.size_gb:.1f} GB)"
    return None


def persist_growth_kib(step_peak_kib: float | None, persist_peak_kib: float | None) -> float | None:
    """How far saving the artifacts went above the step's own peak; ``None`` where either is unknown."""
    if step_peak_kib is None or persist_peak_kib is None:
        return None
    return max(0.0, persist_peak_kib - step_peak_kib)


def encode_summary(summary: TaskSummary) -> str:
    """One line of JSON, at most 8 kB; fields that are unknown are left out where that is their default.

    Raises
    ------
    ArtifactError
        A name in it is absurdly long.
    """
    values = {name: _finite(getattr(summary, name)) for name in field_names(summary) or ()}
    defaults = defaults_of(summary)
    kept = {name: value for name, value in values.items() if value is not None or defaults.get(name, ...) is not None}
    text = json.dumps({"v": SUMMARY_VERSION, **kept}, separators=(",", ":"), allow_nan=False)
    if len(text) > MAX_SUMMARY_BYTES:
        raise ArtifactError(f"the summary takes {len(text)} bytes, more than {MAX_SUMMARY_BYTES}")
    return text


def decode_summary(text: str) -> TaskSummary:
    """The summary from what :func:`encode_summary` gave.

    Raises
    ------
    ArtifactError
        It is something else, damaged, says what cannot be, or was written by a later version.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"the summary is not JSON: {error}") from None
    version = found.get("v") if isinstance(found, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ArtifactError("the summary has no version: it was not written by this package")
    if version > SUMMARY_VERSION:
        raise ArtifactError(
            f"the summary has version {version}, but this version reads up to {SUMMARY_VERSION}: "
            "upgrade metaflow-resource-tracker"
        )
    summary = from_plain(TaskSummary, found, "summary")
    fault = why_not(summary)
    if fault is not None:
        raise ArtifactError(f"summary.{fault}")
    return summary


def _unless_unknown(name: str) -> str | None:
    return None if name == "unknown" else name


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
