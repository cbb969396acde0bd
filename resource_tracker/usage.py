"""What one attempt used, from its measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import highest, row_weights, total, weighted_mean
from resource_tracker.gpu_use import energy_of, gpu_uses
from resource_tracker.held_back import held_back, swapped_kib, wanted_cores
from resource_tracker.records import Measurements, UsageSummary
from resource_tracker.units import seconds_to_hours, ticks_to_seconds

MIN_WINDOW_TICKS = 50
"""CPU time comes in whole clock ticks: over fewer than this many, one tick more or less is over 2 % of a core."""
STATS_DECIMALS = 4


def summarize(
    measurements: Measurements,
    *,
    ticks_per_s: float = 100.0,
    cpus: float | None = None,
    vcpus: float | None = None,
    quota_period_s: float | None = None,
    memory_limit_kib: float | None = None,
) -> UsageSummary:
    """Means, peaks and sums of one attempt, in the frames' units; ``None`` where nothing was measured.

    Gauges are averaged by the length of their rows. The peak of memory is the highest of the measurements'
    own (which has sources that no row shows) and the rows'. The busiest and the 95th percentile CPU are
    taken over windows that are long enough for clock ticks, see :func:`cpu_windows`.

    Parameters
    ----------
    ticks_per_s : float
        ``sysconf(_SC_CLK_TCK)`` of the machine that measured.
    cpus : float or None
        CPUs of the machine, or those that the attempt was allowed: it cannot have used more at once.
    vcpus : float or None
        CPUs of the machine: it cannot have wanted to use more.
    quota_period_s : float or None
        Period of its CPU quota.
    memory_limit_kib : float or None
        Memory that the attempt was allowed, or that the machine has.
    """
    process, system = measurements.process, measurements.system
    cpu_seconds = measurements.cpu_seconds
    if cpu_seconds is None:
        cpu_seconds = _cpu_seconds_of_rows(process, ticks_per_s)
    shortest_s = ticks_to_seconds(MIN_WINDOW_TICKS, ticks_per_s)
    cpu_mean = _at_most(cpus, _cpu_mean(measurements, shortest_s))
    windows = cpu_windows(process, shortest_s)
    wanted = cpu_windows(process, shortest_s, wanted_cores(process))
    waited = held_back(process, system, measurements.duration_s, quota_period_s)
    memory_peak, memory_source = _memory_peak(measurements)
    gpus, gpu_mean = gpu_uses(measurements.gpu_frames, measurements.gpu_facts), _mean(process, "gpu_usage")
    return UsageSummary(
        duration_s=measurements.duration_s,
        cpu_mean_cores=cpu_mean,
        cpu_max_cores=_at_most(cpus, _largest(cpu_mean, *(cores for cores, _ in windows))),
        cpu_p95_cores=_at_most(cpus, _weighted_percentile(windows, 95)),
        cpu_seconds=cpu_seconds,
        cpu_source=measurements.cpu_source,
        cpu_is_lower_bound=measurements.cpu_is_lower_bound,
        memory_mean_kib=_mean(process, "memory"),
        memory_peak_kib=memory_peak,
        memory_peak_source=memory_source,
        persist_memory_peak_kib=_known(measurements.persist_memory_peak_kib),
        process_read_bytes=_sum(process, "read_bytes"),
        process_write_bytes=_sum(process, "write_bytes"),
        disk_read_bytes=_sum(system, "disk_read_bytes"),
        disk_write_bytes=_sum(system, "disk_write_bytes"),
        disk_used_max_gb=_largest(_max(system, "disk_space_used_gb"), _max(system, "disk_space_used_peak_gb")),
        net_recv_bytes=_sum(system, "net_recv_bytes"),
        net_sent_bytes=_sum(system, "net_sent_bytes"),
        gpu_usage_mean=gpu_mean,
        gpu_usage_max=_max(process, "gpu_usage"),
        gpu_vram_mean_mib=_mean(process, "gpu_vram"),
        gpu_vram_max_mib=_max(process, "gpu_vram"),
        gpu_utilized_mean=_mean(process, "gpu_utilized"),
        gpu_utilized_max=_max(process, "gpu_utilized"),
        children_max=_whole(_max(process, "children")),
        threads_max=_whole(_max(process, "threads")),
        shared_memory_peak_kib=_known(measurements.shared_memory_peak_kib),
        disk_growth_gb=_known(measurements.disk_growth_gb),
        throttled_s=waited.throttled_s,
        throttled_share=waited.throttled_share,
        cpu_wanted_cores=_at_most(vcpus, _weighted_percentile(wanted, 95)) if waited.throttled_s else None,
        run_wait_s=waited.run_wait_s,
        cpu_pressure_s=waited.cpu_pressure_s,
        memory_pressure_s=waited.memory_pressure_s,
        io_pressure_s=waited.io_pressure_s,
        pressure_of=waited.pressure_of,
        oom_kills=waited.oom_kills,
        swapped_kib=swapped_kib(process, system, memory_limit_kib),
        cpu_cgroup_shared=measurements.cpu_cgroup_shared,
        memory_cgroup_shared=measurements.memory_cgroup_shared,
        file_systems=measurements.file_systems,
        gpus=gpus,
        gpu_source=measurements.gpu_source,
        gpu_hours=None if gpu_mean is None else gpu_mean * seconds_to_hours(measurements.duration_s),
        gpu_energy_j=energy_of(gpus),
    )


def published_stats(usage: UsageSummary) -> dict[str, Any]:
    """The artifact's ``stats``: KiB, MiB of GPU memory, GB of disk, bytes and seconds; ``None`` is unknown.

    ``memory_usage`` has the true peak of the attempt as its maximum, not the highest mean of a row. Rounded
    to four decimals; the artifact's ``usage`` holds the figures in full.
    """
    stats: dict[str, dict[str, float | None]] = {
        "cpu_usage": {"mean": usage.cpu_mean_cores, "max": usage.cpu_max_cores},
        "memory_usage": {"mean": usage.memory_mean_kib, "max": usage.overall_memory_peak_kib},
        "gpu_usage": {"mean": usage.gpu_usage_mean, "max": usage.gpu_usage_max},
        "gpu_vram": {"mean": usage.gpu_vram_mean_mib, "max": usage.gpu_vram_max_mib},
        "gpu_utilized": {"mean": usage.gpu_utilized_mean, "max": usage.gpu_utilized_max},
        "disk_usage": {"max": usage.disk_used_max_gb},
        "traffic": {"inbound": usage.net_recv_bytes, "outbound": usage.net_sent_bytes},
    }
    rounded: dict[str, Any] = {
        name: {key: None if value is None else round(value, STATS_DECIMALS) for key, value in figures.items()}
        for name, figures in stats.items()
    }
    return {**rounded, "duration": round(usage.duration_s, STATS_DECIMALS)}


def cpu_windows(
    process: TinyDataFrame, shortest_s: float, cores_of_rows: Sequence[float] | None = None
) -> list[tuple[float, float]]:
    """Cores in use at each row (or `cores_of_rows` instead), and the row's length: ``(cores, seconds)``.

    CPU time is counted in ticks of 10 ms, for each process: a last row of 5 ms in which ten processes get
    their tick shows 20 cores. So a row shorter than `shortest_s` is averaged with those before it, and at
    the start with those after it, until together they are long enough. Where all rows together are not, what they
    used is taken as spread over `shortest_s`: one tick within half a millisecond is not twenty cores.
    """
    if cores_of_rows is None:
        if "cpu_usage" not in process:
            return []
        cores_of_rows = process["cpu_usage"]
    if not cores_of_rows:
        return []
    rows = [
        (cores, length)
        for cores, length in zip(cores_of_rows, row_weights(process), strict=True)
        if cores == cores and length > 0
    ]
    return [(_window_mean(rows, index, shortest_s), length) for index, (_, length) in enumerate(rows)]


def _window_mean(rows: list[tuple[float, float]], index: int, shortest_s: float) -> float:
    first = last = index
    seconds = rows[index][1]
    while seconds < shortest_s and (first > 0 or last < len(rows) - 1):
        if first > 0:
            first -= 1
            seconds += rows[first][1]
        else:
            last += 1
            seconds += rows[last][1]
    if first == last and seconds >= shortest_s:
        return rows[index][0]
    return sum(cores * length for cores, length in rows[first : last + 1]) / max(seconds, shortest_s)


def _cpu_mean(measurements: Measurements, shortest_s: float) -> float | None:
    """CPU time over wall time where the total is known: it includes processes too short for any row.

    A total that is only a lower bound counts where it is the higher of the two; it is counted in ticks, so for an
    attempt shorter than `shortest_s` it is taken as spread over that long.
    """
    of_rows = _mean(measurements.process, "cpu_usage")
    if of_rows is not None:
        of_rows *= min(1.0, measurements.duration_s / shortest_s)
    seconds = _known(measurements.cpu_seconds)
    if seconds is None or not measurements.duration_s > 0:
        return of_rows
    if not measurements.cpu_is_lower_bound:
        return seconds / measurements.duration_s
    return _largest(of_rows, seconds / max(measurements.duration_s, shortest_s))


def _cpu_seconds_of_rows(process: TinyDataFrame, ticks_per_s: float) -> float | None:
    user, system = _sum(process, "utime"), _sum(process, "stime")
    if user is None and system is None:
        return None
    return ticks_to_seconds((user or 0.0) + (system or 0.0), ticks_per_s)


def _memory_peak(measurements: Measurements) -> tuple[float | None, str]:
    measured = _known(measurements.memory_peak_kib)
    of_rows = _largest(_max(measurements.process, "memory_peak_kib"), _max(measurements.process, "memory"))
    if measured is not None and (of_rows is None or measured >= of_rows):
        return measured, measurements.memory_peak_source
    return of_rows, "" if of_rows is None else "rows"


def _weighted_percentile(windows: list[tuple[float, float]], percentile: float) -> float | None:
    """The least value that is not exceeded for `percentile` percent of the time."""
    if not windows:
        return None
    ordered = sorted(windows)
    wanted = sum(seconds for _, seconds in ordered) * percentile / 100
    passed = 0.0
    for cores, seconds in ordered:
        passed += seconds
        if passed >= wanted:
            return cores
    return ordered[-1][0]


def _mean(frame: TinyDataFrame, name: str) -> float | None:
    return _known(weighted_mean(frame[name], row_weights(frame))) if name in frame else None


def _max(frame: TinyDataFrame, name: str) -> float | None:
    return _known(highest(frame[name])) if name in frame else None


def _sum(frame: TinyDataFrame, name: str) -> float | None:
    return _known(total(frame[name])) if name in frame else None


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _at_most(cpus: float | None, cores: float | None) -> float | None:
    return cores if cores is None or not cpus else min(cores, cpus)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def _largest(*values: float | None) -> float | None:
    return max((value for value in values if value is not None), default=None)
