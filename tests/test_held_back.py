"""What held an attempt back: what is summed up, advised and told of it, and where it is not the step's own."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sample_record import sample_record

from resource_tracker.columns import PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.dataclass import replace
from resource_tracker.frame import TinyDataFrame
from resource_tracker.memory_need import observations_of
from resource_tracker.records import (
    Limits,
    Measurements,
    Outcome,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    TaskRecord,
    TaskSummary,
    Tracking,
    UsageSummary,
)
from resource_tracker.report.facts import machine
from resource_tracker.report.findings import findings
from resource_tracker.report.method import method
from resource_tracker.step_advice import advise_step
from resource_tracker.summary import decode_summary, encode_summary, ran_out_of_memory, summary_of_attempt
from resource_tracker.usage import summarize

MIB = 1024
NAN = math.nan
OK = Outcome(status="ok")


def used(process: dict[str, list[float]], system: dict[str, list[float]] | None = None, **given: Any) -> UsageSummary:
    """The summary of rows of one second."""
    rows = len(next(iter(process.values())))
    columns = {"interval_s": [1.0] * rows}
    own = {name: {**columns, **process}.get(name, [NAN] * rows) for name in PROCESS_NAMES}
    beside = {name: {**columns, **(system or {})}.get(name, [NAN] * rows) for name in SYSTEM_NAMES}
    shared = given.pop("shared", False)
    measured = Measurements(
        process=TinyDataFrame(own),
        system=TinyDataFrame(beside),
        started_at=0.0,
        ended_at=float(rows),
        duration_s=float(rows),
        tracking=Tracking(mode="sampler", interval_s=1.0),
        cpu_cgroup_shared=shared,
        memory_cgroup_shared=shared,
    )
    return summarize(measured, **given)


def test_shares_and_sums() -> None:
    """Periods become a share of the time by the quota's own length; counters add up."""
    rows = {"throttled_periods": [5.0, 0.0], "throttled_s": [1.5, 0.0], "oom_kills": [0.0, 2.0], "run_wait_s": [1, 2]}
    usage = used(rows)
    assert (usage.throttled_share, usage.throttled_s, usage.oom_kills, usage.run_wait_s) == (0.25, 1.5, 2, 3)
    assert used(rows, quota_period_s=0.2).throttled_share == 0.5
    assert used({"throttled_periods": [50.0, NAN]}).throttled_share == 1.0


def test_what_is_not_counted_is_unknown() -> None:
    """Where the kernel does not count, nothing is claimed; nor in rows of an earlier version."""
    usage = used({"cpu_usage": [1.0]})
    names = ("throttled_s", "throttled_share", "cpu_wanted_cores", "run_wait_s", "oom_kills", "pressure_of")
    assert [getattr(usage, name) for name in names] == [None] * len(names)
    assert usage.cpu_pressure_s is None


def test_pressure_is_that_of_the_cgroup_where_it_is_known() -> None:
    """Whose pressure it is stands beside it: others on the machine wait, too."""
    machine = {"cpu_pressure_s": [0.5], "memory_pressure_s": [0.0], "io_pressure_s": [0.9]}
    of_cgroup = used({"io_pressure_s": [0.25]}, machine)
    assert (of_cgroup.io_pressure_s, of_cgroup.cpu_pressure_s, of_cgroup.pressure_of) == (0.25, None, "cgroup")
    of_machine = used({"cpu_usage": [1.0]}, machine)
    assert (of_machine.io_pressure_s, of_machine.cpu_pressure_s, of_machine.pressure_of) == (0.9, 0.5, "machine")


def test_wanted_cores_count_what_was_held_back() -> None:
    """A thread with half a CPU would have used a whole one; nobody can want more than the machine has."""
    rows = {"cpu_usage": [0.5] * 4, "throttled_s": [0.5] * 4}
    assert used(rows, vcpus=8).cpu_wanted_cores == 1.0
    assert used({"cpu_usage": [2.0] * 4, "throttled_s": [30.0] * 4}, vcpus=8).cpu_wanted_cores == 8.0
    assert used({"cpu_usage": [2.0] * 4, "throttled_s": [0.0] * 4}, vcpus=8).cpu_wanted_cores is None


def test_only_the_steps_own_goes_into_its_history() -> None:
    """Where others run in the cgroup, the summary for later runs does not count what held those back; it reads back."""
    rows = {"cpu_usage": [0.5], "throttled_s": [0.5], "throttled_periods": [10.0], "oom_kills": [1.0]}
    for shared, kept in ((False, (1.0, 1.0, 1)), (True, (None, None, None))):
        usage = used(rows, shared=shared, vcpus=4)
        summary = summary_of_attempt(usage, ResourceRequest(), OK, Limits(), ServerInfo())
        assert (summary.throttled_share, summary.cpu_wanted_cores, summary.oom_kills) == kept
        assert decode_summary(encode_summary(summary)) == summary


# --- advice -------------------------------------------------------------------------------------------


def task(run: str = "1", number: str = "1", peak_mib: float = 1000.0, **more: Any) -> TaskSummary:
    given: dict[str, Any] = {"attempt": 0, "status": "ok", "finished_at": 100.0, "duration_s": 60.0, **more}
    return TaskSummary(run_id=run, step="fit", task_id=number, memory_peak_kib=peak_mib * MIB, **given)


def advised(*tasks: TaskSummary) -> Recommendation:
    advice = advise_step(tasks).estimate
    assert isinstance(advice, Recommendation)
    return advice


THROTTLED = {"cpu_limit": 2.0, "throttled_share": 0.4, "vcpus": 16}


@pytest.mark.parametrize(
    ("more", "cpu", "reason"),
    [
        ({"cpu_p95_cores": 1.2, "cpu_wanted_cores": 2.4}, 3, "without, it would have used up to 2.40."),
        ({"cpu_p95_cores": 1.2, "cpu_wanted_cores": 1.8}, 2, "without, it would have used up to 1.80."),
        ({"cpu_p95_cores": 2.0, "cpu_wanted_cores": 14.0}, 3, "held it back: half as many again."),
        ({"cpu_p95_cores": 1.2}, 3, "held it back: half as many again."),
        ({"cpu_p95_cores": 1.2, "cpu_wanted_cores": 2.4, "threads_max": 1}, 3, "In 40 % of its time"),
    ],
)
def test_cpus_of_a_throttled_attempt(more: dict[str, Any], cpu: int, reason: str) -> None:
    """The kernel's own counters say that more was needed, long before the mean reaches the quota."""
    advice = advised(task(**THROTTLED, **more))
    assert advice.cpu == cpu
    assert reason in advice.reasons["cpu"]


def test_a_little_throttling_is_no_need() -> None:
    """Below 5 % of the time the quota suffices, as what is used for 95 % of the time does."""
    advice = advised(task(**THROTTLED | {"throttled_share": 0.04}, cpu_p95_cores=1.2, cpu_wanted_cores=3.0))
    assert advice.cpu == 2
    assert "held it back" not in advice.reasons["cpu"]


def test_an_attempt_with_more_cpus_has_shown_the_need() -> None:
    """Unless it was held back itself: then it has shown nothing."""
    throttled = task(**THROTTLED, cpu_p95_cores=2.0, cpu_wanted_cores=9.0)
    free = task("2", cpu_p95_cores=1.9, cpu_limit=8.0)
    assert advised(throttled, free).cpu == 2
    assert advised(throttled, replace(free, throttled_share=0.3)).cpu == 3


LIMIT_KIB = 1000.0 * MIB
AT_ITS_LIMIT = {"memory_peak_kib": [500.0 * MIB, 990.0 * MIB, 990.0 * MIB]}
SWAPPING = {"swap_used_kib": [200.0 * MIB, 500.0 * MIB, 600.0 * MIB]}


@pytest.mark.parametrize(
    ("process", "system", "limit_kib", "swapped_mib"),
    [
        (AT_ITS_LIMIT, SWAPPING, LIMIT_KIB, 400.0),
        (AT_ITS_LIMIT, SWAPPING, 2 * LIMIT_KIB, None),
        (AT_ITS_LIMIT, SWAPPING, None, None),
        (AT_ITS_LIMIT, {"swap_used_kib": [200.0 * MIB, 230.0 * MIB, NAN]}, LIMIT_KIB, None),
        ({"memory_peak_kib": [NAN, NAN, NAN]}, SWAPPING, LIMIT_KIB, None),
    ],
    ids=["at its limit", "far from it", "no limit known", "hardly any", "memory not known"],
)
def test_what_was_swapped_out(process: Any, system: Any, limit_kib: float | None, swapped_mib: float | None) -> None:
    """Only what went to swap while the step was close to its limit is taken as the step's."""
    usage = used(process, system, memory_limit_kib=limit_kib)
    assert usage.swapped_kib == (None if swapped_mib is None else swapped_mib * MIB)
    summary = summary_of_attempt(usage, ResourceRequest(), OK, Limits(), ServerInfo())
    assert decode_summary(encode_summary(summary)).swapped_kib == usage.swapped_kib


def test_what_was_swapped_out_is_needed_too() -> None:
    """Resident memory stops at the limit; the advice does not."""
    swapping = task(peak_mib=990.0, memory_limit_mib=1000.0, swapped_kib=400.0 * MIB)
    assert [seen.peak_mib for seen in observations_of([swapping])] == [1390.0]
    assert advised(swapping).memory_mb * 10**6 >= 1390 * MIB * MIB
    usage = UsageSummary(duration_s=9.0, swapped_kib=400.0 * MIB)
    assert any("lay in swap" in fact.text for fact in findings(replace(sample_record(), usage=usage)))


def test_the_card_tells_softer_limits() -> None:
    """Where memory gets slow, and how much may be swapped, stand beside the limits where they are set."""
    limits = Limits(memory_mib=1024.0, source="memory: memory.max", memory_high_mib=512.0, swap_mib=0.0)
    found = {fact.label: fact.text for fact in machine(replace(sample_record(), limits=limits))}
    text = found["Limits"].replace("\N{NO-BREAK SPACE}", " ")
    assert "slowed down from" in text and "no swap" in text
    assert "swap" not in next(
        f.text for f in machine(replace(sample_record(), limits=Limits(cpus=2.0))) if f.label == "Limits"
    )


@pytest.mark.parametrize(
    ("shares", "told"), [([1.0, 1.0], "all of memory exact"), ([0.5, 0.7], "60 % of memory exact")]
)
def test_the_card_tells_how_much_of_memory_is_exact(shares: list[float], told: str) -> None:
    """Beside the source of the peak; nothing where it is not known, as in an older artifact."""
    label = "Memory peak from"
    frame = TinyDataFrame({"interval_s": [1.0, 1.0], "memory_exact": shares})
    found = {fact.label: fact.text for fact in method(replace(sample_record(), process_metrics=frame))}
    assert found[label].replace("\N{NO-BREAK SPACE}", " ").endswith(told)
    frame = TinyDataFrame({"interval_s": [1.0, 1.0]})
    found = {fact.label: fact.text for fact in method(replace(sample_record(), process_metrics=frame))}
    assert "exact" not in found[label]


def test_a_killed_child_makes_memory_a_lower_bound() -> None:
    """The step went on, but one of its processes needed more than its limit: so does the next run."""
    killed = task(peak_mib=1990.0, oom_kills=1, memory_limit_mib=2000.0)
    assert [seen.outcome for seen in observations_of([killed])] == ["oom"]
    assert advised(killed).memory_mb * 10**6 > 2000 * MIB * MIB
    assert "Whenever the step succeeded, processes of it were killed" in advised(killed).reasons["memory"]
    early = task(peak_mib=300.0, oom_kills=1, memory_limit_mib=2000.0)  # the spike fell between two readings
    assert advised(early).memory_mb * 10**6 > 2000 * MIB * MIB
    small = task(number="2", peak_mib=300.0, oom_kills=1, memory_limit_mib=2000.0)
    assert [seen.outcome for seen in observations_of([task(), small])] == ["ok", "oom"]
    assert advised(task(oom_kills=0, memory_limit_mib=2000.0)) == advised(task(memory_limit_mib=2000.0))


@pytest.mark.parametrize(("shared", "ran_out"), [(False, True), (True, False), (None, False)])
def test_a_failure_after_a_kill_is_for_memory(shared: bool | None, ran_out: bool) -> None:
    """A step that failed because its child was killed ran out of memory; not if somebody else's was."""
    usage = UsageSummary(duration_s=9.0, oom_kills=1, memory_cgroup_shared=shared)
    failed = Outcome(status="failed", exception_type="CalledProcessError")
    assert ran_out_of_memory(usage, failed, Limits()) is ran_out
    assert ran_out_of_memory(usage, OK, Limits()) is False


# --- the card -----------------------------------------------------------------------------------------


def told(**usage: Any) -> list[str]:
    record: TaskRecord = sample_record()
    found = replace(record.usage, bound=None, **usage)
    record = replace(record, usage=found, limits=Limits(memory_mib=2048.0), outcome=OK)
    return [fact.text.replace("\N{NO-BREAK SPACE}", " ") for fact in findings(record)]


def test_a_kill_is_told() -> None:
    """What was killed while the step went on stands in the card, with its limit, and whose it may have been."""
    own = told(oom_kills=1, memory_cgroup_shared=False)
    assert (
        "For lack of memory (the step's limit is 2.15 GB) the kernel killed a process of the step, "
        "and the step went on: its result may be incomplete."
    ) in own
    shared = told(oom_kills=3, memory_cgroup_shared=True)
    assert "For lack of memory the kernel killed 3 processes of its cgroup, in which others run, too." in shared
    assert not any("killed" in text for text in told(oom_kills=0, memory_cgroup_shared=False))


def test_throttling_is_told() -> None:
    """From 5 % of the time on, unless it is the bound already."""
    assert "Its CPU quota was used up in 31 % of the time, and held it back." in told(throttled_share=0.31)
    assert not any("quota" in text for text in told(throttled_share=0.04))
