"""The small print: totals, the machine and its cloud, and what is missing."""

from __future__ import annotations

from typing import NamedTuple

from resource_tracker.records import ARTIFACTS, FileSystemUse, Limits, TaskRecord, UsageSummary
from resource_tracker.report import format as fmt
from resource_tracker.report.costs import vendor_name
from resource_tracker.units import gb_to_bytes, kib_to_bytes

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
        *input_fact(usage),
    )


def _energy(usage: UsageSummary) -> tuple[Fact, ...]:
    """Of the GPUs that the step may use; whoever used them."""
    energy = usage.gpu_energy_j
    return () if energy is None else (Fact(label="GPU energy", text=fmt.energy(energy), key="gpu_energy"),)


def _growth(usage: UsageSummary) -> tuple[Fact, ...]:
    """What appeared on the disk and in shared memory since the start, whoever put it there, if worth a word."""
    known = (
        ("Machine's disk grew by", "disk_growth", gb_to_bytes(usage.disk_growth_gb or 0.0)),
        ("Shared memory grew by", "shared_memory", kib_to_bytes(usage.shared_memory_peak_kib or 0.0)),
    )
    return tuple(
        Fact(label=label, text=fmt.data_size(size), key=key)
        for label, key, size in known
        if size >= _WORTH_A_WORD_BYTES
    )


def input_fact(usage: UsageSummary) -> tuple[Fact, ...]:
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
    if limits.cpus is not None or limits.memory_mib is not None or _softer_limits(limits):
        parts = []
        if limits.cpus is not None:
            parts.append(f"{fmt.whole(limits.cpus)} CPUs")
        if limits.memory_mib is not None:
            parts.append(fmt.memory_mib(limits.memory_mib))
        parts += _softer_limits(limits)
        facts.append(Fact(label="Limits", text=_with_reason(", ".join(parts), limits.source)))
    facts += [Fact(label="Disk space", text=_space(system)) for system in record.usage.file_systems]
    if record.usage.disk_used_max_gb is not None and not record.usage.file_systems:
        facts.append(Fact(label="Disk used at most", text=fmt.data_size(gb_to_bytes(record.usage.disk_used_max_gb))))
    return tuple(facts)


def _softer_limits(limits: Limits) -> list[str]:
    """What slows down, or cannot be swapped out, before the limit itself is reached."""
    parts = []
    if limits.memory_high_mib is not None:
        parts.append(f"slowed down from {fmt.memory_mib(limits.memory_high_mib)} on")
    if limits.swap_mib is not None:
        parts.append(f"{fmt.memory_mib(limits.swap_mib)} of swap" if limits.swap_mib else "no swap")
    return parts


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


def _with_reason(text: str, reason: str) -> str:
    return f"{text} ({reason})" if reason else text
