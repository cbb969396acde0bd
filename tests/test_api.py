"""``ResourceTracker``: measuring from Python, with the real sampler."""

from __future__ import annotations

import gc
import json
import os
import pickle
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cli_harness import Cli, wait_until

from resource_tracker import ResourceTracker, TinyDataFrame
from resource_tracker.columns import PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.errors import ArtifactError, ResourceTrackerError, SettingError, TrackerError
from resource_tracker.records import Recommendation


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A folder of our own for spools and caches, in this process, too."""
    cli = Cli(tmp_path)
    for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, cli.environment()[name])
    monkeypatch.setattr("tempfile.tempdir", None)
    return cli


@pytest.fixture
def clean(cli: Cli) -> Iterator[Cli]:
    """Nothing of ours is left after the test."""
    yield cli
    wait_until(lambda: cli.leftovers() == [], timeout_s=5)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> ResourceTracker:
    """A finished measurement of some work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with ResourceTracker(interval=0.1, title="work") as tracker:
            work()
    return tracker


def work() -> None:
    """CPU time and 100 MB."""
    block = bytearray(100_000_000)
    spent = os.times()
    while os.times().user - spent.user < 0.3:
        sum(range(1000))
    del block


def python(cli: Cli, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, with a temporary folder of the test's."""
    source = "import os, sys, time\nfrom resource_tracker import ResourceTracker\n" + textwrap.dedent(script)
    return subprocess.run(
        [sys.executable, "-c", source], env=cli.environment(), capture_output=True, text=True, timeout=60, check=False
    )


# --- start and stop ----------------------------------------------------------------------------


def test_with_statement(done: ResourceTracker) -> None:
    """The body is measured from before to after: rows, CPU time, memory peak, duration, outcome."""
    usage = done.record.usage
    assert done.record.outcome.status == "ok"
    assert done.record.tracking.mode == "sampler"
    assert usage.cpu_seconds is not None and usage.cpu_seconds >= 0.29
    assert usage.memory_peak_kib is not None and usage.memory_peak_kib > 100e6 / 1024
    assert len(done.process_metrics) >= 2
    assert repr(done) == "<ResourceTracker 'work': ok>"


def test_start_and_stop(clean: Cli) -> None:
    """``start`` gives the tracker back, ``stop`` ends it, and a second ``stop`` is nothing."""
    tracker = ResourceTracker()
    assert tracker.start() is tracker
    assert tracker.is_running
    tracker.stop()
    rows = tracker.process_metrics
    tracker.stop()
    assert not tracker.is_running
    assert tracker.process_metrics == rows


def test_autostart(clean: Cli) -> None:
    """``autostart`` begins at once, and a with statement then does not begin a second time."""
    tracker = ResourceTracker(autostart=True)
    assert tracker.is_running
    with tracker as same:
        assert same is tracker
    assert not tracker.is_running


def test_stop_within_the_body(clean: Cli) -> None:
    """Who stops in the body has what was measured until then."""
    with ResourceTracker() as tracker:
        tracker.stop()
        ended_at = tracker.record.ended_at
    assert tracker.record.ended_at == ended_at


def test_metrics_are_live(clean: Cli) -> None:
    """Both frames grow while the tracker runs, with all their columns."""
    with ResourceTracker(interval=0.05) as tracker:
        assert tracker.process_metrics.columns == list(PROCESS_NAMES)
        assert tracker.system_metrics.columns == list(SYSTEM_NAMES)
        before = wait_until(lambda: len(tracker.process_metrics))
        wait_until(lambda: len(tracker.process_metrics) > before + 1 and len(tracker.system_metrics) > before + 1)
        assert tracker.record.outcome.status == "running"
        assert tracker.stats()["duration"] > 0
        assert repr(tracker).endswith(": running>")
    assert tracker.record.outcome.status == "ok"


def test_another_process(clean: Cli) -> None:
    """A process by its pid, with its children; its memory is told, not ours, also after its end."""
    script = "import time; block = bytearray(150_000_000); print(flush=True); time.sleep(100)"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    with ResourceTracker(pid=child.pid, interval=0.1) as tracker:
        wait_until(lambda: len(tracker.process_metrics) > 2)
        child.kill()
        wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
        child.communicate()
    peak_kib = tracker.record.usage.memory_peak_kib
    assert peak_kib is not None and 150e6 / 1024 < peak_kib < 190e6 / 1024
    assert set(tracker.process_metrics["pid"]) == {float(child.pid)}
    assert tracker.record.title == f"process {child.pid}"


def test_the_reader_of_another_process_dies(clean: Cli) -> None:
    """A tracker of another process ends with the process that made it, not with the one that it watches."""
    child = subprocess.Popen(["sleep", "100"])
    try:
        python(clean, f"tracker = ResourceTracker(pid={child.pid}, autostart=True); os.kill(os.getpid(), 9)")
        wait_until(lambda: clean.leftovers() == [], timeout_s=5)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


# --- exceptions and forgotten trackers ---------------------------------------------------------


def test_exceptions_pass(clean: Cli) -> None:
    """An exception of the body comes out as it is; the record keeps its type, and nothing of its message."""
    error = RuntimeError("secret")
    with pytest.raises(RuntimeError) as caught, ResourceTracker() as tracker:
        raise error
    assert caught.value is error
    assert (tracker.record.outcome.status, tracker.record.outcome.exception_type) == ("failed", "RuntimeError")
    assert "secret" not in tracker.to_json()


@pytest.mark.parametrize(("code", "status"), [(0, "ok"), (None, "ok"), (3, "failed"), ("message", "failed")])
def test_exit_of_the_body(clean: Cli, code: object, status: str) -> None:
    """``sys.exit`` passes; only a code other than 0 is a failure."""
    with pytest.raises(SystemExit), ResourceTracker() as tracker:
        sys.exit(code)  # type: ignore[arg-type]
    assert tracker.record.outcome.status == status


def test_never_started(clean: Cli) -> None:
    """A tracker that was never started and goes away leaves nothing, and reading it says what to do."""
    tracker = ResourceTracker()
    hint = r"call start\(\), or use the tracker in a with statement"
    for name in ("process_metrics", "system_metrics", "record"):
        with pytest.raises(TrackerError, match=hint):
            getattr(tracker, name)
    for name in ("stats", "stop", "report", "recommend_server", "recommend_resources", "snapshot", "to_json"):
        with pytest.raises(TrackerError, match=hint):
            getattr(tracker, name)()
    assert repr(tracker).endswith(": not started>")
    del tracker
    gc.collect()
    assert clean.leftovers() == []


def test_dropped_while_running(clean: Cli) -> None:
    """A running tracker that nobody refers to any more ends."""
    tracker = ResourceTracker(autostart=True)
    assert len(clean.samplers()) == 1
    del tracker
    gc.collect()
    wait_until(lambda: clean.leftovers() == [], timeout_s=5)


@pytest.mark.parametrize(
    "ending", ["pass", "sys.exit(3)", "raise RuntimeError", "os._exit(3)", "os.kill(os.getpid(), 9)"]
)
def test_forgotten_stop(clean: Cli, ending: str) -> None:
    """However the interpreter ends without ``stop``, no process and no file is left."""
    done = python(clean, f"tracker = ResourceTracker(autostart=True)\nprint('up', flush=True)\n{ending}")
    assert done.stdout == "up\n"
    wait_until(lambda: clean.leftovers() == [], timeout_s=5)


def test_a_fork_leaves_the_tracker_alone(clean: Cli) -> None:
    """A fork that ends, or leaves the with body, ends nothing; its own ``stop`` is refused."""
    done = python(
        clean,
        """
        from resource_tracker.errors import TrackerError
        with ResourceTracker() as tracker:
            if os.fork() == 0:
                try:
                    tracker.stop()
                except TrackerError as error:
                    print(error, flush=True)
                sys.exit(0)  # through __exit__ and the interpreter's end
            os.wait()
            print(tracker.is_running, tracker.record.tracking.ended_early)
        print(len(tracker.process_metrics) > 0)
        """,
    )
    assert done.stdout.splitlines() == [
        "this tracker belongs to the process that this one was forked from: stop it there",
        "True None",
        "True",
    ], done.stderr


def test_no_sampler(clean: Cli) -> None:
    """Where the sampler cannot start, the body runs all the same, and the record says why."""
    done = python(
        clean,
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with ResourceTracker() as tracker:
            spent = sum(range(5_000_000))
        tracking = tracker.record.tracking
        print(tracking.mode, "|", tracking.reason, "|", tracker.stats()["cpu_usage"]["mean"] > 0)
        """,
    )
    mode, reason, has_data = done.stdout.strip().split(" | ")
    assert (mode, has_data) == ("start_end", "True"), done.stderr
    assert reason.startswith("no place for the measurements")


# --- refused -----------------------------------------------------------------------------------


def test_starting_twice(clean: Cli) -> None:
    """A tracker measures once: what to do instead is said, running or stopped."""
    tracker = ResourceTracker(autostart=True)
    for _ in range(2):
        with pytest.raises(TrackerError, match="make a new ResourceTracker for each measurement"):
            tracker.start()
        tracker.stop()


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf"), 86401, True, None, "soon", [1]])
def test_bad_interval(interval: object) -> None:
    """An interval that cannot be is refused before anything starts, by its value."""
    with pytest.raises(SettingError, match=r"ResourceTracker: interval=.* cannot be used: give a number of seconds"):
        ResourceTracker(interval=interval)  # type: ignore[arg-type]


@pytest.mark.parametrize("pid", [0, -1, True, "1", 1.5])
def test_bad_pid(pid: object) -> None:
    """A pid that is none is refused by its value."""
    with pytest.raises(SettingError, match=r"ResourceTracker: pid=.* cannot be used"):
        ResourceTracker(pid=pid)  # type: ignore[arg-type]


def test_process_that_is_gone(clean: Cli) -> None:
    """A process that ended cannot be measured."""
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(TrackerError, match=f"there is no process {child.pid}"):
        ResourceTracker(pid=child.pid).start()


# --- what comes out ----------------------------------------------------------------------------


def test_stats(done: ResourceTracker) -> None:
    """``stats`` has the keys of the published example, and agrees with the record."""
    stats = done.stats()
    assert list(stats) == [
        "cpu_usage", "memory_usage", "gpu_usage", "gpu_vram", "gpu_utilized", "disk_usage", "traffic", "duration"
    ]  # fmt: skip
    assert stats["duration"] == pytest.approx(done.record.usage.duration_s, abs=0.01)
    assert stats["memory_usage"]["max"] == pytest.approx(done.record.usage.memory_peak_kib, abs=1)


def test_recommend_resources(done: ResourceTracker) -> None:
    """The advice covers the peak, and prints as the line to paste."""
    advice = done.recommend_resources()
    assert isinstance(advice, Recommendation)
    assert advice == done.record.recommendation
    assert str(advice) == advice.as_text() == f"@resources(cpu={advice.cpu}, memory={advice.memory_mb})"
    peak_kib = done.record.usage.memory_peak_kib
    assert peak_kib is not None and advice.memory_mb * 1e6 > peak_kib * 1024


def test_recommend_server(done: ResourceTracker) -> None:
    """The cheapest machines first, as many as asked for, where asked for."""
    offers = done.recommend_server(vendor="aws", region="eu-west-1", limit=3).offers
    assert len(offers) == 3
    assert {(offer.instance.vendor, offer.region) for offer in offers} == {("aws", "eu-west-1")}
    prices = [offer.price_usd_per_hour for offer in offers]
    assert prices == sorted(prices)
    assert len(done.recommend_server().offers) == 5


def test_recommend_server_at_live_prices(
    done: ResourceTracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a network: bundled prices, and a note that says so; another source of prices is refused."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nobody answers there
    pricing = done.recommend_server(vendor="aws", region="eu-west-1", prices="live")
    assert "Live prices could not be had" in (pricing.note or "") and pricing.offers
    with pytest.raises(SettingError, match="'bundled' or 'live'"):
        done.recommend_server(prices="cheap")


def test_recommend_server_refuses(done: ResourceTracker) -> None:
    """An unknown vendor or region, or a limit that is none, is refused with what there is."""
    with pytest.raises(SettingError, match=r"no prices for vendor 'nimbus': there are .*aws"):
        done.recommend_server(vendor="nimbus")
    with pytest.raises(SettingError, match="no prices for region 'moon-1' of vendor 'aws': there are "):
        done.recommend_server(vendor="aws", region="moon-1")
    for limit in (0, -1, 2.5, True):
        with pytest.raises(SettingError, match=r"limit=.* cannot be used"):
            done.recommend_server(limit=limit)  # type: ignore[arg-type]


def test_snapshot_is_plain(done: ResourceTracker) -> None:
    """A snapshot pickles and comes back as the same measurement, in a process that has not made it."""
    snapshot = pickle.loads(pickle.dumps(done.snapshot()))
    again = ResourceTracker.from_snapshot(snapshot)
    assert again.record == ResourceTracker.from_snapshot(done.snapshot()).record
    assert again.stats() == done.stats()
    assert again.process_metrics == done.process_metrics
    assert again.recommend_resources() == done.recommend_resources()
    assert again.snapshot() == snapshot
    assert not again.is_running
    with pytest.raises(TrackerError):
        again.start()


def test_json_comes_back(done: ResourceTracker) -> None:
    """The JSON is strict (no NaN), and gives the same measurement as the snapshot."""
    text = done.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert ResourceTracker.from_snapshot(text).record == ResourceTracker.from_snapshot(done.snapshot()).record
    assert ResourceTracker.from_snapshot(json.loads(text)).stats() == done.stats()


@pytest.mark.parametrize("snapshot", ["", "[]", "{}", "nonsense", {}, 5, None, {"schema_version": 99}])
def test_from_snapshot_refuses(snapshot: object) -> None:
    """Anything else is refused by name."""
    with pytest.raises(ArtifactError):
        ResourceTracker.from_snapshot(snapshot)  # type: ignore[arg-type]


def test_from_snapshot_with_damaged_frames(done: ResourceTracker) -> None:
    """A frame that is damaged is an error of ours, which names it."""
    snapshot = done.snapshot() | {"process_metrics": {"timestamp": [1.0], "pid": [1.0, 2.0]}}
    with pytest.raises(ResourceTrackerError, match="pid"):
        ResourceTracker.from_snapshot(snapshot)


def test_report_is_saved(done: ResourceTracker, tmp_path: Path) -> None:
    """The extension says what is written; a missing folder is not made; the path comes back."""
    report = done.report()
    with pytest.raises(SettingError, match=r"there is no folder .*new': make it first"):
        report.save(tmp_path / "new" / "report.html")
    assert list(tmp_path.iterdir()) == []
    page = report.save(tmp_path / "report.html")
    assert page.read_text(encoding="utf-8") == report.html
    assert "work" in report.html
    assert len(TinyDataFrame(csv_file_path=report.save(str(tmp_path / "rows.csv")))) == len(done.process_metrics)
    assert json.loads(report.save(tmp_path / "all.json").read_text())["title"] == "work"
    with pytest.raises(SettingError, match=r"unknown extension '\.pdf': give \.json, \.csv, \.html"):
        report.save(tmp_path / "report.pdf")


def test_report_in_a_notebook(done: ResourceTracker) -> None:
    """A notebook shows it in a frame of its own: the page as an attribute, none of its markup outside."""
    shown = done.report()._repr_html_()
    script, _, frame = shown.partition("<iframe ")
    assert script.startswith("<script>") and script.count("<") == 2 and "resource" in script
    assert frame.endswith("></iframe>") and frame.count("<") == 1


def test_browse(done: ResourceTracker, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser (here a script) is given the page, in a folder that nobody else can read; no browser is an error."""
    browser = cli.folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {cli.folder}/opened\n')
    browser.chmod(0o755)
    program = (
        "from resource_tracker import ResourceTracker; import sys\n"
        "tracker = ResourceTracker.from_snapshot(sys.stdin.read())\n"
        "print(tracker.report().browse())"
    )

    def run(command: str) -> subprocess.CompletedProcess[str]:
        environment = cli.environment(BROWSER=command, PATH=str(cli.folder))
        command_line = [sys.executable, "-c", program]
        return subprocess.run(
            command_line, env=environment, input=done.to_json(), capture_output=True, text=True, check=False
        )

    path = Path(run(f"{browser} %s").stdout.strip())
    assert (cli.folder / "opened").read_text().strip() == path.as_uri()
    assert path.stat().st_size > 1000
    assert path.parent.stat().st_mode & 0o777 == 0o700
    failed = run("false %s")
    assert failed.returncode == 1
    assert "no browser could be opened: open /" in failed.stderr


def test_default_title(cli: Cli) -> None:
    """Without a title it is the script's name."""
    script = cli.folder / "job.py"
    script.write_text("from resource_tracker import ResourceTracker\nprint(ResourceTracker())")
    done = subprocess.run([sys.executable, script], env=cli.environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "<ResourceTracker 'job.py': not started>\n"


def test_limits_of_a_snapshot_are_kept(done: ResourceTracker) -> None:
    """A snapshot tells the machine and limits of where it was taken."""
    changed = done.snapshot()
    changed["limits"] = {"cpus": 0.5, "memory_mib": 123.0, "source": "elsewhere"}
    assert ResourceTracker.from_snapshot(changed).record.limits.source == "elsewhere"
