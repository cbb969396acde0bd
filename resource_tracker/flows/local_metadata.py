"""The way home of our summary from a remote task of a run that keeps its metadata in local files.

Metaflow then packs the task's metadata into the datastore when its compute decorator finishes, which may be before our
summary is written: that depends on the order in which the decorators stand in the flow.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

_PACKED_IN = {"kubernetes": "METAFLOW_KUBERNETES_WORKLOAD", "batch": "AWS_BATCH_JOB_ID"}
"""Decorators that pack the metadata, and the variables by which they know that they are in their container."""


def pack_again(metadata: Any, decorators: Sequence[Any]) -> None:
    """Pack the task's metadata once more, where Metaflow did so before our summary was in it."""
    if getattr(metadata, "TYPE", None) != "local":
        return
    for decorator in decorators:
        if getattr(decorator, "name", None) == "track_resources":
            return  # those after us have yet to finish
        if _PACKED_IN.get(getattr(decorator, "name", ""), "") in os.environ:
            from metaflow.metadata_provider.util import sync_local_metadata_to_datastore
            from metaflow.metaflow_config import DATASTORE_LOCAL_DIR

            sync_local_metadata_to_datastore(DATASTORE_LOCAL_DIR, decorator.task_datastore)
            return
