"""All that is known of one attempt."""

from __future__ import annotations

from dataclasses import field

from resource_tracker.dataclass import dataclass
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records.advice import NoRecommendation, Pricing, Recommendation
from resource_tracker.records.ending import EarlierAttempt, Ending, Outcome, Projection
from resource_tracker.records.history import History
from resource_tracker.records.machine import CloudInfo, Limits, ResourceRequest, ServerInfo
from resource_tracker.records.tracking import Tracking
from resource_tracker.records.usage import Span, UsageSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """All of one attempt: what the artifact stores and what the card shows.

    ``pathspec`` is ``"Flow/run/step/task"``, or ``None`` for a standalone run, whose ``title`` is shown instead.
    ``process_metrics`` and ``system_metrics`` have the columns of :mod:`resource_tracker.columns`, and so have the
    frames of ``gpu_metrics``, by the names ``gpu0``, ``gpu1``, ... ``core_metrics`` has a column for each
    core that the task might run on (``core0``, ...), whoever ran there; empty where they were not told apart.
    ``projections`` are there only while it runs.
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
    core_metrics: TinyDataFrame = field(default_factory=TinyDataFrame)
    spans: tuple[Span, ...] = ()
    ending: Ending | None = None
    attempt_before: EarlierAttempt | None = None
    projections: tuple[Projection, ...] = ()
