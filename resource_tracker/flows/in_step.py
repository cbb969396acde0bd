"""What a running step finds of us in Metaflow's ``current``, and what is said in its log while it runs."""

from __future__ import annotations

import os

from resource_tracker.flows.guard import log_file
from resource_tracker.flows.order import Order
from resource_tracker.memory_warning import MemoryWarning
from resource_tracker.sampler.control import WARN
from resource_tracker.start_end import StartEndReadings
from resource_tracker.step_resources import StepResources
from resource_tracker.tracker import SamplerProcess


def offer(measuring: SamplerProcess | StartEndReadings, order: Order) -> None:
    """Makes what is measured ``current.track_resources``."""
    from metaflow import current

    resources = StepResources(measuring, order.limits, order.request, order.server.usable_memory_mb)
    current._update_env({"track_resources": resources})


def ask_for_warning(measuring: SamplerProcess | StartEndReadings, warning: MemoryWarning | None) -> None:
    """Has the sampler warn in the step's log; nobody does where there is no sampler, or the log is elsewhere."""
    file = log_file()
    if warning is not None and file is not None:
        device, inode = file
        text = warning.text.encode().hex()
        measuring.tell(WARN, f"{warning.threshold_kib}:{os.getpid()}:{device}:{inode}:{text}")
