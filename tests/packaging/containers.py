"""Containers made of namespaces: what a step gets from a pod, without any engine.

A container has a root, processes and mounts of its own; the system and one virtual environment are seen in it, but can
only be read. It has no network of its own, so that a server on loopback is reached.
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from environments import call, python_of

SYSTEM = ("/usr", "/etc")
MERGED = ("bin", "lib", "lib64", "sbin")
ENVIRONMENT = "/opt/environment"
DIRECTORY = "/app"
"""Where commands start, as the image says."""
NOBODY = "12345"
TIMEOUT_S = 240
LEFT_OVER = """
for wait in $(seq 50); do
    left=$(ls -d /tmp/resource[_]tracker.* /dev/shm/resource[_]tracker.* /app/resource[_]tracker.* 2>/dev/null || true)
    processes=$(grep -lz resource[_]tracker /proc/[0-9]*/cmdline 2>/dev/null || true)
    [ -n "$left$processes" ] || break
    sleep 0.1
done
echo "left over: [$left$processes]"
"""
"""Says what of ours is there after at most 5 s: ends at once where nothing is. The brackets keep it from itself."""


@dataclass(frozen=True)
class Pod:
    """What a container of an image is like; each :meth:`run` is a new one, but for the working directory.

    Parameters
    ----------
    environment : Path
        The virtual environment that is the image's Python.
    directory : Path
        Lies at the working directory.
    hardened : bool
        The root can only be read, there is no ``/tmp``, and the user has another id, no name and no home.
    variables : dict
        The whole environment, but for ``PATH`` and ``HOME``.
    """

    environment: Path
    directory: Path
    hardened: bool = False
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script of bash as the container's first process, with which all ends. Skips where not permitted."""
        inside = shlex.join(
            [*self._user(), "env", "-i", *self._environment(), "bash", "-c", f"cd {DIRECTORY}\n{script}"]
        )
        self._root.mkdir(exist_ok=True)
        done = subprocess.run(
            [
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "sh",
                "-ec",
                f"{self._mounts()}\nexec chroot {self._root} {inside}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode and done.stdout.startswith(("unshare:", "mount:")):
            pytest.skip(f"no container can be made here: {done.stdout.strip()}")
        return done

    @property
    def _root(self) -> Path:
        return self.directory.with_name(self.directory.name + "-root")

    def _mounts(self) -> str:
        root = self._root
        base = call(python_of(self.environment), "-c", "import sys; print(sys.base_prefix)").strip()
        lines = ["mount --make-rprivate /", f"mount -t tmpfs -o mode=755 root {root}"]
        lines += [f"[ ! -L /{name} ] || ln -s usr/{name} {root}/{name}" for name in MERGED]
        for source, target in [*((path, path) for path in (*SYSTEM, base)), (self.environment, ENVIRONMENT)]:
            lines.append(f"mkdir -p {root}{target}")
            lines.append(f"mount --bind {source} {root}{target}")
            lines.append(f"mount -o remount,bind,ro {root}{target}")
        lines += [
            f"mkdir -p {root}/proc {root}/sys {root}/dev {root}{DIRECTORY}",
            f"mount --bind {self.directory} {root}{DIRECTORY}",
            f"mount -t proc proc {root}/proc",
            f"mount --rbind /sys {root}/sys",
            f"mount --bind /dev {root}/dev",
            f"mount -t tmpfs -o size=64m,mode=1777 shm {root}/dev/shm",
        ]
        if self.hardened:
            lines += [f"chown {NOBODY}:{NOBODY} {self.directory}", f"mount -o remount,bind,ro {root}"]
        else:
            lines += [f"mkdir -m 1777 {root}/tmp", f"mkdir -p {root}/root {root}/mnt/out"]  # /mnt/out: Argo's outputs
        return "\n".join(lines)

    def _user(self) -> list[str]:
        return ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"] if self.hardened else []

    def _environment(self) -> list[str]:
        given = {"PATH": f"{ENVIRONMENT}/bin:/usr/local/bin:/usr/bin:/bin", **self.variables}
        if not self.hardened:
            given["HOME"] = "/root"
        return [f"{name}={value}" for name, value in given.items()]
