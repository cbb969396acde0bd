"""The live card's updates, with a store that takes, refuses or delays them."""

from __future__ import annotations

import json
import math
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest
from sample_order import an_order
from test_report_series import unpack

from resource_tracker.dataclass import replace
from resource_tracker.flows.cards import CardStore
from resource_tracker.flows.live_end import end_live
from resource_tracker.flows.publisher.live import LiveCard
from resource_tracker.flows.publisher.room import MOST_AT_ONCE, await_place, take_place
from resource_tracker.flows.publisher.status import Status
from resource_tracker.sampler.cores import CORES_PREFIX, FRAME, rows_that_fit
from resource_tracker.sampler.gpu.find import GPU_PREFIX
from resource_tracker.sampler.gpu.rows import CELLS, GpuRows
from resource_tracker.sampler.layout import COLUMNS, Layout
from resource_tracker.sampler.spans import SPANS
from resource_tracker.sampler.spool import SpoolWriter

SECONDS_OF_A_DAY = 86_400


class Store(CardStore):
    """Keeps what it is given, or does not."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.pages: list[str] = []
        self.data: list[dict[str, Any]] = []

    def save(self, html: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.pages.append(html)

    def save_data(self, data: dict[str, Any], reload_token: str, created_on: float, early: str | None = None) -> None:
        assert early is not None
        self.data.append({"data": data, "token": reload_token, "created_on": created_on, "early": json.loads(early)})


def row(second: float, length: float = 1.0, **cells: float) -> list[float]:
    known = {"timestamp": time.time() + second, "interval_s": length, "memory": 5e5, "cpu_usage": 0.5, **cells}
    return [known.get(name, math.nan if name.startswith("gpu") else 0.0) for _, _, name in COLUMNS]


@pytest.fixture
def spool(tmp_path: Path) -> SpoolWriter:
    writer = SpoolWriter(str(tmp_path), Layout({"pid": "4711"}))
    writer.first(row(0))
    writer.row(0, row(1))
    return writer


def live(folder: Path, store: Store) -> LiveCard:
    order = replace(an_order(handover_folder=str(folder)), started_at=time.time(), started_monotonic_s=time.monotonic())
    return LiveCard(order, str(folder), store, Status(str(folder)))


def test_one_page_then_data(tmp_path: Path, spool: SpoolWriter) -> None:
    """The page is written once, the data again and again, with a time that grows even within one tick of a clock."""
    store = Store()
    card = live(tmp_path, store)
    for second in range(2, 5):
        spool.row(0, row(second))
        assert card.refresh() >= 5.0
    assert len(store.pages) == 1
    assert [len(one["data"]["charts"]) for one in store.data] == [2, 2, 2]
    stamps = [one["created_on"] for one in store.data]
    assert stamps == sorted(set(stamps))
    assert {one["token"] for one in store.data} == {card.token}
    assert {one["early"]["status"] for one in store.data} == {"running"}
    end = end_live(str(tmp_path))
    assert end.tells_page
    assert end.trouble is None


def test_store_that_refuses_is_asked_less_and_less_and_named(tmp_path: Path, spool: SpoolWriter) -> None:
    """Twice as long after each failure; what went wrong is known at the end, and forgiven once the store answers."""
    store = Store(*[OSError(28, "No space left on device")] * 3)
    card = live(tmp_path, store)
    assert [card.refresh() for _ in range(3)] == [10.0, 20.0, 40.0]
    end = end_live(str(tmp_path))
    assert not end.tells_page
    assert end.trouble is not None
    assert end.trouble.count == 3
    assert "3 of 3 updates could not be written" in end.trouble.reason
    assert "No space left on device" in end.trouble.reason
    card.refresh()
    assert len(store.pages) == len(store.data) == 1
    end = end_live(str(tmp_path))
    assert end.tells_page
    assert end.trouble is not None
    assert "3 of 4 updates" in end.trouble.reason


def test_a_day_is_no_larger_than_an_hour_and_keeps_its_peaks(tmp_path: Path, spool: SpoolWriter) -> None:
    """However long the step, its data stay small, and one second's burst is seen."""
    store = Store()
    card = live(tmp_path, store)
    for second in range(2, SECONDS_OF_A_DAY, 30):
        burst = 30_000 < second <= 30_030
        cells = {"read_bytes": 9e9 if burst else 1e6, "memory_peak_kib": 9e6 if burst else 6e5}
        spool.row(0, row(second, 30.0, cpu_usage=7.5 if burst else 0.5, **cells))
        if second % 9000 < 30:
            card.record()
    card.refresh()
    data = store.data[-1]["data"]
    assert len(json.dumps(store.data[-1])) < 100_000
    assert data["texts"]["duration"]
    memory = store.data[-1]["early"]["memory_peak_kib"]
    assert memory == 9e6
    record, highs = card.record()
    assert record.usage.cpu_max_cores == pytest.approx(2.0)  # of 7.5 as many as the step may use
    assert max(highs["process"]["read_bytes"]) == pytest.approx(9e9 / 30)


def test_a_day_with_eight_gpus_and_fifty_marks_is_small_and_keeps_its_peaks(tmp_path: Path) -> None:
    """Where all figures jump about, the whole file is still at most 100 kB, and one row's burst is in each chart."""
    chance = random.Random(7)
    facts = {f"gpu{place}": f"81920 yes NVIDIA H100 {place}" for place in range(8)}
    rows = GpuRows([dict.fromkeys(CELLS, 0.0) for _ in range(8)], facts, "processes")
    writer = SpoolWriter(str(tmp_path), Layout({"pid": "4711"}))
    gpus = SpoolWriter(str(tmp_path), Layout(facts, rows.columns()), prefix=GPU_PREFIX)
    store = Store()
    card = live(tmp_path, store)
    began_s = time.monotonic()
    marks = [
        f"{began_s + 1728 * i}\t{began_s + 1728 * i + 1500}\t1\t1500.0\t9.0\t4e6\tstage {i} {'x' * 40}\n"
        for i in range(50)
    ]
    (tmp_path / SPANS).write_text("".join(marks))
    writer.first(row(0))
    bursts = {
        "cpu_usage": 1.9,
        "memory_peak_kib": 9e6,
        "gpu_usage": 7.9,
        "gpu_vram": 6e5,
        "read_bytes": 9e10,
        "write_bytes": 8e10,
    }
    usual = {
        "cpu_usage": 1.0,
        "memory_peak_kib": 6e6,
        "gpu_usage": 4.0,
        "gpu_vram": 4e5,
        "read_bytes": 1e9,
        "write_bytes": 1e9,
    }
    noisy = ("net_recv_bytes", "net_sent_bytes", "disk_read_bytes", "disk_write_bytes", "memory_used")
    for second in range(30, SECONDS_OF_A_DAY, 30):
        cells = {name: value * chance.random() for name, value in usual.items()}
        cells |= {name: 1e9 * chance.random() for name in noisy}
        if second == 43_200:
            cells |= bursts
        writer.row(0, row(second, 30.0, memory=5e6 * chance.random(), **cells))
        rows.cells = [{name: 100.0 * chance.random() for name in CELLS} for _ in range(8)]
        gpus.row(0, rows.values(time.time() + second, 30.0))
        if second % 4500 == 0:
            card.record()
    card.refresh()
    (update,) = store.data
    assert len(json.dumps(update)) < 100_000
    assert len(update["data"]["spans"]) == 50
    assert len(card.record()[0].usage.gpus) == 8
    drawn = {chart["id"]: highest_drawn(chart) for chart in update["data"]["charts"]}
    wanted = {
        "cpu": 1.9,
        "memory": 9e6 * 1024,
        "gpu": 7.9,
        "vram": 6e5 * 2**20,
        "disk_read": 3e9,
        "disk_write": 8e10 / 30,
    }
    assert {name: drawn[name] for name in wanted} == pytest.approx(wanted, rel=4.1e-4)


@pytest.mark.parametrize(("cores", "lines"), [(1, 0), (2, 2), (64, 64), (192, 64), (512, 64)])
def test_each_core_in_few_bytes(tmp_path: Path, spool: SpoolWriter, cores: int, lines: int) -> None:
    """However many cores and whatever they did, each is in the live data, which stay small; one core tells nothing."""
    chance = random.Random(cores)
    columns = (("last", "timestamp"), ("counter", "interval_s"), *(("gauge", f"core{core}") for core in range(cores)))
    layout = Layout({}, tuple((FRAME, kind, name) for kind, name in columns))
    fit = rows_that_fit(cores)
    writer = SpoolWriter(str(tmp_path), layout, tail_rows=fit // 2, sealed_rows=fit, prefix=CORES_PREFIX)
    store = Store()
    card = live(tmp_path, store)
    now = time.time()
    for second in range(2, 602, 5):
        spool.row(0, row(second, 5.0))
        shares = [0.9 if core == 1 else 0.8 * chance.random() for core in range(cores)]
        writer.row(0, [now + second, 5.0, *shares])
        card.refresh()
    writer.row(1, [now + 700, 98.0, *[1.0] * cores])  # artifacts are saved
    card.refresh()
    data = store.data[-1]["data"]
    if cores == 1:
        assert data["cores"] is None
        assert "cores" not in data["texts"]
        return
    assert len(data["cores"]["lines"]) == lines
    assert len(json.dumps(data["cores"], separators=(",", ":"))) < 7_500
    assert data["texts"]["cores"] == f"{cores} cores; core 1 was the busiest, for 90\u00a0% of the time"
    edges = unpack(data["cores"]["x"])
    assert edges[-1] == pytest.approx(600, abs=1)
    assert 24 <= len(edges) - 1 <= 48


def highest_drawn(chart: dict[str, Any]) -> float:
    """Of the step's lines and bands."""
    series = [one for one in chart["series"] if one["who"] != "machine"]
    packs = [one[name] for one in series for name in ("data", "high") if one.get(name)]
    return max((value for pack in packs for value in unpack(pack) if value is not None), default=0.0)


def test_every_page_has_the_same_lines(tmp_path: Path, spool: SpoolWriter) -> None:
    """From the first update on, also where no rows are merged yet, charts show means and the highest rows."""
    store = Store()
    card = live(tmp_path, store)
    card.refresh()
    for second in range(2, 400):
        spool.row(0, row(second))
        if second in (20, 399):
            card.refresh()
    lines = [
        {chart["id"]: [(one["who"], "high" in one) for one in chart["series"]] for chart in update["data"]["charts"]}
        for update in store.data
    ]
    assert lines[0] == lines[1] == lines[2]
    assert lines[0]["cpu"] == [("machine", True), ("peak", False), ("step", True)]
    (drawn,) = re.findall('id="card-data">(.*?)</script>', store.pages[0])
    assert json.loads(drawn)["charts"] == store.data[0]["data"]["charts"]


def test_rows_that_marks_cut_short_are_no_peak(tmp_path: Path, spool: SpoolWriter) -> None:
    """A clock tick in a row of some milliseconds is not two cores, also once such rows have been merged."""
    card = live(tmp_path, Store())
    for second in range(2, 400):
        spool.row(0, row(second - 0.005, 0.995, cpu_usage=0.5))
        spool.row(0, row(second, 0.005, cpu_usage=2.0))
    record, highs = card.record()
    assert record.usage.cpu_max_cores == pytest.approx(0.5, abs=0.02)
    assert max(highs["process"]["cpu_usage"]) == pytest.approx(0.5, abs=0.02)


def test_few_publishers_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fifth finds no place until one of the four has gone, however it went; another folder counts by itself.

    Who tells of an end finds as many more after a while, and never more than that.
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    held = [take_place() for _ in range(MOST_AT_ONCE)]
    assert all(held)
    assert take_place() is None
    assert await_place(60.0, 0.0) is None
    spare = [await_place(0.0, 0.0) for _ in range(MOST_AT_ONCE)]
    assert all(spare)
    assert await_place(0.0, 0.0) is None
    monkeypatch.setenv("TMPDIR", str(tmp_path / "other"))
    other = take_place()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert held[1] is not None and other is not None
    held[1].close()
    again = take_place()
    assert again is not None
    for place in (*held, *spare, other, again):
        if place is not None:
            place.close()
