"""Every option acts, in a real run."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import FlowFolder, FlowRun, wait_until_clean

pytestmark = pytest.mark.flow
OURS = "resource_tracker_data"

FLOW = """
    import time
    from metaflow import FlowSpec, resources, step, track_resources

    class OptionFlow(FlowSpec):
        @track_resources({options})
        @resources(cpu=3, memory=5000)
        @step
        def start(self):
            held = bytearray(50_000_000)
            time.sleep({seconds})
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        OptionFlow()
"""


def tracked(root: Path, options: str = "", seconds: float = 0.1, **environment: str) -> FlowRun:
    folder = FlowFolder(root)
    folder.write(FLOW.replace("{options}", options).replace("{seconds}", str(seconds)))
    run = folder.call("run", **environment)
    assert run.returncode == 0, run.output
    assert wait_until_clean(run) == []
    return run


def test_the_artifact_is_complete_for_a_short_step(tmp_path: Path) -> None:
    """A step of a tenth of a second has rows, statistics, the request, advice, offers, and the sampler's own cost."""
    run = tracked(tmp_path)
    data = run.record("start")
    published = ["process_metrics", "system_metrics", "cloud_info", "server_info", "stats", "historical_stats"]
    assert set(published) <= set(data)
    assert data["pathspec"] == run.task("start").pathspec
    assert data["attempt"] == 0
    assert len(data["process_metrics"]) >= 1
    assert len(data["system_metrics"]) >= 1
    assert data["stats"]["memory_usage"]["max"] > 50_000_000 / 1024
    assert 0.1 <= data["stats"]["duration"] < 60
    assert data["server_info"]["vcpus"] >= 1
    assert data["request"]["cpu"] == 3
    assert data["request"]["memory_mb"] == 5000
    assert data["recommendation"]["memory_mb"] * 10**6 >= data["usage"]["memory_peak_kib"] * 1024
    assert len(data["pricing"]["offers"]) == 5
    assert data["tracking"]["mode"] == "sampler"
    assert data["tracking"]["cost"]["cpu_s"] > 0
    assert data["outcome"]["status"] == "ok"
    assert data["usage"]["cpu_is_lower_bound"] is False  # it had no children
    assert data["historical_stats"]["available"] is False
    assert "first" in data["historical_stats"]["reason"]


def test_the_closing_line_says_peak_advice_and_how_to_open_the_card(tmp_path: Path) -> None:
    """One line, and its command opens the card."""
    run = tracked(tmp_path)
    (line,) = run.our_lines
    assert "of 5000 MB" in line
    assert "@resources(cpu=" in line
    arguments = line.partition("card view ")[2].split()
    got = FlowFolder.at(tmp_path).call("card", "get", *arguments, str(tmp_path / "card.html"))
    assert got.returncode == 0, got.output
    assert "OptionFlow" in (tmp_path / "card.html").read_text()


def test_printed_advice_is_never_less_than_half_of_the_request(tmp_path: Path) -> None:
    """A small step that asked for 5000 MB and 3 CPUs: log, artifact and card print half, and tell the estimate."""
    run = tracked(tmp_path, seconds=2.5)
    advice = run.record("start")["recommendation"]
    assert (advice["memory_mb"], advice["cpu"]) == (2500, 2)
    assert advice["estimate"]["memory"] < 2500
    assert advice["estimate"]["cpu"] == 1
    (line,) = run.our_lines
    assert "next time @resources(cpu=2, memory=2500) (half of what was asked for; the estimate is" in line
    card = run.cards()[0].read_text()
    assert "@resources(cpu=2, memory=2500)" in card
    assert "Lower it again after the next run." in card
    assert "Waiting. For" in card


@pytest.mark.parametrize("how", ["policy='lean'", ""])
def test_the_policy_reaches_advice_and_card(tmp_path: Path, how: str) -> None:
    """From the decorator, or from the environment where the decorator says nothing."""
    run = tracked(tmp_path, how, **({} if how else {"METAFLOW_RESOURCE_TRACKER_POLICY": "lean"}))
    assert run.record("start")["recommendation"]["policy"] == "lean"
    assert "Lean. The chance that the next run" in run.cards()[0].read_text()


def test_quiet_removes_the_closing_line(tmp_path: Path) -> None:
    """quiet=True: nothing in the log, the card is there all the same."""
    run = tracked(tmp_path, "quiet=True")
    assert run.our_lines == []
    assert len(run.cards()) == 1


def test_overhead_budget_reaches_the_sampler(tmp_path: Path) -> None:
    """The record says what measuring might use, and what it used it for."""
    run = tracked(tmp_path, METAFLOW_RESOURCE_TRACKER_OVERHEAD_BUDGET="0.02")
    tracking = run.record("start")["tracking"]
    assert tracking["overhead_budget"] == 0.02
    spent = tracking["cost"]["by_source"]
    assert {"start", "/proc/PID/stat", "/proc/stat", "/proc/net/dev"} <= set(spent)
    assert 0 < sum(spent.values()) <= tracking["cost"]["cpu_s"] * 1.001 + 1e-5


def test_interval_sets_the_rows(tmp_path: Path) -> None:
    """interval=0.2 gives about five rows a second."""
    run = tracked(tmp_path, "interval=0.2", seconds=2)
    rows = run.record("start")["process_metrics"]
    assert 6 <= len(rows) <= 14
    assert run.record("start")["tracking"]["interval_s"] == 0.2


def test_vendor_and_region_say_where_machines_are_looked_for(tmp_path: Path) -> None:
    """region= of the decorator and the environment's vendor: offers of that place, no longer of an assumed one."""
    run = tracked(tmp_path, "region='westeurope'", METAFLOW_RESOURCE_TRACKER_VENDOR="azure")
    pricing = run.record("start")["pricing"]
    assert (pricing["vendor"], pricing["region"], pricing["assumed"]) == ("azure", "westeurope", False)
    assert {offer["instance"]["vendor"] for offer in pricing["offers"]} == {"azure"}
    assert {offer["region"] for offer in pricing["offers"]} == {"westeurope"}


def test_artifact_name_names_the_artifact(tmp_path: Path) -> None:
    """artifact_name= is used instead of the default, by the card type too."""
    run = tracked(tmp_path, "artifact_name='usage_of_step'")
    assert run.record("start", "usage_of_step")["outcome"]["status"] == "ok"
    assert OURS not in run.task("start")


def test_create_card_false_writes_no_card(tmp_path: Path) -> None:
    """The artifact is there, the card is not."""
    run = tracked(tmp_path, "create_card=False")
    assert run.cards() == []
    assert OURS in run.task("start")
    assert "card view" not in run.output


def test_enabled_false_does_nothing(tmp_path: Path) -> None:
    """No artifact, no card, no line."""
    run = tracked(tmp_path, "enabled=False")
    assert OURS not in run.task("start")
    assert run.cards() == []
    assert run.our_lines == []


def test_the_environment_sets_an_option(tmp_path: Path) -> None:
    """METAFLOW_RESOURCE_TRACKER_QUIET=1 is the default of the flow."""
    assert tracked(tmp_path, METAFLOW_RESOURCE_TRACKER_QUIET="1").our_lines == []


def test_with_on_the_command_line(tmp_path: Path) -> None:
    """`run --with track_resources:interval=0.5,quiet=True` tracks every step of an undecorated flow."""
    folder = FlowFolder(tmp_path)
    folder.write(FLOW.replace("@track_resources({options})", "").replace("{seconds}", "0"))
    run = folder.call("run", "--with", "track_resources:interval=0.5,quiet=True")
    assert run.returncode == 0, run.output
    assert [run.record(step)["tracking"]["interval_s"] for step in ("start", "end")] == [0.5, 0.5]
    assert run.our_lines == []
    assert run.record("end")["recommendation"]["cpu"] == 1  # less than a millisecond of work, and ticks are 10 ms


def test_history_compares_with_that_many_runs(tmp_path: Path) -> None:
    """Three runs: the second sees one, the third sees two, or one with history=1, or none with history=0."""
    folder = FlowFolder(tmp_path)
    seen = []
    for options in ("", "", "", "history=1", "history=0"):
        folder.write(FLOW.replace("{options}", options).replace("{seconds}", "0.1"))
        run = folder.call("run")
        assert run.returncode == 0, run.output
        stats = run.record("start")["historical_stats"]
        seen.append(stats.get("runs_analyzed", 0) if stats["available"] else 0)
    assert seen == [0, 1, 2, 1, 0]
    assert stats["reason"]


def test_live_prices_fall_back_without_network(tmp_path: Path) -> None:
    """prices='live' where the API cannot be reached: the card shows bundled prices and says so."""
    run = tracked(tmp_path, "prices='live'", https_proxy="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9")
    assert run.record("start")["pricing"]["offers"]
    assert "Live prices could not be had" in run.cards()[0].read_text()
