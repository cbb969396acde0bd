"""A gate in front of a server: hands every request on, but for those that are to go wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

HANGS = 0
"""No answer, until the gate is closed."""
SLOW, SLOW_S = 1, 20.0
"""The right answer, after many seconds."""
EXPIRED = 400
"""As S3 refuses credentials that have expired."""
_REFUSAL = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
Fault = Callable[[str, str], int | None]


class _Gate(BaseHTTPRequestHandler):
    target: str
    fault: Fault
    closing: threading.Event

    def _answer(self) -> None:
        body = self._body()
        found = type(self).fault(self.command, self.path)
        if found == HANGS and found is not None:
            self.closing.wait()
            self.close_connection = True
        elif found is not None and found != SLOW:
            self._send(found, {"Content-Type": "application/xml"}, _REFUSAL)
        else:
            if found == SLOW:
                self.closing.wait(SLOW_S)
            reply = requests.request(
                self.command, self.target + self.path, headers=dict(self.headers), data=body, allow_redirects=False
            )
            self._send(reply.status_code, dict(reply.headers), reply.content)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _answer  # noqa: N815 (names that http.server asks for)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(code)
        for name, value in headers.items():
            if name.lower() not in ("connection", "content-length", "date", "server", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header(
            "Content-Length", headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
        )
        with suppress(ConnectionError):  # whoever asked was killed
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def gate_before(url: str, fault: Fault) -> Iterator[str]:
    """The address of a gate in front of a server; `fault` is asked for each request (method, path)."""
    closing = threading.Event()
    given = {"target": url, "fault": staticmethod(fault), "closing": closing}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Gate", (_Gate,), given))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
