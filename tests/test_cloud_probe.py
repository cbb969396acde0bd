"""The metadata services are asked beside the task: nobody's child, and the answer is in the cache."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from resource_tracker.cloud_cache import cached
from resource_tracker.cloud_probe import start_probe


def test_the_answer_arrives_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real probe of this machine: whatever it finds is cached; no child, no descriptor and no process is left."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    descriptors = set(os.listdir("/proc/self/fd"))
    assert cached() is None
    start_probe()
    assert psutil.Process().children() == []
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert set(os.listdir("/proc/self/fd")) <= descriptors  # what other tests left open may be collected meanwhile
    deadline = time.monotonic() + 30
    while cached() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    found = cached()
    assert found is not None and (found.known or found.reason)
    while (left := _probes(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


def test_without_an_interpreter_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """sys.executable may be unknown in embedded Pythons."""
    monkeypatch.setattr("sys.executable", None)
    start_probe()


def _probes(cache: Path) -> list[int]:
    """Probes that were started with this test's cache directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            if "cloud_probe" in " ".join(process.info["cmdline"] or ()) and str(cache) in str(process.environ()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
