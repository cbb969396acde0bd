"""Puts a :class:`TaskRecord` together from what was measured and what is known around it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from resource_tracker.bounds import bound_of
from resource_tracker.catalog_model import Catalog
from resource_tracker.dataclass import replace
from resource_tracker.endings import Death, Measured, ending_of
from resource_tracker.errors import CatalogError, SettingError
from resource_tracker.history import build_history
from resource_tracker.lost_attempts import lost_attempts
from resource_tracker.machines import with_gpus
from resource_tracker.pricing import price
from resource_tracker.recommend import recommend
from resource_tracker.records import (
    CloudInfo,
    EarlierAttempt,
    FailedSource,
    History,
    InputSize,
    InstanceType,
    Limits,
    Measurements,
    NoRecommendation,
    Outcome,
    Pricing,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    TaskRecord,
    TaskSummary,
)
from resource_tracker.remedies import remedy_of
from resource_tracker.sizing import Policy
from resource_tracker.spans import priced
from resource_tracker.units import mib_to_kib
from resource_tracker.usage import summarize

_FARGATE_TASK = "size of the Fargate task"


def build_record(
    measurements: Measurements,
    *,
    title: str,
    outcome: Outcome,
    pathspec: str | None = None,
    attempt: int = 0,
    server: ServerInfo,
    cloud: CloudInfo,
    request: ResourceRequest,
    limits: Limits,
    history: History,
    catalog: Catalog | None,
    catalog_note: str | None = None,
    vendor: str | None = None,
    region: str | None = None,
    ticks_per_s: float = 100.0,
    versions: dict[str, str] | None = None,
    input_size: InputSize | None = None,
    policy: Policy = Policy.SAFE,
    death: Death | None = None,
    attempt_before: EarlierAttempt | None = None,
    advise: bool = True,
) -> TaskRecord:
    """The record of one attempt, advice and costs included.

    Parameters
    ----------
    catalog : Catalog or None
        ``None`` where no catalog could be read; ``catalog_note`` then says why, and no machine is offered.
    vendor, region : str, optional
        Offer machines of these, rather than of where the attempt ran.
    ticks_per_s : float
        ``sysconf(_SC_CLK_TCK)`` of the machine that measured.
    policy : Policy
        What the advice is for.
    death : Death, optional
        Of a task that could not say itself how it ended; the record's outcome and ending are then made of it.
    advise : bool
        False: neither advice nor costs, for an attempt that still runs.
    """
    server = with_measured_gpus(server, measurements)
    limits = within_task(limits, cloud)
    server = replace(
        server,
        usable_vcpus=limits.cpus or server.usable_vcpus,
        usable_memory_mb=limits.memory_mib or server.usable_memory_mb,
    )
    usage = summarize(
        measurements,
        ticks_per_s=ticks_per_s,
        cpus=limits.cpus or server.vcpus,
        vcpus=server.vcpus,
        quota_period_s=limits.cpu_period_s,
        memory_limit_kib=mib_to_kib(limits.memory_mib or server.memory_mb or 0.0),
    )
    tracking = measurements.tracking
    if input_size is not None:
        usage = replace(usage, input_bytes=input_size.bytes, input_source=input_size.source)
        if input_size.note:
            failed = FailedSource(source="input_size", reason=input_size.note)
            tracking = replace(tracking, failed_sources=(*tracking.failed_sources, failed))
    ending = None
    if death is not None:
        ending = ending_of(death, Measured(usage, measurements.system, limits))
        outcome = replace(outcome, status="failed", ended_by=ending.cause)
    bound = bound_of(usage, measurements.process, measurements.system, limits, server, outcome)
    if bound is not None:
        usage = replace(usage, bound=bound.word, bound_evidence=bound.evidence)
    recommendation: Recommendation | NoRecommendation
    if measurements.tracking.mode == "untracked":
        reason = measurements.tracking.reason or "the reason is not known"
        recommendation = NoRecommendation(reason=f"This attempt was not measured: {reason}")
    elif not advise:
        recommendation = NoRecommendation(reason="Advice follows when the step has ended.")
    else:
        recommendation = recommend(
            usage,
            history,
            request,
            outcome,
            limits,
            server=server,
            policy=policy,
            instances=gpu_machines(catalog, server, cloud),
            before=attempt_before,
        )
    if ending is not None:
        ending = replace(ending, remedy=remedy_of(ending, recommendation, request, limits.memory_mib))
    pricing = Pricing(note=catalog_note or "No price catalog could be read.")
    if catalog is not None and advise:
        try:
            pricing = price(
                catalog,
                recommendation,
                usage,
                cloud,
                server,
                request=request,
                limits=limits,
                vendor=vendor,
                region=region,
            )
        except (CatalogError, SettingError) as error:  # its parts are read only now; another catalog, other places
            pricing = Pricing(note=str(error))
    return TaskRecord(
        pathspec=pathspec,
        attempt=attempt,
        title=title,
        started_at=measurements.started_at,
        ended_at=measurements.step_ended_at or measurements.ended_at,
        outcome=outcome,
        tracking=tracking,
        process_metrics=measurements.process,
        system_metrics=measurements.system,
        usage=usage,
        server=server,
        cloud=cloud,
        request=request,
        limits=limits,
        history=history,
        recommendation=recommendation,
        pricing=pricing,
        versions=versions or {},
        gpu_metrics={f"gpu{place}": frame for place, frame in enumerate(measurements.gpu_frames)},
        core_metrics=measurements.core_frame,
        ending=ending,
        attempt_before=attempt_before,
        spans=priced(measurements.spans, pricing.run_cost_usd, usage.duration_s),
    )


def within_task(limits: Limits, cloud: CloudInfo) -> Limits:
    """The limits, with what a task on Fargate is given of its machine, where that is less than the kernel says."""
    given = []
    if cloud.cpus is not None and cloud.cpus < (limits.cpus or math.inf):
        limits = replace(limits, cpus=cloud.cpus, cpu_period_s=None)
        given.append("cpu")
    if cloud.memory_mib is not None and cloud.memory_mib < (limits.memory_mib or math.inf):
        limits = replace(limits, memory_mib=cloud.memory_mib)
        given.append("memory")
    kept = [part for part in limits.source.split(", ") if part and part.partition(":")[0] not in given]
    sources = [*kept, *(f"{what}: {_FARGATE_TASK}" for what in given)]
    return replace(limits, source=", ".join(sorted(sources))) if given else limits


def with_measured_gpus(server: ServerInfo, measurements: Measurements) -> ServerInfo:
    """The machine, with the GPUs that were watched where there are some: nobody else needs to ask the driver."""
    facts = measurements.gpu_facts
    if not facts:
        return server
    return replace(
        server,
        gpu_count=len(facts),
        gpu_names=tuple(fact.name for fact in facts),
        gpu_memory_mb=round(sum(fact.memory_mib or 0.0 for fact in facts), 2),
        gpu_driver=measurements.gpu_driver,
    )


def gpu_machines(catalog: Catalog | None, server: ServerInfo, cloud: CloudInfo) -> Iterable[InstanceType]:
    """For an attempt that had a GPU: machines with GPUs, at its own vendor where that is known."""
    if catalog is None or not server.gpu_count:
        return ()
    try:
        return with_gpus(catalog, cloud.vendor if cloud.known else None)
    except CatalogError:
        return ()


def history_of(summaries: Iterable[TaskSummary] | None, *, max_runs: int, reason: str | None) -> History:
    """The comparison, or the plain reason why there is none yet."""
    if summaries is None:
        return History(available=False, reason=reason or "earlier runs could not be read")
    found = list(summaries)
    lost = len(lost_attempts(found)) if max_runs > 0 else 0
    return replace(build_history(found, max_runs=max_runs), lost_attempts=lost or None)
