"""What the agent of Amazon ECS tells a container about itself, on ECS and on AWS Batch, with and without Fargate.

Its address stands in the container's environment and is link-local; no permission is needed.

Source: "Amazon ECS task metadata endpoint version 4",
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from resource_tracker.cloud_finding import Finding, known_word, positive, word

if TYPE_CHECKING:
    from resource_tracker.metadata_service import Service

VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"
_ADDRESS = re.compile(r"(http://169\.254\.[0-9]{1,3}\.[0-9]{1,3})(/[A-Za-z0-9/_-]{1,200})")
_REGION = re.compile(r"arn:aws[a-z-]*:ecs:([a-z0-9-]{5,30}):[0-9]*:.+")


def address(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Base URL and path of the endpoint; ``None`` outside of ECS, or where it is no link-local one."""
    found = _ADDRESS.fullmatch(environ.get(VARIABLE, ""))
    return (found[1], found[2]) if found else None


def ask_task(service: Service, path: str) -> Finding | None:
    """What is told of the task; ``None`` where that is no answer of the agent's.

    A machine's type is not among it: on EC2 the machine's own service tells that, on Fargate there is none. What a task
    is given of its machine counts on Fargate alone; elsewhere the limits are the kernel's.

    Raises
    ------
    OSError, http.client.HTTPException, ValueError
        The agent did not answer in time, or not in HTTP.
    """
    reply = service.ask(f"{path}/task")
    if reply is None:
        return None
    task = json.loads(reply.body)
    region = _REGION.fullmatch(str(task.get("TaskARN"))) if isinstance(task, dict) else None
    if region is None:
        return None
    given = task.get("Limits") if task.get("LaunchType") == "FARGATE" else None
    limits: dict[str, Any] = given if isinstance(given, dict) else {}
    return Finding(
        region=word(region[1]),
        zone=known_word(task.get("AvailabilityZone")),
        cpus=positive(limits.get("CPU")),
        memory_mib=positive(limits.get("Memory")),
    )
