"""How large the input of an attempt is, by its input artifacts and its item of a foreach."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from resource_tracker.records import ARTIFACTS, InputSize

_OF_METAFLOW = ("name", "script_name")
"""Artifacts of Metaflow's own that have no underscore."""


class ArtifactSizes:
    """The bytes of the input artifacts, from their metadata: nothing is loaded.

    Parameters
    ----------
    flow : metaflow.FlowSpec
        In ``task_pre_step``, when its foreach stack is known.
    inputs : iterable of metaflow TaskDataStore
        Those of the tasks before.
    ours : collection of str
        Names of our own artifacts.

    Notes
    -----
    Metaflow keeps the size of each artifact as it was pickled, before compression. An artifact that several inputs
    share counts once. Of a list that a foreach went over, only this task's item counts: its mean share, until the
    step itself has loaded the item.
    """

    def __init__(self, flow: Any, inputs: Iterable[Any], ours: Iterable[str]) -> None:
        self._flow = flow
        self._folder = os.path.realpath(".")
        stack = getattr(flow, "_foreach_stack", None) or ()
        self._depth = len(stack) - 1
        shares = {frame.var: frame.num_splits for frame in stack if frame.var and frame.num_splits}
        item_of = stack[-1].var if stack else None
        left_out = {*ours, *_OF_METAFLOW}
        self._others, self._item_share = 0.0, 0.0
        seen: set[str] = set()
        for datastore in inputs:
            metadata = datastore.ds_metadata
            info = metadata["info"]
            for name, key in metadata["objects"].items():
                if name.startswith("_") or name in left_out or key in seen:
                    continue
                seen.add(key)
                size = info.get(name, {}).get("size") or 0
                if name in shares:
                    size /= shares[name]
                if name == item_of:
                    self._item_share = size
                else:
                    self._others += size

    def size(self) -> InputSize:
        """As known now; more exact once the step has loaded its item of a foreach."""
        item = None
        loaded = self._flow.__dict__.get("_cached_input")
        if self._depth >= 0 and isinstance(loaded, dict) and self._depth in loaded:
            item = self._bytes_of_item(loaded[self._depth])
        return InputSize(bytes=self._others + (self._item_share if item is None else item), source=ARTIFACTS)

    def _bytes_of_item(self, item: object) -> float | None:
        """Of a file that it names, or of its buffer (bytes, arrays); ``None`` where that takes more than a look."""
        try:
            if isinstance(item, (str, os.PathLike)):
                path = os.path.join(self._folder, os.fspath(item))
                return float(os.stat(path).st_size) if os.path.isfile(path) else None
            with memoryview(item) as view:  # type: ignore[arg-type]  # that is the question
                return None if "O" in view.format else float(view.nbytes)  # an array of objects: only pointers
        except (OSError, TypeError, ValueError, BufferError):
            return None
