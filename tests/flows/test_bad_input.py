"""Wrong decorator attributes fail before anything runs, with the value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import FlowFolder

pytestmark = pytest.mark.flow

FLOW = """
    from metaflow import FlowSpec, Parameter, step, track_resources

    class BadInputFlow(FlowSpec):
        alpha = Parameter("alpha", default=1)
        beta = 2

        def helper(self):
            pass

        {decorators}
        @step
        def start(self):
            self.gamma = 3
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        BadInputFlow()
"""


@pytest.mark.parametrize(
    ("decorators", "told"),
    [
        ("@track_resources(interval='soon')", ["interval='soon'", "above 0"]),
        ("@track_resources(interval=0)", ["interval=0", "above 0"]),
        ("@track_resources(interval=90000)", ["interval=90000", "86400"]),
        ("@track_resources(overhead_budget=0.2)", ["overhead_budget=0.2", "from 0.0005 to 0.1"]),
        ("@track_resources(vendor='asw')", ["no prices for vendor 'asw'", "did you mean 'aws'", "aws, azure, gcp"]),
        ("@track_resources(vendor='aws', region='moon')", ["region 'moon' of vendor 'aws'", "me-south-1"]),
        ("@track_resources(colour='red')", ["colour", "interval"]),
        ("@track_resources(input_size='np.prod(self.x)')", ["input_size='np.prod(self.x)'", "'np'", "'n_bytes'"]),
        ("@track_resources(input_size='self.x +')", ["input_size='self.x +'", "no Python expression"]),
        ("@track_resources(input_size=[1])", ["input_size=[1]", "a number of bytes"]),
        ("@track_resources(input_size=lambda: 1)", ["<lambda>", "cannot be called with the flow"]),
        ("@track_resources(input_size='self.gama*8')", ["names self.gama", "did you mean 'self.gamma'"]),
        ("@track_resources(artifact_name='not a name')", ["'not a name'", "identifier"]),
        ("@track_resources(artifact_name='alpha')", ["'alpha'", "parameter"]),
        ("@track_resources(artifact_name='beta')", ["'beta'", "class attribute"]),
        ("@track_resources(artifact_name='helper')", ["'helper'", "method"]),
        ("@track_resources(artifact_name='end')", ["'end'", "step"]),
        ("@track_resources(artifact_name='gamma')", ["'gamma'", "self.gamma ="]),
        ("@track_resources\n        @track_resources", ["track_resources", "already"]),
    ],
)
def test_refused_before_anything_runs(tmp_path: Path, decorators: str, told: list[str]) -> None:
    """The run ends at once, no task has started, and the message teaches."""
    folder = FlowFolder(tmp_path)
    folder.write(FLOW.replace("{decorators}", decorators))
    run = folder.call("run")
    assert run.returncode != 0
    assert "Task is starting" not in run.output
    for words in told:
        assert words in run.output
    assert run.leftovers() == []


def test_a_bad_environment_is_named(tmp_path: Path) -> None:
    """A default from the environment is checked like an attribute."""
    folder = FlowFolder(tmp_path)
    folder.write(FLOW.replace("{decorators}", "@track_resources"))
    run = folder.call("run", METAFLOW_RESOURCE_TRACKER_INTERVAL="never")
    assert run.returncode != 0
    assert "METAFLOW_RESOURCE_TRACKER_INTERVAL" in run.output
    assert "'never'" in run.output


def test_asterisks_in_messages_are_seen(tmp_path: Path) -> None:
    """Metaflow takes them for mark-up and swallows them: they are printed as their twins, on `--with` as well."""
    folder = FlowFolder(tmp_path)
    folder.write(FLOW.replace("{decorators}", ""))
    run = folder.call("run", "--with", "track_resources:input_size=self.gamma * 8 * np.pi")
    assert run.returncode != 0
    assert "'self.gamma \N{ASTERISK OPERATOR} 8 \N{ASTERISK OPERATOR} np.pi'" in run.output
    assert "Task is starting" not in run.output
    run = folder.call("run", "--with", "track_resources:input_size=-5")
    assert "'self.table.nbytes'" in run.output and "  8" not in run.output
