"""Made-up records of attempts in states of their own: running, ended by the kernel, held back, with marks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from resource_tracker.columns import PROCESS_NAMES
from resource_tracker.frame import TinyDataFrame
from resource_tracker.projections import projections
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
    Span,
    TaskRecord,
)
from resource_tracker.testing.measured import FIRST, fake_measured
from resource_tracker.testing.parts import fake_history, fake_usage, with_advice
from resource_tracker.testing.rows import TICKS_PER_S, fake_core_frame


def _oom() -> TaskRecord:
    """Killed by the kernel after an hour, and repeated once already."""
    record = fake_measured(3412.0, 2048, memory_kib=17_350_000)
    changed = replace(
        record,
        attempt=1,
        outcome=Outcome(status="failed"),
        usage=replace(record.usage, persist_memory_peak_kib=None, oom_kills=1, memory_cgroup_shared=False),
        tracking=replace(record.tracking, ended_early="the task was gone before it had finished"),
        history=FIRST,
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
    limit = 2.0
    record = fake_measured(1260.0, 1260)
    frame = record.process_metrics
    wanted = frame["cpu_usage"]
    held = [1.0 if cores > limit else 0.0 for cores in wanted]
    changed: dict[str, list[float]] = {
        "cpu_usage": [min(cores, limit) for cores in wanted],
        "cpu_peak_cores": [min(cores, limit) for cores in frame["cpu_peak_cores"]],
        "utime": [round(min(cores, limit) * 90) for cores in wanted],
        "stime": [round(min(cores, limit) * 10) for cores in wanted],
        "quota_periods": [10.0] * len(wanted),
        "throttled_periods": [9.0 * share for share in held],
        "throttled_s": [max(cores - limit, 0.0) for cores in wanted],
    }
    columns = {name: changed.get(name, frame[name]) for name in PROCESS_NAMES}
    process = TinyDataFrame(columns)
    usage = replace(
        fake_usage(process, record.system_metrics, 1260.0, 0, 0.62, {}),
        throttled_s=sum(changed["throttled_s"]),
        throttled_share=sum(held) / len(held),
        cpu_wanted_cores=3.1,
        cpu_cgroup_shared=False,
        memory_cgroup_shared=False,
    )
    limited = replace(
        record,
        process_metrics=process,
        usage=usage,
        request=replace(record.request, cpu=2),
        limits=replace(record.limits, cpus=limit, cpu_period_s=0.1),
    )
    return with_advice(replace(limited, history=fake_history(limited)))


def _marked() -> TaskRecord:
    """A step whose code says where it is."""
    record = fake_measured(1800.0, 1800)
    return replace(
        record,
        spans=(
            _span(record, "load data", 0.0, 268.0),
            _span(record, "read parquet", 4.0, 190.0, depth=1),
            _span(record, "train", 271.0, 1655.0),
            _span(record, "checkpoint", 1066.0, 1066.0),
            _span(record, "evaluate", 1440.0, 1655.0, depth=1),
            _span(record, "save", 1657.0, 1799.0),
        ),
    )


def _span(record: TaskRecord, label: str, start_s: float, end_s: float | None, *, depth: int = 0) -> Span:
    """What the record's rows say of a stretch; without an end it is open."""
    rows = record.process_metrics
    row_s = record.usage.duration_s / len(rows)
    last_s = record.usage.duration_s if end_s is None else end_s
    within = slice(round(start_s / row_s), round(last_s / row_s))
    ticks = sum(rows["utime"][within]) + sum(rows["stime"][within])
    cost = record.pricing.run_cost_usd
    known = last_s > start_s
    return Span(
        label=label,
        start_s=start_s,
        end_s=end_s,
        depth=depth,
        cpu_seconds=ticks / TICKS_PER_S if known else None,
        memory_peak_kib=max(rows["memory_peak_kib"][within]) if known else None,
        cost_usd=cost * (last_s - start_s) / record.usage.duration_s if cost is not None and known else None,
    )


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


def _running() -> TaskRecord:
    return _still_running(fake_measured(95.0, 95))


def _running_long() -> TaskRecord:
    """Three hours of a step whose GPU has nothing more to do."""
    record = _still_running(fake_measured(10_800.0, 2048, gpus=1, memory_kib=11_300_000))
    heading = projections(record.process_metrics, record.system_metrics, record.usage, record.limits, record.server)
    marked = (_span(record, "load data", 0.0, 1610.0), _span(record, "train", 1612.0, None))
    return replace(record, spans=marked, projections=heading)


def _still_running(record: TaskRecord) -> TaskRecord:
    return replace(
        record,
        ended_at=None,
        outcome=Outcome(status="running"),
        usage=replace(record.usage, persist_memory_peak_kib=None),
        recommendation=NoRecommendation(reason="the step is still running"),
        pricing=Pricing(note="Prices follow when the step has ended."),
        core_metrics=fake_core_frame(record.system_metrics, record.server.vcpus or 1, most_rows=60),
    )


STATES: dict[str, Callable[[], TaskRecord]] = {
    "oom": _oom,
    "throttled": _throttled,
    "marked": _marked,
    "sources_missing": _sources_missing,
    "running": _running,
    "running_long": _running_long,
}
