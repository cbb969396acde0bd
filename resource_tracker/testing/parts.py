"""Made-up parts of a record: what was used, earlier runs, the machine; and the real advice and prices for them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from resource_tracker.bounds import bound_of
from resource_tracker.build import gpu_machines
from resource_tracker.catalog import load_bundled
from resource_tracker.frame import TinyDataFrame
from resource_tracker.gpu_use import count_held, count_with_work, energy_of, gpu_uses, vram_of_fullest_mib
from resource_tracker.history import build_history
from resource_tracker.pricing import Catalog, price
from resource_tracker.recommend import recommend
from resource_tracker.records import (
    GpuFacts,
    History,
    NoRecommendation,
    ServerInfo,
    TaskRecord,
    TaskSummary,
    UsageSummary,
)
from resource_tracker.testing.rows import STARTED_AT, TICKS_PER_S
from resource_tracker.units import seconds_to_hours


def fake_usage(
    process: TinyDataFrame,
    system: TinyDataFrame,
    duration_s: float,
    gpus: int,
    saving: float,
    each: Mapping[str, TinyDataFrame],
) -> UsageSummary:
    def mean(name: str) -> float:
        return sum(process[name]) / len(process)

    facts = [GpuFacts(name="NVIDIA A10G", memory_mib=24_576.0)] * gpus
    uses = gpu_uses(tuple(each.values()), facts)
    cpu_seconds = (sum(process["utime"]) + sum(process["stime"])) / TICKS_PER_S
    peak = max(process["memory_peak_kib"])
    return UsageSummary(
        duration_s=duration_s,
        cpu_mean_cores=mean("cpu_usage"),
        cpu_max_cores=max(process["cpu_usage"]),
        cpu_p95_cores=sorted(process["cpu_usage"])[int(len(process) * 0.95)],
        cpu_seconds=cpu_seconds,
        cpu_source="process tree with its ended children (/proc/PID/stat)",
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
        gpu_utilized_max=max(process["gpu_utilized"]) if gpus else None,
        gpus=uses,
        gpu_source="NVML, by process" if gpus else "",
        gpu_hours=seconds_to_hours(mean("gpu_usage") * duration_s) if gpus else None,
        gpu_energy_j=energy_of(uses),
        children_max=3,
        threads_max=12,
    )


@lru_cache(maxsize=1)
def _catalog() -> Catalog:
    return load_bundled()


def with_advice(record: TaskRecord) -> TaskRecord:
    """The record with the advice and the prices that the product itself gives, from the bundled catalog."""
    catalog = _catalog()
    bound = bound_of(
        record.usage, record.process_metrics, record.system_metrics, record.limits, record.server, record.outcome
    )
    usage = replace(record.usage, bound=bound.word, bound_evidence=bound.evidence) if bound else record.usage
    advice = recommend(
        usage,
        record.history,
        record.request,
        record.outcome,
        record.limits,
        server=record.server,
        instances=gpu_machines(catalog, record.server, record.cloud),
    )
    pricing = price(catalog, advice, usage, record.cloud, record.server, request=record.request, limits=record.limits)
    return replace(record, usage=usage, recommendation=advice, pricing=pricing)


def run_cost_usd(record: TaskRecord) -> float | None:
    """What the attempt cost on its own machine."""
    nothing = NoRecommendation(reason="only the cost is wanted")
    pricing = price(
        _catalog(), nothing, record.usage, record.cloud, record.server, request=record.request, limits=record.limits
    )
    return pricing.run_cost_usd


def fake_history(record: TaskRecord, *, runs: int = 5, tasks_per_run: int = 1, outlier: float = 1.0) -> History:
    """Earlier runs that used a little less, as the product itself sums them up.

    The last task of each run used `outlier` times as much memory.
    """
    usage, cost = record.usage, run_cost_usd(record)
    noise = random.Random(11)  # noqa: S311
    tasks: list[TaskSummary] = []
    for run in range(runs):
        for task in range(tasks_per_run):
            times = outlier if task == tasks_per_run - 1 else 1.0
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
                    cpu_p95_cores=usage.cpu_p95_cores,
                    cpu_limit=record.limits.cpus,
                    vcpus=record.server.vcpus,
                    architecture=record.server.architecture,
                    vendor=record.cloud.vendor,
                    gpu_count=record.server.gpu_count,
                    gpu_memory_mib=record.server.gpu_memory_mb / max(record.server.gpu_count, 1) or None,
                    memory_peak_kib=(usage.memory_peak_kib or 0) * (0.8 + 0.18 * noise.random()) * times,
                    gpu_usage_mean=usage.gpu_usage_mean,
                    gpu_vram_max_mib=usage.gpu_vram_max_mib,
                    gpu_utilized_max=usage.gpu_utilized_max,
                    gpus_given=len(usage.gpus) or None,
                    gpus_used=count_with_work(usage.gpus),
                    gpus_held=count_held(usage.gpus),
                    gpu_vram_each_mib=vram_of_fullest_mib(usage.gpus),
                    run_cost_usd=None if cost is None else cost * factor,
                )
            )
    return build_history(tasks)


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
        gpu_driver="550.54.15" if gpus else None,
        allocation="shared",
        allocation_reason="other processes used 0.4 cores",
    )
