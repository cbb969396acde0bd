"""A real S3 server on loopback (moto's), and what Metaflow needs to know to use it as its datastore."""

from __future__ import annotations

import gzip
import json
import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

BUCKET = "metaflow-test"
_KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "no-secret", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True)
class S3Server:
    """A running server with one bucket."""

    url: str

    def environment(self) -> dict[str, str]:
        """Variables with which Metaflow keeps artifacts, code packages and cards here."""
        return _KEYS | {
            "METAFLOW_DEFAULT_DATASTORE": "s3",
            "METAFLOW_DATASTORE_SYSROOT_S3": f"s3://{BUCKET}/metaflow",
            "METAFLOW_DATATOOLS_S3ROOT": f"s3://{BUCKET}/data",
            "METAFLOW_S3_ENDPOINT_URL": self.url,
            "METAFLOW_S3_RETRY_COUNT": "1",
            "AWS_EC2_METADATA_DISABLED": "true",  # no look-up of credentials on the network
        }

    def keys(self, prefix: str = "") -> list[str]:
        """Names of the objects whose name begins like that."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def read(self, key: str) -> bytes:
        """An object's content."""
        content: bytes = self._client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def artifacts(self, pathspec: str) -> dict[str, Any]:
        """What the first attempt of `FLOW/RUN/STEP/TASK` stored."""
        names = json.loads(self.read(f"metaflow/{pathspec}/0.data.json"))["objects"]
        return {name: pickle.loads(self.blob(pathspec, key)) for name, key in names.items()}

    def blob(self, pathspec: str, key: str) -> bytes:
        """Content that Metaflow knows by its hash."""
        return gzip.decompress(self.read(f"metaflow/{pathspec.split('/')[0]}/data/{key[:2]}/{key}"))

    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=_KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=_KEYS["AWS_SECRET_ACCESS_KEY"],
            region_name=_KEYS["AWS_DEFAULT_REGION"],
        )


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server with an empty bucket, in threads of this process."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or it prints a line for every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        found = S3Server(f"http://{host}:{port}")
        found._client().create_bucket(Bucket=BUCKET)
        yield found
    finally:
        server.stop()
