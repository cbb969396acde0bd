"""Frozen records that travel between modules.

Unknown is ``None``, never 0. None of these is ever pickled into an artifact:
:mod:`resource_tracker.artifact` turns a :class:`TaskRecord` into builtins and back.
"""

from resource_tracker.records.advice import (
    InstanceType,
    NoRecommendation,
    Offer,
    Pricing,
    Recommendation,
    decorator_text,
)
from resource_tracker.records.ending import EarlierAttempt, Ending, Outcome, Projection, Status
from resource_tracker.records.history import History, TaskSummary
from resource_tracker.records.machine import CloudInfo, Limits, ResourceRequest, ServerInfo
from resource_tracker.records.task import TaskRecord
from resource_tracker.records.tracking import FailedSource, Measurements, SamplerCost, Tracking, TrackingMode
from resource_tracker.records.usage import ARTIFACTS, FileSystemUse, GpuFacts, GpuUse, InputSize, Span, UsageSummary

__all__ = [
    "ARTIFACTS",
    "CloudInfo",
    "EarlierAttempt",
    "Ending",
    "FailedSource",
    "FileSystemUse",
    "GpuFacts",
    "GpuUse",
    "History",
    "InputSize",
    "InstanceType",
    "Limits",
    "Measurements",
    "NoRecommendation",
    "Offer",
    "Outcome",
    "Pricing",
    "Projection",
    "Recommendation",
    "ResourceRequest",
    "SamplerCost",
    "ServerInfo",
    "Span",
    "Status",
    "TaskRecord",
    "TaskSummary",
    "Tracking",
    "TrackingMode",
    "UsageSummary",
    "decorator_text",
]
