"""``/proc/PID/task/TID/children``: what a thread forked and is still there.

Source: proc(5). Present where the kernel was built with ``CONFIG_PROC_CHILDREN``.
"""

from resource_tracker.sampler.procfs.files import number

SOURCE = "/proc/PID/task/TID/children"


def parse(data: bytes) -> list[int]:
    """Their pids. Raises ParseError."""
    return [number(field, SOURCE) for field in data.split()]
