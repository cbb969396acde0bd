"""Emulators of Azure Blob Storage and Google Cloud Storage on loopback, and what Metaflow needs to use them.

Neither is installed with the tests: Azurite comes from npm (190 MB; its ``azurite-blob`` on PATH, or named by the
variable AZURITE), the other, with both SDKs, from
``pip install gcp-storage-emulator azure-storage-blob azure-identity google-cloud-storage``.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from scenes.tasks import wait_until

BUCKET = "metaflow-test"
_AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of the account of every Azurite: published, and of use nowhere else."""

_TOKEN_ENDS = 4_000_000_000


def _token() -> str:
    """Of OAuth, as Azurite checks it: who gave it to whom, until when, but not the signature."""
    issuer = "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/"
    claims = {"aud": "https://storage.azure.com", "iss": issuer, "iat": 0, "nbf": 0, "exp": _TOKEN_ENDS}
    parts = (json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps(claims), "unsigned")
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)


_EXTENSION = {
    "plugins/mfextinit_emulated.py": """
AZURE_CLIENT_PROVIDERS_DESC = [("emulated-azure", ".emulated.Azure")]
GCP_CLIENT_PROVIDERS_DESC = [("emulated-gcp", ".emulated.Gcp")]
""",
    "plugins/emulated.py": f"""
class Azure(object):
    name = "emulated-azure"

    @staticmethod
    def create_cacheable_azure_credential(*args, **kwargs):
        return Token()

class Token(object):
    def get_token(self, *args, **kwargs):
        from azure.core.credentials import AccessToken

        return AccessToken({_token()!r}, {_TOKEN_ENDS})

class Gcp(object):
    name = "emulated-gcp"

    @staticmethod
    def get_gs_storage_client(*args, **kwargs):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage

        return storage.Client(credentials=AnonymousCredentials(), project="test")
""",
}
"""Of Metaflow: credentials for the emulators, in the place of the clouds' own."""


@dataclass(frozen=True)
class CloudStore:
    """A running emulator with an empty bucket (of Azure: container)."""

    variables: dict[str, str]
    read: Callable[[str], bytes]
    keys: Callable[[str], list[str]]

    def environment(self) -> dict[str, str]:
        """Variables with which Metaflow keeps everything here."""
        return self.variables


def _extension(root: Path) -> str:
    folder = root / "other" / "metaflow_extensions" / "emulated"
    for name, text in _EXTENSION.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return str(root / "other")


def _skip_without(*modules: str) -> None:
    for module in modules:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:
            found = None
        if found is None:
            pytest.skip(f"{module} is not installed: see tests/cloud_emulators.py")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    def answers() -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", port)) == 0

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(answers, "an emulator that answers")
            yield
        finally:
            process.kill()


def _certificate(root: Path) -> tuple[str, str]:
    """For https, without which Azure's client gives no token away."""
    certificate, key = str(root / "certificate.pem"), str(root / "key.pem")
    made = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-out",
        certificate,
        "-keyout",
        key,
    )
    named = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run([*made, *named], check=True, capture_output=True)
    return certificate, key


@contextmanager
def azure_store(root: Path) -> Iterator[CloudStore]:
    """Azurite."""
    _skip_without("azure.storage.blob", "azure.identity")
    program = os.environ.get("AZURITE") or shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite-blob is not installed (npm install azurite): see tests/cloud_emulators.py")
    from azure.storage.blob import BlobServiceClient

    port = _free_port()
    certificate, key = _certificate(root)
    options = {
        "--blobHost": "127.0.0.1",
        "--blobPort": str(port),
        "--location": str(root / "azurite"),
        "--cert": certificate,
        "--key": key,
        "--oauth": "basic",
    }
    switches = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    endpoint = f"https://127.0.0.1:{port}/devstoreaccount1"
    with _running([program, *chain(*options.items()), *switches], port):
        container = BlobServiceClient(endpoint, credential=_AZURE_KEY, connection_verify=certificate).create_container(
            BUCKET
        )
        variables = {
            "PYTHONPATH": _extension(root),
            "METAFLOW_DEFAULT_DATASTORE": "azure",
            "METAFLOW_DATASTORE_SYSROOT_AZURE": f"{BUCKET}/metaflow",
            "METAFLOW_AZURE_STORAGE_BLOB_SERVICE_ENDPOINT": endpoint,
            "METAFLOW_DEFAULT_AZURE_CLIENT_PROVIDER": "emulated-azure",
            "REQUESTS_CA_BUNDLE": certificate,
        }
        yield CloudStore(
            variables=variables,
            read=lambda key: container.download_blob(key).readall(),
            keys=lambda prefix: list(container.list_blob_names(name_starts_with=prefix)),
        )


@contextmanager
def google_store(root: Path) -> Iterator[CloudStore]:
    """gcp-storage-emulator, in memory."""
    _skip_without("google.cloud.storage", "gcp_storage_emulator")
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    options = ["start", "--host", "127.0.0.1", "--port", str(port), "--in-memory", "--default-bucket", BUCKET]
    with _running([sys.executable, "-m", "gcp_storage_emulator", *options], port):
        bucket = _google_client(address).bucket(BUCKET)
        variables = {
            "PYTHONPATH": _extension(root),
            "METAFLOW_DEFAULT_DATASTORE": "gs",
            "METAFLOW_DATASTORE_SYSROOT_GS": f"gs://{BUCKET}/metaflow",
            "METAFLOW_DEFAULT_GCP_CLIENT_PROVIDER": "emulated-gcp",
            "STORAGE_EMULATOR_HOST": address,
        }
        yield CloudStore(
            variables=variables,
            read=lambda key: bucket.blob(key).download_as_bytes(),
            keys=lambda prefix: [blob.name for blob in bucket.list_blobs(prefix=prefix)],
        )


def _google_client(address: str) -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    return storage.Client(credentials=AnonymousCredentials(), project="test", client_options={"api_endpoint": address})
