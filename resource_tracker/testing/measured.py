"""A made-up record of an attempt that went well, from which the other situations are made."""

from __future__ import annotations

from dataclasses import replace

from resource_tracker.records import (
    CloudInfo,
    History,
    Limits,
    Outcome,
    ResourceRequest,
    SamplerCost,
    TaskRecord,
    Tracking,
)
from resource_tracker.testing.parts import fake_history, fake_server, fake_usage, with_advice
from resource_tracker.testing.rows import STARTED_AT, fake_core_frame, fake_frames, fake_gpu_frames
from resource_tracker.units import mb_to_mib

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'`${1}{{7*7}}"
"""A name that would break a page which trusts it."""
LABEL = "synthetic"
FIRST = History(
    available=False, reason="this is the first finished run of this step, so there is nothing to compare with"
)


def fake_measured(
    duration_s: float,
    rows: int,
    *,
    gpus: int = 0,
    idle_gpus: int = 0,
    memory_kib: float = 3_400_000,
    saving: float = 0.62,
) -> TaskRecord:
    """Succeeded, with five runs before it, on a machine of AWS of which it asked for half."""
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
    server = fake_server(gpus)
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
        core_metrics=fake_core_frame(system, server.vcpus or 1),
        usage=usage,
        server=server,
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
        versions={"Metaflow": "2.19.39", "Python": "3.11.9", "data": LABEL},
    )
    return with_advice(replace(record, history=fake_history(record)))
