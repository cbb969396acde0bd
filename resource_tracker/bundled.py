"""Pure-Python copies of our dependencies that travel in Metaflow's code package.

They serve containers that have none of their own, and never take the place of what is installed there.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from types import ModuleType

FOLDER = "resource_tracker_bundled"
"""Stands beside the folder ``resource_tracker`` in the code package."""


def bundled_folder() -> str | None:
    """The folder of the copies; ``None`` where this package was installed as usual, with its dependencies."""
    folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), FOLDER)
    return folder if os.path.isdir(folder) else None


def use_bundled() -> None:
    """Let ``import jinja2`` find the copy, where there is no other; to be called once the user's code is over.

    Notes
    -----
    The folder is appended: whatever the container has of these packages comes first.
    """
    folder = bundled_folder()
    if folder is not None and folder not in sys.path and installed_file("jinja2") is None:
        sys.path.append(folder)


def installed_file(module: str) -> str | None:
    """Where a top-level module would be imported from; nothing is imported to find out."""
    try:
        spec = find_spec(module)
    except ValueError:  # in sys.modules without a spec: somebody made it by hand
        return None
    return None if spec is None else spec.origin


def pynvml_file() -> str | None:
    """The file ``pynvml.py``: the installed one, else the copy. Other packages of that name are folders."""
    installed = installed_file("pynvml")
    return installed if installed and os.path.basename(installed) == "pynvml.py" else _copied_pynvml()


def bundled_pynvml() -> ModuleType | None:
    """The copy of ``pynvml`` under another name: the step's own ``import pynvml`` fails as it would without us."""
    path = _copied_pynvml()
    name = f"{FOLDER}_pynvml"
    spec = None if path is None else spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    sys.modules[name] = module  # where it looks itself up
    spec.loader.exec_module(module)
    return module


def _copied_pynvml() -> str | None:
    folder = bundled_folder()
    path = None if folder is None else os.path.join(folder, "pynvml.py")
    return path if path is not None and os.path.isfile(path) else None
