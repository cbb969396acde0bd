"""What bound a step: each bound from rows that show it, and silence where nothing can be told."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from strategies import frames

from resource_tracker.bounds import WORDS, Bound, bound_of, bound_of_step
from resource_tracker.columns import PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import Limits, Outcome, ServerInfo, TaskSummary, UsageSummary

OK = Outcome(status="ok")
MACHINE = ServerInfo(vcpus=8, memory_mb=32_000.0)
QUIET = {"cpu_usage": 0.02, "read_bytes": 0.0, "write_bytes": 0.0, "gpu_usage": 0.0, "major_faults": 0.0, "memory": 1e5}
QUIET_MACHINE = {"cpu_usage": 0.1, "net_recv_bytes": 0.0, "net_sent_bytes": 0.0, "swap_used_kib": 0.0}


def bound(*rows, machine=(), usage=None, limits=None, server=MACHINE, outcome=OK) -> Bound | None:
    """The bound of an attempt with rows of one second, given as what differs from a quiet one."""
    process = [{**QUIET, "interval_s": 1.0, **row} for row in rows]
    system = [{**QUIET_MACHINE, "interval_s": 1.0, **row} for row in machine or [{}] * len(rows)]
    return bound_of(
        usage or used(len(rows)), TinyDataFrame(process), TinyDataFrame(system), limits or Limits(), server, outcome
    )


def used(seconds=10, **more) -> UsageSummary:
    return UsageSummary(**{"duration_s": float(seconds), "cpu_mean_cores": 1.0} | more)


GPU = used(gpu_utilized_max=1.0)
LIMITED = Limits(memory_mib=1000.0)
THROTTLED = {"cpu_usage": 1.2, "throttled_periods": 6.0}
PRESSED = {"memory": 950 * 1024.0, "major_faults": 400.0}


@pytest.mark.parametrize(
    ("row", "machine", "given_", "word", "evidence"),
    [
        ({"cpu_usage": 7.9}, {}, {}, "cpu", "All 8 CPUs"),
        ({"cpu_usage": 0.99}, {}, {"limits": Limits(cpus=1.0)}, "cpu", "The only CPU"),
        ({"cpu_usage": 3.0}, {"cpu_usage": 7.9}, {}, "crowded", "other processes"),
        ({"run_wait_s": 1.4}, {"cpu_usage": 7.9}, {}, "crowded", "other processes"),
        ({"run_wait_s": 0.2}, {"cpu_usage": 7.9}, {}, "waiting", "nothing measured was busy"),
        (THROTTLED, {}, {"limits": Limits(cpus=2.0)}, "quota", "quota of 2 CPUs was used up"),
        ({"throttled_periods": 12.0}, {}, {"limits": Limits(cpus=1.0, cpu_period_s=0.05)}, "quota", "quota of 1 CPU "),
        ({"memory_pressure_s": 0.15}, {}, {"limits": LIMITED}, "memory", "Close to its limit"),
        ({"memory": 950 * 1024.0}, {"memory_pressure_s": 0.2}, {"limits": LIMITED}, "memory", "Close to its limit"),
        ({"io_pressure_s": 0.6}, {}, {}, "disk", "waited for storage"),
        ({"io_pressure_s": 0.6, "read_bytes": 80e6}, {}, {}, "disk", "50 MB/s"),
        ({"cpu_usage": 1.02}, {}, {}, "one_thread", "1 of 8 CPUs"),
        (PRESSED, {}, {"limits": LIMITED}, "memory", "Close to its limit"),
        ({"read_bytes": 80e6}, {}, {}, "disk", "50 MB/s"),
        ({"write_bytes": 80e6}, {}, {}, "disk", "50 MB/s"),
        ({}, {"net_recv_bytes": 60e6}, {}, "network", "30 MB/s"),
        ({}, {"net_sent_bytes": 60e6}, {}, "network", "30 MB/s"),
        ({"gpu_usage": 0.95, "cpu_usage": 1.0}, {}, {"usage": GPU}, "gpu", "80 %"),
        ({"gpu_usage": 0.2, "cpu_usage": 1.0}, {}, {"usage": GPU}, "feeding_gpu", "not half busy"),
        ({"gpu_usage": 0.2, "read_bytes": 80e6}, {}, {"usage": GPU}, "feeding_gpu", "not half busy"),
        ({}, {}, {}, "waiting", "slept, or waited"),
        ({"gpu_usage": 0.1}, {}, {"usage": GPU}, "waiting", "slept, or waited"),
    ],
)
def test_each_bound(row, machine, given_, word, evidence):
    """Ten equal seconds of each kind give its word, with the share of the time and what was seen."""
    found = bound(*[row] * 10, machine=[machine] * 10, **given_)
    assert found is not None
    assert (found.word, evidence in found.evidence, "100 % of the time" in found.evidence) == (word, True, True)


def test_one_thread_is_said_of_the_step_not_of_the_machine():
    """Others may keep the rest of the machine busy: what is counted are the CPUs that the step itself kept busy."""
    found = bound(*[{"cpu_usage": 1.0}] * 10, machine=[{"cpu_usage": 8.0}] * 10)
    assert found == Bound(word="one_thread", evidence="It kept about 1 of 8 CPUs busy for 100 % of the time.")


@pytest.mark.parametrize(
    ("row", "machine"),
    [
        ({"throttled_periods": 4.0}, {}),
        ({}, {"memory_pressure_s": 0.9}),
        ({}, {"io_pressure_s": 0.9}),
        ({"io_pressure_s": 0.4}, {}),
        ({"memory_pressure_s": 0.05}, {}),
    ],
)
def test_no_bound_by_little_or_by_others(row, machine):
    """Being held back for less than half of the time, and what others on the machine wait for, bind nothing."""
    found = bound(*[row] * 10, machine=[machine] * 10)
    assert found is not None
    assert found.word == "waiting"


def test_running_out_of_memory_needs_no_rows():
    """How an attempt ended is the best evidence."""
    failed = Outcome(status="failed", exception_type="MemoryError")
    found = bound(usage=used(memory_peak_kib=2e6), outcome=failed)
    assert found == Bound(word="memory", evidence="It ran out of memory, having reached 2,048 MB.")


def test_page_faults_alone_are_no_lack_of_memory():
    """Mapping a large file faults, too: memory is to blame only near the limit, or where the machine swaps."""
    faulting = {"major_faults": 400.0, "cpu_usage": 0.05}
    assert bound(*[faulting] * 10).word == "waiting"
    swapping = [{"swap_used_kib": index * 100_000.0} for index in range(10)]
    assert bound(*[faulting] * 10, machine=swapping).word == "memory"


def test_nothing_that_took_half_of_the_time_is_said_so():
    """Four seconds of waiting, three of one thread, three of disk: no single thing, with the parts."""
    rows = [{}] * 4 + [{"cpu_usage": 1.0}] * 3 + [{"read_bytes": 1e8}] * 3
    found = bound(*rows)
    assert found.word == "mixed" and "waiting for 40 %" in found.evidence and "one thread for 30 %" in found.evidence


def test_longer_rows_count_for_more():
    """Six seconds in one row outweigh four rows of a second."""
    assert bound({"cpu_usage": 1.0, "interval_s": 6.0}, *[{}] * 4).word == "one_thread"


@pytest.mark.parametrize(
    ("usage", "server"),
    [(used(1.0), MACHINE), (used(10, cpu_mean_cores=None), MACHINE), (used(10), ServerInfo())],
)
def test_what_cannot_be_told_is_not(usage, server):
    """Too short, no CPU measured, or nothing to compare it with."""
    assert bound(*[{"cpu_usage": 1.0}] * 10, usage=usage, server=server) is None


def test_no_waiting_where_processes_may_have_been_missed():
    """A CPU figure that is a lower bound does not show that nothing happened; without children it does."""
    assert bound(*[{}] * 10, usage=used(10, cpu_is_lower_bound=True, children_max=3)) is None
    assert bound(*[{}] * 10, usage=used(10, cpu_is_lower_bound=True, children_max=0)).word == "waiting"


def test_totals_serve_where_there_are_no_rows():
    """Readings at start and end only: the mean over the whole attempt."""
    assert bound(usage=used(10, cpu_mean_cores=7.9)).word == "cpu"
    assert bound(usage=used(10, cpu_mean_cores=0.01, process_read_bytes=2e9)).word == "disk"


def test_unmeasured_columns_are_never_busy():
    """nan in disk, network or GPU neither raises nor binds."""
    nothing = dict.fromkeys(("read_bytes", "gpu_usage", "major_faults", "memory"), math.nan)
    unknown = dict.fromkeys(QUIET_MACHINE, math.nan)
    assert bound(*[{**nothing, "cpu_usage": 1.0}] * 10, machine=[unknown] * 10, usage=GPU).word == "feeding_gpu"


@given(frames(PROCESS_NAMES), frames(SYSTEM_NAMES))
def test_any_frames_give_a_known_word_or_none(process, system):
    """Whatever the columns hold, nothing raises."""
    found = bound_of(used(10), process, system, Limits(), MACHINE, OK)
    assert found is None or (found.word in WORDS and found.evidence.endswith("."))


def test_the_bound_of_a_step_is_what_took_most_of_its_time():
    """Two short attempts that waited weigh less than a long one that computed; unknown words do not count."""

    def task(word, seconds):
        return TaskSummary(
            run_id="1", step="s", task_id=word, attempt=0, status="ok", finished_at=1.0, duration_s=seconds, bound=word
        )

    found = bound_of_step([task("waiting", 5.0), task("waiting", 5.0), task("cpu", 90.0), task("luck", 900.0)])
    assert found == Bound(word="cpu", evidence="So it was in 1 of 3 attempts, 90 % of their time.")
    assert bound_of_step([task("luck", 5.0)]) is None


def test_the_evidence_of_a_step_is_that_of_its_longest_attempt():
    """What was seen in the longest attempt with that bound; alone, there is nothing to count."""

    def task(seconds, evidence, word="disk"):
        return TaskSummary(
            **{"run_id": "1", "step": "s", "task_id": "1", "attempt": 0, "status": "ok", "finished_at": 1.0},
            **{"duration_s": seconds, "bound": word, "bound_evidence": evidence},
        )

    found = bound_of_step([task(5.0, "Short."), task(60.0, "It read."), task(6.0, "It slept.", "waiting")])
    assert found == Bound(word="disk", evidence="It read. So it was in 2 of 3 attempts, 92 % of their time.")
    assert bound_of_step([task(5.0, "It read.")]) == Bound(word="disk", evidence="It read.")
