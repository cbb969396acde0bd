"""In which cloud the machine stands: its vendor, region and instance type, from the metadata services.

All services are asked side by side within one second in all; where the firmware (DMI) names the vendor, only its
own service is. The services are link-local: nothing leaves the machine's host.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from resource_tracker import ecs
from resource_tracker.cloud_finding import UNKNOWN, Finding
from resource_tracker.cloud_vendors import DMI_FIELDS, VENDORS, Vendor
from resource_tracker.host_limits import read_text
from resource_tracker.metadata_service import Service
from resource_tracker.records import CloudInfo

if TYPE_CHECKING:
    import queue

_AGENT_SHARE = 0.4
"""Of the time that asking may take: the agent is a process of the same machine."""
_ON_FARGATE = "on Fargate a task is not told of its machine"
_ONLY_THE_AGENT = "only the agent of Amazon ECS answered, which does not tell instance_type"


def read_hints(root: str = "/") -> dict[str, str]:
    """Return what the firmware says about the machine's maker (``/sys/class/dmi/id``); empty where it is hidden."""
    hints = {}
    for field in DMI_FIELDS:
        text = read_text(root, f"/sys/class/dmi/id/{field}", 256)
        if text and text.strip():
            hints[field] = text.strip()
    return hints


def discover(
    *,
    timeout_s: float = 1.0,
    vendors: Sequence[Vendor] | None = None,
    hints: Mapping[str, str] | None = None,
    agent: tuple[str, str] | None = None,
) -> CloudInfo:
    """Ask the metadata services where the machine stands.

    Parameters
    ----------
    timeout_s : float
        Seconds for all services together.
    vendors : sequence of Vendor or None
        Whom to ask; by default all that are known.
    hints : mapping or None
        Files of ``/sys/class/dmi/id`` and what they say; by default those of this machine.
    agent : tuple of str or None
        Base URL and path at which the agent of Amazon ECS answers; by default as the environment says.

    Returns
    -------
    CloudInfo
        ``"unknown"`` for all that no service told, with the reason. Where the firmware names a vendor whose
        service does not answer (as in a container behind a hop limit of 1), the vendor alone is known.
    """
    started = time.monotonic()
    vendors = VENDORS if vendors is None else vendors
    hints = read_hints() if hints is None else hints
    task = _ask_agent(agent or ecs.address(os.environ), started + _AGENT_SHARE * timeout_s)
    if task is not None and task.cpus is not None:  # on Fargate no machine can be asked
        return _of_task(task, time.monotonic() - started)
    plain = [vendor for vendor in vendors if vendor.plainly(hints)]
    found = _ask_all(plain or vendors, started + timeout_s)
    elapsed_s = time.monotonic() - started
    if found is not None:
        vendor, finding = found
        return CloudInfo(
            vendor=vendor.name,
            instance_type=finding.instance_type,
            region=finding.region,
            discovery_time=elapsed_s,
            reason=_what_is_missing(vendor, finding),
            zone=finding.zone,
            spot=finding.spot,
        )
    if task is not None:
        return _of_task(task, elapsed_s)
    if plain:
        reason = f"the firmware names {plain[0].title}, but its metadata service gave no usable answer"
        return CloudInfo(vendor=plain[0].name, discovery_time=elapsed_s, reason=reason)
    return CloudInfo(discovery_time=elapsed_s, reason=f"no metadata service answered within {timeout_s:g} s")


def _ask_agent(address: tuple[str, str] | None, deadline: float) -> Finding | None:
    """What the agent of ECS says of the task; ``None`` outside of ECS, or where it does not answer."""
    if address is None:
        return None
    from http.client import HTTPException

    service = Service(address[0], deadline)
    try:
        return ecs.ask_task(service, address[1])
    except (OSError, HTTPException, ValueError, RecursionError):
        return None


def _of_task(task: Finding, elapsed_s: float) -> CloudInfo:
    """A place that only the agent of ECS told."""
    return CloudInfo(
        vendor="aws",
        region=task.region,
        discovery_time=elapsed_s,
        reason=_ON_FARGATE if task.cpus is not None else _ONLY_THE_AGENT,
        zone=task.zone,
        cpus=task.cpus,
        memory_mib=task.memory_mib,
    )


def _what_is_missing(vendor: Vendor, finding: Finding) -> str | None:
    missing = [name for name in ("instance_type", "region") if getattr(finding, name) == UNKNOWN]
    return f"the metadata service of {vendor.title} did not tell {' and '.join(missing)}" if missing else None


def _ask_all(vendors: Sequence[Vendor], deadline: float) -> tuple[Vendor, Finding] | None:
    """Return the first finding, ``None`` if there is none by the deadline. Threads end soon after it by themselves."""
    import queue
    import threading

    results: queue.SimpleQueue[tuple[Vendor, Finding | None]] = queue.SimpleQueue()
    services = []
    try:
        for vendor in vendors:
            service = Service(vendor.base_url, deadline)
            thread = threading.Thread(target=_probe, args=(vendor, service, results), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads allowed here: ask those that we could start
                break
            services.append(service)
        for _ in services:
            try:
                vendor, finding = results.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if finding is not None:
                return vendor, finding
        return None
    finally:
        for service in services:
            service.close()


def _probe(vendor: Vendor, service: Service, results: queue.SimpleQueue[tuple[Vendor, Finding | None]]) -> None:
    from http.client import HTTPException

    finding = None
    try:
        finding = vendor.probe(service.ask)
    except (OSError, HTTPException, ValueError):
        pass  # nobody there, or nobody who speaks HTTP
    finally:
        results.put((vendor, finding))
