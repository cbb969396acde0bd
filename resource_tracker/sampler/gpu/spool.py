"""The spool of the GPUs: beside that of everything else, as it begins only once a library is open.

Its header says which GPUs there are (``meta gpu0 MEMORY_MIB MAY_USE NAME``), and an event ``source`` how the
step's part of them was told.
"""

from resource_tracker.errors import SpoolError
from resource_tracker.sampler.collector import Failures
from resource_tracker.sampler.gpu.find import GPU_PREFIX
from resource_tracker.sampler.gpu.rows import GpuRows
from resource_tracker.sampler.layout import Layout
from resource_tracker.sampler.spool import SEALED_ROWS, SpoolWriter

MAX_BYTES = 3_600_000
"""Of all its files: the tail, the sealed one, and its successor while that is written."""
FILES = 3


class GpuSpool:
    """Takes the GPUs of each row; makes files when there are some."""

    def __init__(self, directory: str, failures: Failures) -> None:
        self._directory = directory
        self._failures = failures
        self._writer: SpoolWriter | None = None
        self._given_up = False
        self._source = ""

    def row(self, phase: int, gpus: GpuRows | None, timestamp: float, interval_s: float) -> None:
        """Appends a row, but not the reading at start, which has no length."""
        if gpus is None or interval_s <= 0 or self._given_up:
            return
        if self._writer is None:
            try:
                self._writer = self._opened(gpus)
            except SpoolError as error:
                self._given_up = True
                self._failures.note("GPU spool", str(error).rpartition(": ")[2])
                return
        if gpus.source != self._source:
            self._source = gpus.source
            self._writer.event(phase, timestamp, f"source\tgpu\t{gpus.source}")
        self._writer.row(phase, gpus.values(timestamp, interval_s))

    def _opened(self, gpus: GpuRows) -> SpoolWriter:
        layout = Layout(gpus.meta, gpus.columns())
        rows = min(SEALED_ROWS // 2, MAX_BYTES // FILES // layout.record_bytes)
        return SpoolWriter(self._directory, layout, tail_rows=rows, sealed_rows=rows, prefix=GPU_PREFIX)
