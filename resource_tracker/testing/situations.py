"""Made-up records of attempts that ended in all kinds of ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import (
    CloudInfo,
    FailedSource,
    History,
    Limits,
    NoRecommendation,
    Outcome,
    Pricing,
    Recommendation,
    ResourceRequest,
    SamplerCost,
    TaskRecord,
    Tracking,
    UsageSummary,
)
from resource_tracker.testing.parts import fake_history, fake_server, fake_usage, with_advice
from resource_tracker.testing.rows import STARTED_AT, fake_frames, fake_gpu_frames
from resource_tracker.units import mb_to_mib

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'`${1}{{7*7}}"
"""A name that would break a page which trusts it."""
_LABEL = "synthetic"


def fake_measured(
    duration_s: float,
    rows: int,
    *,
    gpus: int = 0,
    idle_gpus: int = 0,
    memory_kib: float = 3_400_000,
    saving: float = 0.62,
) -> TaskRecord:
    process, system = fake_frames(duration_s, rows, gpus=gpus - idle_gpus, memory_kib=memory_kib)
    each = fake_gpu_frames(process, gpus, gpus - idle_gpus)
    usage = fake_usage(process, system, duration_s, gpus, saving, each)
    cost = SamplerCost(
        cpu_s=0.05 + 0.0021 * duration_s,
        memory_kib=9_800,
        samples=int(max(duration_s * 10, 2)),
        rows=max(rows, round(duration_s)),
        by_source={
            "start": 0.05,
            "/proc/PID/stat": 0.0009 * duration_s,
            "/proc/PID/smaps_rollup": 0.0003 * duration_s,
            "/proc/stat": 0.0001 * duration_s,
        },
    )
    record = TaskRecord(
        pathspec="TrainFlow/1741732803/train/4",
        attempt=0,
        title="train",
        started_at=STARTED_AT,
        ended_at=STARTED_AT + duration_s,
        outcome=Outcome(status="ok"),
        tracking=Tracking(mode="sampler", interval_s=1.0, cost=cost, overhead_budget=0.005),
        process_metrics=process,
        system_metrics=system,
        gpu_metrics=each,
        usage=usage,
        server=fake_server(gpus),
        cloud=CloudInfo(
            vendor="aws",
            instance_type=("g5.4xlarge" if gpus == 1 else "g5.48xlarge") if gpus else "m5.2xlarge",
            region="us-east-1",
            discovery_time=0.031,
        ),
        request=ResourceRequest(
            cpu=8,
            memory_mb=16_000,
            gpu=gpus or None,
            chosen=("cpu", "memory", "gpu") if gpus else ("cpu", "memory"),
            decorators=("resources", "kubernetes"),
        ),
        limits=Limits(cpus=8.0, memory_mib=mb_to_mib(16_000), source="cgroup v2"),
        versions={"Metaflow": "2.19.39", "Python": "3.11.9", "data": _LABEL},
    )
    return with_advice(replace(record, history=fake_history(record)))


def _tiny() -> TaskRecord:
    record = fake_measured(0.05, 1, memory_kib=90_000, saving=1.05)
    return with_advice(replace(record, history=_FIRST))


def _failed() -> TaskRecord:
    record = fake_measured(754.0, 754, memory_kib=17_350_000)
    changed = replace(
        record,
        attempt=1,
        outcome=Outcome(status="failed", exception_type="MemoryError"),
        usage=replace(record.usage, persist_memory_peak_kib=None),
        tracking=replace(
            record.tracking,
            failed_sources=(FailedSource(source="/proc/PID/io", reason="permission denied", count=754),),
        ),
    )
    return with_advice(changed)


def _killed() -> TaskRecord:
    record = fake_measured(212.0, 212, memory_kib=17_400_000)
    changed = replace(
        record,
        outcome=Outcome(status="failed", exception_type="killed by SIGKILL, out of memory"),
        usage=replace(record.usage, persist_memory_peak_kib=None),
        tracking=replace(record.tracking, ended_early="the task was gone before it had finished"),
        history=_FIRST,
    )
    return with_advice(changed)


def _untracked() -> TaskRecord:
    record = fake_measured(9.9, 10)
    return replace(
        record,
        tracking=Tracking(
            mode="untracked",
            interval_s=1.0,
            reason="no directory for measurements: $TMPDIR, /var/tmp and /dev/shm cannot be written to",
        ),
        process_metrics=TinyDataFrame(),
        system_metrics=TinyDataFrame(),
        usage=UsageSummary(duration_s=9.9),
        recommendation=NoRecommendation(reason="the step was not measured"),
        pricing=Pricing(note="No machine can be picked without measurements."),
        history=_FIRST,
    )


def _start_end() -> TaskRecord:
    record = fake_measured(41.0, 1)
    reason = "the task is process 1 of its container, so only readings at start and end were taken"
    return replace(record, tracking=Tracking(mode="start_end", interval_s=1.0, reason=reason))


def _running() -> TaskRecord:
    record = fake_measured(95.0, 95)
    return replace(
        record,
        ended_at=None,
        outcome=Outcome(status="running"),
        usage=replace(record.usage, persist_memory_peak_kib=None),
        recommendation=NoRecommendation(reason="the step is still running"),
        pricing=Pricing(note="Prices follow when the step has ended."),
    )


def _no_history() -> TaskRecord:
    reason = "the metadata service did not answer within 5 s"
    return with_advice(replace(fake_measured(185.0, 185), history=History(available=False, reason=reason)))


def _first_run() -> TaskRecord:
    return with_advice(replace(fake_measured(185.0, 185), history=_FIRST))


def _foreach() -> TaskRecord:
    record = fake_measured(185.0, 185)
    return with_advice(replace(record, history=fake_history(record, runs=5, tasks_per_run=20)))


def _outlier() -> TaskRecord:
    record = fake_measured(185.0, 185)
    return with_advice(replace(record, history=fake_history(record, runs=5, tasks_per_run=20, outlier=3.9)))


def _assumed() -> TaskRecord:
    unknown = CloudInfo(reason="no metadata service answered within 1 s")
    record = replace(fake_measured(185.0, 185), cloud=unknown)
    return with_advice(replace(record, history=fake_history(record)))


def _no_request() -> TaskRecord:
    return with_advice(replace(fake_measured(185.0, 185), request=ResourceRequest(), limits=Limits()))


def _standalone() -> TaskRecord:
    record = replace(
        fake_measured(62.0, 62),
        pathspec=None,
        title="python train.py --epochs 3",
        request=ResourceRequest(),
        history=History(available=False, reason="a standalone run has no earlier runs to compare with"),
    )
    return with_advice(record)


def _caught() -> TaskRecord:
    outcome = Outcome(status="failed", exception_type="ValueError", caught=True)
    return with_advice(replace(fake_measured(42.0, 42), outcome=outcome))


def _hostile() -> TaskRecord:
    record = fake_measured(20.0, 20, gpus=1)
    server = replace(record.server, os=HOSTILE, cpu_model=HOSTILE, gpu_names=(HOSTILE,), allocation_reason=HOSTILE)
    own = record.pricing.own
    pricing = replace(
        record.pricing,
        note=HOSTILE,
        region=HOSTILE,
        catalog_source=HOSTILE,
        own=None if own is None else replace(own, instance=replace(own.instance, name=HOSTILE, gpu_model=HOSTILE)),
    )
    return replace(
        record,
        pathspec="/".join(HOSTILE.replace("/", "\u2215") for _ in range(4)),
        title=HOSTILE,
        outcome=Outcome(status="failed", exception_type=HOSTILE, caught=True),
        tracking=replace(
            record.tracking, ended_early=HOSTILE, failed_sources=(FailedSource(source=HOSTILE, reason=HOSTILE),)
        ),
        usage=replace(record.usage, cpu_source=HOSTILE, memory_peak_source=HOSTILE),
        server=server,
        cloud=CloudInfo(vendor=HOSTILE, instance_type=HOSTILE, region=HOSTILE),
        limits=replace(record.limits, source=HOSTILE),
        request=replace(record.request, decorators=(HOSTILE,)),
        history=History(available=False, reason=HOSTILE),
        recommendation=Recommendation(
            cpu=2, memory_mb=4000, gpu=1, reasons=dict.fromkeys(("cpu", "memory", "gpu"), HOSTILE)
        ),
        pricing=pricing,
        versions={HOSTILE: HOSTILE, "data": _LABEL},
    )


_FIRST = History(
    available=False, reason="this is the first finished run of this step, so there is nothing to compare with"
)

SITUATIONS: dict[str, Callable[[], TaskRecord]] = {
    "tiny": _tiny,
    "short": lambda: fake_measured(9.9, 10, memory_kib=600_000, saving=1.9),
    "hour": lambda: fake_measured(3600.0, 2048),
    "day": lambda: fake_measured(86_400.0, 2048),
    "gpu": lambda: fake_measured(1800.0, 1800, gpus=1),
    "gpus": lambda: fake_measured(1800.0, 1800, gpus=8, idle_gpus=2),
    "failed": _failed,
    "killed": _killed,
    "caught": _caught,
    "untracked": _untracked,
    "start_end": _start_end,
    "running": _running,
    "no_history": _no_history,
    "first_run": _first_run,
    "foreach": _foreach,
    "outlier": _outlier,
    "assumed_region": _assumed,
    "no_request": _no_request,
    "standalone": _standalone,
    "hostile": _hostile,
}
"""Every situation of :func:`fake_record`, by name."""
