"""The HTTP transport of live prices: one GET with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from resource_tracker.errors import CatalogError

BODY_AT_MOST = 16 * 1024 * 1024

Fetch = Callable[[str, Mapping[str, str], float], bytes]
"""(Address, query, seconds left) to the body of a reply with status 200; raises :class:`CatalogError`."""


def http_get(url: str, query: Mapping[str, str], left_s: float) -> bytes:
    """The body of a reply, read until a deadline: a server that sends a byte now and then cannot hold us up.

    Raises
    ------
    CatalogError
        There was no reply with status 200 in time; the message names the address.
    """
    import requests
    from urllib3.exceptions import HTTPError

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
                if len(body) > BODY_AT_MOST or time.monotonic() > deadline:
                    raise CatalogError(f"{url}: the reply is too long, or too slow")
            return body
    except (requests.RequestException, HTTPError, OSError) as error:
        raise CatalogError(f"{url}: {type(error).__name__}") from error
