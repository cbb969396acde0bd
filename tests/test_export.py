"""A record as JSON, CSV and HTML, and the check of where it may be written."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.errors import SettingError
from resource_tracker.export import (
    WRITERS,
    check_destination,
    csv_of_all,
    from_snapshot,
    joined_frame,
    to_csv,
    to_json,
    write,
)
from resource_tracker.frame import TinyDataFrame
from resource_tracker.testing import SITUATIONS, fake_record

finite_or_nan = st.floats(allow_infinity=False, width=64)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_json_reads_back(situation: str) -> None:
    """Strict JSON of every situation holds the record: nothing is lost but what an artifact would lose, too."""
    record = fake_record(situation)
    found = json.loads(to_json(record), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    again = from_snapshot(found)
    assert (again.usage, again.recommendation, again.pricing) == (record.usage, record.recommendation, record.pricing)


@given(process=st.lists(finite_or_nan, max_size=5), system=st.lists(finite_or_nan, max_size=5))
def test_joined_frame_has_every_row(process: list[float], system: list[float]) -> None:
    """Both frames side by side, exactly, with nan where one is shorter; CSV reads back to the same."""
    record = fake_record(
        "tiny",
        process_metrics=TinyDataFrame({"timestamp": process, "memory": process}),
        system_metrics=TinyDataFrame({"timestamp": system, "memory_free": system}),
    )
    frame = joined_frame(record)
    assert frame.columns == ["timestamp", "process_memory", "system_memory_free"]
    assert len(frame) == max(len(process), len(system))
    assert frame[["process_memory"]][: len(process)] == TinyDataFrame({"process_memory": process})
    assert frame[["system_memory_free"]][: len(system)] == TinyDataFrame({"system_memory_free": system})
    assert TinyDataFrame(csv=to_csv(record)) == frame


def test_csv_of_several_records() -> None:
    """One header, every row of each, after its pathspec and attempt; a hostile name is quoted, not obeyed."""
    records = [fake_record("short"), fake_record("failed"), fake_record("short", pathspec='a,"b"\nc/1/2/3')]
    rows = list(csv.reader(io.StringIO("".join(csv_of_all(records)))))
    assert rows[0][:3] == ["pathspec", "attempt", "timestamp"]
    assert len(rows) == 1 + sum(len(record.process_metrics) for record in records)
    assert {(row[0], row[1]) for row in rows[1:]} == {(str(r.pathspec), str(r.attempt)) for r in records}
    assert {len(row) for row in rows} == {len(rows[0])}


def test_csv_has_every_gpu() -> None:
    """A line for each row of each GPU, with its number, after those of the step, whose sums stay as they are."""
    record = fake_record("gpus")
    frame = TinyDataFrame(csv=to_csv(record))
    steps, gpus = len(record.process_metrics), record.gpu_metrics
    assert len(frame) == steps + sum(map(len, gpus.values()))
    assert [math.isnan(number) for number in frame["gpu"]] == [True] * steps + [False] * (len(frame) - steps)
    for number, gpu in enumerate(gpus.values()):
        rows = [row for row in frame if row["gpu"] == number]
        assert [row["timestamp"] for row in rows] == gpu["timestamp"]
        assert [row["gpu_energy_j"] for row in rows] == pytest.approx(gpu["energy_j"], nan_ok=True)
    assert joined_frame(record)["process_memory"][:steps] == record.process_metrics["memory"]


def test_csv_of_records_with_and_without_gpus() -> None:
    """All lines are of one length, also where only some of the tasks had GPUs."""
    records = [fake_record("short"), fake_record("gpu")]
    rows = list(csv.reader(io.StringIO("".join(csv_of_all(records)))))
    assert {len(row) for row in rows} == {len(rows[0])}
    place = rows[0].index("gpu")
    assert {row[0] for row in rows[1:] if row[place]} == {str(records[1].pathspec)}


@pytest.mark.parametrize("extension", WRITERS)
def test_write_replaces(extension: str, tmp_path: Path) -> None:
    """A file is written in the format of its extension, whatever its case, and replaces what was there."""
    path = check_destination(tmp_path / f"Out{extension.upper()}")
    path.write_text("x" * 10_000_000)
    write(fake_record("short"), check_destination(path))
    assert path.read_text(encoding="utf-8").rstrip() == WRITERS[extension](fake_record("short")).rstrip()


def test_check_leaves_files_alone(tmp_path: Path) -> None:
    """The check neither makes a file nor changes one."""
    check_destination(tmp_path / "new.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.json").write_text("kept")
    check_destination(tmp_path / "old.json")
    assert (tmp_path / "old.json").read_text() == "kept"


@pytest.mark.parametrize("name", ["plain", "out.txt", "out.json.gz", "folder.json", "no/such.json", "file.txt/x.json"])
def test_check_refuses(name: str, tmp_path: Path) -> None:
    """No extension, another one, a folder, no folder: refused by its path."""
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(SettingError, match=str(tmp_path / name)):
        check_destination(tmp_path / name)
