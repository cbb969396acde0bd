"""Folders that a step writes to, by role: on their file systems there must be space."""

from __future__ import annotations

import os

TEMPORARY = ("TMPDIR", "TEMP", "TMP")
"""In the order of :mod:`tempfile`, which is not asked: it would remember its answer, and the step may change them."""
OTHERS = {
    "metaflow_temporary": "METAFLOW_TEMPDIR",
    "datastore": "METAFLOW_DATASTORE_SYSROOT_LOCAL",
    "home": "HOME",
}


def written_folders(directory: str) -> list[tuple[str, str]]:
    """Role and absolute path: the step's `directory` first, then what the environment names, and exists."""
    named = [os.environ[name] for name in TEMPORARY if os.environ.get(name)]
    folders = {"temporary": next(filter(os.path.isdir, [*named, "/tmp", "/var/tmp"]), "")}  # noqa: S108
    folders.update((role, os.environ.get(name, "")) for role, name in OTHERS.items())
    return [
        ("directory", directory),
        *((role, os.path.join(directory, path)) for role, path in folders.items() if path and "\0" not in path),
    ]
