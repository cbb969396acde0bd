"""Kubernetes, AWS Batch and Amazon ECS: what their containers are told without any permission.

The agent of ECS is a real HTTP server on loopback; its replies are synthetic, in the shape of its documentation.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_record import sample_record
from test_cloud import LONG_S, SERVICES, MetadataServer, all_at, serve

from resource_tracker import ecs
from resource_tracker.build import within_task
from resource_tracker.cloud import discover
from resource_tracker.cloud_cache import cached_discover
from resource_tracker.dataclass import replace
from resource_tracker.metadata_service import Service
from resource_tracker.records import CloudInfo, Limits
from resource_tracker.report.facts import machine
from resource_tracker.schedulers import scheduler_of

AGENT = "/v4/0123456789abcdef-42"
FARGATE: dict[str, Any] = {
    "Cluster": "arn:aws:ecs:eu-west-1:111122223333:cluster/default",
    "TaskARN": "arn:aws:ecs:eu-west-1:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c",
    "Family": "batch",
    "Limits": {"CPU": 0.25, "Memory": 512},
    "AvailabilityZone": "eu-west-1a",
    "LaunchType": "FARGATE",
    "Containers": [{"Name": "default", "Limits": {"CPU": 2}}],
}
ON_EC2 = {**FARGATE, "LaunchType": "EC2"}
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
BATCH = {"AWS_BATCH_JOB_ID": "e2a1", "ECS_CONTAINER_METADATA_URI_V4": f"http://169.254.170.2{AGENT}"}


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, None),
        ({"HOME": "/root", "AWS_EXECUTION_ENV": "CloudShell"}, None),
        (POD, "Kubernetes"),
        ({**POD, "ARGO_WORKFLOW_NAME": "flow-x7"}, "Argo Workflows on Kubernetes"),
        ({**BATCH, "AWS_EXECUTION_ENV": "AWS_ECS_EC2"}, "AWS Batch"),
        ({**BATCH, "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, "AWS Batch on Fargate"),
        ({**POD, "AWS_BATCH_JOB_ID": "e2a1"}, "AWS Batch on Kubernetes"),
        ({"AWS_EXECUTION_ENV": "AWS_ECS_FARGATE"}, "Amazon ECS on Fargate"),
        ({"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/1"}, "Amazon ECS"),
    ],
)
def test_scheduler(environ: dict[str, str], name: str | None) -> None:
    """Each is known by the variables that it sets, and by which of them go together."""
    assert scheduler_of(environ) == name


def agent(task: object) -> dict[tuple[str, str], tuple[dict[str, str], dict[str, str], object]]:
    """The pages of an agent of ECS."""
    return {("GET", f"{AGENT}/task"): ({}, {}, task)}


def found_beside(task: object, machine_pages: dict[Any, Any]) -> CloudInfo:
    """What is found out where an agent says that, and the machine's metadata service has these pages."""
    with MetadataServer(serve(agent(task))) as told, MetadataServer(serve(machine_pages)) as service:
        return discover(timeout_s=LONG_S, vendors=all_at(service.url), hints={}, agent=(told.url, AGENT))


def test_fargate() -> None:
    """There is no machine to ask on Fargate: the agent tells the place, and what the task is given."""
    found = found_beside(FARGATE, {})
    assert (found.vendor, found.region, found.zone) == ("aws", "eu-west-1", "eu-west-1a")
    assert (found.cpus, found.memory_mib) == (0.25, 512)
    assert found.instance_type == "unknown"
    assert found.reason == "on Fargate a task is not told of its machine"


def test_batch_on_ec2_asks_the_machine() -> None:
    """On EC2 the machine's own service knows more; what the agent says of limits is left to the kernel."""
    found = found_beside(ON_EC2, SERVICES["aws"])
    assert (found.instance_type, found.region, found.zone, found.spot) == (
        "m5.2xlarge",
        "us-west-2",
        "us-west-2b",
        True,
    )
    assert (found.cpus, found.memory_mib) == (None, None)


def test_agent_alone() -> None:
    """Where the machine's service is out of a container's reach, the agent still tells the region."""
    found = found_beside(ON_EC2, {})
    assert (found.vendor, found.region, found.cpus) == ("aws", "eu-west-1", None)
    assert found.reason == "only the agent of Amazon ECS answered, which does not tell instance_type"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(FARGATE)), inner, max_size=4)
        ),
        max_leaves=8,
    ),
    st.sampled_from(["TaskARN", "Limits", "AvailabilityZone", "LaunchType"]),
)
def test_odd_answers_of_the_agent(value: object, key: str) -> None:
    """Whatever an agent says is nothing, or a place in plain words and amounts that can be."""

    class Odd(Service):
        def ask(self, *_: object, **__: object) -> Any:
            return type("Reply", (), {"body": json.dumps({**FARGATE, key: value})})

    finding = ecs.ask_task(Odd("http://127.0.0.1", time.monotonic()), AGENT)
    if finding is not None:
        assert finding.region == "eu-west-1"
        assert finding.cpus is None or finding.cpus > 0
        assert finding.zone is None or finding.zone.isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://example.com/v4/1",
        "https://169.254.170.2/v4/1",
        "http://169.254.170.2@evil/v4/1",
        "http://10.0.0.1/v4",
    ],
)
def test_only_a_link_local_agent_is_asked(url: str) -> None:
    """The variable can be set by anybody: nothing but the host of the machine is asked."""
    assert ecs.address({"ECS_CONTAINER_METADATA_URI_V4": url}) is None
    assert ecs.address(BATCH) == ("http://169.254.170.2", AGENT)


def test_cache_keeps_all_of_it(tmp_path: Any) -> None:
    """What the next task of the machine reads from the cache is what the first one was told."""
    with MetadataServer(serve(SERVICES["aws"])) as service:
        given = {"cache_dir": str(tmp_path / "cache"), "vendors": all_at(service.url), "hints": {}, "timeout_s": LONG_S}
        first = cached_discover(**given)
        asked = len(service.requests)
        assert cached_discover(**given) == first
        assert len(service.requests) == asked
    assert (first.zone, first.spot) == ("us-west-2b", True)


def test_size_of_a_fargate_task_is_its_limit() -> None:
    """The kernel of its machine knows nothing of it; a limit below it still holds."""
    task = CloudInfo(vendor="aws", region="eu-west-1", cpus=0.5, memory_mib=1024)
    assert within_task(Limits(), task) == Limits(
        cpus=0.5, memory_mib=1024, source="cpu: size of the Fargate task, memory: size of the Fargate task"
    )
    kernel = Limits(cpus=2, memory_mib=512, source="cpu: /cpu.max, memory: /memory.max")
    assert within_task(kernel, task) == Limits(
        cpus=0.5, memory_mib=512, source="cpu: size of the Fargate task, memory: /memory.max"
    )
    assert within_task(kernel, CloudInfo()) is kernel


def test_card_tells_where_the_step_was_placed() -> None:
    """Zone, spot and scheduler stand among the facts of the machine; nothing is said where nothing is known."""
    record = sample_record()
    cloud = CloudInfo(vendor="aws", region="eu-west-1", instance_type="m5.large", zone="eu-west-1a", spot=True)
    placed = replace(record, cloud=cloud, server=replace(record.server, scheduler="Kubernetes"))
    facts = {fact.label: fact.text for fact in machine(placed)}
    assert facts["Cloud"] == "AWS eu-west-1 (zone eu-west-1a)"
    assert facts["Instance type"] == "m5.large, spot"
    assert facts["Placed by"] == "Kubernetes"
    plain = replace(record, cloud=replace(cloud, zone=None, spot=None), server=replace(record.server, scheduler=None))
    facts = {fact.label: fact.text for fact in machine(plain)}
    assert (facts["Cloud"], facts["Instance type"]) == ("AWS eu-west-1", "m5.large")
    assert "Placed by" not in facts
