"""The few figures of an attempt that its task's metadata keeps, for the history of later runs."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

from resource_tracker.errors import ArtifactError
from resource_tracker.plain import from_plain, to_plain
from resource_tracker.records import TaskRecord, TaskSummary

SUMMARY_VERSION = 1
MAX_SUMMARY_BYTES = 8000
"""Largest encoded summary: task metadata is append-only and kept for ever."""


def summary_of(record: TaskRecord) -> TaskSummary:
    """The summary of an attempt; a standalone record has its title as step, and no run or task."""
    parts = (record.pathspec or "").split("/")
    _flow, run_id, step, task_id = parts if len(parts) == 4 else ("", "", record.title, "")
    usage, cloud = record.usage, record.cloud
    return TaskSummary(
        run_id=run_id,
        step=step,
        task_id=task_id,
        attempt=record.attempt,
        status=record.outcome.status,
        finished_at=record.ended_at,
        duration_s=usage.duration_s,
        cpu_mean_cores=usage.cpu_mean_cores,
        cpu_max_cores=usage.cpu_max_cores,
        memory_peak_kib=usage.memory_peak_kib,
        persist_growth_kib=persist_growth_kib(usage.memory_peak_kib, usage.persist_memory_peak_kib),
        persist_memory_peak_kib=usage.persist_memory_peak_kib,
        gpu_usage_mean=usage.gpu_usage_mean,
        gpu_vram_max_mib=usage.gpu_vram_max_mib,
        gpu_utilized_max=usage.gpu_utilized_max,
        request_cpu=record.request.cpu,
        request_memory_mb=record.request.memory_mb,
        request_gpu=record.request.gpu,
        memory_limit_mib=record.limits.memory_mib,
        vendor=_unless_unknown(cloud.vendor),
        region=_unless_unknown(cloud.region),
        instance_type=_unless_unknown(cloud.instance_type),
        run_cost_usd=record.pricing.run_cost_usd,
        cpu_p95_cores=usage.cpu_p95_cores,
        cpu_limit=record.limits.cpus,
        architecture=record.server.architecture,
        allocation=_unless_unknown(record.server.allocation),
        input_bytes=usage.input_bytes,
        input_source=usage.input_source,
        shared_memory_peak_kib=usage.shared_memory_peak_kib,
        disk_growth_gb=usage.disk_growth_gb,
    )


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
    values = {field: _finite(getattr(summary, field.name)) for field in fields(summary)}
    kept = {field.name: value for field, value in values.items() if value is not None or field.default is not None}
    text = json.dumps({"v": SUMMARY_VERSION, **kept}, separators=(",", ":"), allow_nan=False)
    if len(text) > MAX_SUMMARY_BYTES:
        raise ArtifactError(f"the summary takes {len(text)} bytes, more than {MAX_SUMMARY_BYTES}")
    return text


def decode_summary(text: str) -> TaskSummary:
    """The summary from what :func:`encode_summary` gave.

    Raises
    ------
    ArtifactError
        It is something else, damaged, or written by a later version.
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
    for name, value in to_plain(summary).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ArtifactError(f"summary.{name} is {value}, not a finite number")
    return summary


def _unless_unknown(name: str) -> str | None:
    return None if name == "unknown" else name


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
