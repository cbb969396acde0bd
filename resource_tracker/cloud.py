"""In which cloud the machine stands: its vendor, region and instance type, from the metadata services.

All services are asked side by side within one second in all; where the firmware (DMI) names the vendor, only its
own service is. The services are link-local: nothing leaves the machine's host.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from resource_tracker import ecs, private_dir
from resource_tracker.cloud_vendors import DMI_FIELDS, UNKNOWN, VENDORS, Finding, Vendor, known_word, word
from resource_tracker.host_limits import read_text
from resource_tracker.metadata_service import Service
from resource_tracker.records import CloudInfo

if TYPE_CHECKING:
    import queue

UNKNOWN_KEPT_S = 3600.0
"""How long an answer without vendor or region is believed: the network may have come up after us."""
_FILES_KEPT_S = 30 * 24 * 3600.0
_CACHE_AT_MOST = 4096
_PREFIX = "cloud-"
_AGENT_SHARE = 0.4
"""Of the time that asking may take: the agent is a process of the same machine."""
_ON_FARGATE = "on Fargate a task is not told of its machine"
_ONLY_THE_AGENT = "only the agent of Amazon ECS answered, which does not tell instance_type"
_WORDS = ("vendor", "instance_type", "region")
_OTHERS = ("reason", "zone", "spot", "cpus", "memory_mib")


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
    vendors: Sequence[Vendor] = VENDORS,
    hints: Mapping[str, str] | None = None,
    agent: tuple[str, str] | None = None,
) -> CloudInfo:
    """Ask the metadata services where the machine stands.

    Parameters
    ----------
    timeout_s : float
        Seconds for all services together.
    vendors : sequence of Vendor
        Whom to ask.
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


def cached_discover(
    *,
    cache_dir: str | None = None,
    timeout_s: float = 1.0,
    vendors: Sequence[Vendor] = VENDORS,
    hints: Mapping[str, str] | None = None,
    root: str = "/",
    clock: Callable[[], float] = time.time,
) -> CloudInfo:
    """Return :func:`discover`'s answer, asked once per boot of the machine and user. Never raises.

    Parameters
    ----------
    cache_dir : str or None
        Where the answer is kept, in a file of the boot's own name. By default the user's cache directory, else one
        among the temporary files. A directory that is not the user's alone is not used.
    timeout_s, vendors, hints
        As for :func:`discover`.
    root : str
        Prefix of ``/proc``, for the boot's id; without one nothing is cached.
    clock : callable
        The Unix time.
    """
    name = _cache_name(root)
    if name is None:
        return discover(timeout_s=timeout_s, vendors=vendors, hints=hints)
    kept = cached(cache_dir=cache_dir, root=root, clock=clock)
    if kept is not None:
        return kept
    info = discover(timeout_s=timeout_s, vendors=vendors, hints=hints)
    for place in _places(cache_dir):
        try:
            with private_dir.open_private(place) as directory:
                private_dir.write_atomic(directory, name, _to_json(info, clock()))
                private_dir.remove_older(directory, _PREFIX, clock() - _FILES_KEPT_S)
            break
        except OSError:
            continue
    return info


def cached(
    *, cache_dir: str | None = None, root: str = "/", clock: Callable[[], float] = time.time
) -> CloudInfo | None:
    """Return what :func:`cached_discover` found out since the machine booted; ``None`` where it was not asked.

    Takes no request and no more than a millisecond. Never raises.
    """
    name = _cache_name(root)
    if name is None:
        return None
    for place in _places(cache_dir):
        try:
            with private_dir.open_private(place, create=False) as directory:
                kept = _from_json(private_dir.read_small(directory, name, _CACHE_AT_MOST), clock())
        except (OSError, ValueError, RecursionError, OverflowError):  # none yet, or a damaged one
            continue
        if kept is not None:
            return kept
    return None


def _cache_name(root: str) -> str | None:
    boot_id = (read_text(root, "/proc/sys/kernel/random/boot_id", 64) or "").strip()
    return f"{_PREFIX}{boot_id}.json" if re.fullmatch(r"[0-9a-f-]{36}", boot_id) else None


def _places(cache_dir: str | None) -> list[str]:
    return list(private_dir.default_places()) if cache_dir is None else [cache_dir]


def _to_json(info: CloudInfo, now: float) -> str:
    fields = (*_WORDS, "discovery_time", *_OTHERS)
    return json.dumps({"at": now, **{name: getattr(info, name) for name in fields}})


def _from_json(text: str, now: float) -> CloudInfo | None:
    """Return a cached answer, ``None`` if it is not one of ours or a failure that has been believed long enough."""
    kept = json.loads(text)
    if not isinstance(kept, dict):
        return None
    at, took_s = kept.get("at"), kept.get("discovery_time")
    words = [kept.get(name) for name in _WORDS]
    if not isinstance(at, (int, float)) or not isinstance(took_s, (int, float)) or any(word(w) != w for w in words):
        return None
    if UNKNOWN in (words[0], words[2]) and not 0 <= now - at < UNKNOWN_KEPT_S:
        return None
    reason, zone, spot, cpus, memory_mib = (kept.get(name) for name in _OTHERS)
    return CloudInfo(
        vendor=str(words[0]),
        instance_type=str(words[1]),
        region=str(words[2]),
        discovery_time=float(took_s),
        reason=reason if isinstance(reason, str) else None,
        zone=known_word(zone),
        spot=spot if isinstance(spot, bool) else None,
        cpus=ecs.positive(cpus),
        memory_mib=ecs.positive(memory_mib),
    )
