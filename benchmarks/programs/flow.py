"""The flow that is measured: one step that sleeps, decorated as ``BENCH_VARIANT`` says."""

import os
import time

from metaflow import FlowSpec, step


def as_it_is(function):
    return function


VARIANT = os.environ["BENCH_VARIANT"]
if VARIANT == "bare":
    tracked = as_it_is
else:
    from metaflow import track_resources

    tracked = track_resources(create_card=False) if VARIANT == "without card" else track_resources


class BenchFlow(FlowSpec):
    @tracked
    @step
    def start(self):
        time.sleep(float(os.environ.get("BENCH_SLEEP_S", "0")))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    BenchFlow()
