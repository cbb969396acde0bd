"""A flow of somebody who happens to have this package installed; run by the tests from where it was copied to."""

from metaflow import FlowSpec, step


class PlainFlow(FlowSpec):
    @step
    def start(self):
        self.answer = 42
        self.next(self.end)

    @step
    def end(self):
        print(f"the answer is {self.answer}")


if __name__ == "__main__":
    PlainFlow()
