"""One record with every part filled in, the same for ever: what the golden artifacts hold."""

from __future__ import annotations

from resource_tracker.columns import PROCESS_COLUMNS, SYSTEM_COLUMNS
from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import conform
from resource_tracker.records import (
    CloudInfo,
    FailedSource,
    History,
    InstanceType,
    Limits,
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


def sample_record() -> TaskRecord:
    process = TinyDataFrame(
        {
            "timestamp": [1741732803.3076203, 1741732804.3076203],
            "pid": [777691.0, 777691.0],
            "cpu_usage": [1.0796, 0.5],
            "memory": [563273.0, 563300.0],
            "interval_s": [1.0, 1.0],
            "memory_peak_kib": [591621.0, 563300.0],
        }
    )
    system = TinyDataFrame({"timestamp": [1741732803.2471318], "cpu_usage": [2.7797], "disk_space_used_gb": [3405.11]})
    instance = InstanceType(vendor="aws", name="t4g.small", vcpus=2.0, memory_mib=2048.0, architecture="arm64")
    offer = Offer(instance=instance, region="us-east-1", price_usd_per_hour=0.0168, run_cost_usd=0.0001)
    earlier = TaskSummary(
        run_id="11",
        step="train",
        task_id="30",
        attempt=1,
        status="ok",
        finished_at=1741730000.5,
        duration_s=10.5,
        memory_peak_kib=597372.0,
        persist_growth_kib=0.0,
        instance_type="m6i.large",
    )
    return TaskRecord(
        pathspec="TrainFlow/12/train/34",
        attempt=1,
        title="TrainFlow/12/train/34",
        started_at=1741732802.5,
        ended_at=1741732812.25,
        outcome=Outcome(status="failed", exception_type="ValueError", caught=True),
        tracking=Tracking(
            mode="sampler",
            interval_s=1.0,
            ended_early="the sampler was killed",
            cost=SamplerCost(cpu_s=0.01, memory_kib=7300.0, samples=20, rows=2),
            failed_sources=(FailedSource(source="NVML", reason="no libnvidia-ml", count=3),),
        ),
        process_metrics=conform(process, PROCESS_COLUMNS),
        system_metrics=conform(system, SYSTEM_COLUMNS),
        usage=UsageSummary(duration_s=9.75, cpu_mean_cores=0.79, memory_peak_kib=591621.0, memory_peak_source="VmHWM"),
        server=ServerInfo(os="Linux", vcpus=12, memory_mb=64015.42, gpu_count=1, gpu_names=("Quadro T1000",)),
        cloud=CloudInfo(vendor="aws", instance_type="m6i.large", region="us-east-1", discovery_time=0.05),
        request=ResourceRequest(cpu=2.0, memory_mb=4096.0, gpu=0, chosen=("memory",), decorators=("resources",)),
        limits=Limits(cpus=2.0, memory_mib=4096.0, source="cgroup v2"),
        history=History(
            available=True,
            runs_analyzed=1,
            tasks_analyzed=1,
            max_memory_max=597372.0,
            avg_duration=10.5,
            tasks=(earlier,),
        ),
        recommendation=Recommendation(cpu=2, memory_mb=768, reasons={"memory": "25 % above the peak"}, based_on_runs=2),
        pricing=Pricing(offers=(offer,), vendor="aws", region="us-east-1", own=offer, run_cost_usd=0.0003),
        versions={"metaflow-resource-tracker": "0.1.0", "python": "3.11.7"},
    )
