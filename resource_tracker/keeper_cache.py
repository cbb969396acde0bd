"""Replies of the Spare Cores Keeper API on disk, in the user's own cache: of single questions, and of whole regions."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from resource_tracker import private_dir
from resource_tracker.keeper_reply import Listed, listed_from, listed_to_plain

CACHE_AT_MOST = 1024 * 1024
STALE_S = 7 * 24 * 3600.0
"""Where the API does not answer, a reply serves for a week; older ones are deleted when a new one is written."""
_REPLY_PREFIX = "prices-"
_REGION_PREFIX = "prices-region-"
_LATEST = 1e11
"""Unix time of the year 5138."""
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_REGION_KEYS = frozenset({"vendor", "region"})


class KeptRegion(NamedTuple):
    """All prices of a region in the cache: how many, and when they were fetched (Unix time)."""

    vendor: str
    region: str
    prices: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one query gave, and when."""

    at: float
    listed: tuple[Listed, ...]
    note: str | None = None


def region_query(vendor: str, region: str) -> dict[str, str]:
    """The question for all prices of a region."""
    return {"vendor": vendor, "region": region}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyCache:
    """Replies by the question that they answer.

    Parameters
    ----------
    places : tuple of str
        Where a private directory may stand; the first that can be written to is used, and none keeps nothing.
    base_url : str
        Whose replies.
    """

    places: tuple[str, ...]
    base_url: str

    def read(self, query: Mapping[str, str]) -> Reply | None:
        """The reply to a question; ``None`` where none is kept, or not in a form that is known."""
        for place in self.places:
            with suppress(OSError, *_UNREADABLE), private_dir.open_private(place, create=False) as directory:
                return _read(directory, self._name(query))[1]
        return None

    def damaged(self, query: Mapping[str, str] | None = None) -> list[str]:
        """Files that are there, but hold no prices that can be read: of one question, or all."""
        only = None if query is None else self._name(query)
        found = []
        for place in self.places:
            with suppress(OSError), private_dir.open_private(place, create=False) as directory:
                names = [name for name in sorted(os.listdir(directory)) if name.startswith(_REPLY_PREFIX)]
                found += [
                    os.path.join(place, name)
                    for name in names
                    if only in (None, name) and not _is_readable(directory, name)
                ]
        return found

    def write(self, query: Mapping[str, str], reply: Reply) -> bool:
        """Keep a reply, and delete those that are too old to serve; ``False`` where no place can be written to."""
        listed = [listed_to_plain(row) for row in reply.listed]
        about = query if _is_region(query) else {}
        text = json.dumps({**about, "at": reply.at, "listed": listed})
        for place in self.places:
            with suppress(OSError):
                with private_dir.open_private(place, create=True) as directory:
                    private_dir.remove_older(directory, _REPLY_PREFIX, reply.at - STALE_S)
                    private_dir.write_atomic(directory, self._name(query), text)
                return True
        return False

    def regions(self) -> list[KeptRegion]:
        """The regions of which all prices are kept, sorted."""
        found = []
        for place in self.places:
            with suppress(OSError), private_dir.open_private(place, create=False) as directory:
                for name in sorted(os.listdir(directory)):
                    if name.startswith(_REGION_PREFIX):
                        with suppress(OSError, *_UNREADABLE):
                            content, reply = _read(directory, name)
                            vendor, region = str(content["vendor"]), str(content["region"])
                            found.append(KeptRegion(vendor, region, len(reply.listed), reply.at))
        return sorted(found)

    def _name(self, query: Mapping[str, str]) -> str:
        key = json.dumps([self.base_url, sorted(query.items())]).encode()
        prefix = _REGION_PREFIX if _is_region(query) else _REPLY_PREFIX
        return f"{prefix}{hashlib.sha256(key).hexdigest()[:32]}.json"


def _read(directory: int, name: str) -> tuple[dict[str, Any], Reply]:
    """All that a file holds, and the reply in it."""
    content = json.loads(private_dir.read_small(directory, name, CACHE_AT_MOST))
    reply = Reply(at=float(content["at"]), listed=tuple(listed_from(row) for row in content["listed"]))
    if not 0 <= reply.at <= _LATEST:
        raise ValueError(f"no time: {reply.at}")
    return content, reply


def _is_readable(directory: int, name: str) -> bool:
    try:
        _read(directory, name)
    except FileNotFoundError:
        return True  # another process has just removed it
    except (OSError, *_UNREADABLE):
        return False
    return True


def _is_region(query: Mapping[str, str]) -> bool:
    return query.keys() == _REGION_KEYS
