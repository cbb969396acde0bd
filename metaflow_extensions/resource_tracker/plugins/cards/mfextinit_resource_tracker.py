"""The card types `resource_tracker`, of a task, and `cost_review`, of its whole run."""

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


class CostReviewCard(MetaflowCard):
    """Renders what the whole run of a task cost, from the metadata of its tasks. No artifact is loaded."""

    type = "cost_review"

    def __init__(self, options=None, components=(), graph=None, flow=None):
        pass

    def render(self, task):
        from resource_tracker.flows.review_card import page_of_task

        return page_of_task(task)


CARDS = [ResourceTrackerCard, CostReviewCard]
