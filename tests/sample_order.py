"""What a task leaves for its publisher, made up."""

from __future__ import annotations

from resource_tracker.flows.order import Order
from resource_tracker.records import InputSize, Limits, ResourceRequest, ServerInfo


def an_order(**changes: object) -> Order:
    """One with something in each field."""
    fields: dict[str, object] = dict(
        version=1,
        pathspec="AFlow/17/train/3",
        attempt=1,
        pid=4711,
        runtime_pid=4700,
        started_at=1.7e9,
        started_monotonic_s=12.5,
        interval_s=1.0,
        overhead_budget=0.005,
        artifact_name="resource_tracker_data",
        history_runs=5,
        prices="bundled",
        policy="safe",
        vendor=None,
        region="eu-west-1",
        create_card=True,
        live=True,
        refresh_interval_s=5.0,
        quiet=False,
        datastore="s3",
        datastore_root="s3://bucket/metaflow",
        card_root="s3://bucket/metaflow/mf.cards",
        metadata="service",
        metadata_info="https://metadata.example",
        handover_folder=None,
        how_to_open="card: python flow.py card view 17/train/3 --id resources_attempt_1",
        ends_the_run=False,
        request=ResourceRequest(cpu=2.0, memory_mb=4096.0, chosen=("cpu", "memory"), decorators=("resources",)),
        limits=Limits(cpus=2.0, memory_mib=4096.0, source="cgroup"),
        server=ServerInfo(vcpus=8, gpu_names=("A", "B")),
        input_size=InputSize(bytes=17.0, source="artifacts"),
        versions={"python": "3.12.1"},
        python_path=("/a b/\udc80", "/c"),
        environment={"PYTHONPATH": "/code"},
        log=(13, 4242),
    )
    return Order(**(fields | changes))  # type: ignore[arg-type]
