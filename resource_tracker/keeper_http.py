"""The HTTP transport of live prices: one GET with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from resource_tracker.errors import CatalogError

BODY_AT_MOST = 16 * 1024 * 1024

Fetch = Callable[[str, Mapping[str, str], float], bytes]
"""(Address, query, seconds left) to the body of a reply with status 200; raises :class:`CatalogError`."""


def http_get(url: str, query: Mapping[str, str], left_s: float) -> bytes:
    """The body of a reply, whole before a deadline.

    A time-out of a socket ends a single wait only. A name server that is silent, several addresses of one name,
    redirections and a header that comes byte by byte are many waits. So all of it is done in a thread, which is left to
    itself at the deadline; its body is then dropped.

    Raises
    ------
    CatalogError
        There was no reply with status 200 in time; the message names the address.
    """
    done: list[bytes | BaseException] = []

    def get() -> None:
        try:
            done.append(_get(url, query, left_s))
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            done.append(error)

    thread = threading.Thread(target=get, name="resource-tracker-prices", daemon=True)
    thread.start()
    thread.join(left_s)
    if not done:
        raise _too_slow(url)
    if isinstance(done[0], BaseException):
        raise done[0]
    return done[0]


def _get(url: str, query: Mapping[str, str], left_s: float) -> bytes:
    import requests
    from urllib3.exceptions import HTTPError, ProtocolError

    deadline = time.monotonic() + left_s
    headers = {"Accept": "application/json", "X-Application-ID": "metaflow-resource-tracker"}
    try:
        with requests.get(url, params=dict(query), headers=headers, timeout=left_s, stream=True) as response:
            if response.status_code != 200:
                raise CatalogError(f"{url}: status {response.status_code}")
            read_some = getattr(response.raw, "read1", response.raw.read)  # urllib3 1 has no read1
            body = b""
            while part := read_some(65536, decode_content=True):
                body += part
                if time.monotonic() > deadline:
                    raise _too_slow(url)
                if len(body) > BODY_AT_MOST:
                    raise CatalogError(f"{url}: the reply is longer than {BODY_AT_MOST // 2**20} MiB")
            return body
    except requests.Timeout as error:
        raise _too_slow(url) from error
    except ProtocolError as error:
        raise CatalogError(f"{url}: the reply was cut off ({type(error).__name__})") from error
    except (requests.RequestException, HTTPError, OSError) as error:
        raise CatalogError(f"{url}: {type(error).__name__}") from error


def _too_slow(url: str) -> CatalogError:
    return CatalogError(f"{url}: too slow, there was no whole answer in time")
