"""The publisher: a process with Metaflow loaded, which tells of the attempt while it runs, and when it died.

The task left what it needs to know in the spool: the order. The sampler starts it, because the sampler outlives the
task, with the environment that the task was started with.
"""

import os
import sys

from resource_tracker.sampler.procfs.files import read_whole

ORDER = "order"
"""File in the spool's folder, see :mod:`resource_tracker.flows.order`."""
LAUNCH = "import sys; sys.path.append(sys.argv[1]); from resource_tracker.flows.publisher.main import main; main()"

Environment = dict[bytes, bytes]


def is_ordered(spool: str) -> bool:
    """Whether the task left an order."""
    return os.path.exists(f"{spool}/{ORDER}")


def environment_of(proc: str, pid: int, marker: tuple[str, str] | None) -> Environment:
    """What a process was started with, but for the marker by which its own are known. Raises OSError."""
    entries = [entry.partition(b"=") for entry in read_whole(f"{proc}/{pid}/environ").split(b"\0")]
    found = {name: value for name, equals, value in entries if equals and name}
    if marker is not None:
        found.pop(os.fsencode(marker[0]), None)
    return found


def start_publisher(spool: str, environment: Environment) -> int:
    """Starts one that works from the order in `spool`, as our child; its pid. Raises OSError."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = [sys.executable, "-I", "-c", LAUNCH, root, spool]
    return os.posix_spawn(sys.executable, command, environment)
