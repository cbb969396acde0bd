"""The record of something that was measured outside Metaflow: a process from Python, or a command."""

from __future__ import annotations

import os
import platform
from functools import cached_property

import resource_tracker
from resource_tracker.build import build_record
from resource_tracker.catalog import load_bundled
from resource_tracker.errors import CatalogError
from resource_tracker.host import limits, server_info
from resource_tracker.pricing import Catalog
from resource_tracker.records import (
    CloudInfo,
    History,
    Limits,
    Measurements,
    Outcome,
    ResourceRequest,
    ServerInfo,
    TaskRecord,
)

NO_HISTORY = History(available=False, reason="Only runs of a Metaflow step are kept to compare with.")


class Surroundings:
    """What stands around a measurement and does not change: machine, limits, prices; each read when first needed.

    Parameters
    ----------
    pid : int
        The process that is measured: its limits are told.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def read(self) -> None:
        """Read everything now."""
        _ = self.limits, self.server, self._catalog

    def record(self, measurements: Measurements, *, title: str, outcome: Outcome, cloud: CloudInfo) -> TaskRecord:
        """The record, with advice and costs as far as they can be told."""
        catalog, note = self._catalog
        return build_record(
            measurements,
            title=title,
            outcome=outcome,
            server=self.server,
            cloud=cloud,
            request=ResourceRequest(),
            limits=self.limits,
            history=NO_HISTORY,
            catalog=catalog,
            catalog_note=note,
            ticks_per_s=float(os.sysconf("SC_CLK_TCK")),
            versions={"resource_tracker": str(resource_tracker.__version__), "python": platform.python_version()},
        )

    @cached_property
    def server(self) -> ServerInfo:
        """The machine."""
        return server_info()

    @cached_property
    def limits(self) -> Limits:
        """What the kernel lets the process use, read while it lives."""
        return limits(pid=self._pid)

    @cached_property
    def _catalog(self) -> tuple[Catalog | None, str | None]:
        try:
            return load_bundled(), None
        except CatalogError as error:
            return None, str(error)
