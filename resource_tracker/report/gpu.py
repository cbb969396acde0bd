"""Whether a record has to do with GPUs at all."""

from __future__ import annotations

from resource_tracker.records import TaskRecord


def has_gpu(record: TaskRecord) -> bool:
    """A GPU in the machine, asked for, or used: without any, the card does not speak of them."""
    usage = record.usage
    used = any(value for value in (usage.gpu_usage_max, usage.gpu_vram_max_mib, usage.gpu_utilized_max))
    return bool(record.server.gpu_count or record.request.gpu or used)
