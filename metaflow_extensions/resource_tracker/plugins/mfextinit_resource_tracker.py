"""What Metaflow loads of this extension."""

from importlib.util import find_spec


def _decorator():
    """The decorator, or its stand-in: an extension that fails to load would keep Metaflow from being imported."""
    try:
        found = find_spec("resource_tracker")
        if found is not None and found.submodule_search_locations:  # not a flow of that name, which would be run
            from resource_tracker.options import DEFAULT_ARTIFACT_NAME, DEFAULTS  # noqa: F401

            return ".track_resources_decorator.TrackResourcesDecorator"
    except Exception:  # noqa: BLE001, S110 - whatever is there under that name, the flow goes on
        pass
    return ".untracked_decorator.UntrackedDecorator"


STEP_DECORATORS_DESC = [("track_resources", _decorator())]
