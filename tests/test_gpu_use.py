"""What each GPU did: figures of an attempt, notes and advice that follow from them, and the card's table."""

from __future__ import annotations

import math

import pytest

from resource_tracker.artifact import from_artifact, to_artifact
from resource_tracker.columns import GPU_NAMES
from resource_tracker.export import from_snapshot, to_json
from resource_tracker.frame import TinyDataFrame
from resource_tracker.gpu_notes import gpu_notes, vram_per_gpu_mib
from resource_tracker.gpu_use import count_with_work, energy_of, given, gpu_uses, vram_each_mib
from resource_tracker.needs import gpu_need
from resource_tracker.records import GpuFacts, GpuUse, ResourceRequest, TaskSummary, UsageSummary
from resource_tracker.report.gpu_table import gpu_table
from resource_tracker.report.render import render_card
from resource_tracker.summary import decode_summary, encode_summary, summary_of
from resource_tracker.testing import fake_record


def frame(**columns: list[float]) -> TinyDataFrame:
    rows = len(next(iter(columns.values())))
    return TinyDataFrame({name: columns.get(name, [math.nan] * rows) for name in GPU_NAMES})


def task(**more: object) -> TaskSummary:
    base = {"run_id": "1", "step": "train", "task_id": "1", "attempt": 0, "status": "ok", "finished_at": 1.0}
    return TaskSummary(**{**base, "duration_s": 100.0, **more})  # type: ignore[arg-type]


def gpu(**more: object) -> GpuUse:
    return GpuUse(name="A10G", **more)  # type: ignore[arg-type]


def test_figures_of_a_gpu() -> None:
    """Means by the length of rows, peaks, and the sum of energy; what was never measured is None."""
    (found,) = gpu_uses(
        [
            frame(
                interval_s=[1.0, 3.0],
                usage=[0.2, 0.6],
                usage_peak=[0.5, 0.7],
                step_usage=[0.0, math.nan],
                step_vram_peak_mib=[100.0, 900.0],
                energy_j=[math.nan, 40.0],
                power_w=[10.0, 14.0],
            )
        ],
        [GpuFacts(name="A10G", memory_mib=24_576.0)],
    )
    assert found.usage_mean == pytest.approx(0.5)
    assert (found.usage_max, found.step_usage_max, found.step_vram_max_mib) == (0.7, 0.0, 900.0)
    assert (found.energy_j, found.power_mean_w) == (40.0, 13.0)
    assert (found.temperature_max_c, found.throttled_heat, found.pcie_sent_bytes_per_s) == (None, None, None)


def test_those_that_the_step_may_use() -> None:
    """Counts and energy are of those that the step may use; one that does not tell makes the sum unknown."""
    gpus = (
        gpu(may_use=True, step_usage_max=0.5, energy_j=3.0),
        gpu(may_use=True, step_usage_max=0.0, energy_j=4.0),
        gpu(may_use=False, step_usage_max=0.0, energy_j=100.0),
    )
    assert count_with_work(given(gpus)) == 1
    assert energy_of(gpus) == 7.0
    assert energy_of((*gpus, gpu())) is None
    assert count_with_work([*gpus, gpu()]) is None
    assert count_with_work([gpu(step_vram_max_mib=200.0)]) == 1  # an instance: it does not say how busy it is
    assert count_with_work([]) is None
    assert energy_of([]) is None


def test_memory_that_each_gpu_needs() -> None:
    """That of the fullest GPU, where each was measured; else an even part."""
    usage = UsageSummary(duration_s=1.0, gpu_vram_max_mib=12_000.0)
    assert vram_each_mib(usage, 2) == 6000.0
    each = UsageSummary(
        duration_s=1.0,
        gpu_vram_max_mib=12_000.0,
        gpus=(gpu(step_vram_max_mib=10_000.0), gpu(step_vram_max_mib=2000.0)),
    )
    assert vram_each_mib(each, 2) == 10_000.0
    assert vram_per_gpu_mib(task(gpu_vram_each_mib=10_000.0, gpu_vram_max_mib=12_000.0, gpu_utilized_max=2.0)) == 10_000


@pytest.mark.parametrize(
    ("attempts", "said"),
    [
        ([(8, 6, 6)], "2 of 8 GPUs were never used in this attempt."),
        ([(8, 6, 6), (8, 7, 7)], "1 of 8 GPUs was never used in any of 2 attempts."),
        ([(8, 6, 6), (4, 4, 4)], "2 of 8 GPUs were never used in this attempt."),
        ([(2, 1, 2)], "1 of 2 GPUs was never used in this attempt. Of 1 of them the step held memory all the same"),
        ([(8, 6, 6), (8, 8, 8)], None),
        ([(1, 1, 1)], None),
        ([(None, None, None)], None),
    ],
)
def test_gpus_that_were_never_used(attempts: list[tuple[int | None, ...]], said: str | None) -> None:
    """GPUs without any work in all attempts that were given as many, and those of which memory was held only."""
    tasks = [
        task(gpu_utilized_max=1.0, gpu_usage_mean=0.9, gpus_given=of, gpus_used=used, gpus_held=held)
        for of, used, held in attempts
    ]
    notes = [note for note in gpu_notes(tasks) if "never used" in note]
    assert len(notes) == (said is not None)
    assert not said or notes[0].startswith(said)


def test_gpus_that_take_turns_are_all_needed() -> None:
    """A model spread over GPUs that work one after the other needs all of them, though one is in use at once."""
    need = gpu_need([task(gpu_utilized_max=1.0, gpus_used=3)], ResourceRequest(gpu=4))
    assert need.amount == 3
    assert need.reason == "At most 3 GPUs were in use by an attempt, though not at once."
    assert gpu_need([task(gpus_used=2)], ResourceRequest(gpu=4)).amount == 2
    assert gpu_need([task(gpus_used=0, gpu_utilized_max=0.0)], ResourceRequest(gpu=4)).amount == 0


def test_frames_and_figures_are_stored() -> None:
    """Each GPU's frame and figures come back from the artifact and from its JSON, and the summary has the counts."""
    record = fake_record("gpus")
    read = from_artifact(to_artifact(record))
    assert list(read.gpu_metrics) == [f"gpu{place}" for place in range(8)]
    assert read.usage == record.usage
    again = from_snapshot(to_json(record))
    assert again.gpu_metrics["gpu3"]["energy_j"] == pytest.approx(read.gpu_metrics["gpu3"]["energy_j"])
    summary = decode_summary(encode_summary(summary_of(record)))
    assert (summary.gpus_given, summary.gpus_used, summary.gpus_held) == (8, 6, 6)
    assert summary.gpu_energy_j == pytest.approx(sum(gpu.energy_j or 0 for gpu in record.usage.gpus))


def test_older_artifact_without_gpus() -> None:
    """An artifact from before each GPU was measured reads, and its card has no table of them."""
    artifact = to_artifact(fake_record("gpu"))
    del artifact["gpu_metrics"]
    for name in ("gpus", "gpu_source", "gpu_hours", "gpu_energy_j"):
        del artifact["usage"][name]
    record = from_artifact(artifact)
    assert gpu_table(record) is None
    assert 'class="gpus"' not in render_card(record)


def test_advice_names_idle_gpus() -> None:
    """The card of a step that left two of its GPUs alone says so, and advises the others."""
    record = fake_record("gpus")
    assert "2 of 8 GPUs were never used" in render_card(record).replace("\u00a0", " ")
    assert getattr(record.recommendation, "gpu", None) == 6


def test_table() -> None:
    """One row for each, with what slowed it down; idle ones are named, bars are drawn where it worked."""
    table = gpu_table(fake_record("gpus"))
    assert table is not None
    assert table.summary == "8 GPUs, 2 of them never used"
    assert [row.tag for row in table.rows] == [""] * 6 + ["never used"] * 2
    assert table.rows[0].bars.startswith("M")
    assert table.rows[7].bars == ""
    assert table.rows[5].slowed.startswith("power")
    assert "heat" in table.rows[5].slowed
    assert table.rows[7].slowed == "no"


def test_table_of_unknown_figures() -> None:
    """A GPU that told nothing has dashes, not zeros; one that the step may not use is marked."""
    from dataclasses import replace

    record = fake_record("gpu")
    usage = replace(record.usage, gpus=(gpu(), gpu(may_use=False, usage_mean=0.8, step_usage_mean=0.1)))
    table = gpu_table(replace(record, usage=usage, gpu_metrics={}))
    assert table is not None
    first, second = table.rows
    assert {first.busy, first.power, first.energy, first.temperature, first.slowed} == {"–"}
    assert first.share is None
    assert second.tag == "not the step's"
    assert second.busy == "10\u00a0% of 80\u00a0%"
    assert "the step's part of it all" in table.note
