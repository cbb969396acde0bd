"""What to ask for next time, and what machines cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from resource_tracker.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to ask for next time: whole CPUs, Metaflow's MB, GPUs (0: none needed).

    ``disk_mb`` (MB) and ``shared_memory_mb`` (MiB, as Metaflow counts it) are ``None`` where there is no need to ask
    for any. ``decorator`` is the one to write it in. ``estimate`` holds the numbers, by the names of ``reasons``, in
    which this advice stops short of what was estimated; ``notes`` are sentences about what one line cannot say.
    """

    cpu: int
    memory_mb: int
    gpu: int = 0
    reasons: dict[str, str] = field(default_factory=dict)
    based_on_runs: int = 1
    basis_memory_kib: float | None = None
    basis_cpu_cores: float | None = None
    disk_mb: int | None = None
    shared_memory_mb: int | None = None
    decorator: str = "resources"
    policy: str = "safe"
    expected_failure_rate: float | None = None
    estimate: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        return True

    def arguments(self) -> dict[str, int]:
        """What the decorator takes, by name and in Metaflow's units; only what there is to ask for."""
        named = {
            "cpu": self.cpu,
            "memory": self.memory_mb,
            "gpu": self.gpu or None,
            "disk": self.disk_mb,
            "shared_memory": self.shared_memory_mb,
        }
        return {name: amount for name, amount in named.items() if amount is not None}

    def as_text(self) -> str:
        """The line to paste above ``@step``; ``gpu``, ``disk`` and ``shared_memory`` only where needed."""
        return decorator_text(self.decorator, self.arguments())

    def __str__(self) -> str:
        return self.as_text()


def decorator_text(decorator: str, amounts: Mapping[str, float]) -> str:
    """Amounts as a decorator takes them: ``@resources(cpu=2, memory=4096)``."""
    return f"@{decorator}({', '.join(f'{name}={amount:.10g}' for name, amount in amounts.items())})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRecommendation:
    """Nothing to advise, and why."""

    reason: str

    @property
    def available(self) -> bool:
        return False

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """A machine that a cloud rents out. ``gpu_memory_mib`` is per GPU."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An instance type at an on-demand price in a region.

    ``run_cost_usd`` is what this attempt cost, or would have cost, on it, and ``run_hours`` in what time.
    """

    instance: InstanceType
    region: str
    price_usd_per_hour: float
    run_cost_usd: float | None = None
    run_hours: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """The cheapest machines that would have been enough, and what the attempt cost on its own machine.

    ``assumed`` is True where the vendor is unknown and ``vendor``/``region`` are a stated default; then
    ``run_cost_usd`` and ``saving_usd`` are ``None``. ``note`` says what a reader must know
    (own machine not in the catalog, live prices not reachable, ...). ``own_share`` is the part of a shared machine
    that ``run_cost_usd`` counts. ``offers_anywhere`` are the cheapest over all vendors and regions, and
    ``anywhere_date`` the oldest day of their prices, ``anywhere_newest_date`` the newest. ``spot_usd`` is an estimate
    for the first offer.
    """

    offers: tuple[Offer, ...] = ()
    vendor: str | None = None
    region: str | None = None
    assumed: bool = False
    own: Offer | None = None
    run_cost_usd: float | None = None
    saving_usd: float | None = None
    catalog_source: str = ""
    catalog_date: str = ""
    note: str | None = None
    own_share: float | None = None
    offers_anywhere: tuple[Offer, ...] = ()
    anywhere_date: str = ""
    anywhere_newest_date: str = ""
    spot_usd: float | None = None
