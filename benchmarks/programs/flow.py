"""The flow that is measured: one step that sleeps, decorated as ``BENCH_VARIANT`` says."""

import os
import time

from metaflow import FlowSpec, step


def as_it_is(function):
    return function


def wait(seconds):
    """With an update of Metaflow's own card every so often, where the variant has one."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, REFRESH_S or left))
        if REFRESH_S:
            current.card.append(Markdown(f"{left:.0f} s"))
            current.card.refresh()


VARIANT = os.environ["BENCH_VARIANT"]
REFRESH_S = float(os.environ.get("BENCH_REFRESH_S", "0"))
if VARIANT == "bare":
    tracked = as_it_is
elif VARIANT == "Metaflow's card":
    from metaflow import card, current
    from metaflow.cards import Markdown

    tracked = card(type="blank", refresh_interval=REFRESH_S)
else:
    from metaflow import track_resources

    tracked = track_resources(create_card=False) if VARIANT == "without card" else track_resources


class BenchFlow(FlowSpec):
    @tracked
    @step
    def start(self):
        wait(float(os.environ.get("BENCH_SLEEP_S", "0")))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    BenchFlow()
