"""``current.track_resources`` in a real run: figures, marks and the warning, and steps in which nothing is measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from harness import FlowFolder, wait_until_clean

from resource_tracker.host import server_info
from resource_tracker.options import DEFAULTS

pytestmark = pytest.mark.flow

FLOW = """
    import json
    import time
    from metaflow import FlowSpec, current, step, track_resources

    class CurrentFlow(FlowSpec):
        @track_resources(interval=0.1, overhead_budget=0.1, warn_memory_fraction={fraction})
        @step
        def start(self):
            tracked = current.track_resources
            tracked.mark("imports")
            with tracked.mark("load"):
                held = bytearray(200 << 20)
                while tracked.memory_mib < 200:
                    time.sleep(0.02)
            del held
            while tracked.memory_mib > 200:
                time.sleep(0.02)
            with tracked.mark("train"):
                for epoch in range(2):
                    with tracked.mark(f"epoch {epoch}"):
                        sum(range(1_000_000))
            self.figures = tracked.figures()
            self.said = [tracked.tracked, tracked.request.cpu, repr(tracked), "track_resources" in current]
            self.next(self.off)

        @track_resources(enabled=False)
        @step
        def off(self):
            with current.track_resources.mark("nothing"):
                self.off_said = [current.track_resources.tracked, repr(current.track_resources.memory_mib)]
            self.next(self.end)

        @step
        def end(self):
            current.track_resources.mark("nothing")
            self.end_said = [current.track_resources.tracked, current.track_resources.limits.memory_mib]

    if __name__ == "__main__":
        CurrentFlow()
"""


def test_a_step_measures_itself(tmp_path: Path) -> None:
    """Marks are spans of the artifact, figures are those of the step, one line warns, and elsewhere nothing happens."""
    usable_mib = server_info(ask_gpus=False).usable_memory_mb
    assert usable_mib is not None
    folder = FlowFolder(tmp_path)
    folder.write(FLOW.replace("{fraction}", repr(170 / usable_mib)))
    run = folder.call("run")
    assert run.returncode == 0, run.output
    assert wait_until_clean(run) == []

    data = run.record("start")
    spans = {span["label"]: span for span in data["spans"]}
    assert [*spans] == ["imports", "load", "train", "epoch 0", "epoch 1"]
    assert [span["depth"] for span in spans.values()] == [0, 0, 0, 1, 1]
    assert spans["load"]["memory_peak_kib"] > 200 * 1024 > spans["train"]["memory_peak_kib"]
    assert (
        sum(spans[name]["cpu_seconds"] for name in ("imports", "load", "train")) <= data["usage"]["cpu_seconds"] + 0.2
    )
    assert all(0 <= span["start_s"] <= span["end_s"] <= data["usage"]["duration_s"] for span in spans.values())

    start = run.task("start")
    figures = start["figures"].data
    assert figures["peak_memory_mib"] >= 200 > figures["memory_mib"] > 1
    assert figures["memory_left_mib"] == pytest.approx(usable_mib, rel=0.05)
    assert start["said"].data[:2] + start["said"].data[3:] == [True, None, True]
    assert run.task("off")["off_said"].data == [False, "nan"]
    assert run.task("end")["end_said"].data == [False, None]

    warned = [line for line in run.our_lines if "memory use passed" in line]
    assert len(warned) == 1, run.output
    assert "/start/" in warned[0]
    (page,) = run.cards()
    assert "epoch 1" in page.read_text(encoding="utf-8")


def test_metaflows_stubs_know_the_decorator(tmp_path: Path) -> None:
    """What Metaflow writes for editors has each option with its default, and the type of what is in `current`."""
    code = "import sys; from metaflow.cmd.develop.stub_generator import StubGenerator as S; S(sys.argv[1]).write_out()"
    folder = FlowFolder(tmp_path)
    command = [sys.executable, "-c", code, str(tmp_path / "stubs")]
    done = subprocess.run(
        command, cwd=tmp_path, env=folder.environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "stubs" / "__init__.pyi").read_text(encoding="utf-8")
    (signature,) = {line for line in told.splitlines() if line.startswith("def track_resources(*, ")}
    assert all(f"{name}: " in signature for name in DEFAULTS)
    assert "warn_memory_fraction: float = 0.9" in signature
    of_current = (tmp_path / "stubs" / "metaflow_current.pyi").read_text(encoding="utf-8")
    assert 'def track_resources(self) -> "resource_tracker.step_resources.StepResources":' in of_current
