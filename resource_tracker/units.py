"""The only unit conversions of the package.

Memory is KiB in the frames, MiB in records about machines, and MB (10**6 bytes) in Metaflow's
``memory=``, which Kubernetes takes as ``M``. Rounding a request up in MB is safe for back ends
that read the number as MiB, because a MiB is larger.
"""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
MB = 10**6
GB = 10**9
SECTOR_BYTES = 512
"""Unit of ``/proc/diskstats``, whatever the device's own sector size (kernel: admin-guide/iostats.rst)."""


def kib_to_mib(kib: float) -> float:
    return kib / 1024


def mib_to_kib(mib: float) -> float:
    return mib * 1024


def kib_to_bytes(kib: float) -> float:
    return kib * KIB


def bytes_to_kib(count: float) -> float:
    return count / KIB


def bytes_to_mib(count: float) -> float:
    return count / MIB


def gb_to_mb(gb: float) -> float:
    return gb * GB / MB


def bytes_to_gb(count: float) -> float:
    return count / GB


def gb_to_bytes(gb: float) -> float:
    return gb * GB


def bytes_to_gib(count: float) -> float:
    return count / GIB


def mib_to_gib(mib: float) -> float:
    return mib / 1024


def kib_to_whole_mb(kib: float) -> int:
    """KiB to whole MB of Metaflow's ``memory=``, to the nearest: how a peak is told in every text."""
    return round(kib * KIB / MB)


def kib_to_mb(kib: float) -> float:
    return kib * KIB / MB


def mib_to_gb(mib: float) -> float:
    return mib * MIB / GB


def gib_to_mib(gib: float) -> float:
    return gib * 1024


def mb_to_kib(mb: float) -> float:
    """MB of Metaflow's ``memory=`` to KiB."""
    return mb * MB / KIB


def mb_to_mib(mb: float) -> float:
    return mb * MB / MIB


def ticks_to_seconds(ticks: float, ticks_per_s: float) -> float:
    """Clock ticks (``sysconf(_SC_CLK_TCK)`` a second) to seconds."""
    return ticks / ticks_per_s


def seconds_to_ticks(seconds: float, ticks_per_s: float) -> float:
    """Seconds to clock ticks, fractions included."""
    return seconds * ticks_per_s


def joules_to_wh(joules: float) -> float:
    return joules / 3600


def seconds_to_hours(seconds: float) -> float:
    return seconds / 3600


def hours_to_seconds(hours: float) -> float:
    return hours * 3600
