"""A record as JSON, CSV or HTML text, and into a file whose extension says which."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from resource_tracker.columns import GPU_COLUMNS
from resource_tracker.core_use import CORE, core_numbers
from resource_tracker.errors import ArtifactError, SettingError
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import TaskRecord

_FRAMES = ("process_metrics", "system_metrics", "core_metrics")


def to_json(record: TaskRecord, indent: int | None = 2) -> str:
    """The artifact's content as JSON.

    Frames are objects of lists by column; a number that is not available is ``null``.
    """
    from resource_tracker.artifact import to_artifact

    return json.dumps(_plain(to_artifact(record)), indent=indent, allow_nan=False)


def from_snapshot(snapshot: object) -> TaskRecord:
    """The record from an artifact, or from its JSON: the text, or what was parsed from it.

    Raises
    ------
    ArtifactError
        It is something else, is damaged, or comes from a later version.
    """
    from resource_tracker.artifact import from_artifact

    if isinstance(snapshot, str):
        try:
            snapshot = json.loads(snapshot)
        except ValueError as error:
            raise ArtifactError(f"the snapshot is not JSON: {error}") from None
    if not isinstance(snapshot, dict):
        raise ArtifactError(f"the snapshot is a {type(snapshot).__name__}, not a dict or JSON text")
    frames: dict[str, Any] = {
        name: TinyDataFrame(snapshot[name]) for name in _FRAMES if isinstance(snapshot.get(name), dict)
    }
    gpus = snapshot.get("gpu_metrics")
    if isinstance(gpus, dict):
        frames["gpu_metrics"] = {
            name: TinyDataFrame(frame) if isinstance(frame, dict) else frame for name, frame in gpus.items()
        }
    return from_artifact({**snapshot, **frames})


def to_csv(record: TaskRecord) -> str:
    """Every stored row of a record, numbers only, as :func:`joined_frame` has them."""
    return joined_frame(record).to_csv() or ""


def csv_of_all(records: Iterable[TaskRecord]) -> Iterator[str]:
    """The text of one CSV file, a piece for each record: its rows after its pathspec and attempt.

    All records must have the same columns, as those from artifacts have. Those of GPUs are always there.
    """
    for index, record in enumerate(records):
        frame = joined_frame(record, with_gpus=True)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if index == 0:
            writer.writerow(["pathspec", "attempt", *frame.columns])
        for row in frame:
            cells = ("" if math.isnan(cell) else cell for cell in row.values())
            writer.writerow([record.pathspec or record.title, record.attempt, *cells])
        yield text.getvalue()


def csv_of_cores(records: Iterable[TaskRecord]) -> Iterator[str]:
    """The text of one CSV file: a line for each core and row of ``core_metrics``, a piece for each record."""
    for index, record in enumerate(records):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if index == 0:
            writer.writerow(["pathspec", "attempt", "timestamp", "interval_s", "core", "usage"])
        frame = record.core_metrics
        for number in core_numbers(frame):
            cells = zip(frame["timestamp"], frame["interval_s"], frame[f"{CORE}{number}"], strict=True)
            for stamp, length, usage in cells:
                known = "" if math.isnan(usage) else usage
                writer.writerow([record.pathspec or record.title, record.attempt, stamp, length, number, known])
        yield text.getvalue()


def to_html(record: TaskRecord) -> str:
    """The card: one HTML page that needs nothing else."""
    from resource_tracker.report.render import render_card  # jinja2 is loaded only here

    return render_card(record)


WRITERS: Mapping[str, Callable[[TaskRecord], str]] = {".json": to_json, ".csv": to_csv, ".html": to_html}
"""What is written, by the file's extension."""


def joined_frame(record: TaskRecord, *, with_gpus: bool = False) -> TinyDataFrame:
    """Both frames side by side, as the sampler took them: ``timestamp``, ``process_*``, ``system_*``.

    Where there are GPUs, or `with_gpus`, rows of each GPU follow, with its number in ``gpu`` and its figures in
    ``gpu_*``: GPUs differ in number from record to record, and their rows may be merged otherwise.
    """
    process, system = record.process_metrics, record.system_metrics
    length = max(len(process), len(system))
    columns: dict[str, list[float]] = {"timestamp": [math.nan] * length}
    for prefix, frame in (("system", system), ("process", process)):
        for name in frame.columns:
            values = frame[name] + [math.nan] * (length - len(frame))
            columns[name if name == "timestamp" else f"{prefix}_{name}"] = values
    order = sorted(columns, key=lambda name: (name != "timestamp", name.startswith("system_")))
    if with_gpus or record.gpu_metrics:
        order += _add_gpus(columns, length, list(record.gpu_metrics.values()))
    return TinyDataFrame({name: columns[name] for name in order})


def _add_gpus(columns: dict[str, list[float]], length: int, gpus: list[TinyDataFrame]) -> list[str]:
    """Appends a row to all columns for each row of each GPU; the names of the columns that came with them."""
    names = {"gpu": "", **{f"gpu_{column.name}": column.name for column in GPU_COLUMNS if column.name != "timestamp"}}
    columns.update({name: [math.nan] * length for name in names})
    for number, gpu in enumerate(gpus):
        unknown = [math.nan] * len(gpu)
        known = {"timestamp": "timestamp", **names}
        for name, values in columns.items():
            if name == "gpu":
                values += [float(number)] * len(gpu)
            else:
                values += gpu[known[name]] if known.get(name) in gpu else unknown
    return list(names)


def check_destination(path: Path) -> Path:
    """`path` where a record can be written to it, found out before there is anything to lose.

    Raises
    ------
    SettingError
        Unknown extension, no such folder, or no right to write there.
    """
    if path.suffix.lower() not in WRITERS:
        raise SettingError(f"{path}: unknown extension {path.suffix!r}: give {', '.join(WRITERS)}")
    if path.is_dir():
        raise SettingError(f"{path}: is a folder: give the name of a file in it")
    if not path.parent.is_dir():
        raise SettingError(f"{path}: there is no folder {str(path.parent)!r}: make it first, or give another")
    try:
        if path.exists():
            path.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise SettingError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def write(record: TaskRecord, path: Path) -> None:
    """Write the record in the format that the extension of `path` names."""
    text = WRITERS[path.suffix.lower()](record)
    path.write_text(text, encoding="utf-8", newline="\n")


def _plain(value: Any) -> Any:
    """Builtins that JSON knows."""
    if isinstance(value, TinyDataFrame):
        return _plain(value.to_dict())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
