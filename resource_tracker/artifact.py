"""The artifact's format: a :class:`TaskRecord` as builtins and frames, and back.

The first six keys are the published ones with their names and units; ours follow. A field that is added
to a record with a default needs no new version: older artifacts read with the default, older packages
leave it out. Anything else raises :data:`SCHEMA_VERSION` and adds a migration and a golden artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from resource_tracker.columns import GPU_COLUMNS, PROCESS_COLUMNS, SYSTEM_COLUMNS
from resource_tracker.dataclass import dataclass, replace
from resource_tracker.errors import ArtifactError
from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import compact, conform, rows_that_fit
from resource_tracker.history import published_history
from resource_tracker.plain import from_plain, to_plain
from resource_tracker.records import (
    CloudInfo,
    EarlierAttempt,
    Ending,
    History,
    Limits,
    NoRecommendation,
    Outcome,
    Pricing,
    Projection,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    Span,
    TaskRecord,
    TaskSummary,
    Tracking,
    UsageSummary,
)
from resource_tracker.usage import published_stats

SCHEMA_VERSION = 1
GPU_ROWS = 1024
"""Of the frames of all GPUs together."""

Artifact = dict[str, Any]
Migration = Callable[[Artifact], Artifact]

MIGRATIONS: Mapping[int, Migration] = {}
"""For each earlier version: what makes an artifact of it one of the next version."""

PUBLISHED_SERVER_KEYS = ("vcpus", "memory_mb", "gpu_count", "gpu_names", "gpu_memory_mb")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """The keys of an artifact that read back one to one. A private view, never pickled."""

    process_metrics: TinyDataFrame
    system_metrics: TinyDataFrame
    cloud_info: CloudInfo
    server_info: ServerInfo
    pathspec: str | None
    attempt: int
    title: str
    started_at: float
    ended_at: float | None
    outcome: Outcome
    request: ResourceRequest
    limits: Limits
    usage: UsageSummary
    history_tasks: tuple[TaskSummary, ...]
    pricing: Pricing
    tracking: Tracking
    versions: dict[str, str]
    gpu_metrics: dict[str, TinyDataFrame] = field(default_factory=dict)
    core_metrics: TinyDataFrame = field(default_factory=TinyDataFrame)
    spans: tuple[Span, ...] = ()
    ending: Ending | None = None
    attempt_before: EarlierAttempt | None = None
    projections: tuple[Projection, ...] = ()


def to_artifact(record: TaskRecord) -> Artifact:
    """The dict that is stored: builtins and TinyDataFrames of at most 2048 rows, none of our other classes.

    ``stats`` and the recommendation's ``text`` are derived; everything else reads back exactly.
    """
    server = to_plain(record.server)
    rows = rows_that_fit(len(PROCESS_COLUMNS) + len(SYSTEM_COLUMNS))
    return {
        "process_metrics": compact(conform(record.process_metrics, PROCESS_COLUMNS), PROCESS_COLUMNS, rows),
        "system_metrics": compact(conform(record.system_metrics, SYSTEM_COLUMNS), SYSTEM_COLUMNS, rows),
        "cloud_info": to_plain(record.cloud),
        "server_info": {**{key: server[key] for key in PUBLISHED_SERVER_KEYS}, **server},
        "stats": published_stats(record.usage),
        "historical_stats": published_history(record.history),
        "schema_version": SCHEMA_VERSION,
        "pathspec": record.pathspec,
        "attempt": record.attempt,
        "title": record.title,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "outcome": to_plain(record.outcome),
        "request": to_plain(record.request),
        "limits": to_plain(record.limits),
        "usage": to_plain(record.usage),
        "history_tasks": to_plain(record.history.tasks),
        "recommendation": _plain_advice(record.recommendation),
        "pricing": to_plain(record.pricing),
        "tracking": to_plain(record.tracking),
        "versions": to_plain(record.versions),
        "gpu_metrics": _stored_gpus(record.gpu_metrics),
        "spans": to_plain(record.spans),
        "ending": to_plain(record.ending),
        "attempt_before": to_plain(record.attempt_before),
        "projections": to_plain(record.projections),
        "core_metrics": record.core_metrics,
    }


def from_artifact(obj: object, *, expected_pathspec: str | None = None) -> TaskRecord:
    """The record from an artifact of this or an earlier version.

    Parameters
    ----------
    obj : object
        What the client gave; frames have all columns afterwards, those that came later as nan.
    expected_pathspec : str, optional
        ``"Flow/run/step/task"`` that the artifact was read from. Later steps inherit artifacts, so the
        one that a task has may be another's.

    Raises
    ------
    ArtifactError
        It is not ours, is damaged (the message names the key), comes from a later version or belongs to another task.
    """
    artifact = migrated(obj)
    stored = from_plain(_Stored, artifact, "artifact")
    if expected_pathspec is not None and stored.pathspec != expected_pathspec:
        raise ArtifactError(f"the artifact belongs to {stored.pathspec or stored.title!r}, not to {expected_pathspec}")
    return TaskRecord(
        pathspec=stored.pathspec,
        attempt=stored.attempt,
        title=stored.title,
        started_at=stored.started_at,
        ended_at=stored.ended_at,
        outcome=stored.outcome,
        tracking=stored.tracking,
        process_metrics=conform(stored.process_metrics, PROCESS_COLUMNS),
        system_metrics=conform(stored.system_metrics, SYSTEM_COLUMNS),
        usage=stored.usage,
        server=stored.server_info,
        cloud=stored.cloud_info,
        request=stored.request,
        limits=stored.limits,
        history=_history(artifact, stored.history_tasks),
        recommendation=_advice(artifact),
        pricing=stored.pricing,
        versions=stored.versions,
        gpu_metrics={name: conform(frame, GPU_COLUMNS) for name, frame in stored.gpu_metrics.items()},
        core_metrics=stored.core_metrics,
        spans=stored.spans,
        ending=stored.ending,
        attempt_before=stored.attempt_before,
        projections=stored.projections,
    )


def _stored_gpus(frames: Mapping[str, TinyDataFrame]) -> dict[str, TinyDataFrame]:
    """However many there are, they take no more space than one."""
    rows = GPU_ROWS // max(len(frames), 1)
    return {name: compact(conform(frame, GPU_COLUMNS), GPU_COLUMNS, rows) for name, frame in frames.items()}


def migrated(obj: object, migrations: Mapping[int, Migration] = MIGRATIONS, target: int = SCHEMA_VERSION) -> Artifact:
    """The artifact as one of version `target`, one migration after the other; `obj` itself is not changed."""
    if not isinstance(obj, dict):
        raise ArtifactError(f"the artifact is a {type(obj).__name__}, not a dict")
    version = obj.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise ArtifactError("the artifact has no schema_version: it was not written by this package")
    if version > target:
        raise ArtifactError(
            f"the artifact has version {version}, but this version reads up to {target}: "
            "upgrade metaflow-resource-tracker"
        )
    artifact = dict(obj)
    for step in range(version, target):
        if step not in migrations:
            raise ArtifactError(f"the artifact has version {version}, which this version no longer reads")
        artifact = {**migrations[step](artifact), "schema_version": step + 1}
    return artifact


def _plain_advice(advice: Recommendation | NoRecommendation) -> Artifact:
    text = {"text": advice.as_text()} if isinstance(advice, Recommendation) else {}
    return {"available": advice.available, **to_plain(advice), **text}


def _advice(artifact: Artifact) -> Recommendation | NoRecommendation:
    advice = _dict(artifact, "recommendation")
    if _flag(advice, "recommendation"):
        return from_plain(Recommendation, advice, "artifact.recommendation")
    return from_plain(NoRecommendation, advice, "artifact.recommendation")


def _history(artifact: Artifact, tasks: tuple[TaskSummary, ...]) -> History:
    stats = _dict(artifact, "historical_stats")
    return replace(from_plain(History, {**stats, "tasks": []}, "artifact.historical_stats"), tasks=tasks)


def _dict(artifact: Artifact, key: str) -> Artifact:
    if key not in artifact:
        raise ArtifactError(f"artifact.{key} is missing")
    value = artifact[key]
    if not isinstance(value, dict):
        raise ArtifactError(f"artifact.{key} is a {type(value).__name__}, not a dict")
    return value


def _flag(value: Artifact, key: str) -> bool:
    available = value.get("available")
    if not isinstance(available, bool):
        raise ArtifactError(f"artifact.{key}.available is {available!r}, not True or False")
    return available
