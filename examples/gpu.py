"""A step on a GPU, where there is one: its use and its memory are in the card beside CPU and memory.

It multiplies matrices with PyTorch. Without PyTorch or without a GPU it says so and ends well:

    pip install torch
    python gpu.py run
    python gpu.py card view multiply
"""

from time import monotonic

from metaflow import FlowSpec, Parameter, resources, step, track_resources


def torch_with_gpu():
    """Return PyTorch, or the reason why this example has nothing to do."""
    try:
        import torch
    except ImportError:
        return None, "PyTorch is not installed (pip install torch)"
    if not torch.cuda.is_available():
        return None, "PyTorch is installed, but finds no GPU here"
    return torch, torch.cuda.get_device_name()


class GpuFlow(FlowSpec):
    seconds = Parameter("seconds", default=5.0, help="how long to keep the GPU busy")

    @step
    def start(self):
        self.next(self.multiply)

    @track_resources
    @resources(cpu=1, memory=4000)  # add gpu=1 to be sent to a machine with a GPU
    @step
    def multiply(self):
        self.rounds = 0
        torch, self.device = torch_with_gpu()
        if torch is not None:
            matrix = torch.rand(8192, 8192, device="cuda")  # 256 MiB
            end = monotonic() + self.seconds
            while monotonic() < end:
                matrix = torch.tanh(matrix @ matrix)
                torch.cuda.synchronize()
                self.rounds += 1
        self.next(self.end)

    @step
    def end(self):
        print(f"{self.rounds} products on {self.device}" if self.rounds else f"No GPU used: {self.device}.")


if __name__ == "__main__":
    GpuFlow()
