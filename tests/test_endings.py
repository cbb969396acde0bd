"""What ended a task that could not say so: each source by itself, and what is said, done and kept of it."""

from __future__ import annotations

from typing import Any

import pytest

from resource_tracker.build import build_record
from resource_tracker.dataclass import replace
from resource_tracker.endings import INTERRUPTED, STOPPED, UNKNOWN, Death, Measured, ending_of, interrupted, status_of
from resource_tracker.frame import TinyDataFrame
from resource_tracker.memory_need import observations_of
from resource_tracker.records import (
    CloudInfo,
    Ending,
    FileSystemUse,
    History,
    Limits,
    Measurements,
    Outcome,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    TaskRecord,
    Tracking,
    UsageSummary,
)
from resource_tracker.summary import KILLED_FOR_MEMORY, decode_summary, encode_summary, full_disk, summary_of

MIB = 1024.0
KILLED = Death(status=9, source="pidfd")
FOR_MEMORY = replace(KILLED, kills=1)


def measured(
    peak_mib: float = 500.0,
    limit_mib: float | None = None,
    kills: int | None = None,
    shared: bool | None = False,
    **usage: Any,
) -> Measured:
    """An attempt of ten seconds; `kills` are all that were counted in its cgroup."""
    used = UsageSummary(
        duration_s=10.0,
        memory_peak_kib=peak_mib * MIB,
        oom_kills=kills,
        memory_cgroup_shared=shared,
        **usage,
    )
    system = TinyDataFrame({"memory_available_kib": [8e6, 20_000.0]})
    return Measured(used, system, Limits(memory_mib=limit_mib))


@pytest.mark.parametrize(
    ("death", "seen", "cause", "source", "words"),
    [
        (
            Death(status=15, source="pidfd", stopping_at=1e9),
            measured(),
            "killed by SIGTERM",
            "pidfd",
            "got SIGTERM at 01:46:40 UTC, as all do when a machine, container or job is being stopped; SIGTERM ended",
        ),
        (
            replace(KILLED, stopping_at=1e9),
            measured(),
            "killed by SIGKILL",
            "pidfd",
            "; SIGKILL ended it.",
        ),
        (replace(FOR_MEMORY, stopping_at=1e9), measured(990, 1000, 1), KILLED_FOR_MEMORY, "cgroup oom_kill, pidfd", ""),
        (Death(status=11, source="pidfd", stopping_at=1e9), measured(), "killed by SIGSEGV", "pidfd", "It crashed"),
        (FOR_MEMORY, measured(990, 1000, 1), KILLED_FOR_MEMORY, "cgroup oom_kill, pidfd", "its limit is 1,049 MB"),
        (FOR_MEMORY, measured(700, 1000, 3), KILLED_FOR_MEMORY, "cgroup oom_kill, pidfd", "734 MB"),
        (KILLED, measured(700, 1000, 1), "killed by SIGKILL", "pidfd", "nor its machine"),
        (FOR_MEMORY, measured(50, None, 1, shared=True), KILLED_FOR_MEMORY, "cgroup oom_kill, pidfd", "others run"),
        (
            KILLED,
            measured(960, 1000),
            KILLED_FOR_MEMORY,
            "memory at its limit, pidfd",
            "96% of its memory limit. It had reached 1,007 MB; its limit is 1,049 MB.",
        ),
        (Death(), measured(960, 1000), KILLED_FOR_MEMORY, "memory at its limit", "96% of its memory limit"),
        (
            replace(KILLED, machine_kills=1),
            measured(500),
            KILLED_FOR_MEMORY,
            "/proc/vmstat oom_kill, pidfd",
            "its machine had 20 MB left",
        ),
        (replace(KILLED, machine_kills=1), measured(500, 1000, 0), "killed by SIGKILL", "pidfd", "Somebody killed it"),
        (replace(KILLED, stopped=True), measured(990, 1000, 1), STOPPED, "Metaflow's record", "another task"),
        (Death(status=15, source="/proc/PID/stat"), measured(), "killed by SIGTERM", "/proc/PID/stat", "SIGTERM"),
        (Death(status=11, source="pidfd"), measured(990, 1000), "killed by SIGSEGV", "pidfd", "a bad address"),
        (Death(status=11 | 0x80, source="pidfd"), measured(), "killed by SIGSEGV", "pidfd", "crashed"),
        (Death(status=2, source="pidfd"), measured(), "killed by SIGINT", "pidfd", "Ctrl-C"),
        (Death(status=64, source="pidfd"), measured(), "killed by signal 64", "pidfd", "signal 64"),
        (Death(status=status_of(3), source="x"), measured(), "exit code 3", "x", "exit code 3."),
        (Death(status=status_of(0), source="x"), measured(), "exit code 0", "x", "os._exit"),
        (Death(status=status_of(137), source="x"), measured(), "exit code 137", "x", "shells tell of SIGKILL"),
        (Death(seen=False), measured(500, 1000), INTERRUPTED, "the last record", "524 MB, 50% of its limit"),
        (Death(), measured(500), UNKNOWN, "", "nothing tells how. Its memory had reached 524 MB."),
    ],
    ids=lambda value: None if not isinstance(value, str) else value.replace("/", "-"),
)
def test_each_cause_names_its_source(death: Death, seen: Measured, cause: str, source: str, words: str) -> None:
    """The best source that there is decides, is named, and its figures stand in the evidence."""
    found = ending_of(death, seen)
    assert found.cause == cause
    assert found.source.startswith(source)
    assert words in found.evidence


def test_a_full_shared_memory_explains_a_bus_error() -> None:
    """Writing to a full /dev/shm ends with SIGBUS: the size is told, and an amount to ask for."""
    seen = measured(shared_memory_peak_kib=63.9 * MIB)
    found = ending_of(Death(status=7, source="pidfd"), seen._replace(limits=Limits(shared_memory_mib=64)))
    assert found.cause == "killed by SIGBUS"
    assert "shared memory was full (64 MiB)" in found.evidence
    assert "shared memory" not in ending_of(Death(status=7, source="pidfd"), seen).evidence


def record_of(death: Death | None, *, peak_mib: float = 990.0, limit_mib: float | None = 1000.0) -> TaskRecord:
    return build_record(
        Measurements(
            process=TinyDataFrame(
                {"cpu_usage": [1.0], "interval_s": [10.0], "oom_kills": [0.0 if death is None else death.kills]}
            ),
            system=TinyDataFrame(),
            started_at=1000.0,
            ended_at=1010.0,
            duration_s=10.0,
            memory_peak_kib=peak_mib * MIB,
            memory_cgroup_shared=False,
            tracking=Tracking(mode="sampler", interval_s=1.0),
        ),
        title="Flow / step",
        pathspec="Flow/1/step/2",
        outcome=Outcome(status="running"),
        server=ServerInfo(),
        cloud=CloudInfo(),
        request=ResourceRequest(cpu=1, memory_mb=1048, decorators=("resources",), chosen=("memory",)),
        limits=Limits(memory_mib=limit_mib),
        history=History(available=False, reason="not read"),
        catalog=None,
        death=death,
    )


def test_a_death_makes_the_record_a_failed_one() -> None:
    """Killed for memory: outcome, what bound it, advice above the limit as a lower bound, and the remedy agree."""
    record = record_of(FOR_MEMORY)
    assert (record.outcome.status, record.outcome.ended_by) == ("failed", KILLED_FOR_MEMORY)
    assert record.usage.bound == "memory"
    assert isinstance(record.recommendation, Recommendation)
    assert record.recommendation.memory_mb > 1048
    assert record.ending is not None
    assert (
        record.ending.remedy
        == f"Ask for at least memory={record.recommendation.memory_mb} instead of memory=1048: it may need more than "
        "it got to."
    )
    assert record_of(None).ending is None
    assert record_of(None).outcome.status == "running"


def test_a_limit_below_the_request_is_what_to_raise() -> None:
    """As in a container on a laptop, where nothing gives the step what it asks for."""
    ending = record_of(FOR_MEMORY, peak_mib=390.0, limit_mib=400.0).ending
    assert ending is not None and ending.remedy is not None
    assert ending.remedy.startswith("It was allowed 419 MB, less than the memory=1048 that it asks for (a local run ")


def test_the_summary_tells_of_the_end_and_reads_back() -> None:
    """History counts it as an attempt that ran out of memory at its limit; cause, evidence and source are kept."""
    summary = decode_summary(encode_summary(summary_of(record_of(FOR_MEMORY))))
    assert (summary.status, summary.ended_by, summary.ran_out_of_memory) == ("failed", KILLED_FOR_MEMORY, True)
    assert summary.ended_source == "cgroup oom_kill, pidfd"
    assert summary.ended_evidence is not None and "for lack of memory" in summary.ended_evidence
    (seen,) = observations_of([summary])
    assert (seen.outcome, seen.peak_mib) == ("oom", 1000.0)


def test_a_kill_without_a_limit_still_counts_as_out_of_memory() -> None:
    """Where only the machine had a limit, the cause alone says that more is needed: at least what it had got to."""
    record = record_of(replace(KILLED, machine_kills=1), peak_mib=500, limit_mib=None)
    assert record.outcome.ended_by == "killed by SIGKILL"  # the cgroup's own counter stood still
    usage = replace(record.usage, oom_kills=None)
    found = ending_of(replace(KILLED, machine_kills=1), Measured(usage, TinyDataFrame(), Limits()))
    summary = summary_of(replace(record, ending=found, outcome=Outcome(status="failed", ended_by=found.cause)))
    assert summary.ran_out_of_memory is True


@pytest.mark.parametrize(
    ("peak_mib", "cause", "words"),
    [(600.0, INTERRUPTED, "629 MB, 60% of its limit"), (970.0, KILLED_FOR_MEMORY, "97% of its memory limit")],
)
def test_a_last_record_is_all_that_is_left(peak_mib: float, cause: str, words: str) -> None:
    """Of an attempt that went with its container: interrupted, or at its limit for lack of memory, and from where."""
    running = replace(summary_of(record_of(None, peak_mib=peak_mib)), status="running")
    found = interrupted(running)
    assert (found.status, found.ended_by, found.ran_out_of_memory) == ("failed", cause, cause == KILLED_FOR_MEMORY)
    assert words in (found.ended_evidence or "")
    assert (found.ended_source or "").endswith("the last record of the running attempt")


@pytest.mark.parametrize(("used", "said"), [(1.99, "temporary and home (tmpfs, 2.0 GB)"), (1.5, None), (None, None)])
def test_a_full_disk_is_named(used: float | None, said: str | None) -> None:
    """A file system of which nearly all was in use is named by what lies on it, its type and its size."""
    system = FileSystemUse(roles=("temporary", "home"), kind="memory", type="tmpfs", size_gb=2.0, used_peak_gb=used)
    assert full_disk(UsageSummary(duration_s=1.0, file_systems=(system,))) == said


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("killed by SIGTERM", "scheduler"),
        ("killed by SIGSEGV", "native code"),
        (STOPPED, "Nothing is wrong with this task"),
        (INTERRUPTED, "ask for more than it had"),
    ],
)
def test_what_to_do(cause: str, words: str) -> None:
    """Each cause comes with what to do, where something can be done."""
    from resource_tracker.remedies import remedy_of

    record = record_of(None)
    remedy = remedy_of(Ending(cause=cause), record.recommendation, record.request)
    assert remedy is not None and words in remedy
    assert remedy_of(Ending(cause="exit code 3"), record.recommendation, record.request) is None
