"""The least there is to do: one decorator above one step.

The step holds 500 MB for three seconds. Afterwards look at its card, or at the numbers:

    python minimal.py run
    python minimal.py card view my_sleeping_data
    resource-tracker show ResourceTrackingFlow
"""

from time import sleep

from metaflow import FlowSpec, step, track_resources


class ResourceTrackingFlow(FlowSpec):
    @step
    def start(self):
        print("Starting step")
        self.next(self.my_sleeping_data)

    @track_resources
    @step
    def my_sleeping_data(self):
        data = bytearray(500 * 1024 * 1024)  # 500MB
        sleep(3)
        print(f"Slept over {len(data)} bytes")
        self.next(self.end)

    @step
    def end(self):
        print("Step finished")


if __name__ == "__main__":
    ResourceTrackingFlow()
