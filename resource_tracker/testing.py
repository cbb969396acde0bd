"""Fakes for tests of code that uses this package: task records as real ones look, all made up.

Every record says so in ``versions["data"]``, which the card shows, so that no picture made from one passes for
a measurement.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from resource_tracker.columns import PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.errors import SettingError
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import (
    CloudInfo,
    FailedSource,
    History,
    InstanceType,
    Limits,
    NoRecommendation,
    Offer,
    Outcome,
    Pricing,
    Recommendation,
    ResourceRequest,
    SamplerCost,
    ServerInfo,
    TaskRecord,
    TaskSummary,
    Tracking,
    UsageSummary,
)
from resource_tracker.units import KIB, MB, MIB, kib_to_bytes, kib_to_mb_ceil, mb_to_mib, seconds_to_hours

HOSTILE = "</script><img src=x onerror=alert(1)>&\"'`${1}{{7*7}}"
"""A name that would break a page which trusts it."""
STARTED_AT = 1_763_711_880.25
_TICKS_PER_S = 100
_LABEL = "synthetic"


def fake_record(situation: str = "hour", **changes: Any) -> TaskRecord:
    """A made-up record of one attempt.

    Parameters
    ----------
    situation : str
        One of :data:`SITUATIONS`: ``tiny`` (50 ms), ``short`` (10 s), ``hour``, ``day``, ``gpu``, ``failed``,
        ``killed``, ``caught``, ``untracked``, ``start_end``, ``running``, ``no_history``, ``first_run``, ``foreach``,
        ``assumed_region``, ``no_request``, ``standalone``, ``hostile``.
    **changes
        Fields of :class:`~resource_tracker.records.TaskRecord` to replace.

    Raises
    ------
    SettingError
        There is no such situation; the message lists those there are.
    """
    if situation not in SITUATIONS:
        raise SettingError(f"no situation {situation!r}; there are: {', '.join(SITUATIONS)}")
    return replace(SITUATIONS[situation](), **changes)


def _shape(t: float, noise: random.Random) -> dict[str, float]:
    """A typical step at `t` of its duration: it loads, computes in rounds and writes."""
    loading, writing = t < 0.15, t > 0.92
    round_part = (t * 9) % 1
    jitter = noise.gauss(0, 1)
    return {
        "cpu": 0.5 + 0.1 * jitter if loading or writing else 2.1 + 0.9 * math.sin(6.3 * round_part) + 0.12 * jitter,
        "memory": min(t / 0.15, 1.0) * 0.55 + (0 if loading else 0.3 * round_part) + 0.008 * jitter,
        "read": (0.7 + 0.25 * noise.random()) if loading else 0.02 * noise.random(),
        "write": (0.6 + 0.3 * noise.random()) if writing else (0.2 if round_part > 0.94 else 0.004 * noise.random()),
        "net_in": (0.5 + 0.4 * noise.random()) if loading else 0.01 * noise.random(),
        "gpu": 0.0 if loading or writing else min(max(0.86 + 0.07 * jitter - (0.8 if round_part > 0.9 else 0), 0), 1),
        "vram": 0.02 if loading else min(0.55 + 0.3 * t, 0.8),
    }


def _frames(
    duration_s: float, rows: int, *, memory_kib: float = 3_400_000, gpus: int = 0, seed: int = 7
) -> tuple[TinyDataFrame, TinyDataFrame]:
    """Both frames of a step of `duration_s`, with a memory spike inside one row that the means do not show."""
    noise = random.Random(seed)  # noqa: S311
    length = duration_s / rows
    process: list[dict[str, float]] = []
    system: list[dict[str, float]] = []
    for index in range(rows):
        at = _shape((index + 0.5) / rows, noise)
        stamp = STARTED_AT + length * (index + 1)
        spike = 1.22 if index == int(rows * 0.71) else 1.0
        process.append(_process_row(at, stamp, length, memory_kib, spike, gpus))
        system.append(_system_row(at, stamp, length, memory_kib, gpus, noise))
    return TinyDataFrame(process), TinyDataFrame(system)


def _process_row(
    at: dict[str, float], stamp: float, length: float, memory_kib: float, spike: float, gpus: int
) -> dict[str, float]:
    memory = max(at["memory"], 0.02) * memory_kib
    cpu = max(at["cpu"], 0.05)
    row = {
        "timestamp": stamp,
        "pid": 777691.0,
        "children": 3.0,
        "utime": round(cpu * length * _TICKS_PER_S * 0.9),
        "stime": round(cpu * length * _TICKS_PER_S * 0.1),
        "cpu_usage": round(cpu, 4),
        "memory": round(memory),
        "read_bytes": round(at["read"] * 180e6 * length),
        "write_bytes": round(at["write"] * 90e6 * length),
        "gpu_usage": at["gpu"] * gpus,
        "gpu_vram": at["vram"] * gpus * 16_384,
        "gpu_utilized": float(gpus) if at["gpu"] > 0 else 0.0,
        "interval_s": length,
        "samples": max(round(10 * length), 2),
        "memory_peak_kib": round(memory * 1.04 * spike),
        "cpu_peak_cores": round(min(cpu * 1.25 + 0.1, 8), 4),
        "threads": 12.0,
        "major_faults": 0.0,
    }
    return {name: row[name] for name in PROCESS_NAMES}


def _system_row(
    at: dict[str, float], stamp: float, length: float, memory_kib: float, gpus: int, noise: random.Random
) -> dict[str, float]:
    used = max(at["memory"], 0.02) * memory_kib + 1_900_000
    cpu = max(at["cpu"], 0.05) + 0.35 + 0.1 * noise.random()
    row = {
        "timestamp": stamp - 0.003 * min(length, 1),
        "processes": 777773.0,
        "utime": round(cpu * length * _TICKS_PER_S * 0.88),
        "stime": round(cpu * length * _TICKS_PER_S * 0.12),
        "cpu_usage": round(cpu, 4),
        "memory_free": 32_000_000 - used,
        "memory_used": round(used),
        "memory_buffers": 4792.0,
        "memory_cached": 2_727_720.0,
        "memory_active": round(used * 0.6),
        "memory_inactive": 0.0,
        "disk_read_bytes": round((at["read"] * 190e6 + 2e5) * length),
        "disk_write_bytes": round((at["write"] * 95e6 + 9e5 * noise.random()) * length),
        "disk_space_total_gb": 214.7,
        "disk_space_used_gb": 83.1,
        "disk_space_free_gb": 131.6,
        "net_recv_bytes": round((at["net_in"] * 62e6 + 3e4 * noise.random()) * length),
        "net_sent_bytes": round((at["net_in"] * 1.4e6 + 2e4 * noise.random()) * length),
        "gpu_usage": at["gpu"] * gpus,
        "gpu_vram": at["vram"] * gpus * 16_384 + 450 * gpus,
        "gpu_utilized": float(gpus) if at["gpu"] > 0 else 0.0,
        "interval_s": length,
        "memory_available_kib": 31_000_000 - used,
        "memory_shared_kib": 120_000.0,
        "swap_used_kib": 0.0,
        "sampler_cpu_s": 0.0021 * length,
    }
    return {name: row[name] for name in SYSTEM_NAMES}


def _usage(process: TinyDataFrame, system: TinyDataFrame, duration_s: float, gpus: int, saving: float) -> UsageSummary:
    def mean(name: str) -> float:
        return sum(process[name]) / len(process)

    cpu_seconds = (sum(process["utime"]) + sum(process["stime"])) / _TICKS_PER_S
    peak = max(process["memory_peak_kib"])
    return UsageSummary(
        duration_s=duration_s,
        cpu_mean_cores=mean("cpu_usage"),
        cpu_max_cores=max(process["cpu_usage"]),
        cpu_p95_cores=sorted(process["cpu_usage"])[int(len(process) * 0.95)],
        cpu_seconds=cpu_seconds,
        cpu_source="process tree with its ended children (/proc/PID/stat)",
        cpu_is_lower_bound=True,
        memory_mean_kib=mean("memory"),
        memory_peak_kib=peak,
        memory_peak_source="sub-samples of the process tree",
        persist_memory_peak_kib=peak * saving,
        process_read_bytes=sum(process["read_bytes"]),
        process_write_bytes=sum(process["write_bytes"]),
        disk_read_bytes=sum(system["disk_read_bytes"]),
        disk_write_bytes=sum(system["disk_write_bytes"]),
        disk_used_max_gb=83.1,
        net_recv_bytes=sum(system["net_recv_bytes"]),
        net_sent_bytes=sum(system["net_sent_bytes"]),
        gpu_usage_mean=mean("gpu_usage") if gpus else None,
        gpu_usage_max=max(process["gpu_usage"]) if gpus else None,
        gpu_vram_mean_mib=mean("gpu_vram") if gpus else None,
        gpu_vram_max_mib=max(process["gpu_vram"]) if gpus else None,
        gpu_utilized_mean=mean("gpu_utilized") if gpus else None,
        gpu_utilized_max=float(gpus) if gpus else None,
        children_max=3,
        threads_max=12,
    )


def _advice(usage: UsageSummary, gpus: int, runs: int) -> Recommendation:
    peak = usage.overall_memory_peak_kib or 0.0
    busiest = usage.cpu_max_cores or 1.0
    cpu = max(math.ceil(busiest - 0.1), 1)
    memory = math.ceil(kib_to_mb_ceil(peak * 1.2) / 128) * 128
    whose = f"of {runs} runs" if runs > 1 else "of this attempt"
    reasons = {
        "cpu": f"The busiest interval {whose} used {busiest:.2f} cores.",
        "memory": f"Highest peak {whose}: {kib_to_bytes(peak) / MB:,.0f} MB. 20 % headroom, rounded up.",
    }
    if gpus:
        reasons["gpu"] = f"At most {gpus} {'GPU was' if gpus == 1 else 'GPUs were'} in use at once."
    return Recommendation(
        cpu=cpu,
        memory_mb=memory,
        gpu=gpus,
        reasons=reasons,
        based_on_runs=runs,
        basis_memory_kib=peak,
        basis_cpu_cores=busiest,
    )


def _instance(name: str, vcpus: float, gib: float, **more: Any) -> InstanceType:
    return InstanceType(vendor="aws", name=name, vcpus=vcpus, memory_mib=gib * MIB / KIB, **more)


def _pricing(duration_s: float, *, gpus: int = 0, assumed: bool = False) -> Pricing:
    hours = seconds_to_hours(duration_s)
    if gpus:
        gpu = {"gpu_count": 1, "gpu_memory_mib": 24_576.0}
        table = [
            (_instance("g6.xlarge", 4, 16, gpu_model="L4", **gpu), 0.8048),
            (_instance("g6.2xlarge", 8, 32, gpu_model="L4", **gpu), 0.9776),
            (_instance("g5.xlarge", 4, 16, gpu_model="A10G", **gpu), 1.006),
            (_instance("g5.2xlarge", 8, 32, gpu_model="A10G", **gpu), 1.212),
            (_instance("g6.4xlarge", 16, 64, gpu_model="L4", **gpu), 1.3232),
        ]
        own = Offer(
            instance=_instance("g5.4xlarge", 16, 64, gpu_model="A10G", **gpu),
            region="us-east-1",
            price_usd_per_hour=1.624,
            run_cost_usd=1.624 * hours,
        )
    else:
        table = [
            (_instance("t4g.xlarge", 4, 16, architecture="arm64", burstable=True), 0.1344),
            (_instance("c6g.xlarge", 4, 8, architecture="arm64"), 0.136),
            (_instance("t3a.xlarge", 4, 16, burstable=True), 0.1504),
            (_instance("c6a.xlarge", 4, 8), 0.153),
            (_instance("m6a.xlarge", 4, 16), 0.1728),
        ]
        own = Offer(
            instance=_instance("m5.2xlarge", 8, 32),
            region="us-east-1",
            price_usd_per_hour=0.384,
            run_cost_usd=0.384 * hours,
        )
    offers = tuple(
        Offer(instance=i, region="us-east-1", price_usd_per_hour=p, run_cost_usd=p * hours) for i, p in table
    )
    saving = None if assumed else (own.run_cost_usd or 0) - (offers[0].run_cost_usd or 0)
    return Pricing(
        offers=offers,
        vendor="aws",
        region="us-east-1",
        assumed=assumed,
        own=None if assumed else own,
        run_cost_usd=None if assumed else own.run_cost_usd,
        saving_usd=saving,
        catalog_source="bundled catalog",
        catalog_date="2026-11-01",
        note="No cloud was found, so the prices are those of a default region." if assumed else None,
    )


def _history(usage: UsageSummary, pricing: Pricing, *, runs: int = 5, tasks_per_run: int = 1) -> History:
    noise = random.Random(11)  # noqa: S311
    tasks: list[TaskSummary] = []
    for run in range(runs):
        for task in range(tasks_per_run):
            factor = 0.9 + 0.05 * run / runs + 0.1 * noise.random()
            tasks.append(
                TaskSummary(
                    run_id=str(1_741_732_803 - run),
                    step="train",
                    task_id=str(4 + task),
                    attempt=0,
                    status="ok",
                    finished_at=STARTED_AT - 86_400 * (run + 1),
                    duration_s=usage.duration_s * factor,
                    cpu_mean_cores=(usage.cpu_mean_cores or 0) * (0.95 + 0.1 * noise.random()),
                    cpu_max_cores=usage.cpu_max_cores,
                    memory_peak_kib=(usage.memory_peak_kib or 0) * (0.8 + 0.18 * noise.random()),
                    gpu_usage_mean=usage.gpu_usage_mean,
                    gpu_vram_max_mib=usage.gpu_vram_max_mib,
                    run_cost_usd=None if pricing.run_cost_usd is None else pricing.run_cost_usd * factor,
                )
            )
    return History(
        available=True,
        runs_analyzed=runs,
        tasks_analyzed=len(tasks),
        avg_cpu_mean=usage.cpu_mean_cores,
        max_memory_max=usage.memory_peak_kib,
        avg_duration=usage.duration_s,
        tasks=tuple(tasks),
    )


def _measured(
    duration_s: float, rows: int, *, gpus: int = 0, memory_kib: float = 3_400_000, saving: float = 0.62
) -> TaskRecord:
    process, system = _frames(duration_s, rows, gpus=gpus, memory_kib=memory_kib)
    usage = _usage(process, system, duration_s, gpus, saving)
    pricing = _pricing(duration_s, gpus=gpus)
    cost = SamplerCost(cpu_s=0.0021 * duration_s, memory_kib=9_800, samples=int(max(duration_s * 10, 2)), rows=rows)
    return TaskRecord(
        pathspec="TrainFlow/1741732803/train/4",
        attempt=0,
        title="train",
        started_at=STARTED_AT,
        ended_at=STARTED_AT + duration_s,
        outcome=Outcome(status="ok"),
        tracking=Tracking(mode="sampler", interval_s=1.0, cost=cost),
        process_metrics=process,
        system_metrics=system,
        usage=usage,
        server=_server(gpus),
        cloud=CloudInfo(
            vendor="aws",
            instance_type="g5.4xlarge" if gpus else "m5.2xlarge",
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
        history=_history(usage, pricing),
        recommendation=_advice(usage, gpus, 6),
        pricing=pricing,
        versions={"Metaflow": "2.19.39", "Python": "3.11.9", "data": _LABEL},
    )


def _server(gpus: int) -> ServerInfo:
    return ServerInfo(
        os="Linux 6.8.0",
        vcpus=16 if gpus else 8,
        cpu_model="AMD EPYC 7R32" if gpus else "Intel Xeon Platinum 8259CL",
        architecture="x86_64",
        memory_mb=64_015.4 if gpus else 31_512.0,
        gpu_count=gpus,
        gpu_names=("NVIDIA A10G",) * gpus,
        gpu_memory_mb=gpus * 24_576.0,
        allocation="shared",
        allocation_reason="other processes used 0.4 cores",
    )


def _tiny() -> TaskRecord:
    record = _measured(0.05, 1, memory_kib=90_000, saving=1.05)
    return replace(record, recommendation=_advice(record.usage, 0, 1), history=_FIRST)


def _failed() -> TaskRecord:
    record = _measured(754.0, 754, memory_kib=15_200_000)
    return replace(
        record,
        attempt=1,
        outcome=Outcome(status="failed", exception_type="MemoryError"),
        usage=replace(record.usage, persist_memory_peak_kib=None),
        tracking=replace(
            record.tracking,
            failed_sources=(FailedSource(source="/proc/PID/io", reason="permission denied", count=754),),
        ),
    )


def _killed() -> TaskRecord:
    record = _measured(212.0, 212, memory_kib=15_000_000)
    return replace(
        record,
        outcome=Outcome(status="failed", exception_type="killed by SIGKILL, out of memory"),
        usage=replace(record.usage, persist_memory_peak_kib=None),
        tracking=replace(record.tracking, ended_early="the task was gone before it had finished"),
        history=_FIRST,
        recommendation=_advice(record.usage, 0, 1),
    )


def _untracked() -> TaskRecord:
    record = _measured(9.9, 10)
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
    record = _measured(41.0, 1)
    reason = "the task is process 1 of its container, so only readings at start and end were taken"
    return replace(record, tracking=Tracking(mode="start_end", interval_s=1.0, reason=reason))


def _running() -> TaskRecord:
    record = _measured(95.0, 95)
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
    record = _measured(185.0, 185)
    return replace(record, history=History(available=False, reason=reason), recommendation=_advice(record.usage, 0, 1))


def _first_run() -> TaskRecord:
    record = _measured(185.0, 185)
    return replace(record, history=_FIRST, recommendation=_advice(record.usage, 0, 1))


def _foreach() -> TaskRecord:
    record = _measured(185.0, 185)
    return replace(record, history=_history(record.usage, record.pricing, runs=5, tasks_per_run=20))


def _assumed() -> TaskRecord:
    record = _measured(185.0, 185)
    return replace(
        record,
        cloud=CloudInfo(reason="no metadata service answered within 1 s"),
        pricing=_pricing(185.0, assumed=True),
        history=replace(record.history, tasks=tuple(replace(task, run_cost_usd=None) for task in record.history.tasks)),
    )


def _no_request() -> TaskRecord:
    return replace(_measured(185.0, 185), request=ResourceRequest(), limits=Limits())


def _standalone() -> TaskRecord:
    return replace(
        _measured(62.0, 62),
        pathspec=None,
        title="python train.py --epochs 3",
        request=ResourceRequest(),
        history=History(available=False, reason="a standalone run has no earlier runs to compare with"),
    )


def _hostile() -> TaskRecord:
    record = _measured(20.0, 20, gpus=1)
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
    "short": lambda: _measured(9.9, 10, memory_kib=600_000, saving=1.9),
    "hour": lambda: _measured(3600.0, 2048),
    "day": lambda: _measured(86_400.0, 2048),
    "gpu": lambda: _measured(1800.0, 1800, gpus=1),
    "failed": _failed,
    "killed": _killed,
    "caught": lambda: replace(
        _measured(42.0, 42), outcome=Outcome(status="failed", exception_type="ValueError", caught=True)
    ),
    "untracked": _untracked,
    "start_end": _start_end,
    "running": _running,
    "no_history": _no_history,
    "first_run": _first_run,
    "foreach": _foreach,
    "assumed_region": _assumed,
    "no_request": _no_request,
    "standalone": _standalone,
    "hostile": _hostile,
}
"""Every situation of :func:`fake_record`, by name."""
