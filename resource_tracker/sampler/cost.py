"""The collector of the sampler's own cost."""

import time

from resource_tracker.sampler.collector import Collector, Row
from resource_tracker.sampler.procfs import smaps_rollup
from resource_tracker.sampler.procfs.files import read_record

MEMORY_EVERY_S = 60.0


class CostCollector(Collector):
    """CPU time of the sampler since its last row, and now and then its memory.

    The first reading has in it what the start cost: `before_s` is the CPU time of what started it.
    """

    source = "/proc/self"

    def __init__(self, proc: str, before_s: float) -> None:
        self._proc = proc
        self._last_s = -before_s
        self._memory_at_s = -MEMORY_EVERY_S

    def read(self, row: Row, interval_s: float) -> None:
        cpu_s, now_s = time.process_time(), time.monotonic()
        row.system["sampler_cpu_s"] = cpu_s - self._last_s
        self._last_s = cpu_s
        if interval_s > 0 and now_s - self._memory_at_s >= MEMORY_EVERY_S:
            self._memory_at_s = now_s
            row.internal["sampler_memory_kib"] = self.own_memory_kib()

    def own_memory_kib(self) -> float:
        """Of this process. Raises OSError, ParseError."""
        return smaps_rollup.parse(read_record(f"{self._proc}/self/smaps_rollup")).pss
