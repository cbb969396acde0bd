"""The compiled stand-in for NVIDIA's library, under the real pynvml: what its GPUs do stands in a file."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from resource_tracker.sampler.gpu.find import LIBRARY

SOURCE = Path(__file__).with_name("nvml_stub.c")
MIB = 1 << 20
OURS, OTHERS = 100, 200
"""Pids that no process of a test machine need have."""


class NvmlStub:
    """Compiles the library into `folder`; skips the test where there is no C compiler."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("no C compiler")
        self.folder = folder
        self._states = 0
        self.library = folder / LIBRARY
        state = f'-DSTATE="{folder}/state"'
        subprocess.run([compiler, "-shared", "-fPIC", "-w", state, "-o", str(self.library), str(SOURCE)], check=True)

    def say(self, *lines: str) -> None:
        """What the GPUs do from now on, a line each; see ``nvml_stub.c``."""
        self._states += 1
        new = self.folder / f"state.{self._states}"
        new.write_text("".join(f"{line}\n" for line in lines))
        os.link(new, self.folder / "state.new")
        # Another inode, and none that was there before, so the library sees at once that it changed.
        os.replace(self.folder / "state.new", self.folder / "state")

    def opened(self) -> list[str]:
        """Calls of init and shutdown so far."""
        log = self.folder / "state.log"
        return log.read_text().split() if log.exists() else []

    def load(self, monkeypatch: pytest.MonkeyPatch) -> object:
        """pynvml on this library, in this process."""
        import pynvml

        monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(self.library)))
        pynvml._nvmlGetFunctionPointer_cache.clear()
        (self.folder / "state.log").unlink(missing_ok=True)
        return pynvml
