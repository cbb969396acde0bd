"""What the readers give: specs, prices with their source, and a tally of what was left out and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """One package: its name with version, the day its prices were collected, its licence."""

    name: str
    date: str
    licence: str


@dataclass(frozen=True)
class Spec:
    """What an instance type is. Only NVIDIA GPUs count; their memory is per GPU."""

    vendor: str
    name: str
    vcpus: float
    memory_mib: float
    gpu_count: int = 0
    gpu_model: str | None = None
    gpu_memory_mib: float | None = None
    architecture: str = "x86_64"
    storage_gb: float | None = None
    burstable: bool = False


@dataclass(frozen=True)
class Price:
    """On-demand USD per hour on Linux, with where it was read."""

    vendor: str
    name: str
    region: str
    usd_per_hour: float
    source: Source

    @property
    def key(self) -> tuple[str, str, str]:
        return self.vendor, self.name, self.region


@dataclass
class Tally:
    """What was left out, by reason, and what was confirmed: printed at the end of a build."""

    dropped: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)

    def drop(self, vendor: str, reason: str, count: int = 1) -> None:
        self.dropped[f"{vendor}: {reason}"] += count

    def keep(self, vendor: str, how: str, count: int = 1) -> None:
        self.kept[f"{vendor}: {how}"] += count


SAME = 0.005
SAME_USD, SAME_AT_MOST = 0.0006, 0.02
"""Two prices as close as 0.5 %, or as 0.0006 dollars within 2 %, are one, rounded differently."""


def is_same(one: float, other: float) -> bool:
    return abs(one - other) <= max(SAME * other, min(SAME_USD, SAME_AT_MOST * other))


def family_of(vendor: str, name: str) -> str:
    """The part of an instance type's name that its sizes share."""
    return name.split(".")[0] if vendor == "aws" else name.split("-")[0]
