"""``/proc/pressure/*`` and the ``*.pressure`` of a cgroup: time in which tasks waited for CPU, memory or storage.

Source: kernel, Documentation/accounting/psi.rst.
"""

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import number

SOURCE = "/proc/pressure"


def parse(data: bytes) -> int:
    """Microseconds in which at least one task waited, since boot or the cgroup's beginning. Raises ParseError."""
    for line in data.splitlines():
        words = line.split()
        if words and words[0] == b"some":
            for word in words[1:]:
                if word.startswith(b"total="):
                    return number(word[6:], SOURCE)
    raise ParseError(SOURCE, "no total of some tasks")
