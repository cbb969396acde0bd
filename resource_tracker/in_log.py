"""Asking the sampler to say something in the log of this process: it has time when this one has none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from resource_tracker.sampler.control import WARN

if TYPE_CHECKING:
    from resource_tracker.memory_warning import MemoryWarning
    from resource_tracker.start_end import StartEndReadings
    from resource_tracker.tracker import SamplerProcess


def ask_for_warning(
    measuring: SamplerProcess | StartEndReadings, warning: MemoryWarning | None, log: tuple[int, int] | None = None
) -> None:
    """Has the sampler warn on this process's standard error; nobody does where there is no sampler.

    Parameters
    ----------
    log : tuple of int, optional
        Device and inode of the file that may be written to; what standard error is now, if not given. Whatever is put
        into its place later is left alone.
    """
    if warning is None:
        return
    if log is None:
        try:
            status = os.fstat(2)
        except OSError:  # closed
            return
        log = status.st_dev, status.st_ino
    text = warning.text.encode().hex()
    measuring.tell(WARN, f"{warning.threshold_kib}:{os.getpid()}:{log[0]}:{log[1]}:{text}")
