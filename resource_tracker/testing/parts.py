"""Made-up parts of a record: what was used, what is advised, prices, earlier runs, the machine."""

from __future__ import annotations

import math
import random
from typing import Any

from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import (
    History,
    InstanceType,
    Offer,
    Pricing,
    Recommendation,
    ServerInfo,
    TaskSummary,
    UsageSummary,
)
from resource_tracker.testing.rows import STARTED_AT, TICKS_PER_S
from resource_tracker.units import KIB, MB, MIB, kib_to_bytes, kib_to_mb_ceil, seconds_to_hours


def fake_usage(
    process: TinyDataFrame, system: TinyDataFrame, duration_s: float, gpus: int, saving: float
) -> UsageSummary:
    def mean(name: str) -> float:
        return sum(process[name]) / len(process)

    cpu_seconds = (sum(process["utime"]) + sum(process["stime"])) / TICKS_PER_S
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


def fake_advice(usage: UsageSummary, gpus: int, runs: int) -> Recommendation:
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


def fake_pricing(duration_s: float, *, gpus: int = 0, assumed: bool = False) -> Pricing:
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


def fake_history(usage: UsageSummary, pricing: Pricing, *, runs: int = 5, tasks_per_run: int = 1) -> History:
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


def fake_server(gpus: int) -> ServerInfo:
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
