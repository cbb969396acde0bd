"""What the wheel and the source distribution hold, and what they leave out."""

from __future__ import annotations

import tarfile
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest
from environments import ROOT, SUPPORTED_PYTHONS, VERSION

pytestmark = pytest.mark.xdist_group("packaging")
INFO = f"metaflow_resource_tracker-{VERSION}.dist-info"
KIB = 1024


def names_in_checkout(*patterns: str) -> set[str]:
    """Files of the package in the checkout, as a wheel names them."""
    found = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return {name for name in found if "__pycache__" not in name}


def names_in_sdist(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    """Modules, templates, the built script and styles, catalog and py.typed: a wheel without one looks whole."""
    names = set(ZipFile(wheel).namelist())
    wanted = names_in_checkout("resource_tracker/**/*", "metaflow_extensions/**/*")
    assert wanted >= {
        "resource_tracker/py.typed",
        "resource_tracker/data/catalog.json.gz",
        "resource_tracker/report/templates/card.html.j2",
        "resource_tracker/report/assets/card.js",
        "resource_tracker/report/assets/card.css",
        "resource_tracker/report/assets/card.js.LICENSES.txt",
        "resource_tracker/report/assets/review.js",
        "resource_tracker/report/assets/review.css",
        "metaflow_extensions/resource_tracker/plugins/cards/mfextinit_resource_tracker.py",
    }
    assert wanted - names == set()


def test_wheel_holds_nothing_else(wheel: Path) -> None:
    """Nothing of the tests, of the script's sources or of Node.js; and Metaflow's name space stays open for others."""
    names = ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"resource_tracker", "metaflow_extensions", INFO}
    assert [name for name in names if "node_modules" in name or name.endswith((".ts", ".pyc"))] == []
    assert "metaflow_extensions/__init__.py" not in names
    assert wheel.stat().st_size <= 900 * KIB


def test_wheel_says_what_metaflow_and_pip_need(wheel: Path) -> None:
    """Metaflow finds an extension by top_level.txt; pip wants licence, Python and the command."""
    archive = ZipFile(wheel)
    assert archive.read(f"{INFO}/top_level.txt").decode().split() == ["metaflow_extensions", "resource_tracker"]
    assert b"Apache License" in archive.read(f"{INFO}/licenses/LICENSE")
    assert b"resource-tracker = resource_tracker.cli:main" in archive.read(f"{INFO}/entry_points.txt")
    metadata = Parser().parsestr(archive.read(f"{INFO}/METADATA").decode())
    assert metadata["Version"] == VERSION
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == f">={SUPPORTED_PYTHONS[0]}"
    assert wheel.name.endswith("-py3-none-any.whl")


def test_sdist_holds_sources_and_the_built_script(sdist: Path) -> None:
    """The script's sources are there to be changed, and its built form, so that no Node.js is needed."""
    names = names_in_sdist(sdist)
    wanted = names_in_checkout("resource_tracker/**/*", "metaflow_extensions/**/*", "frontend/src/**/*")
    wanted |= {"LICENSE", "pyproject.toml", "setup.py", "frontend/build.mjs", "frontend/package-lock.json"}
    assert wanted - names == set()


def test_sdist_leaves_out_what_does_not_build_it(sdist: Path) -> None:
    """The tests need the whole checkout: half of them would be of no use to anybody."""
    names = names_in_sdist(sdist)
    unwanted = ("tests", "docs", "examples", "benchmarks", "scripts", "demo", "frontend/node_modules")
    assert [name for name in names if name.startswith(unwanted)] == []
    assert sdist.stat().st_size <= 900 * KIB
