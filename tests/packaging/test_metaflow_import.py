"""Being installed costs `import metaflow` next to nothing, and never breaks it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from environments import OTHER_EXTENSION, call, python_of
from harness import FlowFolder, wait_until_clean

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("packaging")]
FLOW = Path(__file__).parent / "branch_flow.py"
LOADED = "import metaflow, sys; print(*sorted(sys.modules), sep='\\n')"


def test_import_loads_nothing_but_the_plugins(tmp_path: Path, wheel: Path, environment: Callable) -> None:
    """With us installed, `import metaflow` loads our plug-ins and the table of options: no other module of anybody."""
    without = environment("without-us", OTHER_EXTENSION, "metaflow")
    with_us = environment("newest", wheel, OTHER_EXTENSION, "metaflow")
    loaded = {
        made: set(call(python_of(made), "-c", LOADED, cwd=tmp_path, METAFLOW_HOME=str(tmp_path)).split())
        for made in (without, with_us)
    }
    added = loaded[with_us] - loaded[without]
    assert {name for name in added if not name.startswith("metaflow_extensions.resource_tracker")} == {
        "resource_tracker",
        "resource_tracker.options",
    }
    assert "metaflow_extensions.resource_tracker.plugins.track_resources_decorator" in added


@pytest.fixture
def tracked_flow(tmp_path: Path) -> FlowFolder:
    folder = FlowFolder(tmp_path)
    shutil.copy(FLOW, folder.folder / "flow.py")
    return folder


def test_flow_beside_a_module_of_our_name(tracked_flow: FlowFolder) -> None:
    """A helper that hides our package keeps nobody's flow from running: its tracked steps say that they are not."""
    (tracked_flow.folder / "resource_tracker.py").write_text("raise SystemExit('not to be run')\n")
    run = tracked_flow.call("run")
    assert run.returncode == 0, run.output
    assert "merged left and right, 100000000 bytes" in run.output
    assert len(run.our_lines) == 4, run.output
    for line in run.our_lines:
        assert "not tracked: the package resource_tracker cannot be imported" in line
    assert [artifact.id for artifact in run.task("join") if "resource_tracker" in artifact.id] == []
    assert run.cards() == []
    assert wait_until_clean(run) == []


def test_flow_of_our_name(tracked_flow: FlowFolder) -> None:
    """A flow in a file called resource_tracker.py is run as a flow, and not once more by our plug-ins."""
    source = FLOW.read_text(encoding="utf-8").replace("import sys\n", "import sys\n\nprint('loaded as', __name__)\n", 1)
    (tracked_flow.folder / "resource_tracker.py").write_text(source)
    run = tracked_flow.call("run", name="resource_tracker.py")
    assert run.returncode == 0, run.output
    assert "merged left and right, 100000000 bytes" in run.output
    assert "loaded as __main__" in run.output
    assert "loaded as resource_tracker" not in run.output


USED = """
from metaflow import FlowSpec, step, track_resources

class AnyFlow(FlowSpec):
    @track_resources(interval=2, not_known="yet")
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

(decorator,) = AnyFlow.start.decorators
print(type(decorator).__name__, decorator.attributes)
"""
STAND_IN = "UntrackedDecorator {'interval': 2, 'not_known': 'yet'}"


@pytest.mark.parametrize("broken", ["__init__.py", "options.py"])
def test_foreign_or_broken_package_of_our_name(broken: str, tmp_path: Path) -> None:
    """Another package of the name, even one that raises on import: the decorator's stand-in takes any option."""
    package = tmp_path / "resource_tracker"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / broken).write_text("raise RuntimeError('broken')\n")
    (tmp_path / "used.py").write_text(USED)
    said = call(sys.executable, "used.py", cwd=tmp_path, METAFLOW_HOME=str(tmp_path))
    assert said.strip() == STAND_IN


def test_half_removed_installation(tmp_path: Path, wheel: Path, environment: Callable) -> None:
    """Where our package is gone but its plug-ins are not, Metaflow starts."""
    made = environment("half-removed", wheel, "metaflow")
    (package,) = made.glob("lib/python*/site-packages/resource_tracker")
    shutil.rmtree(package)
    (tmp_path / "used.py").write_text(USED)
    said = call(python_of(made), "used.py", cwd=tmp_path, METAFLOW_HOME=str(tmp_path))
    assert said.strip() == STAND_IN
