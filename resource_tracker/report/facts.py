"""The small print: totals, the machine and its cloud, how it was measured, and what is missing."""

from __future__ import annotations

import math
from typing import NamedTuple

from resource_tracker.records import ARTIFACTS, FileSystemUse, TaskRecord, Tracking, UsageSummary
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import vendor_name
from resource_tracker.sampler.shared_memory import SHARED_MEMORY
from resource_tracker.units import gb_to_bytes, kib_to_bytes

_DECORATORS = 3
_NETWORK = ("received", "sent")
_ROLES = {
    "directory": "the step's directory",
    "temporary": "temporary files",
    "metaflow_temporary": "Metaflow's downloads",
    "datastore": "local datastore",
    "home": "home directory",
}
_KINDS = {"memory": "in memory", "network": "on a server", "host": "of the host", "overlay": "of the container"}
_WORTH_A_WORD_BYTES = 1e6
"""Logs and lock files of others grow by less."""
_SPENT_ON = {
    "start": "the start",
    "/proc/PID/stat": "finding and reading processes",
    "/proc/PID/smaps_rollup": "memory read in full",
    f"statvfs of {SHARED_MEMORY}": SHARED_MEMORY,
    "statvfs": "disk space",
}
"""Sources of the sampler's costs, where their name says little."""
_SPENT_ON_PARTS = 3
_LONGER_ROWS = 1.5
"""Rows so many times as long as was asked for are worth a word."""


class Fact(NamedTuple):
    """`key` lets a live update find it."""

    label: str
    text: str
    key: str = ""


def totals(record: TaskRecord) -> tuple[Fact, ...]:
    """What has no request to compare with: CPU time, amounts read and written, processes; then the machine's traffic.

    Which part of the network's traffic is the step's is not known; of the disk's, only where its own cannot be read.
    """
    usage = record.usage
    cpu_time = fmt.duration(usage.cpu_seconds)
    if usage.cpu_is_lower_bound and usage.cpu_seconds is not None:
        cpu_time = f"≥ {cpu_time}"
    children = None if usage.children_max is None else usage.children_max + 1
    return (
        Fact(label="CPU time", text=cpu_time, key="cpu_seconds"),
        _amount("read", usage.process_read_bytes, usage.disk_read_bytes),
        _amount("written", usage.process_write_bytes, usage.disk_write_bytes),
        Fact(label="Processes", text=fmt.count(children), key="processes"),
        Fact(label="Threads", text=fmt.count(usage.threads_max), key="threads"),
        _amount("received", None, usage.net_recv_bytes),
        _amount("sent", None, usage.net_sent_bytes),
        *_energy(usage),
        *_growth(usage),
        *_input(usage),
    )


def _energy(usage: UsageSummary) -> tuple[Fact, ...]:
    """Of the GPUs that the step may use; whoever used them."""
    energy = usage.gpu_energy_j
    return () if energy is None else (Fact(label="GPU energy", text=fmt.energy(energy), key="gpu_energy"),)


def _growth(usage: UsageSummary) -> tuple[Fact, ...]:
    """What appeared on the disk and in shared memory since the start, where that is worth a word."""
    known = (
        ("Disk grew by", "disk_growth", gb_to_bytes(usage.disk_growth_gb or 0.0)),
        ("Shared memory", "shared_memory", kib_to_bytes(usage.shared_memory_peak_kib or 0.0)),
    )
    return tuple(
        Fact(label=label, text=fmt.data_size(size), key=key)
        for label, key, size in known
        if size >= _WORTH_A_WORD_BYTES
    )


def _input(usage: UsageSummary) -> tuple[Fact, ...]:
    """As the user told it; of artifacts, where they are more than a few parameters."""
    size = usage.input_bytes or 0.0
    least = _WORTH_A_WORD_BYTES if usage.input_source == ARTIFACTS else 1
    return (Fact(label="Input", text=fmt.data_size(size), key="input"),) if size >= least else ()


def _amount(name: str, own: float | None, machine: float | None) -> Fact:
    """Bytes of the step, or where those are not known, of its machine, which the label then says."""
    whose, size = ("Machine", machine) if own is None and (machine is not None or name in _NETWORK) else ("", own)
    return Fact(label=f"{whose} {name}".strip().capitalize(), text=fmt.data_size(size), key=name)


def machine(record: TaskRecord) -> tuple[Fact, ...]:
    server, limits = record.server, record.limits
    facts = [
        Fact(label="Cloud", text=_cloud(record)),
        Fact(label="Instance type", text=_instance(record)),
        Fact(
            label="Processor", text=" · ".join(p for p in (server.cpu_model, server.architecture) if p) or fmt.UNKNOWN
        ),
        Fact(label="vCPUs", text=fmt.count(server.vcpus)),
        Fact(label="Memory", text=fmt.machine_memory(server.memory_mb)),
        Fact(label="GPUs", text=_gpus(record)),
        Fact(label="Operating system", text=server.os or fmt.UNKNOWN),
        Fact(label="Allocation", text=_with_reason(server.allocation, server.allocation_reason)),
    ]
    if server.scheduler:
        facts.append(Fact(label="Placed by", text=server.scheduler))
    if limits.cpus is not None or limits.memory_mib is not None:
        parts = []
        if limits.cpus is not None:
            parts.append(f"{fmt.whole(limits.cpus)} CPUs")
        if limits.memory_mib is not None:
            parts.append(fmt.memory_mib(limits.memory_mib))
        facts.append(Fact(label="Limits", text=_with_reason(", ".join(parts), limits.source)))
    facts += [Fact(label="Disk space", text=_space(system)) for system in record.usage.file_systems]
    if record.usage.disk_used_max_gb is not None and not record.usage.file_systems:
        facts.append(Fact(label="Disk used at most", text=fmt.data_size(gb_to_bytes(record.usage.disk_used_max_gb))))
    return tuple(facts)


def _space(system: FileSystemUse) -> str:
    """``Temporary files: tmpfs in memory, at most 3.10 GB of 8.00 GB in use (39 %)``."""
    roles = ", ".join(_ROLES.get(role, role) for role in system.roles)
    kind = f"{system.type} {_KINDS[system.kind]}" if system.kind in _KINDS else system.type
    parts = [f"{roles[:1].upper()}{roles[1:]}: {kind}"]
    if system.used_peak_gb is not None and system.size_gb:
        share = fmt.percent(min(1.0, system.used_peak_gb / system.size_gb))
        used, size = (fmt.data_size(gb_to_bytes(value)) for value in (system.used_peak_gb, system.size_gb))
        parts.append(f"at most {used} of {size} in use ({share})")
    if (grown := gb_to_bytes(system.growth_gb or 0.0)) >= _WORTH_A_WORD_BYTES:
        parts.append(f"{fmt.data_size(grown)} more than at the start")
    return ", ".join(parts)


def _cloud(record: TaskRecord) -> str:
    cloud = record.cloud
    if not cloud.known:
        return _with_reason("unknown", cloud.reason or "")
    return " ".join(
        part
        for part in (
            vendor_name(cloud.vendor),
            cloud.region if cloud.region != "unknown" else "",
            f"(zone {cloud.zone})" if cloud.zone else "",
        )
        if part
    )


def _instance(record: TaskRecord) -> str:
    """Its type, and whether it was paid for as spot, where the cloud tells."""
    cloud = record.cloud
    if not cloud.known:
        return fmt.UNKNOWN
    told = {None: "", True: ", spot", False: ", on demand"}[cloud.spot]
    return f"{cloud.instance_type}{told}"


def _gpus(record: TaskRecord) -> str:
    server = record.server
    if not server.gpu_count:
        return "none"
    names = sorted(set(server.gpu_names)) or ["GPU"]
    memory = f", {fmt.machine_memory(server.gpu_memory_mb)} in all" if server.gpu_memory_mb else ""
    driver = f", driver {server.gpu_driver}" if server.gpu_driver else ""
    return f"{server.gpu_count} × {', '.join(names)}{memory}{driver}"


def request_fact(record: TaskRecord) -> Fact:
    request = record.request
    if not request.decorators:
        return Fact(label="Request", text="none: the step has no @resources")
    names = " ".join(f"@{name}" for name in request.decorators[:_DECORATORS])
    values = [
        ("cpu", "cpu", None if request.cpu is None else fmt.whole(request.cpu)),
        ("memory", "memory", None if request.memory_mb is None else fmt.whole(request.memory_mb).replace(",", "")),
        ("gpu", "gpu", None if request.gpu is None else str(request.gpu)),
    ]
    parts = [f"{name}={text}" + ("" if key in request.chosen else " (default)") for key, name, text in values if text]
    return Fact(label="Request", text=f"{names}: {', '.join(parts)}" if parts else names)


def method(record: TaskRecord) -> tuple[Fact, ...]:
    tracking, usage = record.tracking, record.usage
    facts = [Fact(label="Measured by", text=_mode(tracking))]
    if tracking.mode == "sampler":
        facts.append(Fact(label="Readings", text=_readings(record), key="readings"))
    if tracking.mode != "untracked":
        bound = ", a lower bound: processes that left the tree may be missing" if usage.cpu_is_lower_bound else ""
        facts.append(Fact(label="CPU from", text=(usage.cpu_source or fmt.UNKNOWN) + bound))
        facts.append(Fact(label="Memory peak from", text=usage.memory_peak_source or fmt.UNKNOWN))
        if usage.gpu_source:
            facts.append(Fact(label="GPU use from", text=usage.gpu_source))
        if _input(usage):
            facts.append(Fact(label="Input size from", text=_input_source(usage)))
        facts.append(Fact(label="The tracker's own cost", text=_cost(record), key="own_cost"))
        if tracking.cost.by_source and tracking.cost.cpu_s:
            spent_on = _spent_on(tracking.cost.by_source, tracking.cost.cpu_s)
            facts.append(Fact(label="Spent on", text=spent_on, key="spent_on"))
        if tracking.overhead_budget is not None:
            allowed = f"{fmt.percent(tracking.overhead_budget)} of one core, the start aside"
            facts.append(Fact(label="Allowed for tracking", text=allowed))
    if record.pathspec:
        facts.append(request_fact(record))
    if record.versions:
        versions = [f"{name} {version}" for name, version in sorted(record.versions.items())]
        facts.append(Fact(label="Versions", text=", ".join(versions)))
    return tuple(facts)


def _input_source(usage: UsageSummary) -> str:
    return "the artifacts that the step began with" if usage.input_source == ARTIFACTS else f"{usage.input_source}"


def missing(record: TaskRecord) -> tuple[Fact, ...]:
    """What was not measured as it should have been; missing history or cloud say why in their own places."""
    facts = []
    if record.tracking.ended_early:
        facts.append(Fact(label="Measuring ended early", text=record.tracking.ended_early))
    if record.tracking.mode == "start_end":
        facts.append(Fact(label="Charts", text=record.tracking.reason or "only readings at start and end were taken"))
    for failed in record.tracking.failed_sources:
        times = f" ({failed.count:,}×)" if failed.count > 1 else ""
        facts.append(Fact(label=failed.source, text=f"{failed.reason}{times}"))
    return tuple(facts)


def _mode(tracking: Tracking) -> str:
    if tracking.mode == "sampler":
        return f"a process beside the step, a row every {fmt.duration(tracking.interval_s)}"
    return "readings at start and end" if tracking.mode == "start_end" else "nothing"


def _readings(record: TaskRecord) -> str:
    """How many, and the length of a row where they got longer so that tracking kept to its budget."""
    tracking, cost = record.tracking, record.tracking.cost
    text = f"{fmt.count(cost.samples)} in {fmt.plural(cost.rows, 'row')}"
    rows = record.process_metrics
    measured_s = math.fsum(cell for cell in rows["interval_s"] if cell == cell) if "interval_s" in rows else 0.0
    row_s = measured_s / cost.rows if cost.rows else 0.0
    if tracking.overhead_budget is None or row_s < _LONGER_ROWS * tracking.interval_s:
        return text
    return f"{text}, {fmt.duration(row_s)} each: more of them would cost more than is allowed"


def _cost(record: TaskRecord) -> str:
    cost, parts = record.tracking.cost, []
    if cost.cpu_s is not None:
        share = cost.cpu_s / record.usage.duration_s if record.usage.duration_s else None
        parts.append(f"{fmt.duration(cost.cpu_s)} of CPU time ({fmt.percent(share)} of one core)")
    if cost.memory_kib is not None:
        parts.append(fmt.memory_kib(cost.memory_kib))
    return f"{', '.join(parts)}; not counted above" if parts else fmt.UNKNOWN


def _spent_on(by_source: dict[str, float], cpu_s: float) -> str:
    """What most of the CPU time went into."""
    parts = {_SPENT_ON.get(source, source): spent_s for source, spent_s in by_source.items()}
    parts["waking up and writing"] = max(0.0, cpu_s - sum(parts.values()))
    largest = sorted(parts.items(), key=lambda part: -part[1])[:_SPENT_ON_PARTS]
    return ", ".join(f"{name} {fmt.percent(spent_s / cpu_s)}" for name, spent_s in largest if spent_s > 0)


def _with_reason(text: str, reason: str) -> str:
    return f"{text} ({reason})" if reason else text
