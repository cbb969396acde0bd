"""What a step asked for, read from real Metaflow decorators."""

from __future__ import annotations

from typing import Any

from metaflow.plugins.kubernetes.kubernetes_decorator import KubernetesDecorator
from metaflow.plugins.resources_decorator import ResourcesDecorator
from metaflow.plugins.timeout_decorator import TimeoutDecorator

from resource_tracker.flows.request import requested_resources
from resource_tracker.records import ResourceRequest


def decorator(kind: Any, **attributes: object) -> Any:
    made = kind(attributes=attributes)
    made.external_init()
    return made


def test_nothing_asked() -> None:
    """Without a resource decorator everything is unknown."""
    assert requested_resources([decorator(TimeoutDecorator, seconds=5)]) == ResourceRequest()


def test_what_the_user_wrote_is_told_from_defaults() -> None:
    """memory= was written, cpu= is Metaflow's default: both are in force, one was chosen."""
    request = requested_resources([decorator(ResourcesDecorator, memory=2000)])
    assert (request.cpu, request.memory_mb, request.gpu) == (1.0, 2000.0, None)
    assert request.chosen == ("memory",)
    assert request.decorators == ("resources",)


def test_text_from_the_command_line_counts() -> None:
    """--with resources:cpu=2 hands text over."""
    assert requested_resources([decorator(ResourcesDecorator, cpu="2", gpu="1")]).gpu == 1


def test_a_compute_decorators_default_does_not_hide_resources() -> None:
    """@kubernetes without arguments beside @resources(cpu=8): 8 is in force."""
    request = requested_resources([decorator(KubernetesDecorator), decorator(ResourcesDecorator, cpu=8)])
    assert request.cpu == 8.0
    assert request.disk_mb == 10240.0
    assert request.decorators == ("resources", "kubernetes")


def test_a_compute_decorators_own_choice_wins() -> None:
    """What was written in @kubernetes is what the pod gets."""
    request = requested_resources(
        [decorator(ResourcesDecorator, memory=2000), decorator(KubernetesDecorator, memory=9000)]
    )
    assert request.memory_mb == 9000.0
