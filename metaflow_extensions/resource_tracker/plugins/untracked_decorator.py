"""Stands in for the decorator where the package `resource_tracker` cannot be imported.

The code package of every flow holds this extension, but `resource_tracker` only where one of the flow's steps is
tracked. And a file of that name beside a flow hides it. Neither may keep Metaflow from starting.
"""

import sys

from metaflow.decorators import StepDecorator

from .nothing_tracked import offer as offer_nothing

offer_nothing()


class UntrackedDecorator(StepDecorator):
    """Takes any option, measures nothing, and says so in the step's log."""

    name = "track_resources"

    def __init__(self, attributes=None, *args, **kwargs):
        self.defaults = dict(attributes or {})
        super().__init__(attributes, *args, **kwargs)

    def task_pre_step(self, *args, **kwargs):
        print(
            "[track_resources] not tracked: the package resource_tracker cannot be imported. "
            "Is it installed, or hidden by a file or folder of that name? (the step is not affected)",
            file=sys.stderr,
            flush=True,
        )
