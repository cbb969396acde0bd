"""Files that travel in Metaflow's code package, so that remote containers need nothing installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

BUNDLED_FOLDER = "resource_tracker_bundled"
"""Below it in the package: pure-Python dependencies, used only where the container has none of its own."""

_BUNDLED_PACKAGES = ("jinja2", "markupsafe")
_BUNDLED_MODULES = ("pynvml",)
_SKIPPED_SUFFIXES = (".pyc", ".so", ".pyd", ".pyi", ".c")


def package_files() -> Iterator[tuple[str, str]]:
    """Pairs of a file's path and its name in the code package."""
    yield from _files_of("resource_tracker", "resource_tracker")
    for name in _BUNDLED_PACKAGES:
        yield from _files_of(name, f"{BUNDLED_FOLDER}/{name}")
    for name in _BUNDLED_MODULES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            yield spec.origin, f"{BUNDLED_FOLDER}/{name}.py"


def _files_of(package: str, archive_folder: str) -> Iterator[tuple[str, str]]:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return
    root = Path(spec.submodule_search_locations[0])
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix not in _SKIPPED_SUFFIXES and "__pycache__" not in path.parts:
            yield str(path), f"{archive_folder}/{path.relative_to(root).as_posix()}"
