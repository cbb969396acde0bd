"""Hypothesis strategies for whole records: each field by its type, so that a new one is covered at once."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from resource_tracker.columns import GPU_NAMES, PROCESS_NAMES, SYSTEM_NAMES
from resource_tracker.frame import TinyDataFrame
from resource_tracker.records import History, TaskRecord, TaskSummary

numbers = st.floats(allow_nan=False, allow_infinity=False)
cells = st.floats(allow_infinity=False)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def frames(columns: tuple[str, ...] | None = None, max_rows: int = 4) -> st.SearchStrategy[TinyDataFrame]:
    """Frames with these columns, or with any; nan among the cells."""

    def of(chosen: list[str]) -> st.SearchStrategy[TinyDataFrame]:
        rows = st.integers(0, max_rows if chosen else 0)
        columns = rows.flatmap(lambda n: st.tuples(*(st.lists(cells, min_size=n, max_size=n) for _ in chosen)))
        return columns.map(lambda found: TinyDataFrame(dict(zip(chosen, found, strict=True))))

    return of(list(columns)) if columns is not None else st.lists(names, max_size=4, unique=True).flatmap(of)


def of_record(cls: type[Any], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Records of a class: every field by its type, but for those given."""
    hints = get_type_hints(cls)
    chosen = {field.name: of_type(hints[field.name]) for field in fields(cls) if field.name not in given}
    return st.builds(cls, **chosen, **given)


def of_type(hint: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of([of_type(alternative) for alternative in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(of_type(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(of_type(arguments[0]), of_type(arguments[1]), max_size=2)
    if hint is History:
        return histories()
    if is_dataclass(hint) and isinstance(hint, type):
        return of_record(hint)
    return {
        bool: st.booleans(),
        float: numbers,
        int: st.integers(-(2**53), 2**53),
        str: names,
        types.NoneType: st.none(),
    }[hint]


def histories() -> st.SearchStrategy[History]:
    """A comparison, or a plain reason why there is none."""
    unavailable = st.builds(History, available=st.just(False), reason=names)
    return unavailable | of_record(History, available=st.just(True))


def task_summaries(**given: st.SearchStrategy[Any]) -> st.SearchStrategy[TaskSummary]:
    return of_record(TaskSummary, **given)


def task_records() -> st.SearchStrategy[TaskRecord]:
    """Whole records, with all columns of both frames."""
    return of_record(
        TaskRecord,
        pathspec=st.none() | st.just("Flow/12/train/34"),
        process_metrics=frames(PROCESS_NAMES),
        system_metrics=frames(SYSTEM_NAMES),
        core_metrics=frames(("timestamp", "interval_s", "core0", "core3"), max_rows=3),
        gpu_metrics=st.dictionaries(st.sampled_from(["gpu0", "gpu1"]), frames(GPU_NAMES, max_rows=2)),
    )
