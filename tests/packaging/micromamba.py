#!/usr/bin/env python
"""Stands in for micromamba: answers what Metaflow asks of it, and "creates" an environment by linking a given one.

Its environments lie in ``$FAKE_MICROMAMBA_ROOT``; ``$FAKE_MICROMAMBA_ENVIRONMENT`` is the one that is linked.
"""

import json
import os
import platform
import sys

root = os.environ["FAKE_MICROMAMBA_ROOT"]
here = "linux-aarch64" if platform.machine() == "aarch64" else "linux-64"
arguments = sys.argv[1:]
options = dict(argument.split("=", 1) for argument in arguments if argument.startswith("--") and "=" in argument)
if "--prefix" in arguments:
    options["--prefix"] = arguments[arguments.index("--prefix") + 1]
answer = {}
if arguments[:2] == ["config", "list"]:
    answer = {"channels": ["none"], "envs_dirs": [root], "pkgs_dirs": [f"{root}/packages"], "platform": here}
elif arguments[:2] == ["env", "list"]:
    kept = f"{root}/metaflow/{here}"
    answer = {"envs": [f"{kept}/{name}" for name in os.listdir(kept)] if os.path.isdir(kept) else []}
elif "--dry-run" in arguments:
    answer = {"actions": {"LINK": [{"url": f"https://packages.invalid/{here}/python.conda"}]}}
elif arguments[0] == "create" and "--download-only" not in arguments:
    os.makedirs(os.path.dirname(options["--prefix"]), exist_ok=True)
    os.symlink(os.environ["FAKE_MICROMAMBA_ENVIRONMENT"], options["--prefix"])
print(json.dumps(answer))
