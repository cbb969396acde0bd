"""Tracked branches and a tracked join that merges their artifacts; run by the tests from where it was copied to."""

import sys
from importlib.util import find_spec

from metaflow import FlowSpec, step, track_resources


class BranchFlow(FlowSpec):
    @track_resources
    @step
    def start(self):
        self.size = len(bytearray(100_000_000))
        self.python = "{}.{}".format(*sys.version_info)
        self.importable = [name for name in ("jinja2", "markupsafe", "psutil", "pynvml") if find_spec(name)]
        self.search_path = list(sys.path)
        self.next(self.left, self.right)

    @track_resources(history=3, input_size=lambda self: self.size)
    @step
    def left(self):
        self.left_side = "left"
        self.next(self.join)

    @track_resources(input_size="self.size / 2")
    @step
    def right(self):
        self.right_side = "right"
        self.next(self.join)

    @track_resources
    @step
    def join(self, inputs):
        self.merge_artifacts(inputs)
        self.next(self.end)

    @step
    def end(self):
        print(f"merged {self.left_side} and {self.right_side}, {self.size} bytes")


if __name__ == "__main__":
    BranchFlow()
