"""The live card in real runs: it grows while the step runs, and whatever happens to it, the step does not notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flows.harness import FlowFolder, wait_until_clean
from s3_server import S3Server, s3_server

SOON = {"METAFLOW_RESOURCE_TRACKER_LIVE_AFTER": "0", "METAFLOW_RESOURCE_TRACKER_REFRESH_INTERVAL": "1"}

WAITING = """
    import glob, json, os, time

    def spool():
        pattern = os.environ["TMPDIR"] + "/resource_tracker.%d.*" % os.getpid()
        return next(iter(glob.glob(pattern)), None)

    def status():
        try:
            return json.load(open(spool() + "/publisher"))
        except (OSError, TypeError, ValueError):
            return {}

    def wait_until(condition):
        end = time.monotonic() + 120
        while not condition() and time.monotonic() < end:
            time.sleep(0.1)
        assert condition(), status()

    def seen_while_live():
        # The live page, its data, and its data two updates later, as the store has them.
        from resource_tracker.flows.order import read_order
        from resource_tracker.flows.publisher.stores import open_cards

        cards = open_cards(read_order(spool()))
        wait_until(lambda: status().get("updates", 0) >= 1)
        page, first = cards.read_page(), cards.read_data()
        wait_until(lambda: status().get("updates", 0) >= 3)
        return page, first, cards.read_data()
"""

LIVE = (
    WAITING
    + """
    from metaflow import FlowSpec, step, track_resources

    class LiveFlow(FlowSpec):
        @track_resources(interval=0.5)
        @step
        def start(self):
            self.page, self.first, self.later = seen_while_live()
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        LiveFlow()
"""
)


def assert_live_then_final(seen: dict[str, Any], page: str, data: dict[str, Any]) -> None:
    """While the step ran, one page drew more and more; after it, another page draws what is in it."""
    first, later = seen["first"], seen["later"]
    assert f'window.METAFLOW_RELOAD_TOKEN="{first["reload_token"]}"' in seen["page"]
    assert "Running" in seen["page"]
    assert later["reload_token"] == first["reload_token"] != "final"
    assert later["created_on"] > first["created_on"]
    assert later["data"]["texts"]["badge"] == "Running"
    assert len(later["data"]["x"]["d"]) > len(first["data"]["x"]["d"])  # more points in time
    early = json.loads(later["resource_tracker_early"])
    assert early["status"] == "running"
    assert early["memory_peak_kib"] > 0
    assert 'window.METAFLOW_RELOAD_TOKEN="final"' in page
    assert "Succeeded" in page
    assert data["reload_token"] == "final"
    assert data["created_on"] > later["created_on"]
    assert "resource_tracker_early" not in data


def test_local_card_is_live_then_final(tmp_path: Path) -> None:
    """In files, one page is updated in place; the last one replaces it, and neither step nor machine keeps anything."""
    folder = FlowFolder(tmp_path)
    folder.write(LIVE)
    run = folder.call("run", **SOON)
    assert run.returncode == 0, run.output
    (page,) = run.cards()
    (data,) = (run.folder / ".metaflow" / "mf.cards").rglob("*.data.json")
    seen = run.task_data(f"{run.run_id}/start/1")
    assert_live_then_final(seen, page.read_text(), json.loads(data.read_text()))
    assert page.parent.stat().st_mode == (run.folder / ".metaflow").stat().st_mode  # as the task would have made it
    assert seen["resource_tracker_data"]["usage"]["children_max"] == 0  # the publisher is not the step's
    assert wait_until_clean(run) == []


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def test_card_in_s3_is_live_then_final(tmp_path: Path, s3: S3Server) -> None:
    """The same in S3, with credentials from the environment that the task was started with."""
    folder = FlowFolder(tmp_path)
    folder.write(LIVE)
    run = folder.call("run", **SOON, **s3.environment())
    assert run.returncode == 0, run.output
    keys = [key for key in s3.keys("metaflow/mf.cards/LiveFlow") if f"/{run.run_id}/" in key]
    (page,), (data,) = ([key for key in keys if key.endswith(end)] for end in (".html", ".data.json"))
    seen = s3.artifacts(f"LiveFlow/{run.run_id}/start/1")
    assert_live_then_final(seen, s3.read(page).decode(), json.loads(s3.read(data)))
    assert wait_until_clean(run) == []
