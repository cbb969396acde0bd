"""It must never harm the step: every scenario ends as it does without us."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from harness import FlowFolder, FlowRun, wait_until_clean
from scenarios import SCENARIOS, linear

pytestmark = pytest.mark.flow
OURS = "resource_tracker_data"


def run_both(root: Path, source: str, *arguments: str, **options: Any) -> tuple[FlowRun, FlowRun]:
    """The same flow without us and with us."""
    runs = []
    for name, line in (("bare", "# bare"), ("tracked", "@track_resources")):
        folder = FlowFolder(root / name)
        folder.write(source.replace("{track}", line))
        runs.append(folder.call("run", *arguments, **options))
    return runs[0], runs[1]


def artifacts(run: FlowRun) -> dict[str, dict[str, Any]]:
    """Every artifact of every task but ours, by step and name, as text (two processes compare only as text)."""
    found = {}
    for step in run.run():
        for task in step:
            values = {a.id: repr(a.data) for a in task if a.id != OURS and not a.id.startswith("_")}
            key = f"{step.id}/{len([k for k in found if k.startswith(step.id + '/')])}"
            found[key] = values | {"successful": task.successful, "finished": task.finished}
    return found


def assert_same(bare: FlowRun, tracked: FlowRun) -> None:
    """Same exit code, same log, same artifacts, nothing of ours left."""
    assert tracked.returncode == bare.returncode, tracked.output
    assert Counter(tracked.plain_output()) == Counter(bare.plain_output())
    assert sorted(map(str, artifacts(tracked).values())) == sorted(map(str, artifacts(bare).values()))
    assert wait_until_clean(tracked) == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_flow_ends_as_without_us(tmp_path: Path, name: str) -> None:
    """Outcome, exit code, artifacts and output are those of the same flow without the decorator."""
    bare, tracked = run_both(tmp_path, SCENARIOS[name])
    assert_same(bare, tracked)


def test_resume_ends_as_without_us(tmp_path: Path) -> None:
    """A failed run resumes: clones are not measured again, the rest is."""
    source = linear("if os.environ.get('FAIL'):\n    raise RuntimeError('first time')\nself.result = 'resumed'")
    runs = []
    for name, line in (("bare", "# bare"), ("tracked", "@track_resources")):
        folder = FlowFolder(tmp_path / name)
        folder.write(source.replace("{track}", line))
        assert folder.call("run", FAIL="1").returncode != 0
        runs.append(folder.call("resume"))
    assert_same(*runs)
    assert runs[1].record("work")["outcome"]["status"] == "ok"
