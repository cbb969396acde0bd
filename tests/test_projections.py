"""Projections: what a running step is told about where it is heading."""

from __future__ import annotations

import math
import random

import pytest

from resource_tracker.frame import TinyDataFrame
from resource_tracker.projections import projections, seconds_until
from resource_tracker.records import FileSystemUse, Limits, ServerInfo, UsageSummary

MINUTES = 120


def frame(**columns: object) -> TinyDataFrame:
    """Two minutes of rows of a second; a column is a number, or a function of the second."""
    cells = {"timestamp": lambda s: 1000.0 + s, "interval_s": 1.0, **columns}
    return TinyDataFrame({n: [c(s) if callable(c) else c for s in range(MINUTES)] for n, c in cells.items()})


def told(process: TinyDataFrame, system: TinyDataFrame | None = None, **given: object) -> dict[str, str]:
    known: dict[str, object] = {
        "usage": UsageSummary(duration_s=float(MINUTES)),
        "limits": Limits(cpus=2.0, memory_mib=1000.0),
        "server": ServerInfo(),
    }
    found = projections(process, frame() if system is None else system, **(known | given))  # type: ignore[arg-type]
    return {projection.kind: projection.text for projection in found}


def test_memory_that_grows_reaches_its_limit() -> None:
    """1 MiB a second from 100 MiB: of 1000 MiB 219 are in use, and the rest lasts 13 minutes."""
    text = told(frame(memory=lambda s: (100 + s) * 1024.0))["memory"]
    assert "its limit of 1\N{NO-BREAK SPACE}049 MB in about 13 min" in text


@pytest.mark.parametrize(
    "memory",
    [
        500_000.0,
        lambda s: 500_000.0 - s,
        lambda s: 900_000.0 if s > 100 else 100_000.0,
        lambda s: 300_000.0 + 200_000.0 * (s % 10),
        lambda s: 500_000.0 + s * 0.01,
        math.nan,
    ],
    ids=["level", "falling", "a step", "a saw", "too slow to matter", "unknown"],
)
def test_memory_that_does_not_grow_steadily_is_not_extrapolated(memory: object) -> None:
    """Steps, saws and noise are no trend."""
    assert told(frame(memory=memory)) == {}


def test_noise_on_top_of_growth_does_not_hide_it() -> None:
    """A line through the points, not the last two of them."""
    noise = random.Random(7)
    assert "memory" in told(frame(memory=lambda s: (100 + s + noise.random() * 4) * 1024.0))


def test_disk_that_fills_up() -> None:
    """The file system of the step's directory, whoever fills it."""
    use = FileSystemUse(roles=("directory",), kind="disk", type="ext4", size_gb=100.0)
    usage = UsageSummary(duration_s=120.0, file_systems=(use,))
    text = told(frame(), frame(disk_space_used_gb=lambda s: 50 + s * 0.1), usage=usage)["disk"]
    assert "The disk of 100 GB is full in about 6 min" in text


def test_step_that_its_quota_holds_back() -> None:
    """Two CPUs allowed, both used, and as much again wanted."""
    text = told(frame(cpu_usage=2.0, throttled_s=2.0))["cpu"]
    assert "may use 2 CPUs, and could use 4.0 of them" in text


def test_step_that_waits_for_others() -> None:
    """No quota, but threads that are ready to run wait."""
    text = told(frame(cpu_usage=0.5, throttled_s=0.0, run_wait_s=0.6))["cpu"]
    assert "because others use the machine" in text


def test_step_that_waits_for_itself() -> None:
    """Four busy threads on two CPUs wait for each other, and nobody else is to blame; so after ten seconds, too."""
    busy = frame(cpu_usage=1.95, throttled_s=0.0, run_wait_s=2.0)
    machine = frame(cpu_usage=2.0)
    for process, system in ((busy, machine), (busy[:12], machine[:12])):
        assert "as it has more of them than there are CPUs" in told(process, system)["cpu"]
    assert "because others use the machine" in told(busy, frame(cpu_usage=8.0))["cpu"]
    assert told(busy[:8], machine[:8]) == {}


def test_gpu_that_has_nothing_to_do() -> None:
    """Idle since when; one that works now is not named."""
    assert told(frame(gpu_usage=lambda s: 0.9 if s < 40 else 0.0))["gpu"] == "The GPU has been idle for 80 s."
    assert told(frame(gpu_usage=lambda s: 0.0 if s < 119 else 0.5)) == {}


def test_when_a_line_meets_its_limit() -> None:
    """At once where it is there already; never where the limit is none."""
    assert seconds_until([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0] * 6, 10.0) == pytest.approx(4.0)
    assert seconds_until([1.0, 2.0, 3.0, 4.0, 5.0, 16.0], [1.0] * 6, 10.0) is None  # a leap
    assert seconds_until([6.0, 7.0, 8.0, 9.0, 10.0, 11.0], [1.0] * 6, 10.0) == 0.0
    assert seconds_until([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0] * 6, math.nan) is None
