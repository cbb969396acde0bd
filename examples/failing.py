"""A step that fails: its measurements and its card are there all the same.

The run fails, as it should. What the step used until then tells whether it ran out of something or was just wrong:

    python failing.py run
    python failing.py card view parse
    resource-tracker show FailingFlow
"""

from time import sleep

from metaflow import FlowSpec, step, track_resources


class FailingFlow(FlowSpec):
    @step
    def start(self):
        self.rows = ["12", "7", "n/a", "3"]
        self.next(self.parse)

    @track_resources
    @step
    def parse(self):
        table = bytearray(200_000_000)
        sleep(1)
        self.numbers = [int(row) for row in self.rows]  # "n/a" is no number
        print(f"Never reached, with {len(table)} bytes in hand")
        self.next(self.end)

    @step
    def end(self):
        print("Never reached either")


if __name__ == "__main__":
    FailingFlow()
