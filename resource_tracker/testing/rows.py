"""Made-up rows: a step that loads, computes in rounds and writes."""

from __future__ import annotations

import math
import random

from resource_tracker.columns import GPU_NAMES, PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.frame import TinyDataFrame

STARTED_AT = 1_763_711_880.25
TICKS_PER_S = 100


def _shape(t: float, noise: random.Random) -> dict[str, float]:
    """A typical step at `t` of its duration: it loads, computes in rounds and writes."""
    loading, writing = t < 0.15, t > 0.92
    round_part = (t * 9) % 1
    jitter = noise.gauss(0, 1)
    return {
        "cpu": 0.5 + 0.1 * jitter if loading or writing else 2.1 + 0.9 * math.sin(6.3 * round_part) + 0.12 * jitter,
        "memory": min(t / 0.15, 1.0) * 0.55 + (0 if loading else 0.3 * round_part) + 0.008 * jitter,
        "read": (0.7 + 0.25 * noise.random()) if loading else 0.02 * noise.random(),
        "write": (0.6 + 0.3 * noise.random()) if writing else (0.2 if round_part > 0.94 else 0.004 * noise.random()),
        "net_in": (0.5 + 0.4 * noise.random()) if loading else 0.01 * noise.random(),
        "gpu": 0.0 if loading or writing else min(max(0.86 + 0.07 * jitter - (0.8 if round_part > 0.9 else 0), 0), 1),
        "vram": 0.02 if loading else min(0.55 + 0.3 * t, 0.8),
    }


def fake_frames(
    duration_s: float, rows: int, *, memory_kib: float = 3_400_000, gpus: int = 0, seed: int = 7
) -> tuple[TinyDataFrame, TinyDataFrame]:
    """Both frames of a step of `duration_s`, with a memory spike inside one row that the means do not show."""
    noise = random.Random(seed)  # noqa: S311
    length = duration_s / rows
    process: list[dict[str, float]] = []
    system: list[dict[str, float]] = []
    for index in range(rows):
        at = _shape((index + 0.5) / rows, noise)
        stamp = STARTED_AT + length * (index + 1)
        spike = 1.22 if index == int(rows * 0.71) else 1.0
        process.append(_process_row(at, stamp, length, memory_kib, spike, gpus))
        system.append(_system_row(at, stamp, length, memory_kib, gpus, noise))
    return TinyDataFrame(process), TinyDataFrame(system)


def fake_gpu_frames(process: TinyDataFrame, gpus: int, used: int) -> dict[str, TinyDataFrame]:
    """A frame for each GPU: the first `used` of them share what the step did, more and more hot, the others idle."""
    frames = {}
    for place in range(gpus):
        rows = []
        noise = random.Random(place)  # noqa: S311
        for stamp, length, usage, vram in zip(
            process["timestamp"], process["interval_s"], process["gpu_usage"], process["gpu_vram"], strict=True
        ):
            works = place < used
            busy = min(max(usage / used * (1 + 0.05 * noise.gauss(0, 1)), 0.0), 1.0) if works else 0.0
            held = vram / used * (1.1 if place == 0 else 1.0) if works else 0.0
            power = 22.0 + 178.0 * busy
            row = {
                "timestamp": stamp,
                "interval_s": length,
                "usage": busy,
                "usage_peak": min(busy * 1.05, 1.0),
                "step_usage": busy,
                "memory_busy": busy * 0.6,
                "vram_mib": held + 450,
                "vram_peak_mib": held * 1.01 + 450,
                "step_vram_mib": held,
                "step_vram_peak_mib": held * 1.01,
                "other_vram_mib": 450.0,
                "power_w": power,
                "energy_j": power * length,
                "temperature_c": 31.0 + 4 * place * works + 40 * busy,
                "sm_clock_mhz": 1710.0 if busy else 210.0,
                "memory_clock_mhz": 6250.0,
                "throttled_power": float(busy > 0.93),
                "throttled_heat": float(works and place == used - 1 > 0 and busy > 0.9),
                "throttled_other": 0.0,
                "pcie_received_bytes_per_s": busy * 2.1e9,
                "pcie_sent_bytes_per_s": busy * 0.4e9,
            }
            rows.append({name: row[name] for name in GPU_NAMES})
        frames[f"gpu{place}"] = TinyDataFrame(rows)
    return frames


def fake_core_frame(system: TinyDataFrame, cores: int, *, most_rows: int = 240) -> TinyDataFrame:
    """A column for each core: what the machine used runs on the first ones, and moves on now and then."""
    noise = random.Random(cores)  # noqa: S311
    stamps, lengths, cpu = system["timestamp"], system["interval_s"], system["cpu_usage"]
    count = len(stamps)
    size = math.ceil(count / most_rows)
    rows = []
    for first in range(0, count, size):
        group = range(first, min(first + size, count))
        used = sum(cpu[index] for index in group) / len(group)
        moved = int(first / count * 5)
        row = {
            "timestamp": stamps[group[-1]],
            "interval_s": sum(lengths[index] for index in group),
        }
        for core in range(cores):
            left = used - (core - moved) % cores
            share = min(max(left, 0.0), 0.97) + 0.02 * noise.random()
            row[f"core{core}"] = round(min(share, 1.0) * 200) / 200
        rows.append(row)
    return TinyDataFrame(rows)


def _process_row(
    at: dict[str, float], stamp: float, length: float, memory_kib: float, spike: float, gpus: int
) -> dict[str, float]:
    memory = max(at["memory"], 0.02) * memory_kib
    cpu = max(at["cpu"], 0.05)
    row = {
        "timestamp": stamp,
        "pid": 777691.0,
        "children": 3.0,
        "utime": round(cpu * length * TICKS_PER_S * 0.9),
        "stime": round(cpu * length * TICKS_PER_S * 0.1),
        "cpu_usage": round(cpu, 4),
        "memory": round(memory),
        "read_bytes": round(at["read"] * 180e6 * length),
        "write_bytes": round(at["write"] * 90e6 * length),
        "gpu_usage": at["gpu"] * gpus,
        "gpu_vram": at["vram"] * gpus * 16_384,
        "gpu_utilized": float(gpus) if at["gpu"] > 0 else 0.0,
        "interval_s": length,
        "samples": max(round(10 * length), 2),
        "memory_peak_kib": round(memory * 1.04 * spike),
        "cpu_peak_cores": round(min(cpu * 1.25 + 0.1, 8), 4),
        "threads": 12.0,
        "major_faults": 0.0,
        "throttled_s": 0.0,
        "throttled_periods": 0.0,
        "quota_periods": 0.0,
        "cpu_pressure_s": 0.002 * length,
        "memory_pressure_s": 0.0,
        "io_pressure_s": 0.03 * at["read"] * length,
        "oom_kills": 0.0,
        "run_wait_s": 0.003 * length,
        "memory_exact": 0.96,
    }
    return {name: row[name] for name in PROCESS_NAMES}


def _system_row(
    at: dict[str, float], stamp: float, length: float, memory_kib: float, gpus: int, noise: random.Random
) -> dict[str, float]:
    used = max(at["memory"], 0.02) * memory_kib + 1_900_000
    cpu = max(at["cpu"], 0.05) + 0.35 + 0.1 * noise.random()
    row = {
        "timestamp": stamp - 0.003 * min(length, 1),
        "processes": 777773.0,
        "utime": round(cpu * length * TICKS_PER_S * 0.88),
        "stime": round(cpu * length * TICKS_PER_S * 0.12),
        "cpu_usage": round(cpu, 4),
        "memory_free": 32_000_000 - used,
        "memory_used": round(used),
        "memory_buffers": 4792.0,
        "memory_cached": 2_727_720.0,
        "memory_active": round(used * 0.6),
        "memory_inactive": 0.0,
        "disk_read_bytes": round((at["read"] * 190e6 + 2e5) * length),
        "disk_write_bytes": round((at["write"] * 95e6 + 9e5 * noise.random()) * length),
        "disk_space_total_gb": 214.7,
        "disk_space_used_gb": 83.1,
        "disk_space_free_gb": 131.6,
        "net_recv_bytes": round((at["net_in"] * 62e6 + 3e4 * noise.random()) * length),
        "net_sent_bytes": round((at["net_in"] * 1.4e6 + 2e4 * noise.random()) * length),
        "gpu_usage": at["gpu"] * gpus,
        "gpu_vram": at["vram"] * gpus * 16_384 + 450 * gpus,
        "gpu_utilized": float(gpus) if at["gpu"] > 0 else 0.0,
        "interval_s": length,
        "memory_available_kib": 31_000_000 - used,
        "memory_shared_kib": 120_000.0,
        "swap_used_kib": 0.0,
        "sampler_cpu_s": 0.0021 * length,
        "shm_used_kib": 2_048.0,
        "disk_space_used_peak_gb": 83.1,
        "cpu_pressure_s": 0.004 * length,
        "memory_pressure_s": 0.0,
        "io_pressure_s": 0.04 * at["read"] * length,
        "run_queue": cpu,
        "disk_inodes_used": 1_204_331.0,
        "disk_inodes_free": 11_902_869.0,
        "suspended_s": 0.0,
        "unwatched_s": 0.0,
    }
    return {name: row[name] for name in SYSTEM_NAMES}
