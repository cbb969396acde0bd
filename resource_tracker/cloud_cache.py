"""In which cloud the machine stands, asked once per boot: the answer is kept in a private file.

Reading it loads nothing that asking needs: a task reads while its step waits.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from resource_tracker import private_dir
from resource_tracker.cloud_finding import UNKNOWN, known_word, positive, word
from resource_tracker.host_limits import read_text
from resource_tracker.records import CloudInfo

if TYPE_CHECKING:
    from resource_tracker.cloud_vendors import Vendor

UNKNOWN_KEPT_S = 3600.0
"""How long an answer without vendor or region is believed: the network may have come up after us."""
_FILES_KEPT_S = 30 * 24 * 3600.0
_CACHE_AT_MOST = 4096
_PREFIX = "cloud-"
_WORDS = ("vendor", "instance_type", "region")
_OTHERS = ("reason", "zone", "spot", "cpus", "memory_mib")


def cached_discover(
    *,
    cache_dir: str | None = None,
    timeout_s: float = 1.0,
    vendors: Sequence[Vendor] | None = None,
    hints: Mapping[str, str] | None = None,
    root: str = "/",
    clock: Callable[[], float] = time.time,
) -> CloudInfo:
    """Return what :func:`resource_tracker.cloud.discover` finds, asked once per boot and user. Never raises.

    Parameters
    ----------
    cache_dir : str or None
        Where the answer is kept, in a file of the boot's own name. By default the user's cache directory, else one
        among the temporary files. A directory that is not the user's alone is not used.
    timeout_s, vendors, hints
        As for ``discover``.
    root : str
        Prefix of ``/proc``, for the boot's id; without one nothing is cached.
    clock : callable
        The Unix time.
    """
    kept = cached(cache_dir=cache_dir, root=root, clock=clock)
    if kept is not None:
        return kept
    from resource_tracker.cloud import discover  # what asks is not loaded where the answer is there

    info = discover(timeout_s=timeout_s, vendors=vendors, hints=hints)
    name = _cache_name(root)
    if name is None:
        return info
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
        cpus=positive(cpus),
        memory_mib=positive(memory_mib),
    )
