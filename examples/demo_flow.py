"""The flow behind `make demo`: loads data, then trains on several processes, asking for far too much.

Run it yourself: python examples/demo_flow.py run
"""

import math
import os
import tempfile
from multiprocessing import get_context
from time import monotonic, sleep

from metaflow import FlowSpec, Parameter, resources, step, track_resources


def fit(seconds: float) -> int:
    """Keep one core busy, as a fold of a cross-validation would."""
    end, rounds = monotonic() + seconds, 0
    while monotonic() < end:
        math.factorial(2000)
        rounds += 1
    return rounds


class DemoFlow(FlowSpec):
    seconds = Parameter("seconds", default=6.0, help="how long the training takes")

    @track_resources
    @resources(cpu=4, memory=16_000)
    @step
    def start(self):
        """Read a file of 200 MB in pieces, keep it, then drop it."""
        with tempfile.TemporaryFile() as file:
            for _ in range(20):
                file.write(os.urandom(10_000_000))
                file.flush()
                sleep(0.05)
            file.seek(0)
            pieces = []
            while piece := file.read(20_000_000):
                pieces.append(piece)
                sleep(0.1)
        self.rows = len(pieces)
        self.next(self.train)

    @track_resources
    @resources(cpu=8, memory=32_000)
    @step
    def train(self):
        """A batch in memory, two worker processes, and a short spike at the end."""
        batch = bytearray(300_000_000)
        with get_context("spawn").Pool(2) as pool:
            self.rounds = sum(pool.map(fit, [self.seconds * 0.7] * 2))
        fit(self.seconds * 0.2)
        spike = bytearray(700_000_000)
        sleep(0.2)
        del spike, batch
        self.next(self.end)

    @step
    def end(self):
        print(f"{self.rounds} rounds")


if __name__ == "__main__":
    DemoFlow()
