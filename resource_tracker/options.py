"""Every option of ``@track_resources`` with its default; loaded by each ``import metaflow``, so nothing else is here."""

DEFAULT_ARTIFACT_NAME = "resource_tracker_data"

DEFAULTS: dict[str, object] = {
    "interval": 1.0,
    "artifact_name": DEFAULT_ARTIFACT_NAME,
    "create_card": True,
    "history": 5,
    "prices": "bundled",
    "enabled": True,
    "quiet": False,
}
