"""The wheel, installed beside another extension, runs real flows far from the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from environments import (
    OLDEST_METAFLOW,
    OTHER_EXTENSION,
    RUNNING_PYTHON,
    SUPPORTED_PYTHONS,
    VERSION,
    call,
    find_python,
    python_of,
)
from harness import FlowFolder, FlowRun, wait_until_clean

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("packaging")]
FLOW = Path(__file__).parent / "branch_flow.py"
TRACKED = ("start", "left", "right", "join")
PUBLISHED = {"process_metrics", "system_metrics", "cloud_info", "server_info", "stats", "historical_stats"}
OURS = {"schema_version", "pathspec", "attempt", "request", "limits", "usage", "outcome", "recommendation", "pricing"}
METAFLOWS = {"newest": "metaflow", "oldest": f"metaflow=={OLDEST_METAFLOW}"}


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and a flow that ran in it."""

    environment: Path
    folder: FlowFolder
    run: FlowRun

    def flow(self, *arguments: str, **variables: str) -> FlowRun:
        return call_flow(self.folder, self.environment, *arguments, **variables)


def call_flow(folder: FlowFolder, environment: Path, *arguments: str, **variables: str) -> FlowRun:
    """`flow.py ARGUMENTS` in a virtual environment, whose compiled modules are kept."""
    variables |= {
        "PATH": os.pathsep.join([str(environment / "bin"), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": "",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return folder.call(*arguments, python=str(python_of(environment)), **variables)


def first_run(root: Path, environment: Path) -> Installed:
    folder = FlowFolder(root)
    shutil.copy(FLOW, folder.folder / "flow.py")
    run = call_flow(folder, environment, "run", METAFLOW_RESOURCE_TRACKER_INTERVAL="0.25")
    return Installed(environment, folder, run)


def assert_tracked(run: FlowRun, python: str) -> None:
    """The run ended well on that Python, every tracked step is complete, and nothing is left behind."""
    assert run.returncode == 0, run.output
    assert "merged left and right, 100000000 bytes" in run.output
    assert "could not" not in run.output
    assert len(run.our_lines) == len(TRACKED), run.output
    assert run.task("start")["python"].data == python
    for step in TRACKED:
        record = run.record(step)
        assert set(record) >= PUBLISHED | OURS
        assert record["pathspec"] == run.task(step).pathspec
        assert record["outcome"]["status"] == "ok"
        assert record["tracking"]["mode"] == "sampler"
        assert record["tracking"]["interval_s"] == 0.25  # from METAFLOW_RESOURCE_TRACKER_INTERVAL
        assert record["tracking"]["failed_sources"] == []
        assert record["versions"]["resource_tracker"] == VERSION
        assert record["historical_stats"]["available"] is False
        assert len(record["pricing"]["offers"]) == 5
    assert run.record("left")["usage"]["input_bytes"] == 100_000_000
    assert run.record("right")["usage"]["input_bytes"] == 50_000_000
    assert run.record("join")["usage"]["input_bytes"] > 0
    assert run.record("start")["stats"]["memory_usage"]["max"] > 100_000_000 / 1024
    assert {card.parents[1].name for card in run.cards()} >= {run.task(step).id for step in TRACKED}
    assert wait_until_clean(run) == []


@pytest.fixture(scope="module", params=METAFLOWS)
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path, environment: Callable
) -> Installed:
    """The newest and the oldest supported Metaflow on the running Python."""
    made = environment(request.param, wheel, OTHER_EXTENSION, METAFLOWS[request.param])
    return first_run(tmp_path_factory.mktemp(request.param), made)


def test_flow_is_tracked(installed: Installed) -> None:
    """Tracked branches, a join that merges their artifacts, and an option from the environment."""
    assert_tracked(installed.run, RUNNING_PYTHON)


def test_next_run_compares(installed: Installed) -> None:
    """The next run finds the first, and `--with` tracks the steps that are not decorated, by the configured options."""
    second = installed.flow(
        "run",
        "--with",
        "track_resources",
        METAFLOW_RESOURCE_TRACKER_INTERVAL="0.5",
        METAFLOW_RESOURCE_TRACKER_QUIET="1",
    )
    assert second.returncode == 0, second.output
    assert second.our_lines == []
    history = second.record("join")["historical_stats"]  # the earlier steps may end before it has been read
    assert (history["available"], history["runs_analyzed"]) == (True, 1), history
    end = second.record("end")
    assert end["pathspec"] == second.task("end").pathspec
    assert end["tracking"]["interval_s"] == 0.5


def test_card_commands(installed: Installed) -> None:
    """`card get` gives the page as it was written, `card create` makes it again for the old run."""
    task = f"{installed.run.run_id}/start/{installed.run.task('start').id}"
    got = installed.flow("card", "get", task, "got.html", "--id", "resources")
    assert got.returncode == 0, got.output
    page = (installed.folder.folder / "got.html").read_text(encoding="utf-8")
    assert "<span>BranchFlow</span>" in page
    assert page in [card.read_text(encoding="utf-8") for card in installed.run.cards()]
    created = installed.flow("card", "create", task, "--type", "resource_tracker", "--id", "again")
    assert created.returncode == 0, created.output
    again = installed.flow("card", "get", task, "again.html", "--id", "again")
    assert again.returncode == 0, again.output
    assert "<span>BranchFlow</span>" in (installed.folder.folder / "again.html").read_text(encoding="utf-8")


def test_metaflow_loads_all_of_the_extension(installed: Installed, tmp_path: Path) -> None:
    """Metaflow keeps failed imports of extensions to itself: its debug log has the decorator and the card type."""
    log = call(
        python_of(installed.environment),
        "-c",
        "import sys; sys.stderr = sys.stdout; import metaflow, metaflow.plugins.cards.card_modules",
        cwd=tmp_path,
        METAFLOW_DEBUG_EXT="1",
        METAFLOW_HOME=str(tmp_path),
    )
    decorator = "metaflow_extensions.resource_tracker.plugins.track_resources_decorator.TrackResourcesDecorator"
    assert f"Added step_decorator plugin 'track_resources' from '{decorator}'" in log
    assert "Loaded [MFExtModule(package_name='metaflow-resource-tracker', tl_package='resource_tracker'" in log
    assert OTHER_EXTENSION in log
    cards = "from metaflow.plugins import CARDS; print(*[card.type for card in CARDS])"
    types = call(python_of(installed.environment), "-c", cards, cwd=tmp_path, METAFLOW_HOME=str(tmp_path)).split()
    assert {"resource_tracker", "html"} <= set(types)
    assert re.findall(r"Unknown error.*|.*Exception .*|.*WARNING.*|Traceback.*", log) == []


def test_command(installed: Installed, tmp_path: Path) -> None:
    """The command is installed, tells its version, and ends as the command that it runs."""
    command = installed.environment / "bin" / "resource-tracker"
    assert call(command, "--version", cwd=tmp_path).strip() == f"resource-tracker {VERSION}"
    done = subprocess.run([command, "run", "--", "sh", "-c", "exit 3"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 3


@pytest.mark.parametrize("version", [version for version in SUPPORTED_PYTHONS if version != RUNNING_PYTHON])
def test_other_pythons(version: str, tmp_path: Path, wheel: Path, environment: Callable) -> None:
    """The newest Metaflow on each other supported Python that this machine has."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on PATH or among pyenv's that starts")
    made = environment(f"python-{version}", wheel, OTHER_EXTENSION, METAFLOWS["newest"], python=python)
    assert_tracked(first_run(tmp_path, made).run, version)


@pytest.mark.slow
@pytest.mark.parametrize("version", [version for version in SUPPORTED_PYTHONS if version != RUNNING_PYTHON])
def test_oldest_metaflow_on_other_pythons(version: str, tmp_path: Path, wheel: Path, environment: Callable) -> None:
    """The oldest Metaflow on each other supported Python that this machine has."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on PATH or among pyenv's that starts")
    made = environment(f"oldest-python-{version}", wheel, OTHER_EXTENSION, METAFLOWS["oldest"], python=python)
    assert_tracked(first_run(tmp_path, made).run, version)


@pytest.mark.slow
def test_sdist_installs(tmp_path: Path, sdist: Path, environment: Callable) -> None:
    """The source distribution, too, installs and tracks."""
    made = environment("from-sdist", sdist, OTHER_EXTENSION, METAFLOWS["newest"])
    assert_tracked(first_run(tmp_path, made).run, RUNNING_PYTHON)
