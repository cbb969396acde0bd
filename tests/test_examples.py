"""Every example does what its first lines say, as its reader would run it: from a directory of one's own."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import FlowFolder, wait_until_clean

EXAMPLES = Path(__file__).parent.parent / "examples"
DEMO = {"demo.py", "demo_flow.py"}  # `make demo` runs them


def run_example(tmp_path, name, *arguments):
    """Run a copy of an example's flow, so that nothing of the checkout is beside it."""
    flow = FlowFolder(tmp_path)
    shutil.copy(EXAMPLES / name, flow.folder)
    return flow.call("run", *arguments, name=name)


def check_record(record, step):
    """The artifact of a tracked step holds measurements of that step."""
    assert record["pathspec"].split("/")[2] == step
    assert len(record["process_metrics"]) >= 1
    assert len(record["system_metrics"]) >= 1
    assert record["stats"]["duration"] > 0


def test_every_example_is_run_here():
    """An example that is added without a test does not go unnoticed, and each says what it shows and how to run it."""
    names = {path.name for path in EXAMPLES.glob("*.py")} - DEMO
    assert names == {case.values[0] for case in SUCCEEDING} | {"failing.py", "standalone.py"}
    for name in names:
        docstring = (EXAMPLES / name).read_text().split('"""')[1]
        assert f"python {name}" in docstring


SUCCEEDING = [
    pytest.param("minimal.py", [], {"my_sleeping_data": 1}, "Step finished", id="minimal"),
    pytest.param(
        "multi_cpu.py",
        ["--seconds", "1"],
        {"crunch": 1},
        "rounds on 2 processes",
        id="multi_cpu",
        marks=pytest.mark.slow,
    ),
    pytest.param("foreach.py", [], {"load": 3, "join": 1}, "Loaded 450000000 bytes", id="foreach"),
    pytest.param("gpu.py", ["--seconds", "1"], {"multiply": 1}, "", id="gpu", marks=pytest.mark.slow),
    pytest.param("training.py", [], {"start": 1, "train": 2}, r"(forest|boosting) is right in 9\d", id="training"),
]


@pytest.mark.flow
@pytest.mark.parametrize(("name", "arguments", "tracked", "says"), SUCCEEDING)
def test_example_flow(tmp_path, name, arguments, tracked, says):
    """The flow ends well and says so, each tracked task has its artifact and its card, and nothing is left behind."""
    run = run_example(tmp_path, name, *arguments)
    assert run.returncode == 0, run.output
    assert re.search(says, run.output), run.output
    for step, count in tracked.items():
        tasks = list(run.run()[step])
        assert len(tasks) == count
        for task in tasks:
            check_record(task["resource_tracker_data"].data, step)
    assert len(run.cards()) == sum(tracked.values())
    assert wait_until_clean(run) == []


@pytest.mark.flow
def test_multi_cpu_sees_the_pool(tmp_path):
    """The CPU time of the pool's processes is the step's: two of them used at least a second each."""
    run = run_example(tmp_path, "multi_cpu.py", "--seconds", "1")
    metrics = run.record("crunch")["process_metrics"]
    ticks = sum(metrics["utime"]) + sum(metrics["stime"])
    assert ticks >= 2 * 100 * 0.95
    assert max(metrics["children"]) >= 2


@pytest.mark.flow
def test_gpu_example_is_kind_without_a_gpu(tmp_path):
    """Where there is no PyTorch or no GPU, the example says which of them is missing."""
    run = run_example(tmp_path, "gpu.py", "--seconds", "1")
    used = run.run()["multiply"].task["rounds"].data
    assert ("products on" in run.output) if used else ("No GPU used: PyTorch is" in run.output)


@pytest.mark.flow
def test_failing_example(tmp_path):
    """The flow fails by its own error, and what it used until then is stored and shown all the same."""
    run = run_example(tmp_path, "failing.py")
    assert run.returncode == 1
    assert "ValueError" in run.output
    assert "Never reached" not in run.output
    task = run.task("parse")
    assert not task.successful
    record = task["resource_tracker_data"].data
    check_record(record, "parse")
    assert record["outcome"]["exception_type"] == "ValueError"
    assert record["stats"]["memory_usage"]["max"] >= 200_000_000 / 1024
    assert len(run.cards()) == 1
    assert wait_until_clean(run) == []


@pytest.mark.flow
def test_standalone_example(tmp_path):
    """Without Metaflow the numbers are printed and the report is written where one asked for it."""
    flow = FlowFolder(tmp_path)
    shutil.copy(EXAMPLES / "standalone.py", flow.folder)
    done = subprocess.run(
        [sys.executable, "standalone.py", "mine.html"],
        cwd=flow.folder,
        env=flow.environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "CPUs on average" in done.stdout
    assert "Ask for: @resources(cpu=1, memory=" in done.stdout
    assert "Rent: aws " in done.stdout
    report = (flow.folder / "mine.html").read_text(encoding="utf-8")
    assert "</html>" in report.lower()
