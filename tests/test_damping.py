"""The advice that is printed: never cut by more than half at once, and what suffices stays."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.damping import damped, damped_amount, halved
from resource_tracker.records import Recommendation, ResourceRequest

requests = st.builds(
    ResourceRequest,
    cpu=st.none() | st.floats(0.1, 512),
    memory_mb=st.none() | st.floats(1, 2e6),
    gpu=st.none() | st.integers(0, 16),
    disk_mb=st.none() | st.floats(1, 1e6),
    shared_memory_mb=st.none() | st.floats(1, 1e6),
    decorators=st.just(("resources",)),
)
estimates = st.builds(
    Recommendation,
    cpu=st.integers(1, 512),
    memory_mb=st.integers(256, 2_000_000),
    gpu=st.integers(0, 16),
    disk_mb=st.none() | st.integers(1, 1_000_000),
    shared_memory_mb=st.none() | st.integers(1, 1_000_000),
    reasons=st.just({"cpu": "why", "memory": "why", "gpu": "why"}),
)
NAMES = (("cpu", "cpu"), ("memory_mb", "memory_mb"), ("gpu", "gpu"), ("disk_mb", "disk_mb"))


@given(estimates, requests)
def test_no_request_is_cut_by_more_than_half(estimate, request):
    """Every number of the advice is at least half of what was asked for; only a single CPU or GPU can go entirely."""
    advice = damped(estimate, request)
    for name, field in (*NAMES, ("shared_memory_mb", "shared_memory_mb")):
        asked, now = getattr(request, field), getattr(advice, name)
        if asked is not None and asked > 1 and now is not None:
            assert now >= asked / 2


@given(estimates, requests)
def test_advice_is_never_below_the_estimate(estimate, request):
    """What is printed is enough wherever the estimate is."""
    advice = damped(estimate, request)
    for name, _ in (*NAMES, ("shared_memory_mb", "shared_memory_mb")):
        if getattr(estimate, name) is not None:
            assert getattr(advice, name) >= getattr(estimate, name)


@given(estimates, requests)
def test_advice_is_never_above_both(estimate, request):
    """No number is larger than both the request and the estimate."""
    advice = damped(estimate, request)
    for name, field in NAMES:
        if getattr(estimate, name) is not None:
            assert getattr(advice, name) <= max(getattr(estimate, name), getattr(request, field) or 0)


@given(estimates, requests)
def test_every_number_that_stops_short_is_told(estimate, request):
    """``estimate`` holds exactly the numbers that differ, as they were estimated, and their reasons say so."""
    advice = damped(estimate, request)
    before, after = estimate.arguments(), advice.arguments()
    differing = {name: before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert advice.estimate == differing
    for name in differing:
        assert "asked for" in advice.reasons[name]


@given(st.floats(1, 1e6), st.integers(0, 10**6))
def test_the_estimate_is_reached_in_few_runs(asked, estimated):
    """Followed run after run, the advice comes to within 10 % of the estimate: 21 halvings do for any request."""
    for _ in range(21):
        asked = damped_amount(asked, estimated)
        if not asked:
            break
    assert estimated <= asked <= max(estimated * 1.1, 1)


@pytest.mark.parametrize(
    ("asked", "estimated", "advised"),
    [
        (16_000, 3_584, 8_000),  # half
        (16_001, 3_584, 8_001),  # half, rounded up
        (16_000, 12_000, 12_000),  # less than half of a cut
        (4_096, 4_000, 4_096),  # suffices within 10 %
        (4_096, 3_500, 3_500),  # more than 10 % too much
        (4_096, 4_100, 4_100),  # does not suffice, however little is missing
        (None, 300, 300),  # nothing asked for
        (1, 0, 0),  # one GPU has no half
        (2, 0, 1),
        (8, 1, 4),
        (0.5, 1, 1),
        (2.1, 2, 2),  # whole CPUs
        (math.nan, 3, 3),
    ],
)
def test_each_rule(asked, estimated, advised):
    """Half at most, left alone within 10 %, raised at once."""
    assert damped_amount(asked, estimated) == advised


def test_metaflows_defaults_count_as_asked_for_and_nothing_does_without_a_decorator():
    """The default of 4096 MB is in force where there is a decorator; a step without any has nothing to cut."""
    estimate = Recommendation(cpu=1, memory_mb=256)
    default = ResourceRequest(cpu=1.0, memory_mb=4096.0, decorators=("resources",))
    assert damped(estimate, default).memory_mb == 2048
    assert damped(estimate, ResourceRequest()) == estimate


def test_the_note_names_what_was_halved_only():
    """A raised or kept number is no half."""
    request = ResourceRequest(cpu=8.0, memory_mb=1_000.0, gpu=2, decorators=("resources",))
    advice = damped(Recommendation(cpu=1, memory_mb=950, gpu=4), request)
    assert (advice.cpu, advice.memory_mb, advice.gpu) == (4, 1_000, 4)
    assert halved(advice, request) == {"cpu": 1}
    assert advice.notes == ("Half of what you asked for; the estimate is cpu=1. Lower it again after the next run.",)
    at_least = damped(Recommendation(cpu=1, memory_mb=950, gpu=4), request, again=False)
    assert at_least.notes == ("Half of what you asked for; the estimate is cpu=1.",)
