"""Runs in Metaflow's local datastore: a real one to repeat tasks of, and many made-up ones before it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from benchmarks.measure import Cost, clean_environment, run

FLOW = Path(__file__).parent / "programs" / "flow.py"
NAME = "BenchFlow"


@dataclass
class LocalRuns:
    """The runs of the flow in one variant, in a folder of their own.

    Parameters
    ----------
    python : Path
        Of the environment to run in.
    variant : str
        ``"bare"``, ``"without card"``, ``"Metaflow's card"``, or anything else for the decorator as it comes.
    more : dict
        Further variables of its environment.
    """

    folder: Path
    python: Path
    variant: str
    more: dict[str, str] = field(default_factory=dict)
    _task_ids: Iterator[int] = field(default_factory=lambda: count(1000))
    _run_id: str = ""

    def whole_run(self, sleep_s: float = 0.0) -> Cost:
        """``flow.py run``: the runtime and two tasks."""
        self.folder.mkdir(parents=True, exist_ok=True)
        words = ["--no-pylint", "--quiet", "run", "--run-id-file", str(self.folder / "run_id")]
        return run([self.python, FLOW, *words], self._environment(sleep_s), self.folder)

    def task(self, sleep_s: float = 0.0) -> Cost:
        """One more task of the step in the same run, started as the runtime starts it, but by nobody who polls."""
        if not self._run_id:
            self.whole_run()
            self._run_id = (self.folder / "run_id").read_text()
        task_id = str(next(self._task_ids))
        self._register(task_id)
        words = ["--quiet", "--metadata=local", "--datastore=local", "--no-pylint", "step", "start"]
        words += ["--run-id", self._run_id, "--task-id", task_id, "--input-paths", f"{self._run_id}/_parameters/0"]
        return run([self.python, FLOW, *words], self._environment(sleep_s), self.folder)

    def card_bytes(self) -> int | None:
        """Size of the newest card; ``None`` where there is none."""
        cards = sorted(self.folder.glob(".metaflow/mf.cards/**/*.html"), key=lambda path: path.stat().st_mtime)
        return cards[-1].stat().st_size if cards else None

    def make_up_history(self, runs: int) -> None:
        """Earlier runs, each with one task of the step and its summary, in the local provider's own format."""
        for number in range(runs):
            self._make_up_run(str(1_700_000_000_000_000 + number), 1_700_000_000_000 + number * 60_000)

    @property
    def _store(self) -> Path:
        return self.folder / ".metaflow" / NAME

    def _environment(self, sleep_s: float) -> dict[str, str]:
        return clean_environment(
            self.folder,
            BENCH_VARIANT=self.variant,
            BENCH_SLEEP_S=str(sleep_s),
            METAFLOW_RESOURCE_TRACKER_MARKER=uuid.uuid4().hex,  # as the runtime gives it
            **self.more,
        )

    def _register(self, task_id: str) -> None:
        about = json.loads((self._store / self._run_id / "start" / "1" / "_meta" / "_self.json").read_text())
        _write(self._store / self._run_id / "start" / task_id / "_meta" / "_self.json", {**about, "task_id": task_id})

    def _make_up_run(self, run_id: str, at_ms: int) -> None:
        run = {"flow_id": NAME, "run_number": run_id, "user_name": "bench", "tags": [], "ts_epoch": at_ms}
        run["system_tags"] = ["user:bench", "runtime:dev"]
        step = {**run, "step_name": "start"}
        task = {**step, "task_id": "1"}
        summary = {
            "v": 1,
            "run_id": run_id,
            "step": "start",
            "task_id": "1",
            "attempt": 0,
            "status": "ok",
            "finished_at": at_ms / 1000,
            "duration_s": 2.0,
            "cpu_mean_cores": 0.5,
            "cpu_max_cores": 1.0,
            "memory_peak_kib": 100_000.0,
        }
        datum = {"field_name": "resource-tracker-summary", "type": "resource-tracker", "value": json.dumps(summary)}
        folder = self._store / run_id
        _write(folder / "_meta" / "_self.json", run)
        _write(folder / "start" / "_meta" / "_self.json", step)
        _write(folder / "start" / "1" / "_meta" / "_self.json", task)
        _write(
            folder / "start" / "1" / "_meta" / f"sysmeta_resource-tracker-summary_{at_ms}.json",
            {**task, **datum, "tags": ["attempt_id:0"]},
        )


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
