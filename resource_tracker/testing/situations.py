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
    Recommendation,
    ResourceRequest,
    Span,
    TaskRecord,
    Tracking,
    UsageSummary,
)
from resource_tracker.testing.measured import FIRST, HOSTILE, LABEL, fake_measured
from resource_tracker.testing.parts import fake_history, with_advice
from resource_tracker.testing.rows import fake_core_frame
from resource_tracker.testing.states import STATES


def _tiny() -> TaskRecord:
    record = fake_measured(0.05, 1, memory_kib=90_000, saving=1.05)
    return with_advice(replace(record, history=FIRST))


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
        history=FIRST,
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
        core_metrics=TinyDataFrame(),
        usage=UsageSummary(duration_s=9.9),
        recommendation=NoRecommendation(reason="the step was not measured"),
        pricing=Pricing(note="No machine can be picked without measurements."),
        history=FIRST,
    )


def _start_end() -> TaskRecord:
    record = fake_measured(41.0, 1)
    reason = "the task is process 1 of its container, so only readings at start and end were taken"
    tracking = Tracking(mode="start_end", interval_s=1.0, reason=reason)
    return replace(record, tracking=tracking, core_metrics=TinyDataFrame())


def _no_history() -> TaskRecord:
    reason = "the metadata service did not answer within 5 s"
    return with_advice(replace(fake_measured(185.0, 185), history=History(available=False, reason=reason)))


def _first_run() -> TaskRecord:
    return with_advice(replace(fake_measured(185.0, 185), history=FIRST))


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


def _many_cores(cores: int = 192) -> TaskRecord:
    """A machine of many cores, of which the step keeps eight busy, and a few more now and then."""
    record = fake_measured(1800.0, 1800)
    server = replace(record.server, vcpus=cores, usable_vcpus=float(cores), memory_mb=768_000.0)
    frame = record.system_metrics
    busier = TinyDataFrame(
        {**{name: frame[name] for name in frame.columns}, "cpu_usage": [4 * value for value in frame["cpu_usage"]]}
    )
    return with_advice(
        replace(record, server=server, cloud=CloudInfo(reason="none"), core_metrics=fake_core_frame(busier, cores))
    )


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
        versions={HOSTILE: HOSTILE, "data": LABEL},
        spans=(Span(label=HOSTILE, start_s=2.0, end_s=9.0), Span(label=HOSTILE, start_s=12.0)),
        ending=Ending(cause=HOSTILE, evidence=HOSTILE, source=HOSTILE, remedy=HOSTILE),
        attempt_before=EarlierAttempt(attempt=0, text=HOSTILE, remedy=HOSTILE),
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
    "no_history": _no_history,
    "first_run": _first_run,
    "foreach": _foreach,
    "foreach_200": lambda: _foreach(200),
    "outlier": _outlier,
    "assumed_region": _assumed,
    "no_request": _no_request,
    "many_cores": _many_cores,
    "standalone": _standalone,
    "hostile": _hostile,
    **STATES,
}
"""Every situation of :func:`fake_record`, by name."""
