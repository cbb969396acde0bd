"""A step that works on several processors, in processes of its own.

All descendants of a step are counted, so the advice asks for as many CPUs as the pool kept busy:

    python multi_cpu.py run
    python multi_cpu.py run --workers 4 --seconds 10
    python multi_cpu.py card view crunch
"""

import math
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import process_time

from metaflow import FlowSpec, Parameter, resources, step, track_resources


def keep_busy(seconds: float) -> int:
    """Use one CPU for that many seconds of CPU time; return the number of rounds."""
    end = process_time() + seconds
    rounds = 0
    while process_time() < end:
        math.factorial(2000)
        rounds += 1
    return rounds


class MultiCpuFlow(FlowSpec):
    workers = Parameter("workers", default=2, help="number of processes")
    seconds = Parameter("seconds", default=2.0, help="CPU time of each process")

    @step
    def start(self):
        self.next(self.crunch)

    @track_resources
    @resources(cpu=8, memory=4000)  # far too much, as the card will say
    @step
    def crunch(self):
        # "spawn" starts clean processes; a fork would also copy what Metaflow holds.
        with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
            self.rounds = list(pool.map(keep_busy, [self.seconds] * self.workers))
        self.next(self.end)

    @step
    def end(self):
        print(f"{sum(self.rounds)} rounds on {self.workers} processes")


if __name__ == "__main__":
    MultiCpuFlow()
