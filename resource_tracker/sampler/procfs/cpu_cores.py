"""``/proc/stat``: CPU time of each core. Source: proc(5)."""

from resource_tracker.errors import ParseError

SOURCE = "/proc/stat cpuN"
_USUAL = b"0123456789 \ncpu"
_FIELDS = 8
"""From user to steal; guests, which follow, are part of user and nice."""


def parse(data: bytes) -> dict[int, tuple[float, float]]:
    """Busy ticks and all ticks by the number of the core; one that is offline is not there. Raises ParseError.

    Busy is what the line of all CPUs counts, too: user, nice, system and interrupts. Stolen time is not, but is time.
    """
    end = data.find(b"\nintr ")
    text = data[: end if end >= 0 else len(data)]
    # All lines are checked at once: there may be hundreds. What remains, int() refuses.
    if text.translate(None, _USUAL):
        raise ParseError(SOURCE, "lines of an unknown form")
    cores: dict[int, tuple[float, float]] = {}
    try:
        for line in text.split(b"\n")[1:]:
            if not line.startswith(b"cpu"):
                break
            name, *fields = line.split(None, _FIELDS + 1)[: _FIELDS + 1]
            user, nice, system, idle, iowait, irq, softirq, steal = map(int, fields)
            busy = user + nice + system + irq + softirq
            cores[int(name[3:])] = (busy, busy + idle + iowait + steal)
    except ValueError:
        raise ParseError(SOURCE, "a line is not of the expected form") from None
    return cores
