"""The size of /dev/shm to ask for."""

from __future__ import annotations

import pytest

from resource_tracker.needs import shared_memory_need
from resource_tracker.records import ResourceRequest, TaskSummary
from resource_tracker.units import mib_to_kib

ON_KUBERNETES = ResourceRequest(decorators=("kubernetes",))


def task(peak_mib: float, limit_mib: float | None = None) -> TaskSummary:
    return TaskSummary(
        run_id="1",
        step="train",
        task_id="2",
        attempt=0,
        status="ok",
        finished_at=0.0,
        duration_s=60.0,
        shared_memory_peak_kib=mib_to_kib(peak_mib),
        shared_memory_limit_mib=limit_mib,
    )


@pytest.mark.parametrize(
    ("tasks", "amount", "reason"),
    [
        ([task(10, 64)], None, ""),
        ([task(100, 12_000)], 128, "25 % above that"),
        ([task(64, 64)], 128, "was full with 64 MiB: twice that"),
        ([task(250, 256), task(30, 64)], 512, "was full with 250 MiB"),
        ([task(64, 64), task(300, 1024)], 384, "25 % above that"),
    ],
)
def test_a_full_one_is_doubled(tasks: list[TaskSummary], amount: int | None, reason: str) -> None:
    """A quarter above the highest use; where the highest use was all there was, what is needed is unknown: twice."""
    advised = shared_memory_need(tasks, ON_KUBERNETES)
    assert advised.amount == amount
    assert reason in advised.reason
