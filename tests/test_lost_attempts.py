"""Attempts that ended without a trace: no less memory than asked for, and no rate that nobody knows."""

from __future__ import annotations

import pytest

from resource_tracker.records import Recommendation, TaskSummary
from resource_tracker.run_attempts import RunAttempts, TaskFacts, attempts_of, with_models
from resource_tracker.sizing import Policy
from resource_tracker.step_advice import StepAdvice, advise_step

MIB = 1024


def good(run: str = "1", **more: object) -> TaskSummary:
    given: dict[str, object] = {
        "attempt": 0,
        "status": "ok",
        "finished_at": 100.0,
        "duration_s": 60.0,
        "cpu_max_cores": 1.0,
        "memory_peak_kib": 300.0 * MIB,
        "request_cpu": 1.0,
        "request_memory_mb": 4096.0,
        "request_decorators": ("resources",),
    }
    return TaskSummary(**{"run_id": run, "step": "fit", "task_id": "1", **given, **more})  # type: ignore[arg-type]


def run(run_id: str, *summaries: TaskSummary, **facts: object) -> RunAttempts:
    """A run of one task, which began at 0."""
    given: dict[str, object] = {"started": {0: 0.0}, "ended": {}} | facts
    task = TaskFacts(step="fit", task_id="1", summaries={s.attempt: s for s in summaries}, **given)  # type: ignore[arg-type]
    return attempts_of("Flow", run_id, [task])


def advised(runs: list[RunAttempts], policy: Policy = Policy.SAFE) -> tuple[StepAdvice, Recommendation]:
    found = advise_step([summary for one in with_models(runs) for summary in one.known], policy=policy)
    assert isinstance(found.advice, Recommendation)
    return found, found.advice


@pytest.mark.parametrize("policy", list(Policy))
def test_a_run_that_was_killed_keeps_the_request(policy: Policy) -> None:
    """The kernel's OOM killer leaves no word: what it killed may need more than it was given, not half of it."""
    alone, cut = advised([run("1", good())], policy)
    assert (cut.memory_mb, alone.notes[-1].startswith("Half of what you asked for")) == (2048, True)
    found, kept = advised([run("2", died={0: 30.0}), run("1", good())], policy)
    assert (kept.memory_mb, kept.expected_failure_rate) == (4096, None)
    assert kept.reasons["memory"].endswith(
        "Not below the 4,096 MB asked for: 1 attempt ended unseen, perhaps for lack of memory."
    )
    assert kept.estimate == {}
    assert found.notes == (
        "1 attempt ended unseen, as a task does that is killed from outside. If that was for lack of "
        "memory, it needs more than the advice knows.",
    )


def test_a_retried_death_keeps_the_request_too() -> None:
    """The second attempt got through with as much, which the next may not."""
    _, kept = advised([run("1", good(attempt=1), started={0: 0.0, 1: 40.0})])
    assert (kept.memory_mb, kept.expected_failure_rate) == (4096, None)


def test_what_was_not_asked_for_is_not_kept() -> None:
    """Without a decorator there is no request; a need above the request stays what it is."""
    _, without = advised([run("2", died={0: 30.0}), run("1", good(request_decorators=None, request_memory_mb=None))])
    assert without.memory_mb < 1000
    _, more = advised([run("2", died={0: 30.0}), run("1", good(memory_peak_kib=5000.0 * MIB))])
    assert more.memory_mb > 5242


def later(number: int, **more: object) -> RunAttempts:
    """A run that went well, after everything else."""
    return run(f"later {number}", good(f"later {number}", finished_at=1000.0 * number, **more), started={})


@pytest.mark.parametrize(("runs", "memory_mb"), [(2, 4096), (3, 2048)])
def test_later_runs_answer_a_kill(runs: int, memory_mb: int) -> None:
    """One kill does not keep an advice from saving for ever: three later runs got through with no more."""
    newer = [later(number) for number in range(runs, 0, -1)]
    found, advice = advised([*newer, run("2", died={0: 200.0}), run("1", good())])
    assert (advice.memory_mb, advice.expected_failure_rate is None) == (memory_mb, memory_mb == 4096)
    assert any("ended unseen" in note for note in found.notes) == (memory_mb == 4096)


def test_earlier_runs_answer_nothing() -> None:
    """What went well before says nothing about the run that was killed."""
    before = [run(f"{n}", good(f"{n}", finished_at=n), started={}) for n in range(5, 0, -1)]
    _, kept = advised([run("9", died={0: 30.0}), *before])
    assert kept.memory_mb == 4096


def test_what_was_killed_in_between_answers_nothing() -> None:
    """A run in which a task was killed did not go well, even if its retry did."""
    newer = [
        run(f"{n}", good(f"{n}", attempt=1, finished_at=1000.0 * n), started={0: 900.0 * n, 1: 950.0 * n})
        for n in range(9, 2, -1)
    ]
    _, kept = advised([*newer, run("2", died={0: 30.0}), run("1", good())])
    assert kept.memory_mb == 4096


def test_more_memory_answers_only_if_it_was_needed() -> None:
    """Runs that were given more show nothing of what was too little, unless they used more than that."""
    given = {"request_memory_mb": 16384.0}
    unused = [later(number, **given) for number in range(5, 0, -1)]
    older = [run("2", died={0: 30.0}), run("1", good())]
    _, kept = advised([*unused, *older])
    assert kept.memory_mb == 16384
    used = [later(number, memory_peak_kib=5000.0 * MIB, **given) for number in range(5, 0, -1)]
    _, cut = advised([*used, *older])
    assert cut.memory_mb == 8192


def test_one_of_many_siblings_that_was_killed() -> None:
    """The run did not go well, however many of its tasks did."""
    tasks = [
        TaskFacts(
            step="fit", task_id=f"{n}", started={}, ended={}, summaries={0: good("2", task_id=f"{n}", finished_at=50.0)}
        )
        for n in range(20)
    ]
    killed = TaskFacts(step="fit", task_id="20", started={0: 0.0}, ended={}, summaries={}, died={0: 30.0})
    found, kept = advised([attempts_of("Flow", "2", [*tasks, killed]), run("1", good())])
    assert (kept.memory_mb, len(found.notes)) == (4096, 1)


def test_only_a_death_without_a_word_counts() -> None:
    """A failure that Metaflow was told of, as in a run without tracking, and an attempt still running, do not."""
    failed, running = run("3", ended={0: (30.0, False)}), run("2")
    found = with_models([failed, running, run("1", good())])
    assert [bool(one.known) for one in found] == [False, False, True]
    assert [(one.has_died, one.running) for one in found] == [(False, False), (False, True), (False, False)]


def test_what_stands_in_has_the_siblings_request_and_nothing_of_their_use() -> None:
    """Its time was paid for; what it used nobody knows."""
    killed, _ = with_models([run("2", died={0: 30.0}), run("1", good())])
    (stand_in,) = killed.known
    assert (stand_in.run_id, stand_in.status, stand_in.duration_s) == ("2", "failed", 30.0)
    assert (stand_in.request_memory_mb, stand_in.request_decorators) == (4096.0, ("resources",))
    assert (stand_in.memory_peak_kib, stand_in.cpu_max_cores) == (None, None)
    assert killed.summaries == ()


def test_a_death_had_what_the_run_before_it_asked_for() -> None:
    """People ask for more after a death: the run after it tells less."""
    after, before = later(1, request_memory_mb=8192.0), run("1", good())
    killed = run("2", died={0: 30.0})
    assert [one.known[0].request_memory_mb for one in with_models([after, killed, before])] == [8192, 4096, 4096]
    assert [one.known[0].request_memory_mb for one in with_models([after, killed])] == [8192, 8192]


@pytest.mark.parametrize(
    ("cause", "memory_mb"), [("interrupted", 4096), ("unknown", 4096), ("killed by SIGTERM", 2048)]
)
def test_an_end_that_nobody_saw_keeps_the_request(cause: str, memory_mb: int) -> None:
    """What was measured until a container went at once is no sign that it needed no more; a known cause is."""
    died = good("2", status="failed", ended_by=cause, finished_at=200.0)
    _, advice = advised([run("2", died), run("1", good())])
    assert advice.memory_mb == memory_mb
