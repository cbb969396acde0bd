"""Defaults of ``@track_resources`` from the environment or Metaflow's configuration files.

Read through ``from_conf``, so that Metaflow also hands them to Kubernetes and Batch tasks.
"""

from metaflow.metaflow_config_funcs import from_conf

RESOURCE_TRACKER_DISABLE = from_conf("RESOURCE_TRACKER_DISABLE")
RESOURCE_TRACKER_INTERVAL = from_conf("RESOURCE_TRACKER_INTERVAL")
RESOURCE_TRACKER_ARTIFACT_NAME = from_conf("RESOURCE_TRACKER_ARTIFACT_NAME")
RESOURCE_TRACKER_CREATE_CARD = from_conf("RESOURCE_TRACKER_CREATE_CARD")
RESOURCE_TRACKER_HISTORY = from_conf("RESOURCE_TRACKER_HISTORY")
RESOURCE_TRACKER_PRICES = from_conf("RESOURCE_TRACKER_PRICES")
RESOURCE_TRACKER_POLICY = from_conf("RESOURCE_TRACKER_POLICY")
RESOURCE_TRACKER_ENABLED = from_conf("RESOURCE_TRACKER_ENABLED")
RESOURCE_TRACKER_QUIET = from_conf("RESOURCE_TRACKER_QUIET")
