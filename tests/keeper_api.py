"""A price API on the loopback interface: synthetic replies in the form of the API's published models."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


def row(name="small", price=0.1, region="eu-west-1", vendor="aws", **server):
    """One row of ``/server_prices``."""
    return {
        "vendor_id": vendor,
        "region_id": region,
        "zone_id": "zone-a",
        "server_id": name,
        "operating_system": "Linux",
        "allocation": "ondemand",
        "unit": "hour",
        "price": price,
        "price_upfront": 0.0,
        "price_tiered": [],
        "currency": "USD",
        "status": "active",
        "server": {
            "vendor_id": vendor,
            "server_id": name,
            "api_reference": name,
            "vcpus": 2,
            "memory_amount": 8192,
            "cpu_architecture": "x86_64",
            "cpu_allocation": "Dedicated",
            "gpu_count": 0,
            "gpu_manufacturer": None,
            "gpu_model": None,
            "gpu_memory_min": None,
            "storage_size": 0,
            **server,
        },
    }


class Api:
    """A loopback server that answers as it is told, and remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.answer = self.usual
        self.first: list[dict[str, Any]] = [row()]
        self.own: list[dict[str, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                api.asked.append((parts.path, query, dict(self.headers)))
                api.answer(self, parts.path, query)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.release = threading.Event()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.release.set()
        self._server.shutdown()
        self._server.server_close()

    def usual(self, handler, path, query):
        """Its rows, as if of the place that is asked for."""
        rows = self.own if "partial_name_or_id" in query else self.first
        if isinstance(rows, list) and "vendor_regions" in query:
            vendor, region = query["vendor_regions"].split("~")
            rows = [{**one, "vendor_id": vendor, "region_id": region} for one in rows]
        send(handler, rows)


def send(handler, content, status=200, encode=None):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    if encode:
        body = gzip.compress(body)
        handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
