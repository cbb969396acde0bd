"""Attempts of a run from its tasks' metadata: retries, deaths without a word, clones."""

from __future__ import annotations

from resource_tracker.records import TaskSummary
from resource_tracker.run_attempts import TaskFacts, attempts_of


def summary(
    task_id: str, attempt: int = 0, *, status: str = "ok", at: float = 100.0, took: float = 10.0
) -> TaskSummary:
    return TaskSummary(
        run_id="1",
        step="work",
        task_id=task_id,
        attempt=attempt,
        status=status,  # type: ignore[arg-type]
        finished_at=at,
        duration_s=took,
        memory_peak_kib=5e6,
        request_cpu=4,
        request_memory_mb=8000,
        vendor="aws",
        region="us-east-1",
        instance_type="m5.xlarge",
    )


def facts(task_id: str = "7", *summaries: TaskSummary, **changes: object) -> TaskFacts:
    given = {"step": "work", "started": {}, "ended": {}, "cloned": False} | changes
    return TaskFacts(task_id=task_id, summaries={s.attempt: s for s in summaries}, **given)  # type: ignore[arg-type]


def only(*tasks: TaskFacts) -> list[tuple[int, str, bool]]:
    return [(a.attempt, a.status, a.lost) for a in attempts_of("Flow", "1", tasks).attempts]


def test_what_was_retried_is_lost() -> None:
    """Of two attempts the first ran for nothing, also where its own code had succeeded."""
    assert only(facts("7", summary("7", 0, status="failed"), summary("7", 1, at=200.0))) == [
        (0, "failed", True),
        (1, "ok", False),
    ]
    assert only(facts("7", summary("7", 0), summary("7", 1, at=200.0)))[0] == (0, "ok", True)


def test_the_last_attempt_that_failed_is_lost() -> None:
    """A failure that nothing followed, or that @catch swallowed, gave nothing either."""
    assert only(facts("7", summary("7", status="failed"))) == [(0, "failed", True)]


def test_an_attempt_that_was_killed_is_counted_until_the_next_began() -> None:
    """It left no summary: its times are Metaflow's, its request and machine those of its sibling, its use unknown."""
    killed, kept = attempts_of(
        "Flow", "1", [facts("7", summary("7", 1, at=200.0), started={0: 50.0, 1: 185.0}, ended={1: (201.0, True)})]
    ).attempts
    assert (killed.attempt, killed.status, killed.lost, killed.measured) == (0, "failed", True, False)
    assert (killed.started_at, killed.ended_at, killed.ended_at_latest) == (50.0, 185.0, True)
    assert killed.summary is not None
    assert (killed.summary.duration_s, killed.summary.request_memory_mb) == (135.0, 8000)
    assert (killed.summary.instance_type, killed.summary.memory_peak_kib) == ("m5.xlarge", None)
    assert kept.measured and not kept.lost


def test_a_task_whose_only_attempt_was_killed_takes_after_its_siblings() -> None:
    """With an end that Metaflow knows it has a cost; without one it may still run, and has none."""
    sibling = facts("8", summary("8"))
    ended = attempts_of("Flow", "1", [sibling, facts("9", started={0: 10.0}, ended={0: (20.0, False)})]).attempts
    assert [(a.task_id, a.status, a.summary is not None) for a in ended] == [("9", "failed", True), ("8", "ok", True)]
    running = attempts_of("Flow", "1", [sibling, facts("9", started={0: 10.0})]).attempts
    assert next((a.task_id, a.status, a.summary) for a in running) == ("9", "running", None)


def test_a_step_that_was_not_tracked_has_times_and_nothing_else() -> None:
    """Metaflow knows when it ran."""
    (found,) = attempts_of("Flow", "1", [facts(started={0: 10.0}, ended={0: (20.0, True)})]).attempts
    assert (found.status, found.started_at, found.ended_at, found.summary) == ("ok", 10.0, 20.0, None)


def test_clones_and_metaflows_own_tasks_do_not_count() -> None:
    """What resume copied did not run, and _parameters is no step."""
    run = attempts_of("Flow", "1", [facts(cloned=True, started={0: 1.0}), facts(step="_parameters", started={0: 1.0})])
    assert (run.attempts, run.cloned) == ((), 1)
    copied = attempts_of("Flow", "1", [facts("7", summary("7"), cloned=True)])  # even if it has figures of its own
    assert (copied.known, copied.has_died, copied.cloned) == ((), False, 1)


def test_attempts_are_in_the_order_in_which_they_began() -> None:
    """Those of which no time is known come last."""
    tasks = [facts(str(n), summary(str(n), at=at)) for n, at in ((1, 300.0), (2, 200.0))]
    found = attempts_of("Flow", "1", [facts("3", ended={0: (5.0, True)}), *tasks]).attempts
    assert [a.task_id for a in found] == ["2", "1", "3"]
