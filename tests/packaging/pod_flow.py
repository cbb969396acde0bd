"""A flow for Kubernetes, its decorators in the order in which Metaflow packs its local metadata before ours comes."""

import sys
from importlib.util import find_spec

from metaflow import FlowSpec, kubernetes, step, track_resources


class PodFlow(FlowSpec):
    @track_resources
    @kubernetes(cpu=1, memory=700, image="python")
    @step
    def start(self):
        self.size = len(bytearray(100_000_000))
        self.importable = [name for name in ("jinja2", "markupsafe", "psutil", "pynvml") if find_spec(name)]
        self.search_path = list(sys.path)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    PodFlow()
