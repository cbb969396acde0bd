"""Whether there is room for a publisher: memory that the step does not need, and not too many others."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from contextlib import suppress

from resource_tracker.host_limits import memory_left_bytes
from resource_tracker.units import bytes_to_mib

STARTS_WITH_MIB = 256.0
LEAVES_BELOW_MIB = 128.0
MOST_AT_ONCE = 4
"""Publishers of one user on one machine: of fifty tasks the first few are live, and others as these end."""

_LOOK_AGAIN_S = 0.1


def has_memory(least_mib: float, root: str = "/") -> bool:
    """Whether the lowest limit, and the machine, leave at least so much. Where nobody tells, there is enough."""
    left = memory_left_bytes(root)
    return left is None or bytes_to_mib(left) >= least_mib


def take_place(*, spare: bool = False) -> socket.socket | None:
    """What holds one of the places on this machine until it is closed; ``None`` where all are taken.

    An abstract socket (unix(7)): the kernel lets go of it with the process, however that ends, and no file is left.
    Each user counts by itself, and so does each folder for temporary files, as every job of a cluster has one.

    Parameters
    ----------
    spare : bool
        One of as many other places, which no live card takes.
    """
    kind = "teller" if spare else "publisher"
    whose = hashlib.sha256(f"{os.geteuid()} {os.environ.get('TMPDIR', '')}".encode()).hexdigest()[:16]
    for place in range(MOST_AT_ONCE):
        held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            held.bind(f"\0metaflow-resource-tracker-{kind}-{whose}-{place}")
            return held
        except OSError:
            held.close()
    return None


def await_place(spare_after_s: float, most_s: float) -> socket.socket | None:
    """As :func:`take_place`, once another one has ended; after a while also a spare one, and after so long ``None``."""
    began_s = time.monotonic()
    while (place := take_place()) is None:
        waited_s = time.monotonic() - began_s
        if waited_s >= spare_after_s and (place := take_place(spare=True)) is not None:
            break
        if waited_s >= most_s:
            break
        time.sleep(_LOOK_AGAIN_S)
    return place


def stand_back() -> None:
    """Everybody else's turn comes first, and if memory ends, we go first. In no folder of the step's."""
    os.chdir("/")
    os.umask(0o077)
    with suppress(OSError):
        os.nice(5)  # beside what the sampler already gave up
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")
