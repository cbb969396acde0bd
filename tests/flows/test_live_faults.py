"""What may befall the live card: the step ends as it would without it, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows.harness import FlowFolder, wait_until_clean
from flows.test_live import SOON, WAITING
from gate import EXPIRED, HANGS, gate_before
from s3_server import s3_server

FAULTS = (
    WAITING
    + """
    import signal
    from metaflow import FlowSpec, step, track_resources

    def kill(*names):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = open(f"/proc/{pid}/cmdline").read()
            except OSError:
                continue
            if spool() in command and any(name in command for name in names):
                os.kill(int(pid), signal.SIGKILL)

    class FaultFlow(FlowSpec):
        @step
        def start(self):
            self.faults = ["publisher", "sampler", "both"]
            self.next(self.hit, foreach="faults")

        @track_resources(interval=0.5)
        @step
        def hit(self):
            self.fault = self.input
            wait_until(lambda: status().get("updates", 0) >= 1)
            kill(*{
                "publisher": ["flows.publisher.main"],
                "sampler": ["sampler.main"],
                "both": ["flows.publisher.main", "sampler.main"],
            }[self.fault])
            self.next(self.join)

        @step
        def join(self, inputs):
            self.survived = [one.fault for one in inputs]
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        FaultFlow()
"""
)


def test_whoever_is_killed_the_step_and_its_last_card_are_as_ever(tmp_path: Path) -> None:
    """Without publisher, sampler or both the step succeeds, the last card is final, and nothing is left behind."""
    folder = FlowFolder(tmp_path)
    folder.write(FAULTS)
    run = folder.call("run", **SOON)
    assert run.returncode == 0, run.output
    assert run.run()["join"].task["survived"].data == ["publisher", "sampler", "both"]
    pages = [page.read_text() for page in run.cards()]
    assert len(pages) == 3
    assert all('METAFLOW_RELOAD_TOKEN="final"' in page and "Succeeded" in page for page in pages)
    data = [path.read_text() for path in (run.folder / ".metaflow" / "mf.cards").rglob("*.data.json")]
    assert len(data) == 3
    assert all('"reload_token": "final"' in one for one in data)
    assert wait_until_clean(run) == []


def fault_of_step(method: str, path: str) -> int | None:
    """What befalls an update of the live card."""
    if method == "PUT" and "/mf.cards/" in path and "/runtime/" in path:
        return HANGS if "/steps/hangs/" in path else EXPIRED if "/steps/refuses/" in path else None
    return None


STORE = (
    WAITING
    + """
    from metaflow import FlowSpec, step, track_resources

    class StoreFlow(FlowSpec):
        @step
        def start(self):
            self.next(self.refuses, self.hangs)

        @track_resources
        @step
        def refuses(self):
            wait_until(lambda: status().get("failures", 0) >= 1)
            self.next(self.join)

        @track_resources
        @step
        def hangs(self):
            wait_until(lambda: time.monotonic() - (status().get("asked_at") or time.monotonic()) > 6)
            self.next(self.join)

        @step
        def join(self, inputs):
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        StoreFlow()
"""
)


@pytest.mark.slow
def test_store_that_refuses_or_hangs_is_named_in_the_card(tmp_path: Path) -> None:
    """Expired credentials and a store that does not answer slow nothing down; the last card says what was missing."""
    folder = FlowFolder(tmp_path)
    folder.write(STORE)
    with s3_server() as server, gate_before(server.url, fault_of_step) as url:
        run = folder.call("run", **SOON, **server.environment() | {"METAFLOW_S3_ENDPOINT_URL": url})
        assert run.returncode == 0, run.output
        keys = [key for key in server.keys("metaflow/mf.cards/StoreFlow") if key.endswith(".html")]
        pages = {step: server.read(key).decode() for step in ("refuses", "hangs") for key in keys if f"/{step}/" in key}
    assert all('METAFLOW_RELOAD_TOKEN="final"' in page and "Succeeded" in page for page in pages.values())
    assert "updates could not be written" in pages["refuses"]
    assert "ExpiredToken" in pages["refuses"]
    assert "the store had not answered" in pages["hangs"]
    assert wait_until_clean(run) == []


OTHER_METAFLOW = """
    from metaflow import FlowSpec, step, track_resources
    from metaflow.plugins.cards.card_datastore import CardDatastore

    save_data = CardDatastore.save_data
    CardDatastore.save_data = lambda self, *arguments, **named: save_data(self, *arguments, **named)

    class OtherFlow(FlowSpec):
        @track_resources
        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        OtherFlow()
"""


def test_where_metaflow_keeps_cards_otherwise_its_own_decorator_does(tmp_path: Path) -> None:
    """With other internals of Metaflow's cards, @card writes ours from the artifact, and the log says why."""
    folder = FlowFolder(tmp_path)
    folder.write(OTHER_METAFLOW)
    run = folder.call("run")
    assert run.returncode == 0, run.output
    assert any("written by @card" in line for line in run.our_lines), run.output
    (page,) = run.cards()
    assert page.name.startswith("resource_tracker-resources-")
    assert "Succeeded" in page.read_text()
    assert wait_until_clean(run) == []


FULL = (
    WAITING
    + """
    from metaflow import FlowSpec, step, track_resources

    CARDS = os.path.dirname(os.path.abspath(__file__)) + "/.metaflow/mf.cards"

    def fill():
        with open(CARDS + "/fill", "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def fill_while_live():
        wait_until(lambda: status().get("updates", 0) >= 1)
        fill()
        wait_until(lambda: status().get("failures", 0) >= 1)

    def pages(step):
        return [open(path).read() for path in glob.glob(CARDS + f"/**/{step}/**/*.html", recursive=True)]

    class FullFlow(FlowSpec):
        @track_resources
        @step
        def start(self):
            fill_while_live()
            os.unlink(CARDS + "/fill")
            self.next(self.work)

        @track_resources
        @step
        def work(self):
            fill_while_live()
            self.next(self.end)

        @step
        def end(self):
            (self.told,) = pages("start")
            (self.live,) = pages("work")
            os.unlink(CARDS + "/fill")
            wait_until(lambda: "Succeeded" in pages("work")[0])
            (self.last,) = pages("work")

    if __name__ == "__main__":
        FullFlow()
"""
)


@pytest.mark.slow
def test_the_disk_of_the_cards_is_full(tmp_path: Path) -> None:
    """The step goes on, the page that stands there stays whole, and the next one that can be written says what was."""
    folder = FlowFolder(tmp_path)
    folder.write(FULL)
    cards = folder.folder / ".metaflow" / "mf.cards"
    cards.mkdir(parents=True)
    script = f'mount -t tmpfs -o size=400k none {cards} || exit 77; exec "$@"'
    run = folder.call("run", prefix=("unshare", "-m", "sh", "-c", script, "sh"), **SOON)
    if run.returncode == 77 or "unshare:" in run.output:
        pytest.skip("mounts are not permitted here")
    assert run.returncode == 0, run.output
    pages = {name: run.task("end")[name].data for name in ("told", "live", "last")}
    assert "Succeeded" in pages["told"] and "No space left" in pages["told"]
    assert "Running" in pages["live"] and pages["live"].rstrip().endswith("</html>")
    assert "No space left" in pages["last"]
    assert [line for line in run.our_lines if "/work/" in line and "could not write the card" in line], run.output
    assert wait_until_clean(run) == []
