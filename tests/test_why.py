"""Why an attempt ended as it did: each verdict from the summary that shows it, its evidence, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from resource_tracker.dataclass import replace
from resource_tracker.endings import STOPPED_EVIDENCE
from resource_tracker.records import TaskSummary
from resource_tracker.run_attempts import Attempt, RunAttempts
from resource_tracker.why import explain
from resource_tracker.why_stopped import with_what_stopped

MIB = 1024.0
FAILED = TaskSummary(
    run_id="1",
    step="train",
    task_id="2",
    attempt=0,
    status="failed",
    finished_at=1000.0,
    duration_s=90.0,
    cpu_mean_cores=1.5,
    cpu_max_cores=2.0,
    cpu_p95_cores=2.0,
    cpu_limit=2.0,
    memory_peak_kib=900 * MIB,
    memory_limit_mib=1000.0,
    request_cpu=2.0,
    request_memory_mb=1048.0,
    request_decorators=("resources",),
    ran_out_of_memory=False,
)
WAITING = {"bound": "waiting", "bound_evidence": "For 99 % of the time nothing measured was busy."}


def attempt(summary: TaskSummary | None, **changes: Any) -> Attempt:
    fields: dict[str, Any] = dict(
        step="train",
        task_id="2",
        attempt=0,
        status="failed" if summary is None else summary.status,
        lost=True,
        started_at=910.0,
        ended_at=1000.0,
        summary=summary,
    )
    return Attempt(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "kind", "headline", "evidence", "remedy"),
    [
        (
            {"ran_out_of_memory": True, "ended_by": "out of memory", "ended_evidence": "The kernel killed it."},
            "memory",
            "ran out of memory",
            "The kernel killed it. It ran for 1 min 30 s. Its memory peaked at 944 MB of 1,049 MB allowed (90 %).",
            "instead of memory=1048",
        ),
        (
            {"ran_out_of_memory": True, "exception_type": "MemoryError"},
            "memory",
            "ran out of memory",
            "ended with MemoryError",
            "at least memory=",
        ),
        (
            {"ran_out_of_memory": True, "oom_kills": 2, "exception_type": None},
            "memory",
            "ran out of memory",
            "the kernel killed 2 of its processes",
            "at least memory=",
        ),
        (
            {"exception_type": "OutOfMemoryError", "gpu_count": 1, "gpu_memory_mib": 16384.0, "gpu_vram_max_mib": 16e3},
            "gpu_memory",
            "A GPU ran out",
            "having held 16,000 of 16,384 MiB",
            "GPU with more memory",
        ),
        (
            {"exception_type": "OSError", "error_name": "ENOSPC", "full_disk": "temporary (ext4, 2.0 GB)"},
            "disk",
            "The disk was full",
            "OSError (ENOSPC). Full was the file system of: temporary (ext4, 2.0 GB).",
            "larger disk",
        ),
        (
            {"exception_type": "OperationalError", "full_disk": "temporary (tmpfs, 0.5 GB)"},
            "disk",
            "The disk was full",
            "temporary (tmpfs, 0.5 GB)",
            "TMPDIR",
        ),
        (
            {
                "ended_by": "killed by SIGKILL",
                "ended_evidence": "Somebody killed it.",
                "full_disk": "home (ext4, 2 GB)",
            },
            "disk",
            "The disk was full",
            "Somebody killed it. Full was the file system of: home (ext4, 2 GB).",
            "larger disk",
        ),
        (
            {"ended_by": "stopped with the run", "full_disk": "home (ext4, 2 GB)"},
            "stopped",
            "stopped with the run",
            "ran for",
            "Nothing is wrong",
        ),
        (
            {"ended_by": "killed by SIGBUS", "shared_memory_peak_kib": 64 * MIB, "shared_memory_limit_mib": 64.0},
            "shared_memory",
            "shared memory was full",
            "64 of 64 MiB of /dev/shm",
            "at least shared_memory=",
        ),
        (
            {"exception_type": "TimeoutException", "bound": "quota", "bound_evidence": "Its quota of 2 CPUs was used."},
            "throttled",
            "throttled into its time-out",
            "TimeoutException. Its quota of 2 CPUs was used.",
            "Ask for more CPUs",
        ),
        (
            {"exception_type": "TimeoutException", "bound": "one_thread", "throttled_share": 0.4},
            "throttled",
            "throttled into its time-out",
            "held it back in 40% of its time",
            "Ask for more CPUs",
        ),
        (
            {"exception_type": "TimeoutException", "bound": "cpu"},
            "timeout",
            "while all its CPUs were busy",
            "TimeoutException",
            "more CPUs",
        ),
        ({"exception_type": "ReadTimeout", **WAITING}, "waiting", "waited until", "nothing measured was busy", "lock"),
        ({"exception_type": "TimeoutError"}, "timeout", "Its time was up", "TimeoutError", "more time"),
        ({"ended_by": "killed by SIGTERM", **WAITING}, "killed", "killed by SIGTERM", "nothing measured", "scheduler"),
        ({"ended_by": "killed by SIGSEGV", **WAITING}, "crash", "crashed", "ran for", "native code"),
        ({"ended_by": "stopped with the run"}, "stopped", "stopped with the run", "ran for", "Nothing is wrong"),
        ({"exception_type": "KeyboardInterrupt"}, "stopped", "It was interrupted", "Ctrl-C", ""),
        ({"ended_by": "interrupted"}, "interrupted", "interrupted", "ran for", "ask for more than"),
        ({"ended_by": "exit code 3"}, "exit", "left by itself (exit code 3)", "ran for", "log"),
        ({"ended_by": "unknown"}, "unknown", "without a word", "ran for", ""),
        ({"ended_by": "unknown", "duration_s": 0.0}, "unknown", "without a word", "How long it ran is not known", ""),
        ({"ended_by": "of a later version"}, "unknown", "without a word", "ran for", ""),
        ({"exception_type": "ValueError"}, "exception", "ValueError: nothing to do with resources", "1.5 of 2", "log"),
        (
            {"exception_type": "KeyError", "cpu_mean_cores": 0.002},
            "exception",
            "KeyError",
            "less than 0.01 of 2",
            "log",
        ),
        ({}, "exception", "an error before its end", "ran for", "log"),
    ],
)
def test_verdicts(changes: dict[str, Any], kind: str, headline: str, evidence: str, remedy: str) -> None:
    """What it was short of comes first, then how it was ended, then what it said itself."""
    found = explain(attempt(replace(FAILED, **changes)))
    assert found.kind == kind
    assert headline in found.headline
    assert evidence in " ".join(found.sentences)
    assert remedy in (found.remedy or "")


def test_the_source_is_named() -> None:
    """Where the cause was read stands beside it."""
    summary = replace(FAILED, ended_by="killed by SIGKILL", ended_source="pidfd")
    assert explain(attempt(summary)).source == "pidfd"


def test_siblings_make_the_advice_better() -> None:
    """A sibling that got through with more memory is what to ask for, not only what the failed one had got to."""
    short = replace(FAILED, ran_out_of_memory=True, ended_by="out of memory")
    sibling = replace(FAILED, task_id="3", status="ok", memory_peak_kib=4000 * MIB, memory_limit_mib=8000.0)
    alone, together = explain(attempt(short)).remedy, explain(attempt(short), [sibling]).remedy
    assert alone is not None and together is not None
    assert int(together.split("memory=")[1].split()[0]) >= 4195 > int(alone.split("memory=")[1].split()[0])


@pytest.mark.parametrize(
    ("one", "kind", "words"),
    [
        (attempt(replace(FAILED, status="ok")), "ok", "It succeeded"),
        (attempt(replace(FAILED, status="ok", oom_kills=1)), "ok", "It succeeded"),
        (attempt(None, status="running", lost=False), "running", "still running"),
        (attempt(None, status="ok", lost=False), "ok", "It succeeded"),
        (attempt(None, died=True, stopped=True), "stopped", "stopped with the run"),
        (attempt(None, died=True), "unknown", "killed from outside, and nothing was measured"),
        (attempt(FAILED, died=True, measured=False), "unknown", "killed from outside"),
        (attempt(None), "unknown", "was not tracked"),
    ],
)
def test_without_a_failure_or_measurements(one: Attempt, kind: str, words: str) -> None:
    """What went well, still runs, or was never measured is not explained away."""
    found = explain(one)
    assert found.kind == kind
    assert words in found.headline


@pytest.mark.parametrize(
    ("other", "said", "remedy"),
    [
        (
            {"exception_type": "ValueError"},
            "as another task of the run, train/1, had failed",
            "resource-tracker why F/1/train/1",
        ),
        ({"exception_type": "KeyboardInterrupt"}, "as the user had interrupted the run (Ctrl-C)", None),
        (
            {"ended_by": "stopped with the run", "ended_evidence": STOPPED_EVIDENCE},
            "or the run was interrupted",
            "Nothing",
        ),
    ],
)
def test_what_stopped_the_run(other: dict[str, Any], said: str, remedy: str | None) -> None:
    """A sibling that Metaflow killed says which task was why, also where Metaflow's record of it came late."""
    found = [attempt(replace(FAILED, task_id="1", **other), task_id="1", ended_at=900.0)]
    killed = attempt(replace(FAILED, ended_by="killed by SIGKILL", ended_evidence="Somebody killed it."), stopped=True)
    run = RunAttempts(flow="F", run_id="1", attempts=(*found, killed))
    why = with_what_stopped(explain(killed), killed, run)
    assert why.kind == "stopped" and said in " ".join(why.sentences)
    assert (remedy is None and why.remedy is None) or (remedy and remedy in (why.remedy or ""))
