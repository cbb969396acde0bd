"""The card type `resource_tracker`: `card create` and `card view` on runs that have the artifact."""

from metaflow.plugins.cards.card_modules.card import MetaflowCard


class ResourceTrackerCard(MetaflowCard):
    """Renders the page of a tracked task from its artifact.

    Parameters
    ----------
    options : dict
        `artifact_name`: name of the artifact, default `resource_tracker_data`.
    """

    type = "resource_tracker"

    def __init__(self, options=None, components=(), graph=None, flow=None):
        self._artifact_name = (options or {}).get("artifact_name")

    def render(self, task):
        from resource_tracker.flows.render import render_task

        return render_task(task, self._artifact_name)


CARDS = [ResourceTrackerCard]
