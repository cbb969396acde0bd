"""The comparison with earlier runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import histories, task_summaries

from resource_tracker.history import FIRST_RUN, build_history, overall_peak_kib, published_history
from resource_tracker.records import History, TaskSummary


def task(run: str = "1", task_id: str = "1", finished_at: float | None = 100.0, **given: Any) -> TaskSummary:
    fields = {"attempt": 0, "status": "ok", "duration_s": 10.0, "memory_peak_kib": 1000.0, **given}
    return TaskSummary(run_id=run, step="train", task_id=task_id, finished_at=finished_at, **fields)


class TestBuildHistory:
    def test_first_run_says_so(self) -> None:
        """Without any earlier attempt the reason is plain."""
        history = build_history([])
        assert history == History(available=False, reason="first tracked run of this step: nothing to compare with yet")

    def test_attempts_without_a_trace_are_published(self) -> None:
        """Also where nothing else is known, as the advice rests on it whenever it is made again."""
        history = History(available=False, reason="none", lost_attempts=1)
        assert published_history(history) == {"available": False, "reason": "none", "lost_attempts": 1}

    def test_switched_off(self) -> None:
        """``history=0`` reads nothing and says why."""
        history = build_history([task()], max_runs=0)
        assert not history.available
        assert "history=0" in (history.reason or "")

    def test_figures(self) -> None:
        """Averages are over tasks, maxima over all, memory with the saving of artifacts."""
        history = build_history(
            [
                task(
                    "2",
                    finished_at=200,
                    cpu_mean_cores=1.0,
                    cpu_max_cores=4.0,
                    duration_s=20.0,
                    memory_peak_kib=500.0,
                    persist_growth_kib=800.0,
                    gpu_usage_mean=0.5,
                    gpu_vram_max_mib=100.0,
                    gpu_utilized_max=1.0,
                ),
                task(
                    "1",
                    finished_at=100,
                    cpu_mean_cores=2.0,
                    cpu_max_cores=3.0,
                    duration_s=10.0,
                    memory_peak_kib=900.0,
                    persist_growth_kib=0.0,
                    gpu_usage_mean=0.0,
                    gpu_vram_max_mib=0.0,
                    gpu_utilized_max=0.0,
                ),
            ]
        )
        assert history.available
        assert history.reason is None
        assert (history.runs_analyzed, history.tasks_analyzed, history.tasks_left_out) == (2, 2, 0)
        assert (history.avg_cpu_mean, history.max_cpu_max, history.avg_duration) == (1.5, 4.0, 15.0)
        assert (history.max_memory_max, history.max_persist_growth_kib) == (1300.0, 800.0)
        assert (history.avg_gpu_mean, history.max_vram_max, history.max_gpu_count) == (0.25, 100.0, 1.0)

    def test_every_sibling_of_a_foreach_counts(self) -> None:
        """One small sibling does not stand for all: the largest is the maximum, the average is over all."""
        history = build_history(
            [task(task_id=str(n), memory_peak_kib=float(n), cpu_mean_cores=n) for n in range(1, 11)]
        )
        assert (history.runs_analyzed, history.tasks_analyzed) == (1, 10)
        assert (history.max_memory_max, history.avg_cpu_mean) == (10.0, 5.5)

    def test_newest_runs_first(self) -> None:
        """Of more runs than wanted the newest count, whatever order they come in; tasks are newest first."""
        given_runs = [task(str(n), finished_at=n, memory_peak_kib=float(100 - n)) for n in (3, 1, 5, 2, 4)]
        history = build_history(given_runs, max_runs=2)
        assert [found.run_id for found in history.tasks] == ["5", "4"]
        assert history.max_memory_max == 96.0

    def test_siblings_of_a_run_stay_together(self) -> None:
        """Runs that overlapped in time do not mix: a run stands where its newest task does."""
        history = build_history(
            [task("1", "a", 10), task("2", "b", 20), task("1", "c", 30), task("2", "d", 5), task("3", "e", None)]
        )
        assert [found.task_id for found in history.tasks] == ["c", "a", "b", "d", "e"]

    def test_only_success_counts(self) -> None:
        """Attempts whose own code failed, was killed or still runs are not compared with."""
        history = build_history(
            [
                task("1", status="failed", memory_peak_kib=9e9),
                task("2", status="unknown", memory_peak_kib=9e9),
                task("3", status="running", memory_peak_kib=9e9),
                task("4", status="ok", memory_peak_kib=5.0),
            ],
            max_runs=1,
        )
        assert (history.runs_analyzed, history.max_memory_max) == (1, 5.0)

    def test_none_succeeded(self) -> None:
        """Failures alone are no comparison, and no first run either."""
        history = build_history([task("1", status="failed"), task("2", status="unknown")])
        assert not history.available
        assert history.reason == "no earlier attempt of this step succeeded (2 did not)"
        assert history.reason != FIRST_RUN

    def test_retried_task_counts_once(self) -> None:
        """Of several attempts of a task the last that succeeded counts."""
        history = build_history(
            [
                task(attempt=1, memory_peak_kib=7.0),
                task(attempt=0, memory_peak_kib=5.0),
                task(attempt=2, memory_peak_kib=9.0, status="failed"),
            ]
        )
        assert (history.tasks_analyzed, history.max_memory_max) == (1, 7.0)

    def test_largest_siblings_are_listed(self) -> None:
        """Of a wide foreach those with the most memory are listed; the figures are those of all, and it is said."""
        wide = [task(task_id=str(n), finished_at=n, memory_peak_kib=float(n % 5), duration_s=n) for n in range(100)]
        history = build_history([*wide, task("2", finished_at=500)], max_tasks_per_run=20)
        assert (history.tasks_analyzed, history.tasks_left_out) == (101, 80)
        assert {found.memory_peak_kib for found in history.tasks[1:]} == {4.0}
        finished = [found.finished_at for found in history.tasks]
        assert finished == sorted(finished, reverse=True)  # type: ignore[type-var]
        assert history.avg_duration == pytest.approx((sum(range(100)) + 10) / 101, abs=1e-4)

    def test_unknown_stays_none(self) -> None:
        """Figures that no task has are None; one that some have is over those."""
        history = build_history([task("1", cpu_mean_cores=None), task("2", cpu_mean_cores=3.0)])
        assert (history.avg_cpu_mean, history.max_vram_max, history.avg_gpu_mean) == (3.0, None, None)

    @given(st.lists(task_summaries(status=st.just("ok")), max_size=12), st.integers(1, 3), st.integers(1, 3))
    def test_bounds(self, summaries: list[TaskSummary], runs: int, siblings: int) -> None:
        """However odd the summaries: never more runs or tasks than asked for, and all accounted for."""
        history = build_history(summaries, max_runs=runs, max_tasks_per_run=siblings)
        assert history.available == bool(summaries)
        assert history.runs_analyzed <= runs
        assert len(history.tasks) <= runs * siblings
        assert len(history.tasks) + history.tasks_left_out == history.tasks_analyzed
        peaks = [peak for peak in map(overall_peak_kib, history.tasks) if peak is not None]
        assert history.max_memory_max == max(peaks, default=None)


class TestPublishedHistory:
    def test_keys(self) -> None:
        """The published keys come first, in their order and with their values."""
        history = History(
            available=True,
            runs_analyzed=5,
            tasks_analyzed=7,
            avg_cpu_mean=1.52,
            max_memory_max=597372.0,
            avg_gpu_mean=0.0,
            max_vram_max=0.0,
            max_gpu_count=0.0,
            avg_duration=10.2,
            tasks=(task(),),
        )
        published = {
            "available": True,
            "runs_analyzed": 5,
            "avg_cpu_mean": 1.52,
            "max_memory_max": 597372.0,
            "avg_gpu_mean": 0.0,
            "max_vram_max": 0.0,
            "max_gpu_count": 0.0,
            "avg_duration": 10.2,
        }
        found = published_history(history)
        assert repr(dict(list(found.items())[:8])) == repr(published)
        assert (found["reason"], found["tasks_analyzed"]) == (None, 7)
        assert "tasks" not in found

    def test_unavailable(self) -> None:
        """Without a comparison there is only the reason."""
        assert published_history(build_history([])) == {"available": False, "reason": FIRST_RUN}

    @given(histories())
    def test_builtins_only(self, history: History) -> None:
        """Nothing but builtins is stored."""
        assert {type(value) for value in published_history(history).values()} <= {bool, int, float, str, type(None)}
