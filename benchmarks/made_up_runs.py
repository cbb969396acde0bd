"""Made-up runs in the format of Metaflow's local metadata provider."""

from __future__ import annotations

import json
from pathlib import Path

from resource_tracker.run_attempts import Attempt, RunAttempts
from resource_tracker.summary import encode_summary

_SYSTEM_FIELDS = ("runtime", "python_version", "script-name", "user", "metaflow_version", "ds-type", "ds-root")
"""Of each attempt Metaflow itself writes these, and more."""


def write_run(folder: Path, run: RunAttempts) -> None:
    """All tasks of a run, with the metadata that Metaflow and we write, below ``folder/.metaflow``."""
    store = folder / ".metaflow" / run.flow
    began = min(attempt.started_at or 0.0 for attempt in run.attempts)
    about = {"flow_id": run.flow, "run_number": run.run_id, "user_name": "bench", "tags": [], "ts_epoch": _ms(began)}
    about["system_tags"] = ["user:bench"]
    _write(store / "_meta" / "_self.json", about)
    _write(store / run.run_id / "_meta" / "_self.json", about)
    for attempt in run.attempts:
        step = store / run.run_id / attempt.step
        _write(step / "_meta" / "_self.json", {**about, "step_name": attempt.step})
        _write_attempt(step / attempt.task_id / "_meta", about, attempt)


def _write_attempt(folder: Path, about: dict[str, object], attempt: Attempt) -> None:
    task = {**about, "step_name": attempt.step, "task_id": attempt.task_id}
    _write(folder / "_self.json", task)
    began, ended = attempt.started_at or 0.0, attempt.ended_at or 0.0
    data = [(field, "x", began) for field in _SYSTEM_FIELDS] + [("attempt", str(attempt.attempt), began)]
    if attempt.measured and attempt.summary is not None:
        data.append(("resource-tracker-summary", encode_summary(attempt.summary), ended))
        data.append(("attempt_ok", str(attempt.status == "ok"), ended))
    for field, value, at in data:
        datum = {"field_name": field, "type": field, "value": value, "tags": [f"attempt_id:{attempt.attempt}"]}
        _write(folder / f"sysmeta_{field}_{_ms(at)}.json", {**task, **datum, "ts_epoch": _ms(at)})


def _ms(unix_s: float) -> int:
    return round(unix_s * 1000)


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
