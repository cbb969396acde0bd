"""The benchmarks' own machinery: a figure that is measured wrongly is worse than none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.local_runs import LocalRuns  # noqa: E402
from benchmarks.measure import Cost, added, alternate, clean_environment, cpu, least_added, median, wall  # noqa: E402
from benchmarks.tables import Table, against, markdown, plain, times  # noqa: E402

BURN = "import time\nwhile time.process_time() < 0.3: pass"
LEAVES_AN_ORPHAN = f"""
import os, sys
if os.fork() == 0:
    os.setsid()
    {BURN.replace(chr(10), chr(10) + "    ")}
"""


def measured(program, tmp_path):
    """The CPU time of a Python program as the harness sees it, from a process that collects orphans."""
    script = (
        "import sys; from pathlib import Path; from benchmarks.measure import *; collect_orphans();"
        f"print(run([sys.executable, '-c', {program!r}], clean_environment(Path('/')), Path({str(tmp_path)!r})).cpu_s)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.parametrize("program", [BURN, LEAVES_AN_ORPHAN], ids=["own", "orphan"])
def test_cpu_time_counts_what_is_left_behind(program, tmp_path):
    """CPU time is that of the command and of the processes that outlive it."""
    assert 0.29 <= measured(program, tmp_path) <= 2


def test_failed_command_is_an_error_with_its_output(tmp_path):
    """A command that fails never becomes a figure."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from benchmarks.measure import run;"
            f"run([sys.executable, '-c', 'raise SystemExit(\"went wrong\")'], {{}}, Path({str(tmp_path)!r}))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode and "BenchmarkError" in done.stderr and "went wrong" in done.stderr


def test_variants_alternate_and_the_first_round_is_left_out():
    """Every round runs each variant once, in turning order."""
    order = []

    def variant(name):
        def one():
            order.append(name)
            return Cost(wall_s=len(order), cpu_s=0.0)

        return one

    costs = alternate("test", {"a": variant("a"), "b": variant("b")}, 2)
    assert order == ["b", "a", "a", "b", "b", "a"]
    assert [cost.wall_s for cost in costs["a"]] == [3, 6]


def test_differences_are_taken_within_rounds():
    """A round that was slow for all does not count as a difference."""
    bare = [Cost(1.0, 0.1), Cost(5.0, 0.1), Cost(1.0, 0.1)]
    tracked = [Cost(1.1, 0.2), Cost(5.1, 0.2), Cost(1.3, 0.2)]
    assert added(wall, tracked, bare) == pytest.approx(100)
    assert least_added(wall, tracked, bare) == pytest.approx(100)
    assert median(cpu, tracked) == pytest.approx(200)


def test_measured_commands_are_free_of_this_shell(monkeypatch):
    """Settings of Python and Metaflow do not reach what is measured."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("METAFLOW_DATASTORE", "s3")
    environment = clean_environment(Path("/home"), EXTRA="1")
    assert environment["HOME"] == "/home" and environment["EXTRA"] == "1" and environment["PATH"]
    assert [name for name in environment if name.startswith("PYTHON") or name == "METAFLOW_DATASTORE"] == []


def test_tables():
    """Plain and Markdown tables hold every cell; a row of another width is refused."""
    table = Table("Title", ("", "wall"))
    table.add("bare", "12.0 ms")
    table.notes.append("A note.")
    assert plain(table).splitlines() == ["", "Title", "           wall", "  bare  12.0 ms", "A note."]
    assert markdown(table) == "### Title\n\n|  | wall |\n| --- | ---: |\n| bare | 12.0 ms |\n\nA note."
    with pytest.raises(ValueError, match="3 cells"):
        table.add("a", "b", "c")
    assert against(3.0, 5.0, "<= 5 ms") == "<= 5 ms: met" and against(6.0, 5.0, "<= 5 ms").endswith("missed")
    assert times(3.0, 2.0) == "1.50 x"


def test_made_up_runs_are_read_as_history(tmp_path):
    """What is written as earlier runs is what Metaflow's provider reads and our history finds."""
    LocalRuns(tmp_path, Path(sys.executable), "bare").make_up_history(7)
    script = (
        "from metaflow.plugins.metadata_providers.local import LocalMetadataProvider as Provider;"
        "from resource_tracker.flows.summaries import read_summaries;"
        "where = dict(namespace='user:bench', current_run_id='1', max_runs=5);"
        "found = read_summaries(Provider, 'BenchFlow', 'start', **where);"
        "print([one.run_id[-1] for one in found])"
    )
    environment = clean_environment(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "['6', '5', '4', '3', '2']", done.stderr


def test_help_teaches_and_unknown_subjects_are_named():
    """``--help`` lists the subjects with examples; a wrong subject names those there are."""
    helped = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for word in ("steps", "sampler", "--quick", "examples:", "benchmarks/.cache"):
        assert word in helped.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "benchmarks", "stepz"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2 and "unknown subject stepz: there are steps, imports" in wrong.stderr


def test_made_up_runs_are_read_as_they_were_made(tmp_path):
    """What is written as a whole run is what Metaflow's provider finds: attempts, the killed one, summaries."""
    from benchmarks.made_up_runs import write_run
    from resource_tracker.testing import fake_run

    write_run(tmp_path, fake_run(40))
    script = (
        "from metaflow.plugins.metadata_providers.local import LocalMetadataProvider as Provider;"
        "from resource_tracker.flows.run_reading import read_run; from resource_tracker.testing import fake_run;"
        "made, found = fake_run(40), read_run(Provider, 'TrainFlow', '1741732803');"
        "key = lambda a: (a.step, a.task_id, a.attempt, a.status, a.lost, a.measured, a.ended_at_latest);"
        "print(sorted(map(key, made.attempts)) == sorted(map(key, found.attempts)), len(found.attempts));"
        "print(set(made.summaries) == set(found.summaries))"
    )
    environment = clean_environment(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["True", "47", "True"], done.stderr + done.stdout
