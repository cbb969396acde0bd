"""Files that travel in Metaflow's code package, so that remote containers need nothing installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from resource_tracker.bundled import FOLDER, bundled_folder, pynvml_file

_DISTRIBUTION = "metaflow-resource-tracker"
_OURS = "resource_tracker"
_BUNDLED_PACKAGES = ("jinja2", "markupsafe")
_SKIPPED_SUFFIXES = (".pyc", ".so", ".pyd", ".pyi", ".c")


@lru_cache(maxsize=1)
def package_files() -> tuple[tuple[str, str], ...]:
    """Pairs of a file's path and its name in the code package: this package, its dependencies, its version.

    From within a container that has only the copies, those travel on. Looked up once, as Metaflow asks for each step.
    """
    return tuple(_package_files())


def link_into(folder: str) -> None:
    """Make all that would travel in the code package importable from a folder; again is for nothing. Raises OSError."""
    if os.path.exists(f"{folder}/{_OURS}"):
        return
    for path, name in package_files():
        os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
        os.symlink(os.path.abspath(path), f"{folder}/{name}")


def _package_files() -> Iterator[tuple[str, str]]:
    yield from _files_below(_installed(_OURS), _OURS)
    copies = bundled_folder()
    for name in _BUNDLED_PACKAGES:
        yield from _files_below(_installed(name) or (Path(copies, name) if copies else None), f"{FOLDER}/{name}")
    pynvml = pynvml_file()
    if pynvml is not None:
        yield pynvml, f"{FOLDER}/pynvml.py"
    yield from _metadata_file()


def _installed(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def _files_below(root: Path | None, archive_folder: str) -> Iterator[tuple[str, str]]:
    if root is None:
        return
    for folder, folders, names in os.walk(root):  # five times as fast as Path.rglob
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        inner = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = archive_folder if inner == "." else f"{archive_folder}/{inner}"
        for name in sorted(names):
            path = os.path.join(folder, name)
            if not name.endswith(_SKIPPED_SUFFIXES) and os.path.isfile(path):
                yield path, f"{prefix}/{name}"


def _metadata_file() -> Iterator[tuple[str, str]]:
    """What ``importlib.metadata`` needs to tell our version; without ``top_level.txt`` it makes no extension of us."""
    try:
        found = distribution(_DISTRIBUTION)
    except PackageNotFoundError:
        return
    for file in found.files or ():
        if file.name == "METADATA":
            yield str(file.locate()), f"{file.parent.name}/METADATA"
