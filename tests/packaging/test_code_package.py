"""Metaflow's code package carries all that a container needs which has nothing of ours installed.

Steps run here as the bootstrap of a remote container runs them: with the package unpacked, in an environment that holds
only what the bootstrap installs. Containers with an S3 datastore are in `test_bare_containers.py`.
"""

from __future__ import annotations

import pickle
import shutil
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from environments import OLDEST_METAFLOW, OTHER_EXTENSION, VERSION, call, python_of
from harness import FlowFolder, FlowRun, wait_until_clean

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("packaging")]
FLOWS = {name: Path(__file__).parent / f"{name}_flow.py" for name in ("branch", "plain")}
ADDED_AT_MOST = 1_200_000
TOP_OPTIONS = (
    *("--quiet", "--no-pylint", "--metadata", "local", "--environment", "local", "--datastore", "local"),
    *("--event-logger", "nullSidecarLogger", "--monitor", "nullSidecarMonitor"),
)


@dataclass(frozen=True)
class Packages:
    """Code packages of a tracked and of an untracked flow, saved with one installation."""

    branch: Path
    plain: Path

    def names(self, flow: str) -> set[str]:
        """Files in a package, as the container sees them on its import path."""
        with tarfile.open(getattr(self, flow)) as archive:
            return {name.removeprefix(".mf_code/") for name in archive.getnames()}


@dataclass(frozen=True)
class Container:
    """An unpacked code package, and the environment that runs it."""

    folder: FlowFolder
    flow: str
    python: Path

    def call(self, *arguments: str) -> FlowRun:
        """`flow.py ARGUMENTS`, with the variables that Metaflow's bootstrap sets."""
        run = self.folder.call(
            *TOP_OPTIONS,
            *arguments,
            name=f"{self.flow}_flow.py",
            python=str(self.python),
            PYTHONPATH=str(self.code),
            METAFLOW_EXTRACTED_ROOT=str(self.folder.folder),
        )
        assert run.returncode == 0, run.output
        return run

    @property
    def code(self) -> Path:
        """Where the package's modules are: Metaflow moved them into a folder of their own."""
        moved = self.folder.folder / ".mf_code"
        return moved if moved.is_dir() else self.folder.folder

    def start_step(self) -> FlowRun:
        """Run the step `start` as the only task of run 7."""
        self.call("init", "--run-id", "7", "--task-id", "0")
        return self.call("step", "start", "--run-id", "7", "--task-id", "1", "--input-paths", "7/_parameters/0")

    def artifacts(self) -> dict[str, Any]:
        """What the task stored."""
        self.call("dump", "7/start/1", "--file", "dump.pickle", "--max-value-size", "100000000")
        (found,) = pickle.loads((self.folder.folder / "dump.pickle").read_bytes()).values()
        return found


def save_packages(root: Path, python: str) -> Packages:
    """Save the packages of both flows, from a folder that holds both."""
    folder = FlowFolder(root)
    for flow in FLOWS.values():
        shutil.copy(flow, folder.folder)
    for name, flow in FLOWS.items():
        run = folder.call("package", "save", f"{root}/{name}.tgz", name=flow.name, python=python, PYTHONPATH="")
        assert run.returncode == 0, run.output
        assert "could not" not in run.output
    return Packages(branch=root / "branch.tgz", plain=root / "plain.tgz")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Saved with the checkout's own environment, where this package is installed as editable."""
    return save_packages(tmp_path_factory.mktemp("editable"), sys.executable)


@pytest.fixture
def start_container(tmp_path: Path) -> Callable[..., Container]:
    def start(package: Path, environment: Path) -> Container:
        folder = FlowFolder(tmp_path / "container")
        shutil.unpack_archive(package, folder.folder)
        (folder.folder / ".metaflow").mkdir()  # as the bootstrap does
        return Container(folder=folder, flow=package.stem, python=python_of(environment))

    return start


@pytest.fixture
def bare(environment: Callable) -> Path:
    """What the bootstrap of a container installs, without a cloud's own library."""
    return environment("bare", "requests")


def assert_complete(container: Container, run: FlowRun) -> dict[str, Any]:
    """The task has its artifact with advice and prices, its card, its line, and left nothing behind."""
    assert "could not" not in run.output
    assert len(run.our_lines) == 1, run.output
    found = container.artifacts()
    record = found["resource_tracker_data"]
    assert record["pathspec"] == "BranchFlow/7/start/1"
    assert record["tracking"]["mode"] == "sampler"
    assert record["tracking"]["failed_sources"] == []
    assert record["stats"]["memory_usage"]["max"] > 100_000_000 / 1024
    assert record["recommendation"]["available"] is True
    assert len(record["pricing"]["offers"]) == 5
    assert record["versions"]["resource_tracker"] == VERSION
    page = run.cards()[0].read_text(encoding="utf-8")
    assert "<span>BranchFlow</span>" in page
    assert 'id="charts-title"' in page
    assert wait_until_clean(run) == []
    return found


def test_package_holds_what_the_container_needs(packages: Packages) -> None:
    """Modules, templates, script and catalog travel; of the dependencies, what runs on any platform."""
    names = packages.names("branch")
    assert names >= {
        "resource_tracker/sampler/main.py",
        "resource_tracker/report/templates/card.html.j2",
        "resource_tracker/report/assets/card.js",
        "resource_tracker/data/catalog.json.gz",
        "resource_tracker_bundled/jinja2/environment.py",
        "resource_tracker_bundled/markupsafe/_native.py",
        "resource_tracker_bundled/pynvml.py",
        "metaflow_extensions/resource_tracker/plugins/track_resources_decorator.py",
        f"metaflow_resource_tracker-{VERSION}.dist-info/METADATA",
    }
    ours = [name for name in names if name.startswith("resource_tracker")]
    assert [name for name in ours if name.endswith((".so", ".pyc")) or "__pycache__" in name] == []
    # with top_level.txt Metaflow would look for a second extension there
    assert f"metaflow_resource_tracker-{VERSION}.dist-info/top_level.txt" not in names


def test_package_grows_by_little(packages: Packages) -> None:
    """Tracking adds at most 1.2 MB to what each container downloads; without it a flow carries the plug-ins only."""
    assert packages.branch.stat().st_size - packages.plain.stat().st_size <= ADDED_AT_MOST
    assert [name for name in packages.names("plain") if name.startswith("resource_tracker")] == []


def test_untracked_flow_in_a_bare_container(packages: Packages, bare: Path, start_container: Callable) -> None:
    """The package of an untracked flow has our plug-ins but not what they import: Metaflow starts all the same."""
    container = start_container(packages.plain, bare)
    run = container.start_step()
    assert run.our_lines == []
    assert container.artifacts()["answer"] == 42


def test_container_with_our_package_installed(
    packages: Packages, wheel: Path, environment: Callable, start_container: Callable
) -> None:
    """An image that has us installed runs what travelled, with the dependencies that the image has."""
    made = environment("newest", wheel, OTHER_EXTENSION, "metaflow")
    container = start_container(packages.branch, made)
    found = assert_complete(container, container.start_step())
    assert found["importable"] == ["jinja2", "markupsafe", "psutil", "pynvml"]


@pytest.fixture
def unpacked(packages: Packages, start_container: Callable, bare: Path) -> Path:
    return start_container(packages.branch, bare).code


def tell(python: Path, code: Path, program: str) -> list[str]:
    """Lines that a program prints, run beside an unpacked package."""
    return call(python, "-c", program, cwd=code.parent, PYTHONPATH=str(code)).splitlines()


def test_copies_serve_where_there_is_nothing_else(unpacked: Path, bare: Path) -> None:
    """In a bare container Jinja2 comes from the package, from the end of the import path."""
    program = """if True:
        import sys
        from resource_tracker.bundled import use_bundled
        use_bundled(); use_bundled()
        import jinja2, markupsafe
        print(jinja2.__file__, markupsafe.__file__, sys.path[-1], len(sys.path) - len(set(sys.path)), sep="\\n")
    """
    copies = unpacked / "resource_tracker_bundled"
    expected = [f"{copies}/jinja2/__init__.py", f"{copies}/markupsafe/__init__.py", str(copies), "0"]
    assert tell(python_of(bare), unpacked, program) == expected


def test_installed_packages_come_first(unpacked: Path) -> None:
    """Where the container has Jinja2, the import path stays as it is."""
    program = """if True:
        import sys
        from resource_tracker.bundled import bundled_folder, use_bundled
        before = list(sys.path)
        use_bundled()
        import jinja2
        print(jinja2.__file__.startswith(bundled_folder()), sys.path == before, sep="\\n")
    """
    assert tell(Path(sys.executable), unpacked, program) == ["False", "True"]


def test_pynvml_is_read_without_being_installed(unpacked: Path, bare: Path) -> None:
    """The copy of pynvml serves the sampler and the task; the step still cannot import it."""
    program = """if True:
        import sys
        from importlib.util import find_spec
        from resource_tracker.bundled import bundled_pynvml, pynvml_file
        nvml = bundled_pynvml()
        print(pynvml_file(), issubclass(nvml.NVMLError_NotFound, nvml.NVMLError), sep="\\n")
        print(find_spec("pynvml"), "pynvml" in sys.modules, sep="\\n")
    """
    expected = [f"{unpacked}/resource_tracker_bundled/pynvml.py", "True", "None", "False"]
    assert tell(python_of(bare), unpacked, program) == expected


def test_copies_travel_on(unpacked: Path, bare: Path, packages: Packages) -> None:
    """A flow that is started from within a bare container packages the same files again."""
    program = """if True:
        from resource_tracker.flows.packaging import package_files
        print(*[name for path, name in package_files()], sep="\\n")
    """
    names = packages.names("branch")
    ours = {name for name in names if name.startswith(("resource_tracker/", "resource_tracker_bundled/"))}
    assert set(tell(python_of(bare), unpacked, program)) == ours


@pytest.mark.slow
@pytest.mark.parametrize("metaflow", ["metaflow", f"metaflow=={OLDEST_METAFLOW}"], ids=["newest", "oldest"])
def test_package_from_the_wheel(
    metaflow: str, tmp_path: Path, wheel: Path, bare: Path, environment: Callable, start_container: Callable
) -> None:
    """The same from an installed wheel, with the newest and the oldest Metaflow."""
    name = "newest" if metaflow == "metaflow" else "oldest"
    made = environment(name, wheel, OTHER_EXTENSION, metaflow)
    saved = save_packages(tmp_path, str(python_of(made)))
    assert saved.branch.stat().st_size - saved.plain.stat().st_size <= ADDED_AT_MOST
    container = start_container(saved.branch, bare)
    assert_complete(container, container.start_step())
    shutil.rmtree(tmp_path / "container")
    untracked = start_container(saved.plain, bare)
    untracked.start_step()
    assert untracked.artifacts()["answer"] == 42
