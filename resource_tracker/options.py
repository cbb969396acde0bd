"""Every option of ``@track_resources`` and its default. Each ``import metaflow`` loads this: nothing else is here."""

DEFAULT_ARTIFACT_NAME = "resource_tracker_data"

DEFAULT_OVERHEAD_BUDGET = 0.005

DEFAULT_REFRESH_INTERVAL = 5.0
DEFAULT_WARN_MEMORY_FRACTION = 0.9

DEFAULTS: dict[str, object] = {
    "interval": 1.0,
    "overhead_budget": DEFAULT_OVERHEAD_BUDGET,
    "artifact_name": DEFAULT_ARTIFACT_NAME,
    "create_card": True,
    "live": True,
    "refresh_interval": DEFAULT_REFRESH_INTERVAL,
    "history": 5,
    "prices": "bundled",
    "vendor": None,
    "region": None,
    "policy": "safe",
    "enabled": True,
    "quiet": False,
    "warn_memory_fraction": DEFAULT_WARN_MEMORY_FRACTION,
    "input_size": None,
}
