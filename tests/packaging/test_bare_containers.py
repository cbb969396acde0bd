"""Steps in containers that hold nothing but what Metaflow's bootstrap installs, against a real S3 server.

The code package comes from an installed wheel or from the checkout; the container is a root, processes and mounts of
its own, with a virtual environment that has ``requests`` and ``boto3``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from containers import LEFT_OVER, Pod
from environments import (
    OLDEST_METAFLOW,
    OTHER_EXTENSION,
    ROOT,
    RUNNING_PYTHON,
    SUPPORTED_PYTHONS,
    VERSION,
    call,
    find_python,
    python_of,
)
from harness import FlowFolder, FlowRun, wait_until_clean
from s3_server import S3Server, s3_server

from resource_tracker.summary import decode_summary

pytestmark = [pytest.mark.flow, pytest.mark.xdist_group("packaging")]
FLOWS = Path(__file__).parent
TOP_OPTIONS = (
    "--quiet --no-pylint --metadata local --environment local "
    "--datastore s3 --datastore-root s3://metaflow-test/metaflow "
    "--event-logger nullSidecarLogger --monitor nullSidecarMonitor"
)
UNPACK = """
set -e
mkdir metaflow && cd metaflow && mkdir .metaflow && tar -xzf ../job.tar
export PYTHONPATH=$PWD/.mf_code METAFLOW_EXTRACTED_ROOT=$PWD METAFLOW_USER=tester
"""
"""As the bootstrap does."""
ENDS_OF_THE_RANGE = (SUPPORTED_PYTHONS[0], SUPPORTED_PYTHONS[-1])
SOURCES = [
    *(
        pytest.param("wheel", version, marks=() if version in ENDS_OF_THE_RANGE else pytest.mark.slow)
        for version in SUPPORTED_PYTHONS
    ),
    ("editable", RUNNING_PYTHON),
]
QUICK_EXAMPLES = ("minimal.py", "foreach.py")


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def package(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, environment: Callable[..., Path]
) -> Callable[[str], Path]:
    """The code package of the tracked flow, saved with the wheel or with the checkout's own installation."""
    saved: dict[str, Path] = {}

    def save(source: str) -> Path:
        if source not in saved:
            folder = FlowFolder(tmp_path_factory.mktemp(source))
            shutil.copy(FLOWS / "pod_flow.py", folder.folder)
            python = sys.executable
            if source == "wheel":
                python = str(python_of(environment("newest", wheel, OTHER_EXTENSION, "metaflow")))
            run = folder.call("package", "save", "job.tar", name="pod_flow.py", python=python, PYTHONPATH="")
            assert run.returncode == 0, run.output
            assert "could not" not in run.output
            saved[source] = folder.folder / "job.tar"
        return saved[source]

    return save


@pytest.fixture
def image(environment: Callable[..., Path]) -> Callable[[str], Path]:
    """The Python of an image: what the bootstrap installs for an S3 datastore, and nothing else."""

    def make(version: str = RUNNING_PYTHON) -> Path:
        python = find_python(version)
        if python is None:
            pytest.skip(f"no Python {version} on PATH or among pyenv's that starts")
        made = environment(f"image-{version}", "requests", "boto3", python=python)
        call(python_of(made), "-c", "import boto3, requests")  # compiled, as in an image: a pod cannot write there
        return made

    return make


def run_start(pod: Pod, package: Path, *run_ids: str) -> subprocess.CompletedProcess[str]:
    """Unpack the package in a container and run its step `start` there as a task of each run."""
    pod.directory.mkdir()
    shutil.copy(package, pod.directory / "job.tar")
    flow = f"python pod_flow.py {TOP_OPTIONS}"
    steps = "\n".join(
        f"{flow} init --run-id {run_id} --task-id 0\n"
        f"{flow} step start --run-id {run_id} --task-id 1 --input-paths {run_id}/_parameters/0"
        for run_id in run_ids
    )
    done = pod.run(UNPACK + steps + LEFT_OVER)
    assert done.returncode == 0, done.stdout
    assert "could not" not in done.stdout
    assert "left over: []" in done.stdout, done.stdout
    return done


def assert_complete(s3: S3Server, pathspec: str, summaries: list[str]) -> dict[str, Any]:
    """Artifact with advice and prices, card and summary are all in their places, and all tell the same; the artifact.

    The card was live before, and is not any more. The step itself saw nothing of us, nor of what we brought.
    """
    found = s3.artifacts(pathspec)
    record: dict[str, Any] = found["resource_tracker_data"]
    assert found["importable"] == []
    assert [path for path in found["search_path"] if "bundled" in path] == []
    assert record["pathspec"] == pathspec
    assert record["tracking"]["mode"] == "sampler", record["tracking"]
    assert record["tracking"]["failed_sources"] == []
    assert record["stats"]["memory_usage"]["max"] > 100_000_000 / 1024
    assert record["recommendation"]["available"] is True
    assert len(record["pricing"]["offers"]) == 5
    assert record["versions"]["resource_tracker"] == VERSION
    flow, run_id, step, task_id = pathspec.split("/")
    kept = s3.keys(f"metaflow/mf.cards/{flow}/runs/{run_id}/steps/{step}/tasks/{task_id}/")
    (card,) = (key for key in kept if key.endswith(".html"))
    (data,) = (key for key in kept if key.endswith(".data.json"))
    live = json.loads(found["live_data"])
    assert live["reload_token"] == "live_0"
    assert json.loads(s3.read(data))["reload_token"] == "final"
    page = s3.read(card).decode()
    assert f"<span>{flow}</span>" in page
    assert 'id="charts-title"' in page
    (summary,) = map(decode_summary, summaries)
    assert (summary.run_id, summary.step, summary.task_id, summary.status) == (run_id, step, task_id, "ok")
    assert summary.memory_peak_kib == record["usage"]["memory_peak_kib"]
    return record


def summaries_of(folder: Path, run_id: str) -> list[str]:
    """Of one run."""
    (run,) = folder.rglob(f"PodFlow/{run_id}")
    return summaries_below(run)


def summaries_below(folder: Path) -> list[str]:
    """Our summaries among the metadata that a task kept in files."""
    files = folder.rglob("sysmeta_resource-tracker-summary_*.json")
    return [json.loads(file.read_text(encoding="utf-8"))["value"] for file in files]


@pytest.mark.parametrize(("source", "version"), SOURCES)
def test_step_in_a_bare_container(
    source: str, version: str, tmp_path: Path, s3: S3Server, package: Callable[[str], Path], image: Callable[..., Path]
) -> None:
    """A package saved from the wheel and from the checkout runs on each supported Python that this machine has."""
    pod = Pod(image(version), tmp_path / "pod", variables=s3.environment())
    run_id = f"{source}-{version}"
    run_start(pod, package(source), run_id)
    record = assert_complete(s3, f"PodFlow/{run_id}/start/1", summaries_below(pod.directory))
    assert record["versions"]["python"].startswith(f"{version}.")


def test_hardened_container(
    tmp_path: Path, s3: S3Server, package: Callable[[str], Path], image: Callable[..., Path]
) -> None:
    """A root that can only be read, no ``/tmp``, a user without name and home: the step's record is complete."""
    pod = Pod(image(), tmp_path / "pod", hardened=True, variables=s3.environment())
    run_start(pod, package("wheel"), "earlier", "hardened")
    assert_complete(s3, "PodFlow/earlier/start/1", summaries_of(pod.directory, "earlier"))
    record = assert_complete(s3, "PodFlow/hardened/start/1", summaries_of(pod.directory, "hardened"))
    history = record["historical_stats"]  # of local metadata, which both runs have in the container
    assert (history["available"], history["runs_analyzed"]) == (True, 1), history


def call_on_s3(s3: S3Server, folder: FlowFolder, flow: str, *arguments: str, **variables: str) -> FlowRun:
    """`flow.py ARGUMENTS` with the checkout's own installation and the S3 server as datastore."""
    return folder.call("--quiet", "--no-pylint", *arguments, name=flow, **s3.environment(), **variables)


def argo_template(s3: S3Server, folder: FlowFolder, flow: str, **variables: str) -> dict[str, Any]:
    """What `argo-workflows create --only-json` prints."""
    run = call_on_s3(s3, folder, flow, "argo-workflows", "create", "--only-json", **variables)
    assert run.returncode == 0, run.output
    assert "could not" not in run.output
    template: dict[str, Any] = json.loads(run.output[run.output.index("{\n") :])
    return template


EXAMPLES = [
    pytest.param(path.name, marks=() if path.name in QUICK_EXAMPLES else pytest.mark.slow)
    for path in sorted((ROOT / "examples").glob("*.py"))
    if "FlowSpec" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_argo_workflows_carry_the_examples(example: str, tmp_path: Path, s3: S3Server) -> None:
    """Each example becomes a template of Argo Workflows, in whose code package we travel."""
    folder = FlowFolder(tmp_path)
    shutil.copy(ROOT / "examples" / example, folder.folder)
    template = argo_template(s3, folder, example)
    container = next(found["container"] for found in template["spec"]["templates"] if found["name"] == "start")
    (url,) = (given["value"] for given in container["env"] if given["name"] == "METAFLOW_CODE_URL")
    with tarfile.open(fileobj=BytesIO(s3.read(url.removeprefix("s3://metaflow-test/")))) as archive:
        names = {name.removeprefix(".mf_code/") for name in archive.getnames()}
    assert names >= {"resource_tracker/flows/session.py", "resource_tracker_bundled/jinja2/environment.py"}


def test_bootstrap_of_a_pod(tmp_path: Path, s3: S3Server, image: Callable[..., Path]) -> None:
    """The very command of Argo's template, from the download of the code package on: our summary comes home, too."""
    folder = FlowFolder(tmp_path)
    shutil.copy(FLOWS / "pod_flow.py", folder.folder)
    template = argo_template(s3, folder, "pod_flow.py", POD_FLOW_ON_KUBERNETES="1")
    container = next(found["container"] for found in template["spec"]["templates"] if found["name"] == "start")
    given = {entry["name"]: filled(entry["value"] or "of the pod") for entry in container["env"]}
    given |= {**s3.environment(), "METAFLOW_SKIP_INSTALL_DEPENDENCIES": "1", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    given |= {"POD_FLOW_ON_KUBERNETES": "1"}
    pod = Pod(image(), tmp_path / "pod", variables=given)
    pod.directory.mkdir()
    *_, command = container["command"]
    done = pod.run(f"({filled(command)}) || exit 1\n{LEFT_OVER}")
    assert done.returncode == 0, done.stdout
    assert "could not" not in done.stdout
    assert "left over: []" in done.stdout, done.stdout
    (task,) = s3.keys("metaflow/PodFlow/argo-pod-flow/start/")[:1]
    pathspec = "/".join(task.split("/")[1:5])
    packed = json.loads(s3.read(f"metaflow/{pathspec}/0.local_metadata"))
    with tarfile.open(fileobj=BytesIO(s3.blob(pathspec, packed))) as archive:
        archive.extractall(tmp_path / "metadata", filter="data")
    record = assert_complete(s3, pathspec, summaries_below(tmp_path / "metadata"))
    assert record["request"]["memory_mb"] == 700
    assert record["request"]["written_in"] == ["kubernetes"]
    assert record["server_info"]["allocation_reason"] == "runs in a Kubernetes pod"
    assert record["server_info"]["scheduler"] == "Argo Workflows on Kubernetes"


def filled(text: str) -> str:
    """A text of the template, with what Argo puts in when the workflow runs."""
    for name, value in {"workflow.name": "pod-flow", "workflow.creationTimestamp": "1795200000"}.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


UNSAVED_FLOW = """
from metaflow import FlowSpec, step, track_resources

class UnsavedFlow(FlowSpec):
    @track_resources
    @step
    def start(self):
        self.cannot_be_saved = (number for number in ())
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    UnsavedFlow()
"""


def test_artifact_that_cannot_be_saved(tmp_path: Path, s3: S3Server) -> None:
    """The run fails for it at once: no client of S3 works in an interpreter that exits, so another process tells."""
    folder = FlowFolder(tmp_path)
    folder.write(UNSAVED_FLOW)
    run = call_on_s3(s3, folder, "flow.py", "run")
    assert run.returncode == 1, run.output
    assert 'Cannot pickle dump artifact named "cannot_be_saved"' in run.output
    assert "could not" not in run.output
    assert wait_until_clean(run, deadline_s=120.0) == []
    (card,) = (key for key in s3.keys("metaflow/mf.cards/UnsavedFlow/") if key.endswith(".html"))
    assert "<span>UnsavedFlow</span>" in s3.read(card).decode()
    (summary,) = map(decode_summary, summaries_below(folder.folder))
    assert summary.status == "failed"


@pytest.mark.parametrize("metaflow", ["checkout", pytest.param("oldest", marks=pytest.mark.slow)])
def test_interpreter_of_its_own(
    metaflow: str, tmp_path: Path, wheel: Path, environment: Callable[..., Path], image: Callable[..., Path]
) -> None:
    """``--environment=pypi`` runs each task with an interpreter that sees nothing of the user's: it is tracked there.

    Metaflow's own code decides how; only micromamba is a stand-in.
    """
    python = sys.executable
    if metaflow == "oldest":
        python = str(python_of(environment("oldest", wheel, OTHER_EXTENSION, f"metaflow=={OLDEST_METAFLOW}")))
    folder = FlowFolder(tmp_path)
    shutil.copy(FLOWS / "branch_flow.py", folder.folder)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "micromamba").write_text(
        f"#!{sys.executable}\n" + (FLOWS / "micromamba.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (programs / "micromamba").chmod(0o755)
    run = folder.call(
        *("--no-pylint", "--environment=pypi", "run"),
        name="branch_flow.py",
        python=python,
        PATH=f"{programs}{os.pathsep}{os.environ['PATH']}",
        FAKE_MICROMAMBA_ROOT=str(tmp_path / "environments"),
        FAKE_MICROMAMBA_ENVIRONMENT=str(image()),
    )
    assert run.returncode == 0, run.output
    assert "could not" not in run.output
    assert len(run.our_lines) == 4, run.output
    assert run.task("start")["importable"].data == []
    for step in ("start", "left", "right", "join"):
        record = run.record(step)
        assert record["tracking"]["mode"] == "sampler", record["tracking"]
        assert record["recommendation"]["available"] is True
    assert len({card.parents[1].name for card in run.cards()}) == 4
    assert wait_until_clean(run) == []
