"""Azure Blob Storage and Google Cloud Storage: live card, last card, artifact and post-mortem, against emulators."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from cloud_emulators import CloudStore, azure_store, google_store
from flows.harness import FlowFolder, wait_until_clean
from flows.test_live import SOON, WAITING, assert_live_then_final

from resource_tracker.flows.summaries import SUMMARY_FIELD
from resource_tracker.summary import decode_summary

pytestmark = [pytest.mark.flow, pytest.mark.slow]

FLOW = (
    WAITING
    + """
    import signal
    from metaflow import FlowSpec, step, track_resources

    class CloudFlow(FlowSpec):
        @track_resources(interval=0.5)
        @step
        def start(self):
            self.page, self.first, self.later = seen_while_live()
            self.next(self.check)

        @step
        def check(self):
            with open("seen.json", "w") as file:
                json.dump({"page": self.page, "first": self.first, "later": self.later}, file)
            self.peak = self.resource_tracker_data["usage"]["memory_peak_kib"]
            print("peak", self.peak)
            self.next(self.dies)

        @track_resources
        @step
        def dies(self):
            os.kill(os.getpid(), signal.SIGKILL)
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        CloudFlow()
"""
)


def step_of(key: str) -> str:
    return re.findall("/steps/([a-z]+)/", key)[0]


@pytest.mark.parametrize("store_of", [azure_store, google_store], ids=["azure", "google"])
def test_another_cloud_has_all_that_s3_has(
    tmp_path: Path, store_of: Callable[[Path], AbstractContextManager[CloudStore]]
) -> None:
    """A card that is live and then final, an artifact that the next step reads, and what ended a task that died."""
    folder = FlowFolder(tmp_path)
    folder.write(FLOW)
    with store_of(tmp_path) as store:
        run = folder.call("run", **SOON, **store.environment())
        assert run.returncode == 1, run.output
        assert "could not" not in run.output
        assert re.search(r"peak \d+", run.output), run.output
        assert wait_until_clean(run, 120.0) == []
        keys = store.keys(f"metaflow/mf.cards/CloudFlow/runs/{run.run_id}/")
        pages = {
            re.findall("/steps/([a-z]+)/", key)[0]: store.read(key).decode() for key in keys if key.endswith("html")
        }
        (data,) = (store.read(key) for key in keys if key.endswith(".data.json") and step_of(key) == "start")
    seen = json.loads((run.folder / "seen.json").read_text())
    assert_live_then_final(seen, pages["start"], json.loads(data))
    assert "illed by SIGKILL" in pages["dies"]
    stored = [json.loads(path.read_text())["value"] for path in run.folder.rglob(f"sysmeta_{SUMMARY_FIELD}_*.json")]
    assert {found.step: found.ended_by for found in map(decode_summary, stored)}["dies"] == "killed by SIGKILL"
    assert [path.name for path in run.folder.iterdir() if path.name.startswith("metaflow.")] == []
