"""The order as a task begins: all that is known of its attempt before the user's code runs."""

from __future__ import annotations

import os
import platform
import sys
import time

import resource_tracker
from resource_tracker.flows.attempt import HANDOVER_VARIABLE, TaskContext
from resource_tracker.flows.cards import REVIEW_ID, card_id, card_root, internals_are_known
from resource_tracker.flows.guard import guarded, log_file, say
from resource_tracker.flows.order import (
    ORDER_VERSION,
    Order,
    absolute_environment,
    absolute_python_path,
    datastore_of,
    metadata_of,
    umask_of_task,
)
from resource_tracker.flows.request import requested_resources
from resource_tracker.host import limits, server_info
from resource_tracker.records import InputSize, Limits, ServerInfo
from resource_tracker.settings import Settings


def first_order(context: TaskContext, settings: Settings, *, input_size: InputSize | None) -> Order:
    """What the attempt is, where its card and metadata belong, and what it asked for and may use.

    Everything that depends on the current directory is resolved here. What cannot be found out is told in the log, and
    left unknown.
    """
    datastore, root = guarded("look at the datastore", datastore_of, context.flow_datastore) or ("", None)
    provider, info = guarded("look at the metadata", metadata_of, context.metadata) or ("", None)
    return Order(
        version=ORDER_VERSION,
        pathspec=context.pathspec,
        attempt=context.attempt,
        pid=os.getpid(),
        runtime_pid=os.getppid(),
        started_at=time.time(),
        started_monotonic_s=time.monotonic(),
        interval_s=settings.interval,
        overhead_budget=settings.overhead_budget,
        artifact_name=settings.artifact_name,
        history_runs=settings.history,
        prices=settings.prices,
        policy=settings.policy,
        vendor=settings.vendor,
        region=settings.region,
        create_card=settings.create_card,
        live=settings.live,
        refresh_interval_s=settings.refresh_interval,
        quiet=settings.quiet,
        datastore=datastore,
        datastore_root=root,
        card_root=_card_root(context, settings),
        metadata=provider,
        metadata_info=info,
        handover_folder=os.environ.get(HANDOVER_VARIABLE),
        how_to_open=_how_to_open(context) if settings.create_card else None,
        ends_the_run=context.ends_the_run,
        request=requested_resources(context.decorators),
        limits=guarded("read the limits", limits) or Limits(),
        # Now, not at the end: what is in use before the step begins is others' use.
        server=guarded("read the machine", server_info, ask_gpus=False) or ServerInfo(),
        input_size=input_size,
        versions={
            "resource_tracker": str(resource_tracker.__version__),
            "metaflow": _metaflow_version(),
            "python": platform.python_version(),
        },
        python_path=absolute_python_path(),
        environment=absolute_environment(),
        umask=umask_of_task(),
        log=log_file(),
    )


def _card_root(context: TaskContext, settings: Settings) -> str | None:
    if not settings.create_card:
        return None
    if not internals_are_known():
        say(
            "[track_resources] this version of Metaflow keeps cards in a way that is not known yet: the card is "
            "written by @card when the task has ended, without live updates"
        )
        return None
    return guarded("find the place of the card", card_root, context.flow_datastore)


def _how_to_open(context: TaskContext) -> str:
    attempt, task = context.attempt, "/".join(context.pathspec.split("/")[1:])
    opened = f"card: python {sys.argv[0]} card view {task} --id {card_id(attempt)}"
    return f"{opened} | whole run: --id {card_id(attempt, REVIEW_ID)}" if context.ends_the_run else opened


def _metaflow_version() -> str:
    import metaflow

    return str(getattr(metaflow, "__version__", "unknown"))
