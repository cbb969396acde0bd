"""Real Metaflow runs in subprocesses, each in a directory and an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

RUN_TIMEOUT_S = 240
OUR_LINE = "[track_resources]"
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ")
_RUN_ID = re.compile(r"\[?(\d{16})")


@dataclass(frozen=True)
class FlowRun:
    """One finished `flow.py run`."""

    returncode: int
    output: str
    folder: Path
    home: Path

    @property
    def run_id(self) -> str:
        """The run's id, from its log."""
        match = re.search(r"run-id (\d+)", self.output)
        assert match, self.output
        return match.group(1)

    @property
    def our_lines(self) -> list[str]:
        """Lines that the decorator wrote into the log."""
        return [line for line in self.output.splitlines() if OUR_LINE in line]

    def plain_output(self) -> list[str]:
        """The log without our lines, stamps, run ids, process ids and durations: comparable between runs."""
        lines = [_STAMP.sub("", line) for line in self.output.splitlines() if OUR_LINE not in line]
        lines = [_RUN_ID.sub("[RUN", line).replace(str(self.folder.parent), "") for line in lines]
        return [re.sub(r"\(pid \d+\)|0x[0-9a-f]+|line \d+", "", line) for line in lines]

    def run(self) -> Any:
        """The run, from Metaflow's client."""
        import metaflow

        metaflow.namespace(None)
        metaflow.metadata(f"local@{self.folder}")
        name = next((self.folder / ".metaflow").glob("*Flow*")).name
        return metaflow.Flow(name)[self.run_id]

    def task(self, step: str) -> Any:
        """The (first) task of a step."""
        return self.run()[step].task

    def task_data(self, path: str) -> dict[str, Any]:
        """All artifacts of `RUN/STEP/TASK`."""
        import metaflow

        metaflow.namespace(None)
        metaflow.metadata(f"local@{self.folder}")
        name = next((self.folder / ".metaflow").glob("*Flow*")).name
        return {artifact.id: artifact.data for artifact in metaflow.Task(f"{name}/{path}")}

    def record(self, step: str, name: str = "resource_tracker_data") -> Any:
        """Our artifact of a step."""
        return self.task(step)[name].data

    def cards(self) -> list[Path]:
        """Pages of ours in the card datastore."""
        return sorted((self.folder / ".metaflow" / "mf.cards").rglob("resource_tracker-*.html"))

    def leftovers(self) -> list[str]:
        """Temporary files of ours, and live processes of ours that belong to this run."""
        names = ("resource_tracker.", "metaflow-resource-tracker")
        files = [str(path) for path in (self.home / "tmp").iterdir() if path.name.startswith(names)]
        return files + [str(process) for process in our_processes(self.home)]


class FlowFolder:
    """A directory with a flow file and a home and temporary directory of its own."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "flow"
        self.home = root / "home"
        self.folder.mkdir(parents=True)
        (self.home / "tmp").mkdir(parents=True)

    @classmethod
    def at(cls, root: Path) -> FlowFolder:
        """The folder that was made below `root` before."""
        found = cls.__new__(cls)
        found.folder, found.home = root / "flow", root / "home"
        return found

    def environment(self, **extra: str) -> dict[str, str]:
        """Nothing of the test's own Metaflow settings leaks in."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("METAFLOW_", "COV_", "PYTEST_"))}
        kept |= {
            "HOME": str(self.home),
            # Metaflow starts @parallel workers as `python`: the test's own, as in an activated environment
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "TMPDIR": str(self.home / "tmp"),
            "METAFLOW_USER": "tester",
            "METAFLOW_HOME": str(self.home),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return kept | extra

    def write(self, source: str, name: str = "flow.py") -> Path:
        """Write the flow's file."""
        path = self.folder / name
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return path

    def call(
        self,
        *arguments: str,
        name: str = "flow.py",
        prefix: tuple[str, ...] = (),
        python: str = sys.executable,
        timeout: float = RUN_TIMEOUT_S,
        **env: str,
    ) -> FlowRun:
        """Run `flow.py ARGUMENTS`; a hang fails the test."""
        command = [*prefix, python, name, *arguments]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return FlowRun(returncode=done.returncode, output=done.stdout, folder=self.folder, home=self.home)


def our_processes(home: Path) -> list[psutil.Process]:
    """Live samplers whose spool lies below a test's home (they have no environment to be known by)."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or ())
        if "resource_tracker" in line and str(home) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def wait_until_clean(run: FlowRun, deadline_s: float = 20.0) -> list[str]:
    """What of ours is left after at most ``deadline_s``: nothing, if all is well.

    Of a task that died a process with Metaflow loaded tells first: a second, and five where twenty others wait for each
    CPU.
    """
    end = time.monotonic() + deadline_s
    while (left := run.leftovers()) and time.monotonic() < end:
        time.sleep(0.05)
    return left
