"""What is built and installed once for the tests of this folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from environments import build, make_environment, once


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the test session, the same for all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "packaging"


@pytest.fixture(scope="session")
def distributions(shared: Path) -> Path:
    """The folder that holds our source distribution and our wheel."""
    return once(shared / "distributions", build)


@pytest.fixture(scope="session")
def wheel(distributions: Path) -> Path:
    return next(distributions.glob("*.whl"))


@pytest.fixture(scope="session")
def sdist(distributions: Path) -> Path:
    return next(distributions.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def environment(shared: Path) -> Callable[..., Path]:
    """Makes virtual environments outside the checkout: name, requirements, and a Python if not the running one."""

    def make(name: str, *requirements: object, python: str = sys.executable) -> Path:
        return once(shared / name, lambda folder: make_environment(folder, python, *requirements))

    return make
