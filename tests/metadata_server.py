"""A metadata service of Metaflow in memory, on loopback: what its client asks for, and faults when they are wanted.

In the shape of the service's documentation. Synthetic: the real one needs a database.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VERSION = "2.5.0"
Row = dict[str, Any]


@dataclass
class MetadataServer:
    """A running service.

    Attributes
    ----------
    fault : callable
        Asked for every request (method, path, body): ``"hangs"`` leaves it without an answer, a number is the status
        of a refusal, ``None`` lets it through.
    """

    url: str = ""
    fault: Callable[[str, str, str], str | int | None] = lambda *_: None
    asked: list[tuple[str, str]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    objects: dict[str, Row] = field(default_factory=dict)
    metadata: list[Row] = field(default_factory=list)
    artifacts: list[Row] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def environment(self) -> dict[str, str]:
        """Variables with which Metaflow keeps its metadata here."""
        return {"METAFLOW_DEFAULT_METADATA": "service", "METAFLOW_SERVICE_URL": self.url}

    def values(self, name: str) -> list[str]:
        """All that was stored under a name, oldest first."""
        return [row["value"] for row in self.metadata if row["field_name"] == name]

    def answer(self, method: str, path: str, body: str) -> tuple[int, Any]:
        """Status and content."""
        parts = path.strip("/").split("/")
        with self.lock:
            if method == "GET":
                return self._get(parts)
            return self._post(parts, json.loads(body or "null"))

    def _get(self, parts: list[str]) -> tuple[int, Any]:
        if parts == ["ping"]:
            return 200, "pong"
        *above, last = parts
        if last in ("runs", "steps", "tasks", "flows"):
            below = "/".join(parts)
            return 200, [row for key, row in self.objects.items() if key.rpartition("/")[0] == below]
        if last in ("metadata", "artifacts"):
            rows = self.metadata if last == "metadata" else self.artifacts
            above = above[:8]  # an attempt's artifacts: of which there is one here
            return 200, [row for row in rows if "/".join(above) in row["of"]]
        found = self.objects.get("/".join(parts))
        return (200, found) if found is not None else (404, {"message": "not found"})

    def _post(self, parts: list[str], given: Any) -> tuple[int, Any]:
        *above, last = parts
        if last == "heartbeat":
            return 200, {"wait_time_in_seconds": 10}
        if last in ("metadata", "artifact"):
            of = ["/".join(above), "/".join(above[:4])]
            rows = [{**row, "ts_epoch": self._now(), "of": of} for row in given]
            (self.metadata if last == "metadata" else self.artifacts).extend(rows)
            return 200, {}
        if last in ("run", "step", "task"):
            above.append({"run": "runs"}.get(last, "tasks")) if last != "step" else None
            name = given.get(f"{last}_id") or given.get("run_number" if last == "run" else "step_name")
            if last == "run" or (last == "task" and not given.get("task_id")):
                name = str(len(self.objects) + 1)
            key = "/".join(above if last == "step" else [*above, name])
        else:
            key = "/".join(parts)
        words = key.split("/")
        row = {**given, "ts_epoch": self._now(), "tags": given.get("tags") or [], "flow_id": words[1]}
        row["system_tags"] = given.get("system_tags") or []
        for name, place in (("run_number", 3), ("step_name", 5), ("task_id", 7)):
            if len(words) > place:
                row[name] = words[place]
        self.objects[key] = row
        return 200, row

    @staticmethod
    def _now() -> int:
        return round(time.time() * 1000)


class _Handler(BaseHTTPRequestHandler):
    service: MetadataServer
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.service.asked.append((self.command, self.path))
        fault = self.service.fault(self.command, self.path, body)
        if fault == "hangs":
            self.service.closing.wait()
            self.close_connection = True
            return
        status, found = (fault, {"message": "refused"}) if fault else self.service.answer(self.command, self.path, body)
        text = json.dumps(found).encode()
        with suppress(ConnectionError):
            self.send_response(int(status))
            self.send_header("Content-Length", str(len(text)))
            self.send_header("METADATA_SERVICE_VERSION", VERSION)
            self.end_headers()
            self.wfile.write(text)

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815 (names that http.server asks for)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def metadata_server() -> Iterator[MetadataServer]:
    """A service without any flow, in threads of this process."""
    found = MetadataServer()
    handler = type("Handler", (_Handler,), {"service": found})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        found.closing.set()
        server.shutdown()
        server.server_close()
