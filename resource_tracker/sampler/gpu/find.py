"""Whether there is a GPU, and a library for it, without loading anything: the task asks, too."""

import os

LIBRARY = "libnvidia-ml.so.1"
LIBRARY_DIRS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/lib/x86_64-linux-gnu",
    "/usr/local/nvidia/lib64",
    "/usr/lib/wsl/lib",
    "/run/opengl-driver/lib",
)
GPU_PREFIX = "gpu-"
"""Of the files of the GPUs' spool."""
DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")


def library_found() -> bool:
    """Whether NVIDIA's management library is on this machine."""
    searched = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    return any(os.path.exists(f"{folder}/{LIBRARY}") for folder in (*searched, *LIBRARY_DIRS))


def device_found() -> bool:
    """Whether there is an NVIDIA GPU (readable or not)."""
    return any(os.path.exists(path) for path in DEVICES)
