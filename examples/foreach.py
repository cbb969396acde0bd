"""A foreach: every branch is measured, and the advice covers the largest.

The branches differ in the memory that they need. From the second run on, the comparison with earlier runs counts all
of them:

    python foreach.py run
    python foreach.py run
    resource-tracker show ForeachFlow
"""

from time import sleep

from metaflow import FlowSpec, step, track_resources


class ForeachFlow(FlowSpec):
    @step
    def start(self):
        self.megabytes = [50, 100, 300]
        self.next(self.load, foreach="megabytes")

    @track_resources
    @step
    def load(self):
        data = bytearray(self.input * 1_000_000)
        sleep(1)
        self.loaded = len(data)
        self.unit = "bytes"
        self.next(self.join)

    @track_resources
    @step
    def join(self, inputs):
        self.total = sum(branch.loaded for branch in inputs)
        self.merge_artifacts(inputs, exclude=["loaded"])  # the branches' measurements do not stand in the way
        self.next(self.end)

    @step
    def end(self):
        print(f"Loaded {self.total} {self.unit}")


if __name__ == "__main__":
    ForeachFlow()
