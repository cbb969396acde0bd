"""Bounded waits: what takes too long is left to itself, and keeps no process from its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resource_tracker.flows.cards import temporary_files_in
from resource_tracker.flows.patience import within

POOL = """
import concurrent.futures, threading
from resource_tracker.flows.patience import within

pool = concurrent.futures.ThreadPoolExecutor(1)
try:
    within(0.2, lambda: pool.submit(threading.Event().wait).result())
except TimeoutError as error:
    print(error)
"""


def test_a_pool_of_threads_that_waits_for_ever_does_not_keep_the_process() -> None:
    """As Metaflow's clients of Azure and Google have one, and an interpreter waits for such pools before it exits."""
    done = subprocess.run([sys.executable, "-c", POOL], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "no answer within 0.2 s\n", "")


AT_EXIT = """
import atexit
from resource_tracker.flows.patience import within

atexit.register(lambda: print(within(30, lambda: "stored", may_hang=False)))
"""

NO_THREAD = """
import os, resource, threading
from resource_tracker.flows.patience import within

if os.geteuid() == 0:
    os.setuid(65534)  # root may start as many as it likes
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    within(30, threading.Event().wait)
except TimeoutError as error:
    print(error)
print(within(30, lambda: "stored", may_hang=False))
"""


def test_where_no_thread_starts_what_may_hang_is_not_asked() -> None:
    """With a limit on processes that is reached, a metadata service could hold the step for ever; files do not."""
    done = subprocess.run([sys.executable, "-c", NO_THREAD], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    refused, stored = done.stdout.splitlines()
    assert refused.startswith("not asked, as nothing could end the wait for it")
    assert stored == "stored"


def test_an_interpreter_that_exits_starts_no_thread() -> None:
    """Then what is asked for is done at once, on every Python."""
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("stored\n", "")


def test_temporary_files_go_with_the_spool(tmp_path: Path) -> None:
    """Where a client of a cloud writes them for a moment; afterwards, and in folders, all is as it was."""
    from metaflow.plugins.datastores import s3_storage
    from metaflow.plugins.datastores.local_storage import LocalStorage

    before = s3_storage.ARTIFACT_LOCALROOT
    with temporary_files_in(str(tmp_path), s3_storage.S3Storage):
        assert str(tmp_path) == s3_storage.ARTIFACT_LOCALROOT
    with pytest.raises(ZeroDivisionError), temporary_files_in(str(tmp_path), s3_storage.S3Storage):
        raise ZeroDivisionError
    assert before == s3_storage.ARTIFACT_LOCALROOT
    with temporary_files_in(None, s3_storage.S3Storage), temporary_files_in(str(tmp_path), LocalStorage):
        assert before == s3_storage.ARTIFACT_LOCALROOT
    assert os.listdir(tmp_path) == []


def test_what_is_in_time_is_returned() -> None:
    """And so is what is falsy."""
    assert within(60, lambda: 0) == 0
