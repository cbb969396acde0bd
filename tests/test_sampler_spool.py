"""The spool: what is written comes back, however it is cut, merged or short of space."""

from __future__ import annotations

import gzip
import math
import os
import pickle
import random
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_record import sample_record

from resource_tracker.artifact import to_artifact
from resource_tracker.columns import COUNTER, GAUGE, LAST, PEAK, PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.dataclass import replace
from resource_tracker.errors import SpoolError
from resource_tracker.frame import TinyDataFrame
from resource_tracker.sampler.cores import MAX_BYTES as OF_CORES
from resource_tracker.sampler.gpu.spool import MAX_BYTES as OF_GPUS
from resource_tracker.sampler.layout import COLUMNS, HEADER_STEP, Layout, parse_header
from resource_tracker.sampler.merge import bucket_length, count_buckets, merge_values
from resource_tracker.sampler.spool import MAX_EVENTS, READ_RECORDS, SpoolWriter, sealed_rows_that_fit
from resource_tracker.sampler.spool_read import Spool, read_spool

LAYOUT = Layout({"pid": "4711", "odd": "a = b  c"})
CELLS = st.floats(allow_infinity=False, width=32)
ROWS = st.lists(st.lists(CELLS, min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=5)
NAN = math.nan


def row(**cells: float) -> list[float]:
    """A row of zeros but for the cells given; a name counts in every frame that has it."""
    return [cells.get(name, 0.0) for _, _, name in COLUMNS]


def row_at(second: int, **cells: float) -> list[float]:
    """The row that ends at a second, one second long."""
    return row(timestamp=float(second), interval_s=1.0, **cells)


def write(folder: Path, rows: list[list[float]]) -> SpoolWriter:
    folder.mkdir(exist_ok=True)
    writer = SpoolWriter(str(folder), LAYOUT)
    for values in rows:
        writer.row(0, values)
    return writer


def rows_of(spool: Spool) -> list[list[float]]:
    return [list(values) for values in zip(*spool.columns.values(), strict=True)]


def same(a: list[list[float]], b: list[list[float]]) -> bool:
    return len(a) == len(b) and all(
        x == y or (math.isnan(x) and math.isnan(y))
        for r, s in zip(a, b, strict=True)
        for x, y in zip(r, s, strict=True)
    )


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file can grow beyond `size`: the write that would is cut, and the next fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- what is written comes back -----------------------------------------------------------------


@given(rows=ROWS)
def test_round_trip(rows: list[list[float]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Rows, nan included, and what the header says come back as they were."""
    folder = tmp_path_factory.mktemp("spool")
    write(folder, rows)
    spool = read_spool(str(folder))
    assert same(rows_of(spool), rows)
    assert spool.meta == LAYOUT.meta
    assert spool.merged == [1] * len(rows)


def test_first_and_events(tmp_path: Path) -> None:
    """The reading at start is no row; events keep phase, time and text, and a long text is cut."""
    writer = write(tmp_path / "s", [])
    writer.first(row_at(1, pid=7))
    writer.row(0, row_at(2))
    writer.event(0, 2.5, "mark\tstep_end")
    writer.event(1, 3.5, "é" * 1000)
    spool = read_spool(str(tmp_path / "s"))
    assert spool.first["process", "pid"] == 7
    assert len(spool.phases) == 1
    assert [(event.phase, event.time_s) for event in spool.events] == [(0, 2.5), (1, 3.5)]
    assert spool.events[0].text == "mark\tstep_end"
    assert spool.events[1].text.startswith("é" * 100)


@given(data=st.data())
def test_cut_at_any_byte(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cut anywhere behind its header, a spool reads as a prefix of itself; within the header, it says so."""
    folder = tmp_path_factory.mktemp("spool")
    write(folder, [row_at(second, utime=second) for second in range(4)])
    path = folder / "rows.0"
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)) | st.integers(LAYOUT.header_bytes, len(whole)))
    path.write_bytes(whole[:cut])
    if cut < LAYOUT.header_bytes:
        with pytest.raises(SpoolError, match="rows"):
            read_spool(str(folder))
        return
    expected = (cut - LAYOUT.header_bytes) // LAYOUT.record_bytes
    assert list(read_spool(str(folder)).columns["process", "utime"]) == list(range(expected))


@given(data=st.data())
def test_damaged_header(data: st.DataObject) -> None:
    """Whatever bytes a header has, it is read or refused with the name of its file."""
    header = LAYOUT.header()
    at = data.draw(st.integers(0, len(header)))
    junk = data.draw(st.binary(max_size=20))
    try:
        parse_header(header[:at] + junk + header[at + len(junk) :], "/x/rows.0")
    except SpoolError as error:
        assert str(error).startswith("/x/rows.0: damaged header")


def test_header_describes_itself(tmp_path: Path) -> None:
    """Columns of another version, and of another byte order, are read by what the header says."""
    order = "big" if LAYOUT.byteorder == "little" else "little"
    layout = Layout({}, (("system", COUNTER, "interval_s"), ("system", LAST, "novelty")), order)
    SpoolWriter(str(tmp_path), layout).row(0, [1.0, 42.0])
    assert list(read_spool(str(tmp_path)).columns["system", "novelty"]) == [42.0]
    assert layout.header_bytes % HEADER_STEP == 0


def test_all_columns_are_there() -> None:
    """A row of the spool has every column of both frames, in their order."""
    assert tuple(name for frame, _, name in COLUMNS if frame == "process") == PROCESS_NAMES
    assert tuple(name for frame, _, name in COLUMNS if frame == "system") == SYSTEM_NAMES


@pytest.mark.parametrize("missing", ["folder", "file"])
def test_no_spool(tmp_path: Path, missing: str) -> None:
    """A spool that is not there is a SpoolError that names it."""
    folder = tmp_path / ("gone" if missing == "folder" else "")
    with pytest.raises(SpoolError, match=str(folder)):
        read_spool(str(folder))


# --- merging ------------------------------------------------------------------------------------


def test_merge_by_kind() -> None:
    """Counters add, gauges average by length, peaks keep the maximum, stamps the last."""
    kinds = (COUNTER, GAUGE, PEAK, LAST)
    assert merge_values(kinds, [1, 10, 5, 7], 1.0, [2, 40, 3, 8], 2.0) == [3, 30, 5, 8]


def test_merge_leaves_nan_out() -> None:
    """What is known stays; nan only where neither row knows."""
    kinds = (COUNTER, GAUGE, PEAK, LAST)
    assert merge_values(kinds, [NAN] * 4, 1.0, [1, 2, 3, 4], 1.0) == [1, 2, 3, 4]
    assert merge_values(kinds, [1, 2, 3, 4], 1.0, [NAN] * 4, 1.0) == [1, 2, 3, 4]
    assert all(math.isnan(cell) for cell in merge_values(kinds, [NAN] * 4, 1.0, [NAN] * 4, 1.0))


@given(rows=st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1e4)), max_size=60), limit=st.integers(2, 20))
def test_buckets_keep_the_limit(rows: list[tuple[int, float]], limit: int) -> None:
    """The length found brings any rows, of both phases, below the limit."""
    rows.sort(key=lambda one: one[0])
    assert count_buckets(rows, bucket_length(rows, limit)) <= limit


@pytest.fixture(scope="module")
def long_spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 000 rows of a second, the last 10 of the second phase, with small limits."""
    folder = tmp_path_factory.mktemp("long")
    writer = SpoolWriter(str(folder), LAYOUT, tail_rows=256, sealed_rows=512)
    writer.first(row_at(0, pid=7))
    writer.event(0, 0.5, "failed\tx\t1\twhy")
    for second in range(1, 20_001):
        phase = int(second > 19_990)
        writer.row(phase, row_at(second, utime=2, memory=second, memory_peak_kib=9999.0 if second == 1234 else 5.0))
        if second == 19_990:
            writer.event(0, 19_990.0, "mark\tstep_end")
    return folder


def test_long_steps_stay_small(long_spool: Path) -> None:
    """Rows beyond the limit merge, and only the files of one generation remain."""
    spool = read_spool(str(long_spool))
    assert 256 <= len(spool.phases) <= 512 + 256
    assert sum(spool.merged) == 20_000
    assert len([name for name in os.listdir(long_spool) if name.startswith(("rows", "sealed"))]) == 2


def test_merged_rows_keep_totals_and_peaks(long_spool: Path) -> None:
    """Merging loses neither totals nor peaks, means nor the order of time, first reading nor events."""
    columns = read_spool(str(long_spool)).columns
    lengths = columns["system", "interval_s"]
    assert math.fsum(columns["process", "utime"]) == 40_000
    assert math.fsum(lengths) == pytest.approx(20_000)
    assert max(columns["process", "memory_peak_kib"]) == 9999.0
    mean = math.fsum(m * s for m, s in zip(columns["process", "memory"], lengths, strict=True)) / 20_000
    assert mean == pytest.approx(10_000.5)
    stamps = list(columns["process", "timestamp"])
    assert stamps == sorted(stamps)
    assert stamps[-1] == 20_000
    spool = read_spool(str(long_spool))
    assert spool.first["process", "pid"] == 7
    assert [event.text for event in spool.events] == ["failed\tx\t1\twhy", "mark\tstep_end"]


def test_phases_never_merge(long_spool: Path) -> None:
    """Rows before and after the end of the step stay apart."""
    spool = read_spool(str(long_spool))
    ends = [
        stamp for stamp, phase in zip(spool.columns["process", "timestamp"], spool.phases, strict=True) if not phase
    ]
    assert ends[-1] == 19_990
    assert sum(spool.phases) == 10


@given(data=st.data())
def test_killed_while_sealing(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whichever of its files a killed sampler left, all rows are there once, and none twice."""
    folder = tmp_path_factory.mktemp("spool")
    writer = SpoolWriter(str(folder), LAYOUT, tail_rows=8, sealed_rows=4)
    for second in range(7):
        writer.row(0, row_at(second, utime=1))
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    writer.row(0, row_at(7, utime=1))
    assert "sealed.1" in os.listdir(folder)
    stage = data.draw(st.sampled_from(["half written", "renamed", "tail gone"]))
    last = LAYOUT.row.pack(1, 0, 0, 1, *row_at(7, utime=1))
    if stage == "half written":
        (folder / "sealed.1").rename(folder / "sealed.1.tmp")
    if stage != "tail gone":
        (folder / "rows.0").write_bytes(before["rows.0"] + last)
    assert math.fsum(read_spool(str(folder)).columns["process", "utime"]) == 8


@pytest.mark.parametrize("columns", [len(COLUMNS), 100])
def test_any_length_is_bounded(columns: int) -> None:
    """However many columns: all files together, GPUs' and cores', never exceed 9 MB, even while they are rewritten."""
    layout = Layout({}, tuple(("system", GAUGE, f"column_{number}") for number in range(columns)))
    sealed = sealed_rows_that_fit(layout)
    records = 2 * (sealed + 1 + MAX_EVENTS) + sealed // 2 + READ_RECORDS + MAX_EVENTS
    assert records * layout.record_bytes + 3 * layout.header_bytes + OF_GPUS + OF_CORES <= 9_000_000
    assert sealed >= 1024


def made_up_life(folder: Path, seconds: int) -> tuple[Spool, int]:
    """The spool of a step with a row a second, and the most that its files took together at any time."""
    chance, most = random.Random(seconds), 0
    folder.mkdir()
    writer = SpoolWriter(str(folder), LAYOUT)
    steady = [chance.random() * 1e6 for _ in COLUMNS]
    at = {name: [i for i, (_, _, column) in enumerate(COLUMNS) if column == name] for name in ("utime", "interval_s")}
    peak_at = COLUMNS.index(("process", PEAK, "memory_peak_kib"))
    for second in range(1, seconds + 1):
        values = list(steady)
        for name, cell in (("utime", 3.0), ("interval_s", 1.0)):
            for position in at[name]:
                values[position] = cell
        values[peak_at] = 9e9 if second in (seconds // 3, seconds - 5) else 5e6 + second % 1000
        writer.row(0, values)
        if second % 500 == 0:
            most = max(most, sum(entry.stat().st_size for entry in os.scandir(folder)))
    return read_spool(str(folder)), most


@pytest.mark.parametrize("seconds", [86_400, pytest.param(864_000, marks=pytest.mark.slow)], ids=["a day", "ten days"])
def test_a_long_life(tmp_path: Path, seconds: int) -> None:
    """A row a second: the spool stays below 8 MB and what is stored of it below 1 MB; totals and peaks are exact."""
    spool, most = made_up_life(tmp_path / "s", seconds)
    assert most <= 8_000_000
    process = TinyDataFrame({name: list(spool.columns["process", name]) for name in PROCESS_NAMES})
    system = TinyDataFrame({name: list(spool.columns["system", name]) for name in SYSTEM_NAMES})
    artifact = to_artifact(replace(sample_record(), process_metrics=process, system_metrics=system))
    assert len(gzip.compress(pickle.dumps(artifact, protocol=4), compresslevel=3)) <= 1_000_000
    for frame in (process, artifact["process_metrics"]):
        assert math.fsum(frame["utime"]) == 3 * seconds
        assert math.fsum(frame["interval_s"]) == seconds
        assert max(frame["memory_peak_kib"]) == 9e9
        assert len([cell for cell in frame["memory_peak_kib"] if cell == 9e9]) == 2
    assert sum(spool.merged) == seconds


# --- a full disk --------------------------------------------------------------------------------


def test_full_disk_merges_rows(tmp_path: Path) -> None:
    """While nothing can be written, rows wait merged: once there is space, no total is missing."""
    writer = write(tmp_path / "s", [row_at(second, utime=1) for second in range(3)])
    with file_size_limit(LAYOUT.header_bytes + int(5.5 * LAYOUT.record_bytes)):
        for second in range(3, 10):
            writer.row(0, row_at(second, utime=1))
        assert sum(read_spool(str(tmp_path / "s")).columns["process", "utime"]) == 5
    writer.row(0, row_at(10, utime=1))
    spool = read_spool(str(tmp_path / "s"))
    assert list(spool.columns["process", "utime"]) == [1] * 5 + [6]
    assert spool.merged[-1] == 6
    assert list(spool.columns["process", "timestamp"])[-1] == 10


def test_full_disk_keeps_phases_apart(tmp_path: Path) -> None:
    """A row that waits does not merge with one after the end of the step."""
    writer = write(tmp_path / "s", [])
    with file_size_limit(LAYOUT.header_bytes):
        writer.row(0, row_at(1, utime=1))
        writer.row(1, row_at(2, utime=1))
        writer.row(1, row_at(3, utime=1))
    writer.row(1, row_at(4, utime=1))
    spool = read_spool(str(tmp_path / "s"))
    assert spool.phases == [0, 1]
    assert spool.merged == [1, 3]


def test_full_disk_while_sealing(tmp_path: Path) -> None:
    """Where the older rows cannot be rewritten, the newer file grows on, and sealing is tried again later."""
    writer = SpoolWriter(str(tmp_path), LAYOUT, tail_rows=20, sealed_rows=10)
    (tmp_path / "sealed.1.tmp").mkdir()  # in its way
    for second in range(60):
        writer.row(0, row_at(second, utime=1))
    assert sum(read_spool(str(tmp_path)).columns["process", "utime"]) == 60
    (tmp_path / "sealed.1.tmp").rmdir()
    for second in range(60, 400):
        writer.row(0, row_at(second, utime=1))
    spool = read_spool(str(tmp_path))
    assert sum(spool.columns["process", "utime"]) == 400
    assert len(spool.phases) < 400


def test_full_disk_at_start(tmp_path: Path) -> None:
    """A spool that cannot even have its header is a SpoolError that names it, and so is a first reading too many."""
    with file_size_limit(100), pytest.raises(SpoolError, match="rows"):
        SpoolWriter(str(tmp_path), LAYOUT)
    writer = SpoolWriter(str(tmp_path), LAYOUT)
    with file_size_limit(LAYOUT.header_bytes + 10), pytest.raises(SpoolError, match="no space"):
        writer.first(row_at(0))


def test_deleted_folder(tmp_path: Path) -> None:
    """The writer knows that nobody can find its spool any more, and writing on does no harm."""
    writer = write(tmp_path / "s", [row_at(0)])
    assert writer.reachable
    shutil.rmtree(tmp_path / "s")
    writer.row(0, row_at(1))
    assert not writer.reachable


def test_events_are_bounded(tmp_path: Path) -> None:
    """A flood of events ends at the limit; rows go on."""
    writer = write(tmp_path / "s", [])
    for number in range(MAX_EVENTS + 50):
        writer.event(0, float(number), "mark\tx")
    writer.row(0, row_at(1))
    spool = read_spool(str(tmp_path / "s"))
    assert len(spool.events) == MAX_EVENTS
    assert len(spool.phases) == 1
