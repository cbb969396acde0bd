"""The user's own ``input_size=``, evaluated just before the step."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterable
from typing import Any

from resource_tracker.flows.guard import say
from resource_tracker.records import InputSize
from resource_tracker.size_expression import InputSizeOption, evaluate, name_of, takes

MAX_ENTRIES = 10_000
"""Of a folder whose files are summed."""


def evaluated(option: InputSizeOption, flow: Any, inputs: Iterable[Any]) -> InputSize:
    """What the user's own ``input_size=`` says, just before the step. A failure is told in the log, never raised.

    Exceptions of signal handlers, such as that of ``@timeout``, are the step's and pass through.

    Parameters
    ----------
    inputs : iterable of metaflow TaskDataStore
        Those of the tasks before; the user's own function sees them as a join does.
    """
    try:
        return InputSize(bytes=size_of(_value_of(option, flow, inputs)), source=name_of(option))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or _raised_by_a_signal_handler(error):
            raise
        what = f"{name_of(option)} gave no size: {type(error).__name__}"
        say(f"[track_resources] input_size={what}{_first_line(error)} (the step is not affected)")
        # The message may hold a secret: it stands in the step's log alone.
        return InputSize(source=name_of(option), note=f"{what} (see the step's log)")


def size_of(value: object) -> float:
    """Bytes, from a number of bytes, the path of a file or folder, or several of these.

    Raises
    ------
    TypeError, ValueError, OSError
        It is something else, is negative or not finite; there is no such file; the folder holds too many.
    """
    if isinstance(value, (str, os.PathLike)):
        return _size_on_disk(os.fspath(value))
    if isinstance(value, (list, tuple, set, frozenset)):
        return math.fsum(size_of(item) for item in value)
    if isinstance(value, (bool, bytes, bytearray)) or not hasattr(value, "__float__"):
        raise TypeError(f"{type(value).__name__} is neither a number of bytes nor a path")
    size = float(value)  # numpy's numbers, too
    if not math.isfinite(size) or size < 0:
        raise ValueError(f"{size} is no number of bytes")
    return size


def _value_of(option: InputSizeOption, flow: Any, inputs: Iterable[Any]) -> object:
    if option is None or isinstance(option, (int, float)):
        return option
    if isinstance(option, str):
        names = {"self": flow, "os": os, "math": math}
        if "inputs" in option:
            names["inputs"] = _as_a_join_sees_them(flow, inputs)
        value = evaluate(option, names)
        return value() if callable(value) else value
    if takes(option) == 2:
        return option(flow, _as_a_join_sees_them(flow, inputs))
    return option(flow)


def _as_a_join_sees_them(flow: Any, inputs: Iterable[Any]) -> Any:
    """As ``MetaflowTask._clone_flow`` does: each input as a flow, whose artifacts load when they are asked for."""
    from metaflow.datastore import Inputs

    clones = []
    for datastore in inputs:
        clone = type(flow)(use_cli=False)
        clone._set_datastore(datastore)
        clones.append(clone)
    return Inputs(clones)


def _size_on_disk(path: str | bytes) -> float:
    if not os.path.isdir(path):
        return float(os.stat(path).st_size)
    total, entries, folders = 0, 0, [path]
    while folders:
        with os.scandir(folders.pop()) as found:
            for entry in found:
                entries += 1
                if entries > MAX_ENTRIES:
                    raise ValueError(f"the folder holds more than {MAX_ENTRIES:,} entries: give its size in bytes")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return float(total)


def _first_line(error: BaseException) -> str:
    try:
        lines = str(error).splitlines()
    except Exception:  # noqa: BLE001 (the user's own class)
        return ""
    return f": {lines[0][:200]}" if lines else ""


def _raised_by_a_signal_handler(error: BaseException) -> bool:
    """Whether one of the handlers in force is among the frames that raised it: the user's function may raise, too."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {getattr(handler, "__code__", None) for handler in handlers} - {None}
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code in codes:
            return True
        traceback = traceback.tb_next
    return False
