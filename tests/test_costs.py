"""What an attempt costs: how its time changes with other cores, shares of a machine, spot, runs a month."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from resource_tracker.catalog_model import Catalog, PriceSource, RegionPrices
from resource_tracker.cost_model import (
    CANDIDATES,
    INTERRUPTIONS_PER_HOUR,
    MONTH_S,
    SPOT_HOURS_AT_MOST,
    SPOT_PRICE,
    Work,
    cheapest_for,
    runs_per_month,
    share_of,
    spot_cost,
    time_on,
)
from resource_tracker.costs import Costing, cost_of_attempt
from resource_tracker.errors import SettingError
from resource_tracker.records import InstanceType, Offer, Recommendation, TaskSummary
from resource_tracker.units import seconds_to_hours

DAY = 86400.0


def machine(name, vcpus, memory_gib, **more):
    return InstanceType(vendor="aws", name=name, vcpus=vcpus, memory_mib=memory_gib * 1024, **more)


MACHINES = {
    machine("small", 2, 8): 0.1,
    machine("medium", 4, 16): 0.2,
    machine("large", 16, 64): 0.8,
    machine("arm", 4, 16, architecture="arm64"): 0.15,
}
CATALOG = Catalog(
    origin="test catalog",
    instances={("aws", one.name): one for one in MACHINES},
    prices={
        ("aws", place): RegionPrices(
            names=tuple(one.name for one in MACHINES),
            usd_per_hour=tuple(usd * factor for usd in MACHINES.values()),
            sources=(0,) * len(MACHINES),
        )
        for place, factor in (("us-east-1", 1.0), ("eu-west-1", 1.2))
    },
    sources=(PriceSource(name="list", date="2026-01-01"),),
)
TASK = TaskSummary(
    run_id="1",
    step="train",
    task_id="2",
    attempt=0,
    status="ok",
    finished_at=1e9,
    duration_s=3600.0,
    cpu_mean_cores=1.0,
    cpu_max_cores=2.0,
    vendor="aws",
    region="eu-west-1",
    instance_type="large",
)
ADVICE = Recommendation(cpu=2, memory_mb=4096)


@st.composite
def works(draw):
    """Usage that fits together: the mean at most the busiest, the 95th percentile no more than that."""
    busiest = draw(st.floats(0.1, 128))
    wall = draw(st.floats(0.01, 1e6))
    return Work(
        wall_s=wall,
        cpu_s=wall * busiest * draw(st.floats(0, 1)),
        busiest_cores=busiest,
        usual_cores=draw(st.none() | st.floats(0.01, 1).map(lambda share: share * busiest)),
        allowed_cores=draw(st.none() | st.just(busiest) | st.floats(busiest, 256)),
    )


VCPUS = st.floats(0.25, 448)


# --- time -----------------------------------------------------------------------------------------------


@given(works(), VCPUS, VCPUS)
def test_fewer_cores_never_take_less_time(work, one, other):
    """The time falls, or stays, as the cores grow."""
    assert time_on(work, min(one, other)) >= time_on(work, max(one, other)) * (1 - 1e-9)


@given(works(), VCPUS)
def test_time_stays_within_what_is_possible(work, vcpus):
    """Never negative, never less than the work needs on so many cores, never beyond the cores it was seen with."""
    seconds = time_on(work, vcpus)
    assert 0 < seconds < math.inf
    assert seconds >= work.wall_s / 2 * (1 - 1e-9)
    if vcpus < work.busiest_cores:
        assert seconds >= work.wall_s * (1 - 1e-9)
        assert seconds >= work.cpu_s / vcpus * (1 - 1e-9)


@given(works(), st.floats(2, 100))
def test_nothing_is_guessed_past_twice_the_cores(work, times):
    """A hundred times the cores are no faster than twice as many."""
    assert time_on(work, times * work.busiest_cores) == pytest.approx(time_on(work, 2 * work.busiest_cores))


@given(works())
def test_the_same_cores_take_the_same_time(work):
    """On as many cores as were busy at once, the step takes as long as it did."""
    busiest = max(work.busiest_cores, work.cpu_s / work.wall_s)
    assert time_on(work, busiest) == pytest.approx(work.wall_s)


def test_half_of_the_cores_double_work_that_fills_them():
    """Four cores busy all the time: twice as long on two, half as long on eight, no less on sixteen."""
    work = Work(wall_s=100, cpu_s=400, busiest_cores=4, usual_cores=4, allowed_cores=4)
    assert [time_on(work, vcpus) for vcpus in (1, 2, 4, 8, 16)] == [400, 200, 100, 50, 50]


def test_a_serial_part_does_not_shrink():
    """60 s on one core and 40 s on four: more cores shorten the 40 s only."""
    work = Work(wall_s=100, cpu_s=220, busiest_cores=4, usual_cores=4, allowed_cores=4)
    assert time_on(work, 8) == pytest.approx(60 + 20)


def test_a_step_that_left_cores_idle_gains_nothing_from_more():
    """It used 4 of the 8 it was allowed, or it is not known how many those were."""
    for allowed in (8.0, None):
        assert time_on(Work(wall_s=100, cpu_s=400, busiest_cores=4, allowed_cores=allowed), 16) == 100


def test_a_short_spike_costs_little():
    """One core nearly all the time, eight for a moment: on two cores it loses the spike, not the work of an hour."""
    spiky = Work(wall_s=1000, cpu_s=1000, busiest_cores=8, usual_cores=1)
    assert time_on(spiky, 2) == pytest.approx(1000 + 50 * 3)
    assert time_on(replace(spiky, usual_cores=None), 2) == pytest.approx(1000 + 1000 * (1 / 2 - 1 / 8))


@pytest.mark.parametrize(
    "work",
    [
        Work(wall_s=5),
        Work(wall_s=5, cpu_s=9),
        Work(wall_s=0, cpu_s=0, busiest_cores=1),
        Work(wall_s=5, cpu_s=0, busiest_cores=0),
    ],
)
def test_unmeasured_work_takes_the_same_time(work):
    """Where use of the CPU is not known, nothing is made up."""
    assert time_on(work, 1) == work.wall_s


# --- share, spot, rate ----------------------------------------------------------------------------------


def test_the_largest_share_counts():
    """A quarter of the vCPUs and half of the memory is half a machine."""
    medium = machine("medium", 4, 16)
    assert share_of(medium, cpu=1, memory_mib=8 * 1024) == (0.5, "memory")
    assert share_of(medium, cpu=3, memory_mib=8 * 1024) == (0.75, "vCPUs")
    assert share_of(machine("g", 8, 64, gpu_count=4), cpu=1, memory_mib=1024, gpu=2) == (0.5, "GPUs")


def test_a_share_is_at_most_the_machine_and_all_of_it_where_nothing_is_known():
    """Asking for more than there is does not cost more than there is."""
    medium = machine("medium", 4, 16)
    assert share_of(medium, cpu=99)[0] == 1.0
    assert share_of(medium) == (1.0, "machine")


@given(st.floats(0.001, 100), st.floats(0, SPOT_HOURS_AT_MOST), st.floats(0, SPOT_HOURS_AT_MOST))
def test_spot_grows_faster_than_time(usd_per_hour, one, other):
    """Never negative, never below the plain discount, and per hour dearer the longer an attempt is."""
    short, long = sorted((one, other))
    assume(short > 1e-6)
    per_hour = [spot_cost(usd_per_hour, hours) / hours for hours in (short, long)]
    assert usd_per_hour * SPOT_PRICE * (1 - 1e-9) <= per_hour[0] <= per_hour[1] * (1 + 1e-9)


def test_spot_counts_interruptions_and_repetitions():
    """Ten hours: 1.105 attempts are to be expected, and 10.5 hours."""
    expected = (math.exp(10 * INTERRUPTIONS_PER_HOUR) - 1) / INTERRUPTIONS_PER_HOUR
    assert spot_cost(1.0, 10) == pytest.approx(SPOT_PRICE * (expected + 0.1052 * 0.05), rel=1e-3)


@pytest.mark.parametrize("hours", [SPOT_HOURS_AT_MOST + 1, math.nan, math.inf, -1])
def test_no_spot_estimate_where_it_would_be_a_guess(hours):
    """An attempt so long would be interrupted more often than not."""
    assert spot_cost(1.0, hours) is None


def test_runs_per_month():
    """A run a day, in any order, is 30.4 a month."""
    stamps = [1e9 + day * DAY for day in (3, 0, 2, 1)]
    assert runs_per_month(stamps) == pytest.approx(MONTH_S / DAY)


def test_a_flow_that_has_stopped_runs_less_often():
    """Ten daily runs, then nothing for ninety days: three a month, not thirty."""
    stamps = [1e9 + day * DAY for day in range(10)]
    assert runs_per_month(stamps, now=1e9 + 99 * DAY) == pytest.approx(MONTH_S / DAY * 10 / 99)
    assert runs_per_month(stamps, now=1e9 + 9.1 * DAY) == pytest.approx(MONTH_S / DAY)


@pytest.mark.parametrize("stamps", [[], [1e9], [1e9, 1e9], [1e9, 1e9 + 3600, 1e9 + 7200]])
def test_a_single_day_says_nothing_about_a_month(stamps):
    """No rate from fewer than two runs, or from runs within an afternoon."""
    assert runs_per_month(stamps) is None


# --- an attempt -----------------------------------------------------------------------------------------


def test_own_machine():
    """An hour on a machine of its own, and on the cheapest that is enough in the same region."""
    cost = cost_of_attempt(CATALOG, TASK, ADVICE)
    assert (cost.basis, cost.usd, cost.note) == ("own machine", pytest.approx(0.96), None)
    assert cost.advised.instance.name == "small" and cost.advised.region == "eu-west-1"
    assert (cost.advised_usd, cost.advised_hours, cost.hours) == (pytest.approx(0.12), 1.0, 1.0)
    assert cost.spot_usd == pytest.approx(0.12 * SPOT_PRICE, rel=0.01)


def test_share_of_a_shared_machine():
    """A pod that asked for 4 of 16 vCPUs and for a little memory pays a quarter."""
    task = replace(TASK, allocation="shared", request_cpu=4.0, request_memory_mb=2048.0)
    cost = cost_of_attempt(CATALOG, task, None)
    assert (cost.basis, cost.share, cost.usd) == ("share of own machine", 0.25, pytest.approx(0.24))
    assert "25 %, that of the vCPUs" in cost.note and cost.advised_usd is None and cost.spot_usd is None


def test_a_share_is_compared_with_a_share():
    """A pod's advice pays for its part of the same node: a machine of its own would cost more than many a share."""
    task = replace(TASK, allocation="shared", request_cpu=4.0, request_memory_mb=2048.0)
    advice = replace(ADVICE, cpu=2, memory_mb=1024, gpu=0)
    cost = cost_of_attempt(CATALOG, task, advice)
    assert (cost.advised.instance.name, cost.advised.region) == (cost.machine.instance.name, cost.machine.region)
    share = cost.advised_usd / (cost.machine.price_usd_per_hour * cost.advised_hours)
    assert share == pytest.approx(0.125) and cost.spot_usd < cost.advised_usd < cost.usd
    as_it_is = cost_of_attempt(CATALOG, task, replace(advice, cpu=4, memory_mb=2048))
    assert (as_it_is.advised_usd, as_it_is.advised_hours) == (pytest.approx(as_it_is.usd), as_it_is.hours)


def test_what_a_node_has_no_room_for_is_on_a_machine_of_its_own():
    """Nor is it a share where another place was asked for."""
    task = replace(TASK, allocation="shared", request_cpu=4.0, request_memory_mb=2048.0)
    more = cost_of_attempt(CATALOG, task, replace(ADVICE, cpu=2, memory_mb=10**6, gpu=0))
    assert more.advised is None or more.advised.instance.name != more.machine.instance.name
    elsewhere = cost_of_attempt(CATALOG, task, ADVICE, vendor="aws", region="us-east-1")
    assert elsewhere.advised.region == "us-east-1" and elsewhere.advised_usd == elsewhere.advised.run_cost_usd


def test_limits_stand_in_for_a_request():
    """What the kernel allows counts where nothing was asked for."""
    task = replace(TASK, allocation="shared", cpu_limit=2.0, memory_limit_mib=32 * 1024.0)
    assert cost_of_attempt(CATALOG, task, None).share == 0.5
    unknown = cost_of_attempt(CATALOG, replace(TASK, allocation="shared"), None)
    assert unknown.share == 1.0 and "all of it is counted" in unknown.note


def test_a_local_run_is_compared_with_what_it_asked_for():
    """Outside the clouds: the cheapest machine that fits the request, labelled as assumed."""
    local = replace(TASK, vendor=None, region=None, instance_type=None, request_cpu=4.0, request_memory_mb=4096.0)
    cost = cost_of_attempt(CATALOG, local, ADVICE)
    assert (cost.basis, cost.usd, cost.advised_usd) == ("assumed machine", pytest.approx(0.2), pytest.approx(0.1))
    assert "is not known" in cost.note and "medium in aws us-east-1" in cost.note


def test_nothing_known_is_no_cost():
    """No machine and no request: no figure, and the reason."""
    local = replace(TASK, vendor=None, region=None, instance_type=None)
    cost = cost_of_attempt(CATALOG, local, None)
    assert (cost.usd, cost.basis) == (None, "unknown") and "not known" in cost.note


def test_fewer_cores_than_it_used_take_longer_and_cost_more():
    """A step that kept 16 cores busy, on two: eight times as long."""
    busy = replace(TASK, cpu_mean_cores=16.0, cpu_max_cores=16.0)
    cost = cost_of_attempt(CATALOG, busy, ADVICE)
    assert cost.advised_hours == pytest.approx(8.0) and cost.advised_usd == pytest.approx(8 * 0.12)


def test_the_architecture_of_the_step_counts():
    """An Arm step is compared with Arm machines."""
    assert cost_of_attempt(CATALOG, replace(TASK, architecture="aarch64"), ADVICE).advised.instance.name == "arm"


def test_another_place_may_be_asked_for():
    """``region`` moves the advised machine, not the own one; an unknown one lists the known."""
    cost = cost_of_attempt(CATALOG, TASK, ADVICE, vendor="aws", region="us-east-1")
    assert cost.usd == pytest.approx(0.96) and cost.advised_usd == pytest.approx(0.1)
    with pytest.raises(SettingError, match="eu-west-1, us-east-1"):
        cost_of_attempt(CATALOG, TASK, ADVICE, vendor="aws", region="moon")


def test_many_attempts_look_each_need_up_once():
    """A foreach of a thousand siblings asks the catalog as often as one task does."""
    looked_up = 0

    class Counting(dict):
        def __getitem__(self, key):
            nonlocal looked_up
            looked_up += 1
            return super().__getitem__(key)

    costing = Costing(replace(CATALOG, instances=Counting(CATALOG.instances)))
    first = costing.of(TASK, ADVICE)
    once = looked_up
    assert all(costing.of(TASK, ADVICE) == first for _ in range(50))
    assert looked_up - once <= 50  # the own machine only


@given(works(), st.floats(1, 1e6), st.sampled_from([None, "shared", "dedicated"]), st.none() | st.floats(0.1, 64))
def test_costs_are_never_negative(work, wall, allocation, cpu):
    """Whatever was measured or asked for."""
    mean = work.cpu_s / work.wall_s
    task = replace(
        TASK,
        duration_s=wall,
        cpu_mean_cores=mean,
        cpu_max_cores=work.busiest_cores,
        allocation=allocation,
        request_cpu=cpu,
    )
    cost = cost_of_attempt(CATALOG, task, ADVICE)
    assert cost.usd >= 0 and cost.advised_usd >= 0 and 0 < cost.share <= 1
    assert cost.spot_usd is None or cost.spot_usd >= 0


# --- the cheapest run -----------------------------------------------------------------------------


@given(
    works(),
    st.lists(st.tuples(st.floats(0.01, 10), st.sampled_from([1, 2, 4, 16, 64])), max_size=CANDIDATES + 10),
    st.integers(0, 8),
)
def test_the_cheapest_runs_are_those_of_all_candidates(work, machines, limit):
    """Looking no further than needed finds what ranking every candidate finds, equals in the order of the list."""
    offers = [
        Offer(instance=machine(str(number), vcpus, 4), region="here", price_usd_per_hour=usd)
        for number, (usd, vcpus) in enumerate(sorted(machines))
    ]

    def run(offer):
        return offer.price_usd_per_hour * seconds_to_hours(time_on(work, offer.instance.vcpus))

    ranked = sorted(offers[:CANDIDATES], key=run)[:limit]
    found = cheapest_for(offers, work, limit)
    assert [one.run_cost_usd for one in found] == [run(one) for one in ranked]
    assert [one.instance for one in found] == [one.instance for one in ranked]


def test_no_machine_is_asked_for_that_cannot_be_the_cheapest():
    """The offers are found as they are asked for: dearer ones, on which no run could cost less, are not."""
    asked = []

    def offers():
        for number in range(CANDIDATES):
            asked.append(number)
            yield Offer(instance=machine(str(number), 4, 4), region="here", price_usd_per_hour=1.0 + number)

    assert [one.instance.name for one in cheapest_for(offers(), Work(wall_s=60.0), 3)] == ["0", "1", "2"]
    assert asked == [0, 1, 2, 3]
