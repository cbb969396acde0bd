"""What an attempt used, from its measurements."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.columns import PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import Measurements, Tracking, UsageSummary
from resource_tracker.usage import published_stats, summarize

NAN = math.nan


def frame_of(names: tuple[str, ...], columns: dict[str, list[float]]) -> TinyDataFrame:
    rows = len(next(iter(columns.values()), []))
    return TinyDataFrame({name: columns.get(name, [NAN] * rows) for name in names})


def measured(
    process: dict[str, list[float]] | None = None, system: dict[str, list[float]] | None = None, **given: Any
) -> Measurements:
    lengths = (process or {}).get("interval_s", [])
    fields: dict[str, Any] = {
        "process": frame_of(PROCESS_NAMES, process or {}),
        "system": frame_of(SYSTEM_NAMES, system or {}),
        "started_at": 100.0,
        "ended_at": 100.0 + sum(lengths),
        "duration_s": sum(lengths),
        "tracking": Tracking(mode="sampler", interval_s=1.0),
    }
    return Measurements(**{**fields, **given})


class TestSummarize:
    def test_gauges_are_weighted_by_the_length_of_their_rows(self) -> None:
        """A short last row counts as little as it is short."""
        usage = summarize(measured({"interval_s": [1, 1, 0.5], "cpu_usage": [1, 2, 4], "memory": [100, 200, 400]}))
        assert usage.cpu_mean_cores == pytest.approx(2.0)
        assert usage.memory_mean_kib == pytest.approx(200.0)

    def test_sums_and_maxima(self) -> None:
        """Counters add up over the rows, maxima are over the rows, counts are whole."""
        usage = summarize(
            measured(
                {
                    "interval_s": [1, 1],
                    "utime": [90, 10],
                    "stime": [5, 45],
                    "read_bytes": [10, 20],
                    "write_bytes": [NAN, 7],
                    "children": [3, 2],
                    "threads": [4, 9],
                    "gpu_usage": [0.5, 1.5],
                    "gpu_vram": [100, 300],
                    "gpu_utilized": [1, 2],
                },
                {
                    "interval_s": [1, 1],
                    "disk_read_bytes": [1, 2],
                    "disk_write_bytes": [3, 4],
                    "disk_space_used_gb": [5.5, 5.25],
                    "net_recv_bytes": [6, 7],
                    "net_sent_bytes": [8, 9],
                },
            )
        )
        assert usage.cpu_seconds == pytest.approx(1.5)
        assert (usage.process_read_bytes, usage.process_write_bytes) == (30, 7)
        assert (usage.disk_read_bytes, usage.disk_write_bytes, usage.disk_used_max_gb) == (3, 7, 5.5)
        assert (usage.net_recv_bytes, usage.net_sent_bytes) == (13, 17)
        assert (usage.children_max, usage.threads_max) == (3, 9)
        assert (usage.gpu_usage_mean, usage.gpu_usage_max) == (1.0, 1.5)
        assert (usage.gpu_vram_mean_mib, usage.gpu_vram_max_mib) == (200, 300)
        assert (usage.gpu_utilized_mean, usage.gpu_utilized_max) == (1.5, 2)

    def test_disk_and_shared_memory(self) -> None:
        """The highest use of the disk is that within the rows, not that at their ends; growth is as measured."""
        rows: dict[str, list[float]] = {"disk_space_used_gb": [5.5, 5.25], "disk_space_used_peak_gb": [5.5, 9.0]}
        usage = summarize(replace(measured({}, rows), shared_memory_peak_kib=64.0, disk_growth_gb=3.5))
        assert (usage.disk_used_max_gb, usage.disk_growth_gb, usage.shared_memory_peak_kib) == (9.0, 3.5, 64.0)

    def test_ticks_are_those_of_the_machine(self) -> None:
        """CPU time follows the clock ticks of the machine that measured."""
        rows: dict[str, list[float]] = {"interval_s": [1], "utime": [250], "stime": [0]}
        assert summarize(measured(rows), ticks_per_s=250).cpu_seconds == pytest.approx(1.0)

    @pytest.mark.parametrize("rows", [{}, {"interval_s": [1.0, 1.0]}])
    def test_nothing_measured_is_none(self, rows: dict[str, list[float]]) -> None:
        """Without rows, or with nothing but nan in them, every figure is None and none is 0."""
        usage = summarize(measured(rows, rows, duration_s=3.0, tracking=Tracking(mode="untracked", interval_s=1.0)))
        assert usage == UsageSummary(duration_s=3.0)

    def test_frames_without_columns(self) -> None:
        """Frames that lack columns are as good as frames of nan."""
        nothing = TinyDataFrame()
        assert summarize(measured(process=None, duration_s=1.0, system=None)) == summarize(
            Measurements(
                process=nothing,
                system=nothing,
                started_at=0,
                ended_at=1,
                duration_s=1.0,
                tracking=Tracking(mode="untracked", interval_s=1.0),
            )
        )


class TestMemoryPeak:
    def test_the_measured_peak_wins(self) -> None:
        """A peak that no row shows (between two samples) is the peak, with its source."""
        usage = summarize(
            measured(
                {"interval_s": [1], "memory": [10], "memory_peak_kib": [20]},
                memory_peak_kib=500.0,
                memory_peak_source="VmHWM",
                persist_memory_peak_kib=900.0,
            )
        )
        assert (usage.memory_peak_kib, usage.memory_peak_source) == (500.0, "VmHWM")
        assert usage.persist_memory_peak_kib == 900.0
        assert usage.overall_memory_peak_kib == 900.0

    @pytest.mark.parametrize("other", [None, NAN, 15.0])
    def test_rows_win_where_they_are_higher(self, other: float | None) -> None:
        """The peak is never below a row's."""
        rows: dict[str, list[float]] = {"interval_s": [1, 1], "memory": [10, 12], "memory_peak_kib": [20, NAN]}
        usage = summarize(measured(rows, memory_peak_kib=other, memory_peak_source="VmHWM"))
        assert (usage.memory_peak_kib, usage.memory_peak_source) == (20.0, "rows")


class TestCpu:
    def test_known_total_gives_the_mean(self) -> None:
        """A total that includes processes too short for any row is what the mean is made of."""
        rows: dict[str, list[float]] = {"interval_s": [1, 1], "cpu_usage": [0.1, 0.1], "utime": [20, 0]}
        usage = summarize(measured(rows, cpu_seconds=3.0, cpu_source="perf"))
        assert (usage.cpu_seconds, usage.cpu_mean_cores, usage.cpu_source) == (3.0, 1.5, "perf")
        assert usage.cpu_max_cores == 1.5

    def test_lower_bound_never_lowers_the_mean(self) -> None:
        """A total marked as a lower bound counts only where it is the higher."""
        rows: dict[str, list[float]] = {"interval_s": [1, 1], "cpu_usage": [1, 1]}
        low = summarize(measured(rows, cpu_seconds=1.0, cpu_is_lower_bound=True))
        high = summarize(measured(rows, cpu_seconds=3.0, cpu_is_lower_bound=True))
        assert (low.cpu_mean_cores, high.cpu_mean_cores) == (1.0, 1.5)
        assert low.cpu_is_lower_bound

    def test_total_without_rows(self) -> None:
        """With readings at start and end only, the total is all there is."""
        usage = summarize(measured(cpu_seconds=4.0, duration_s=2.0))
        assert (usage.cpu_mean_cores, usage.cpu_max_cores, usage.cpu_p95_cores) == (2.0, 2.0, None)

    def test_step_of_no_duration(self) -> None:
        """A duration of 0 divides nothing."""
        assert summarize(measured(cpu_seconds=0.01, duration_s=0.0)).cpu_mean_cores is None

    def test_ticks_in_a_short_last_row_are_no_peak(self) -> None:
        """Ten ticks that fall into a last row of 5 ms are not 20 cores."""
        usage = summarize(measured({"interval_s": [1, 1, 0.005], "cpu_usage": [1, 1, 20]}))
        assert usage.cpu_max_cores == pytest.approx((1 + 20 * 0.005) / 1.005)
        assert usage.cpu_p95_cores == 1.0

    def test_short_first_row(self) -> None:
        """A short row at the start is averaged with those after it."""
        usage = summarize(measured({"interval_s": [0.01, 1, 1], "cpu_usage": [10, 1, 2]}))
        assert usage.cpu_max_cores == 2.0

    def test_busiest_full_row_is_not_diluted(self) -> None:
        """A row that is long enough counts alone, whatever stands beside it."""
        usage = summarize(measured({"interval_s": [1, 0.6, 0.1, 1], "cpu_usage": [0, 8, 0, 0]}))
        assert usage.cpu_max_cores == 8.0

    def test_step_shorter_than_any_window(self) -> None:
        """A step of 50 ms has its mean as its maximum: no shorter reading can be trusted."""
        usage = summarize(measured({"interval_s": [0.02, 0.03], "cpu_usage": [0, 2]}))
        assert usage.cpu_max_cores == usage.cpu_mean_cores == pytest.approx(0.12)  # 60 ms of CPU, over half a second

    def test_rows_without_cpu_are_left_out(self) -> None:
        """nan, and rows of no length, are not part of any window."""
        usage = summarize(measured({"interval_s": [1, 1, 0, NAN], "cpu_usage": [2, NAN, 99, 99]}, duration_s=2.0))
        assert (usage.cpu_max_cores, usage.cpu_p95_cores, usage.cpu_mean_cores) == (2.0, 2.0, 2.0)

    def test_p95_is_by_time(self) -> None:
        """The percentile is over time, not over rows: 99 s at one core outweigh ten short rows at four."""
        usage = summarize(measured({"interval_s": [99, *[0.1] * 10], "cpu_usage": [1, *[4] * 10]}))
        assert usage.cpu_p95_cores == 1.0
        assert usage.cpu_max_cores == pytest.approx(4.0)

    def test_one_tick_within_half_a_millisecond_is_not_twenty_cores(self) -> None:
        """0.4 ms with one tick of 10 ms: of the tree it is spread over half a second, of the task it is exact."""
        rows = {"interval_s": [0.0004], "cpu_usage": [25.0]}
        tree = summarize(measured(rows, cpu_seconds=0.01, cpu_is_lower_bound=True))
        assert tree.cpu_mean_cores == tree.cpu_max_cores == pytest.approx(0.02)
        alone = summarize(measured(rows, cpu_seconds=0.0003, cpu_is_lower_bound=False))
        assert alone.cpu_mean_cores == alone.cpu_max_cores == pytest.approx(0.75)

    def test_no_more_cores_than_there_are(self) -> None:
        """Readings of many processes at slightly different times cannot make a machine of 2 cores have 2.3."""
        usage = summarize(measured({"interval_s": [1, 1], "cpu_usage": [2.3, 1.0]}), cpus=2)
        assert (usage.cpu_max_cores, usage.cpu_p95_cores) == (2, 2)

    @given(st.lists(st.tuples(st.floats(0.001, 10), st.floats(0, 64)), min_size=1, max_size=30))
    def test_order_of_the_figures(self, rows: list[tuple[float, float]]) -> None:
        """Mean and 95th percentile never exceed the maximum, nor does that exceed the highest row."""
        usage = summarize(measured({"interval_s": [r[0] for r in rows], "cpu_usage": [r[1] for r in rows]}))
        assert usage.cpu_mean_cores is not None
        assert usage.cpu_max_cores is not None
        assert usage.cpu_p95_cores is not None
        assert usage.cpu_mean_cores <= usage.cpu_max_cores
        assert usage.cpu_p95_cores <= usage.cpu_max_cores
        assert usage.cpu_max_cores <= max(cores for _, cores in rows) * (1 + 1e-9)


class TestPublishedStats:
    def test_keys_and_units(self) -> None:
        """Keys, order and units are those of the published example."""
        usage = UsageSummary(
            duration_s=9.89,
            cpu_mean_cores=1.42,
            cpu_max_cores=6.11,
            memory_mean_kib=342509.0,
            memory_peak_kib=591621.0,
            gpu_usage_mean=0.0,
            gpu_usage_max=0.0,
            gpu_vram_mean_mib=0.0,
            gpu_vram_max_mib=0.0,
            gpu_utilized_mean=0.0,
            gpu_utilized_max=0.0,
            disk_used_max_gb=3405.11,
            net_recv_bytes=77383.0,
            net_sent_bytes=58481.0,
        )
        published = {
            "cpu_usage": {"mean": 1.42, "max": 6.11},
            "memory_usage": {"mean": 342509.0, "max": 591621.0},
            "gpu_usage": {"mean": 0.0, "max": 0.0},
            "gpu_vram": {"mean": 0.0, "max": 0.0},
            "gpu_utilized": {"mean": 0.0, "max": 0.0},
            "disk_usage": {"max": 3405.11},
            "traffic": {"inbound": 77383.0, "outbound": 58481.0},
            "duration": 9.89,
        }
        assert repr(published_stats(usage)) == repr(published)

    def test_unknown_is_none(self) -> None:
        """What was not measured is None, not 0."""
        stats = published_stats(UsageSummary(duration_s=1 / 3))
        assert stats.pop("duration") == 0.3333
        assert {value for figures in stats.values() for value in figures.values()} == {None}

    def test_memory_maximum_is_the_true_peak(self) -> None:
        """The maximum covers the saving of artifacts where that is known."""
        usage = UsageSummary(duration_s=1, memory_peak_kib=100.0, persist_memory_peak_kib=300.0)
        assert published_stats(usage)["memory_usage"]["max"] == 300.0
