"""One HTTP conversation with a metadata service, whose every reply is taken for hostile.

No redirect is followed and no proxy used, at most 64 KiB are read, and all of it ends by a deadline.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

BODY_AT_MOST = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply with status 200: body, and headers with names in lower case."""

    body: str
    headers: Mapping[str, str]


class Service:
    """One metadata service, asked until a deadline (on the clock of ``time.monotonic``)."""

    def __init__(self, base_url: str, deadline: float) -> None:
        self._base_url = base_url
        self._deadline = deadline
        self._socket: socket.socket | None = None
        self._closed = False

    def ask(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Reply | None:
        """Return the reply, ``None`` if it is no usable one.

        ``http.client`` neither follows redirects nor looks for proxies, which is why it is used here.

        Raises
        ------
        OSError, http.client.HTTPException, ValueError
            The service did not answer in time, or not in HTTP.
        """
        from http.client import HTTPConnection
        from urllib.parse import urlsplit

        address = urlsplit(self._base_url)
        left_s = self._deadline - time.monotonic()
        if left_s <= 0 or self._closed or address.hostname is None:
            return None
        connection = HTTPConnection(address.hostname, address.port or 80, timeout=left_s)
        try:
            connection.connect()
            self._socket = connection.sock
            if self._closed:  # in the meantime: close() could not see the socket
                return None
            connection.request(method, path, headers={"Connection": "close", **(headers or {})})
            response = connection.getresponse()
            if response.status != 200:
                return None
            body = response.read(BODY_AT_MOST + 1)
            if len(body) > BODY_AT_MOST:
                return None
            return Reply(
                body=body.decode("utf-8"), headers={name.lower(): value for name, value in response.getheaders()}
            )
        finally:
            connection.close()

    def close(self) -> None:
        """Wake the thread that reads from a service which sends a byte now and then, for ever."""
        import socket

        self._closed = True
        if self._socket is not None:
            with suppress(OSError):  # it has closed by itself
                self._socket.shutdown(socket.SHUT_RDWR)
