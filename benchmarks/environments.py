"""Virtual environments to measure in: Metaflow alone, with us, and with the ``resource-tracker`` package of PyPI.

They stand in ``benchmarks/.cache`` and are kept. Ours is made anew when the package has changed: it is installed as
users have it, not as an editable checkout, whose import hook costs time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import say

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "benchmarks" / ".cache"
SOURCES = ("resource_tracker", "metaflow_extensions", "frontend", "pyproject.toml", "setup.py", "README.md", "LICENSE")
PEER = "resource-tracker==0.5.0"
PSRECORD = "psrecord==1.4"


class MissingError(Exception):
    """An environment cannot be made; the message says why in a line."""


def bare() -> Path:
    """Python of an environment with Metaflow only."""
    return _environment("bare", _metaflow())


@lru_cache(maxsize=1)
def ours() -> Path:
    """Python of an environment with Metaflow and this package."""
    folder = CACHE / "source"
    digest = _digest()
    if not folder.is_dir() or _stamp("ours") != f"{_metaflow()} {digest}":
        shutil.rmtree(folder, ignore_errors=True)
        _copy_sources(folder)
    return _environment("ours", _metaflow(), str(folder), stamp=f"{_metaflow()} {digest}")


def peer() -> Path:
    """Python of an environment with Metaflow and the package of PyPI. Raises MissingError, with the reason."""
    return _environment("peer", _metaflow(), PEER)


def psrecord() -> Path:
    """Python of an environment with psrecord. Raises MissingError, with the reason."""
    return _environment("psrecord", PSRECORD)


def _metaflow() -> str:
    return f"metaflow=={version('metaflow')}"


@lru_cache
def _environment(name: str, *requirements: str, stamp: str = "") -> Path:
    python = CACHE / name / "bin" / "python"
    stamp = stamp or " ".join(requirements)
    if python.exists() and _stamp(name) == stamp:
        return python
    say(f"Installing {', '.join(Path(word).name for word in requirements)} into benchmarks/.cache/{name} ...")
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")
    shutil.rmtree(CACHE / name, ignore_errors=True)
    if importlib.util.find_spec("uv"):
        uv = [sys.executable, "-m", "uv"]
        _do([*uv, "venv", "--quiet", "--python", sys.executable, str(CACHE / name)])
        _do([*uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *requirements])
    else:
        _do([sys.executable, "-m", "venv", str(CACHE / name)])
        _do([str(python), "-m", "pip", "install", "--quiet", *requirements])
    (CACHE / name / "stamp").write_text(stamp)
    return python


def _do(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise MissingError(lines[-1].strip() if lines else f"{command[0]} ended with {done.returncode}")


def _stamp(name: str) -> str:
    try:
        return (CACHE / name / "stamp").read_text()
    except OSError:
        return ""


def _files() -> list[Path]:
    """Of the package, as it is in the checkout."""
    found: list[Path] = []
    for source in SOURCES:
        path = ROOT / source
        found += sorted(path.rglob("*")) if path.is_dir() else [path]
    return [path for path in found if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts)]


def _digest() -> str:
    digest = hashlib.sha256()
    for path in _files():
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _copy_sources(folder: Path) -> None:
    """A copy, so that a build leaves nothing in the checkout."""
    for path in _files():
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
