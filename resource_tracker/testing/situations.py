"""Made-up records of attempts that ended in all kinds of ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import (
    CloudInfo,
    EarlierAttempt,
    Ending,
    FailedSource,
    History,
    Limits,
    NoRecommendation,
    Outcome,
    Pricing,
    Projection,
    Recommendation,
    ResourceRequest,
    SamplerCost,
    Span,
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


def _oom() -> TaskRecord:
    """Killed by the kernel after an hour, and repeated once already."""
    record = fake_measured(3412.0, 2048, memory_kib=17_350_000)
    changed = replace(
        record,
        attempt=1,
        outcome=Outcome(status="failed"),
        usage=replace(record.usage, persist_memory_peak_kib=None, oom_kills=1, memory_cgroup_shared=False),
        tracking=replace(record.tracking, ended_early="the task was gone before it had finished"),
        history=_FIRST,
        ending=Ending(
            cause="Out of memory",
            evidence="The kernel killed the task (SIGKILL): its limit is 16.0\u00a0GB, and it had used 15.9\u00a0GB.",
            source="oom_kill of the cgroup's memory.events",
            remedy="Ask for at least memory=32256: how much more it would have taken is not known.",
        ),
        attempt_before=EarlierAttempt(
            attempt=0,
            text="out of memory after 41\u00a0min, at 12.0\u00a0GB of 12.0\u00a0GB allowed.",
            remedy="memory= was raised to 16000 since.",
        ),
    )
    return with_advice(changed)


def _throttled() -> TaskRecord:
    """Two CPUs where it could have used four."""
    record = fake_measured(1260.0, 1260)
    usage = replace(
        record.usage,
        throttled_s=1830.0,
        throttled_share=0.81,
        cpu_wanted_cores=3.6,
        cpu_cgroup_shared=False,
        memory_cgroup_shared=False,
    )
    changed = replace(
        record,
        usage=usage,
        request=replace(record.request, cpu=2),
        limits=replace(record.limits, cpus=2.0, cpu_period_s=0.1),
    )
    return with_advice(changed)


def _marked() -> TaskRecord:
    """A step whose code says where it is."""
    record = fake_measured(1800.0, 1800)
    parts = (
        ("load data", 0.0, 268.0, 0, 131.0, 1_890_000),
        ("read parquet", 4.0, 190.0, 1, 88.0, 1_300_000),
        ("train", 271.0, 1655.0, 0, 2911.0, 3_540_000),
        ("checkpoint", 1066.0, 1066.0, 0, None, None),
        ("evaluate", 1440.0, 1655.0, 1, 466.0, 3_020_000),
        ("save", 1657.0, 1799.0, 0, 74.0, 2_980_000),
    )
    cost = record.pricing.run_cost_usd
    spans = tuple(
        Span(
            label=label,
            start_s=start,
            end_s=end,
            depth=depth,
            cpu_seconds=cpu,
            memory_peak_kib=peak,
            cost_usd=cost * (end - start) / 1800 if cost is not None and end > start else None,
        )
        for label, start, end, depth, cpu, peak in parts
    )
    return replace(record, spans=spans)


def _sources_missing() -> TaskRecord:
    """What a hardened container hides."""
    record = fake_measured(420.0, 420)
    failed = (
        FailedSource(source="/proc/PID/io", reason="permission denied", count=420),
        FailedSource(source="/sys/fs/cgroup", reason="not mounted"),
        FailedSource(source="NVML", reason="libnvidia-ml.so.1 was not found"),
    )
    usage = replace(
        record.usage, process_read_bytes=None, process_write_bytes=None, cpu_is_lower_bound=True, cpu_mean_cores=2.0
    )
    tracking = replace(record.tracking, failed_sources=failed)
    process = record.process_metrics
    nothing = [float("nan")] * len(process)
    columns = {name: process[name] for name in process.columns} | {"read_bytes": nothing, "write_bytes": nothing}
    return with_advice(
        replace(
            record,
            usage=usage,
            tracking=tracking,
            process_metrics=TinyDataFrame(columns),
            limits=Limits(),
            cloud=CloudInfo(reason="no metadata service answered within 1 s"),
            history=History(available=False, reason="the metadata service did not answer within 5 s"),
        )
    )


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
    return _still_running(fake_measured(95.0, 95))


def _running_long() -> TaskRecord:
    """Three hours of a step on a GPU that will not fit into its memory."""
    record = _still_running(fake_measured(10_800.0, 2048, gpus=1, memory_kib=11_300_000))
    return replace(
        record,
        spans=(
            Span(label="load data", start_s=0.0, end_s=1610.0, cpu_seconds=801.0, memory_peak_kib=6_300_000),
            Span(label="train", start_s=1612.0, cpu_seconds=18_420.0, memory_peak_kib=11_900_000),
        ),
        projections=(
            Projection(
                kind="memory", text="Memory reaches its limit of 16.0\u00a0GB in about 40\u00a0min at this pace."
            ),
            Projection(kind="cpu", text="The CPU quota held the step back in 34\u00a0% of the last 5\u00a0min."),
        ),
    )


def _still_running(record: TaskRecord) -> TaskRecord:
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


def _foreach(tasks: int = 20) -> TaskRecord:
    record = fake_measured(185.0, 185)
    return with_advice(replace(record, history=fake_history(record, runs=5, tasks_per_run=tasks)))


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
        spans=(Span(label=HOSTILE, start_s=2.0, end_s=9.0), Span(label=HOSTILE, start_s=12.0)),
        ending=Ending(cause=HOSTILE, evidence=HOSTILE, source=HOSTILE, remedy=HOSTILE),
        attempt_before=EarlierAttempt(attempt=0, text=HOSTILE, remedy=HOSTILE),
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
    "oom": _oom,
    "throttled": _throttled,
    "marked": _marked,
    "sources_missing": _sources_missing,
    "caught": _caught,
    "untracked": _untracked,
    "start_end": _start_end,
    "running": _running,
    "running_long": _running_long,
    "no_history": _no_history,
    "first_run": _first_run,
    "foreach": _foreach,
    "foreach_200": lambda: _foreach(200),
    "outlier": _outlier,
    "assumed_region": _assumed,
    "no_request": _no_request,
    "standalone": _standalone,
    "hostile": _hostile,
}
"""Every situation of :func:`fake_record`, by name."""
