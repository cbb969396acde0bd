"""Virtual environments and distributions, each made once for all the tests that need it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
OLDEST_METAFLOW = re.search(r'"metaflow>=([\d.]+)"', PYPROJECT)[1]
VERSION = re.search(r'^version = "(.+)"', PYPROJECT, re.MULTILINE)[1]
BUILD_REQUIRES = re.findall(r'"([^"]+)"', re.search(r"^requires = \[(.+?)\]", PYPROJECT, re.MULTILINE)[1])
SUPPORTED_PYTHONS = re.findall(r'Python :: (3\.\d+)"', PYPROJECT)
RUNNING_PYTHON = "{}.{}".format(*sys.version_info)
OTHER_EXTENSION = "metaflow-card-html"
"""Somebody else's extension: ours has to be found beside it, too."""
NOT_IN_A_CHECKOUT = shutil.ignore_patterns(
    ".git",
    ".venv",
    ".cache",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
    "node_modules",
    "*.egg-info",
    "build",
    "dist",
    "demo",
)
HOOK = """
import json, sys
from setuptools import build_meta
print(json.dumps(getattr(build_meta, sys.argv[1])(*sys.argv[2:])))
"""


def call(*command: object, cwd: Path | None = None, **environment: str) -> str:
    """Standard output of a command that has to succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def once(folder: Path, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills, in whichever process of the test session comes first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    done = folder.with_name(folder.name + ".done")
    with open(folder.with_name(folder.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


def python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


@lru_cache
def find_python(version: str) -> str | None:
    """A Python of that version which really starts; version managers put names on PATH that do not."""
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = shutil.which(f"python{version}")
    for candidate in (named, *sorted(managed.glob(f"{version}.*/bin/python"))):
        if candidate is not None and _version_of(candidate) == version:
            return str(candidate)
    return None


def _version_of(python: str | Path) -> str | None:
    try:
        program = "import sys; print('{}.{}'.format(*sys.version_info))"
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def make_environment(folder: Path, python: str, *requirements: object) -> None:
    """A virtual environment with nothing but the requirements, by uv; by pip where uv is missing or finds no index."""
    wanted = [str(requirement) for requirement in requirements]
    for uv in _uv():
        try:
            call(uv, "venv", "--quiet", "--python", python, folder)
            call(uv, "pip", "install", "--quiet", "--python", python_of(folder), *wanted)
            return
        except AssertionError:
            shutil.rmtree(folder, ignore_errors=True)
    call(python, "-m", "venv", "--without-pip", folder)
    call(sys.executable, "-m", "pip", "--python", python_of(folder), "install", "--quiet", *wanted)


def _uv() -> Iterator[str]:
    beside = Path(sysconfig.get_path("scripts"), "uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is not None:
        yield uv


def build(folder: Path) -> None:
    """The source distribution of the checkout, and from that alone, with no program on PATH, the wheel."""
    builder = folder / "builder"
    make_environment(builder, sys.executable, *BUILD_REQUIRES)
    source = folder / "checkout"
    shutil.copytree(ROOT, source, ignore=NOT_IN_A_CHECKOUT)
    extra = hook(builder, source, "get_requires_for_build_sdist")
    if extra:  # the card's script was changed since it was built
        make_environment(folder / "builder-with-node", sys.executable, *BUILD_REQUIRES, *extra)
    hook(folder / "builder-with-node" if extra else builder, source, "build_sdist", str(folder))
    shutil.unpack_archive(next(folder.glob("*.tar.gz")), folder / "unpacked")
    unpacked = next((folder / "unpacked").iterdir())
    no_programs = folder / "no-programs"
    no_programs.mkdir()
    assert hook(builder, unpacked, "get_requires_for_build_wheel") == []
    hook(builder, unpacked, "build_wheel", str(folder), PATH=str(no_programs))


def hook(builder: Path, source: Path, name: str, *arguments: str, **environment: str) -> object:
    """Call a hook of the build back end, as pip does. Source: PEP 517."""
    output = call(python_of(builder), "-c", HOOK, name, *arguments, cwd=source, **environment)
    return json.loads(output.splitlines()[-1])
