"""What was allocated and not used, in money and in hours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.records import TaskSummary
from resource_tracker.units import mib_to_kib
from resource_tracker.waste import USD_PER_CPU_HOUR, USD_PER_GIB_HOUR, Allocation, Waste, waste_of


def task(duration_s: float = 3600.0, **used: float | None) -> TaskSummary:
    return TaskSummary(
        run_id="1",
        step="work",
        task_id="1",
        attempt=0,
        status="ok",
        finished_at=duration_s,
        duration_s=duration_s,
        **used,  # type: ignore[arg-type]
    )


def test_a_lost_attempt_wastes_all_of_it() -> None:
    """Its whole cost, and its whole allocation for its whole duration, whatever it used."""
    used = task(cpu_mean_cores=4.0, memory_peak_kib=mib_to_kib(16384))
    waste = waste_of(used, 0.2, Allocation(cpus=4, memory_mib=16384), lost=True)
    assert waste == Waste(lost_usd=0.2, core_hours=4, gib_hours=16)


def test_idle_parts_cost_their_part_of_the_price() -> None:
    """Half of 4 CPUs and three quarters of 16 GiB for an hour, at the proportion of their list prices."""
    used = task(cpu_mean_cores=2.0, memory_peak_kib=mib_to_kib(4096))
    waste = waste_of(used, 1.0, Allocation(cpus=4, memory_mib=16384), lost=False)
    cpus, memory = 4 * USD_PER_CPU_HOUR, 16 * USD_PER_GIB_HOUR
    assert waste.cpu_usd == pytest.approx(0.5 * cpus / (cpus + memory))
    assert waste.memory_usd == pytest.approx(0.75 * memory / (cpus + memory))
    assert (waste.core_hours, waste.gib_hours, waste.lost_usd) == (2, 12, 0)
    assert waste.usd == pytest.approx(waste.cpu_usd + waste.memory_usd)


def test_memory_while_artifacts_were_saved_was_used() -> None:
    """The peak counts in which nothing of the allocation could have been spared."""
    used = task(memory_peak_kib=mib_to_kib(4096), persist_growth_kib=mib_to_kib(4096))
    assert waste_of(used, 1.0, Allocation(memory_mib=16384), lost=False).gib_hours == 8


def test_an_idle_gpu_is_most_of_the_waste() -> None:
    """A GPU costs as much as thirty CPUs."""
    used = task(cpu_mean_cores=4.0, memory_peak_kib=mib_to_kib(16384), gpu_usage_mean=0.1)
    waste = waste_of(used, 1.0, Allocation(cpus=4, memory_mib=16384, gpus=1), lost=False)
    assert waste.gpu_usd > 0.7 and waste.gpu_hours == pytest.approx(0.9)


def test_what_was_not_measured_counts_as_used() -> None:
    """Nobody is told that something was wasted which was not looked at, nor what without a price it cost."""
    assert waste_of(task(), 1.0, Allocation(cpus=4, memory_mib=16384, gpus=1), lost=False) == Waste()
    assert waste_of(task(cpu_mean_cores=0.0), None, Allocation(cpus=4), lost=False) == Waste(core_hours=4)
    assert waste_of(task(cpu_mean_cores=0.1), 1.0, Allocation(), lost=False) == Waste()


amounts = st.none() | st.floats(0, 1e4)


@given(
    usd=st.floats(0, 1e6),
    cpus=amounts,
    memory=amounts,
    gpus=amounts,
    used_cpus=amounts,
    used_memory=amounts,
    used_gpus=amounts,
    lost=st.booleans(),
)
def test_nobody_wastes_more_than_was_paid(usd, cpus, memory, gpus, used_cpus, used_memory, used_gpus, lost):
    """Waste is between nothing and the whole price, whatever was allocated and used."""
    used = task(cpu_mean_cores=used_cpus, memory_peak_kib=used_memory, gpu_usage_mean=used_gpus)
    waste = waste_of(used, usd, Allocation(cpus=cpus, memory_mib=memory, gpus=gpus), lost=lost)
    assert 0 <= waste.usd <= usd * (1 + 1e-9)
    assert min(waste.core_hours, waste.gib_hours, waste.gpu_hours) >= 0


def test_wastes_add_up() -> None:
    """Field by field."""
    one = Waste(lost_usd=1, cpu_usd=2, memory_usd=3, gpu_usd=4, core_hours=5, gib_hours=6, gpu_hours=7)
    assert one + one == Waste(lost_usd=2, cpu_usd=4, memory_usd=6, gpu_usd=8, core_hours=10, gib_hours=12, gpu_hours=14)
    assert (one.idle_usd, one.usd) == (9, 10)
