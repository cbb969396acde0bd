"""What a running step finds of us in Metaflow's ``current``, and what is said in its log while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resource_tracker.flows.guard import log_file
from resource_tracker.in_log import ask_for_warning
from resource_tracker.step_resources import StepResources

if TYPE_CHECKING:
    from resource_tracker.flows.order import Order
    from resource_tracker.memory_warning import MemoryWarning
    from resource_tracker.start_end import StartEndReadings
    from resource_tracker.tracker import SamplerProcess


def offer(measuring: SamplerProcess | StartEndReadings, order: Order) -> None:
    """Makes what is measured ``current.track_resources``."""
    from metaflow import current

    resources = StepResources(measuring, order.limits, order.request, order.server.usable_memory_mb)
    current._update_env({"track_resources": resources})


def warn_in_log(measuring: SamplerProcess | StartEndReadings, warning: MemoryWarning | None) -> None:
    """Has the sampler warn in the step's log, unless the step has put a file of its own in its place."""
    file = log_file()
    if file is not None:
        ask_for_warning(measuring, warning, file)
