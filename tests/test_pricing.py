"""Machines and costs: what is enough, what is cheapest, and what is said when something is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.cost_model import spot_cost
from resource_tracker.errors import SettingError
from resource_tracker.machines import architecture_of, is_enough, reserved_memory_mib
from resource_tracker.pricing import (
    LEFT_OUT,
    OTHER_TIME,
    SAME_TIME,
    Catalog,
    Need,
    PriceSource,
    RegionPrices,
    cheapest,
    price,
)
from resource_tracker.records import (
    CloudInfo,
    InstanceType,
    Limits,
    NoRecommendation,
    Recommendation,
    ResourceRequest,
    ServerInfo,
    UsageSummary,
)

OLD = PriceSource(name="old list", date="2020-01-01")
NEW = PriceSource(name="new list", date="2026-01-01")
HOUR = UsageSummary(duration_s=3600.0)
HOME = CloudInfo(vendor="aws", region="eu-west-1", instance_type="big")


def machine(name, vcpus=2, memory_gib=8, vendor="aws", **more):
    return InstanceType(vendor=vendor, name=name, vcpus=vcpus, memory_mib=memory_gib * 1024, **more)


def catalog_of(prices, *machines, notes=()):
    """``prices``: {(vendor, region): {name: (USD, index of source)}}."""
    return Catalog(
        origin="test catalog",
        instances={(m.vendor, m.name): m for m in machines},
        prices={
            place: RegionPrices(
                names=tuple(listed),
                usd_per_hour=tuple(usd for usd, _ in listed.values()),
                sources=tuple(source for _, source in listed.values()),
            )
            for place, listed in prices.items()
        },
        sources=(OLD, NEW),
        notes=notes,
    )


CATALOG = catalog_of(
    {
        ("aws", "us-east-1"): {
            "small": (0.1, 0),
            "big": (0.8, 0),
            "arm": (0.05, 0),
            "burst": (0.04, 0),
            "gpu": (1.0, 1),
        },
        ("aws", "eu-west-1"): {"small": (0.12, 0), "big": (0.9, 1), "gpu": (1.1, 1)},
        ("gcp", "us-central1"): {"g-small": (0.09, 0)},
    },
    machine("small"),
    machine("big", vcpus=16, memory_gib=64),
    machine("arm", architecture="arm64"),
    machine("burst", burstable=True),
    machine("gpu", gpu_count=1, gpu_model="T4", gpu_memory_mib=15360.0, memory_gib=16),
    machine("g-small", vendor="gcp"),
)


def names(offers):
    return [offer.instance.name for offer in offers]


# --- what is enough -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gib", "reserved_gib"), [(4, 1.0), (8, 1.8), (16, 2.6), (32, 3.56), (128, 9.32), (256, 11.88), (2, 0.5)]
)
def test_reserved_memory_follows_the_published_bands(gib, reserved_gib):
    """25 %, 20 %, 10 %, 6 %, 2 % of successive bands, and 100 MiB for eviction."""
    assert reserved_memory_mib(gib * 1024) == pytest.approx(reserved_gib * 1024 + 100)


def test_tiny_machines_keep_a_fixed_amount():
    """255 MiB and the eviction threshold below 1 GiB."""
    assert reserved_memory_mib(512) == 355


@given(st.floats(1, 1e8), st.floats(0, 1e6))
def test_a_larger_machine_never_has_less_left(memory_mib, more):
    """What is left grows with the machine from 1 GiB on, and is never more than the machine."""
    left = memory_mib - reserved_memory_mib(memory_mib)
    larger = memory_mib + more - reserved_memory_mib(memory_mib + more)
    assert left < memory_mib
    assert memory_mib < 1024 or larger >= left - 1e-6


def test_memory_must_be_left_for_the_step():
    """A machine of 8 GiB is not enough for 8 GiB, nor for 7, but for 6."""
    assert [is_enough(machine("m"), Need(vcpus=1, memory_mib=gib * 1024)) for gib in (8, 7, 6)] == [False, False, True]


@pytest.mark.parametrize(
    ("need", "enough"),
    [
        (Need(vcpus=2, memory_mib=100, gpu_count=1), True),
        (Need(vcpus=3, memory_mib=100), False),
        (Need(vcpus=2, memory_mib=100, gpu_count=2), False),
        (Need(vcpus=2, memory_mib=100, gpu_count=1, gpu_memory_mib=15000), True),
        (Need(vcpus=2, memory_mib=100, gpu_count=1, gpu_memory_mib=16000), False),
        (Need(vcpus=2, memory_mib=100, architecture="arm64"), False),
    ],
)
def test_every_need_counts(need, enough):
    """vCPUs, GPUs, memory of each GPU, architecture."""
    assert is_enough(CATALOG.instances["aws", "gpu"], need) is enough


# --- cheapest -------------------------------------------------------------------------------------------


def test_cheapest_first_and_each_type_once():
    """Over all regions a type appears once, at its lowest price; equal prices go by name."""
    offers = cheapest(CATALOG, Need(vcpus=1, memory_mib=1000))
    assert names(offers) == ["g-small", "small", "big", "gpu"]
    assert offers[1].region == "us-east-1"


def test_burstable_only_when_allowed():
    """A machine that is throttled under lasting load is left out unless it is asked for."""
    need = Need(vcpus=1, memory_mib=1000)
    assert "burst" not in names(cheapest(CATALOG, need))
    assert names(cheapest(CATALOG, need, allow_burstable=True))[0] == "burst"


def test_vendor_region_and_limit_narrow():
    """Each narrows, and a limit of 0 gives nothing."""
    need = Need(vcpus=1, memory_mib=1000)
    assert names(cheapest(CATALOG, need, vendor="aws", region="eu-west-1", limit=1)) == ["small"]
    assert names(cheapest(CATALOG, need, region="us-central1")) == ["g-small"]
    assert cheapest(CATALOG, need, limit=0) == ()


@pytest.mark.parametrize(
    ("where", "listed"),
    [({"vendor": "nimbus"}, "aws, gcp"), ({"vendor": "aws", "region": "us-central1"}, "eu-west-1, us-east-1")],
)
def test_unknown_places_list_the_known(where, listed):
    """A vendor or region that is not in the catalog is an error that names those which are."""
    with pytest.raises(SettingError, match=listed):
        cheapest(CATALOG, Need(vcpus=1, memory_mib=1), **where)


def test_a_near_miss_is_named():
    """Who misspells a region or writes it in capitals is told which was probably meant."""
    with pytest.raises(SettingError, match="did you mean 'eu-west-1'"):
        cheapest(CATALOG, Need(vcpus=1, memory_mib=1), vendor="aws", region="EU-west1")
    with pytest.raises(SettingError, match="did you mean 'aws'"):
        cheapest(CATALOG, Need(vcpus=1, memory_mib=1), vendor="AWS")


@given(st.floats(1, 64), st.floats(1, 70000), st.integers(0, 2), st.booleans())
def test_offers_are_enough_and_ascending(vcpus, memory_mib, gpus, burstable):
    """Whatever the need: each offer meets it, and prices do not fall."""
    need = Need(vcpus=vcpus, memory_mib=memory_mib, gpu_count=gpus)
    offers = cheapest(CATALOG, need, allow_burstable=burstable)
    assert all(is_enough(offer.instance, need) for offer in offers)
    prices = [offer.price_usd_per_hour for offer in offers]
    assert prices == sorted(prices)


# --- price ----------------------------------------------------------------------------------------------

ADVICE = Recommendation(cpu=2, memory_mb=4096)


def test_own_machine_and_saving():
    """An hour on a machine of $0.90, where one of $0.12 would have been enough."""
    result = price(CATALOG, ADVICE, HOUR, HOME, ServerInfo())
    assert (result.vendor, result.region, result.assumed) == ("aws", "eu-west-1", False)
    assert result.own.instance.name == "big" and result.run_cost_usd == pytest.approx(0.9)
    assert names(result.offers) == ["small", "big", "gpu"]
    assert result.offers[0].run_cost_usd == pytest.approx(0.12)
    assert result.saving_usd == pytest.approx(0.78)
    assert result.note == f"{SAME_TIME} {LEFT_OUT}"


def test_sources_and_oldest_date_of_what_is_shown():
    """The report names the sources of the prices in it, with the date of the oldest."""
    result = price(CATALOG, ADVICE, HOUR, HOME, ServerInfo())
    assert result.catalog_source == "test catalog: old list, new list" and result.catalog_date == "2020-01-01"
    newer = price(CATALOG, Recommendation(cpu=2, memory_mb=4096, gpu=1), HOUR, HOME, ServerInfo())
    assert newer.catalog_source == "test catalog: new list" and newer.catalog_date == "2026-01-01"


def test_unknown_cloud_uses_a_stated_default():
    """Outside the clouds: offers of AWS us-east-1, labelled, without a cost or saving of its own."""
    result = price(CATALOG, ADVICE, HOUR, CloudInfo(), ServerInfo())
    assert (result.vendor, result.region, result.assumed) == ("aws", "us-east-1", True)
    assert result.run_cost_usd is None and result.saving_usd is None and result.own is None
    assert "not known where the step ran" in result.note and names(result.offers)[0] == "small"


@pytest.mark.parametrize(
    ("cloud", "place", "why"),
    [
        (CloudInfo(vendor="aws", region="xx-1", instance_type="big"), ("aws", "us-east-1"), "no prices for aws xx-1"),
        (CloudInfo(vendor="gcp", region="xx", instance_type="g-small"), ("gcp", "us-central1"), "no prices for gcp xx"),
        (CloudInfo(vendor="hcloud", region="fsn1", instance_type="cx22"), ("aws", "us-east-1"), "no prices for hcloud"),
    ],
)
def test_places_that_the_catalog_lacks(cloud, place, why):
    """A region or vendor without prices falls back on the vendor's default, else on AWS, and says so."""
    result = price(CATALOG, ADVICE, HOUR, cloud, ServerInfo())
    assert (result.vendor, result.region) == place and result.assumed and why in result.note
    assert f"{cloud.instance_type} in {cloud.region}" in result.note and "is not known" in result.note


def test_own_machine_not_in_the_catalog():
    """Known place, unknown type: offers as usual, no cost, and the reason."""
    cloud = CloudInfo(vendor="aws", region="eu-west-1", instance_type="x9.huge")
    result = price(CATALOG, ADVICE, HOUR, cloud, ServerInfo())
    assert (
        not result.assumed
        and result.run_cost_usd is None
        and "x9.huge in eu-west-1 is not in the catalog" in result.note
    )


def test_own_machine_without_a_price():
    """The type is known, its price in the region is not."""
    cloud = CloudInfo(vendor="aws", region="eu-west-1", instance_type="arm")
    assert "there is no price for aws arm in eu-west-1" in price(CATALOG, ADVICE, HOUR, cloud, ServerInfo()).note


def test_nothing_to_save():
    """On the cheapest machine already: a saving of 0, and a sentence that says so."""
    cloud = CloudInfo(vendor="aws", region="eu-west-1", instance_type="small")
    result = price(CATALOG, ADVICE, HOUR, cloud, ServerInfo())
    assert result.saving_usd == 0 and "already as cheap" in result.note


def test_nothing_is_enough():
    """A need that no machine meets gives no offers, no saving, and a sentence."""
    result = price(CATALOG, Recommendation(cpu=500, memory_mb=1), HOUR, HOME, ServerInfo())
    assert result.offers == () and result.saving_usd is None and "No machine in the catalog is enough" in result.note
    assert result.run_cost_usd == pytest.approx(0.9)


def test_no_recommendation_still_costs():
    """Without advice the attempt's own cost is known all the same."""
    result = price(CATALOG, NoRecommendation(reason="not measured"), HOUR, HOME, ServerInfo())
    assert result.offers == () and result.run_cost_usd == pytest.approx(0.9) and result.saving_usd is None


def test_a_shared_machine_costs_its_share():
    """A pod that asked for 4 of 16 vCPUs pays a quarter; the row of its own machine says so, too."""
    shared = ServerInfo(allocation="shared")
    request = ResourceRequest(cpu=4.0, memory_mb=1000.0)
    result = price(CATALOG, ADVICE, HOUR, HOME, shared, request=request)
    assert (result.own_share, result.run_cost_usd) == (0.25, pytest.approx(0.225))
    assert result.own.run_cost_usd == result.run_cost_usd and "share is 25 %, that of the vCPUs" in result.note
    assert result.saving_usd == pytest.approx(0.225 - 0.12)


def test_a_cheap_share_leaves_nothing_to_save():
    """A sixteenth of a machine costs less than any machine of its own."""
    shared, limits = ServerInfo(allocation="shared"), Limits(cpus=1.0, memory_mib=1024.0)
    result = price(CATALOG, ADVICE, HOUR, HOME, shared, limits=limits)
    assert result.saving_usd == 0 and "share of its machine is already as cheap" in result.note


def test_a_shared_machine_of_which_nothing_is_known_is_counted_whole():
    """Neither asked for nor limited: all of it, and the note says so."""
    result = price(CATALOG, ADVICE, HOUR, HOME, ServerInfo(allocation="shared"))
    assert result.run_cost_usd == pytest.approx(0.9) and "all of it is counted" in result.note


def test_time_changes_with_the_cores():
    """A step that kept four cores busy, on two: twice the time and the money, and the note says how that is known."""
    usage = UsageSummary(duration_s=3600.0, cpu_seconds=4 * 3600.0, cpu_max_cores=4.0, cpu_p95_cores=4.0)
    result = price(CATALOG, ADVICE, usage, HOME, ServerInfo(vcpus=16))
    small = next(offer for offer in result.offers if offer.instance.name == "small")
    big = next(offer for offer in result.offers if offer.instance.name == "big")
    assert (small.run_hours, small.run_cost_usd) == (pytest.approx(2.0), pytest.approx(0.24))
    assert big.run_hours == pytest.approx(1.0) and OTHER_TIME in result.note


def test_all_cores_busy_may_gain_from_more():
    """Two of two cores busy: a machine of 16 halves the time and no more."""
    usage = UsageSummary(duration_s=3600.0, cpu_seconds=2 * 3600.0, cpu_max_cores=2.0, cpu_p95_cores=2.0)
    result = price(CATALOG, ADVICE, usage, HOME, ServerInfo(vcpus=16), limits=Limits(cpus=2.0))
    assert {o.instance.name: o.run_hours for o in result.offers} == {
        "small": 1.0,
        "big": pytest.approx(0.5),
        "gpu": 1.0,
    }


def test_the_cheapest_run_comes_first():
    """Twice the cores for a third more: the machine that is dearer by the hour is cheaper for the step."""
    catalog = catalog_of(
        {("aws", "eu-west-1"): {"slow": (0.3, 0), "fast": (0.4, 0), "vast": (0.7, 0)}},
        machine("slow"),
        machine("fast", vcpus=4),
        machine("vast", vcpus=64),
    )
    usage = UsageSummary(duration_s=3600.0, cpu_seconds=2 * 3600.0, cpu_max_cores=2.0, cpu_p95_cores=2.0)
    for limit in (1, 3):
        result = price(catalog, ADVICE, usage, HOME, ServerInfo(), limits=Limits(cpus=2.0), limit=limit)
        assert names(result.offers) == ["fast", "slow", "vast"][:limit]
    idle = price(catalog, ADVICE, usage, HOME, ServerInfo(), limits=Limits(cpus=8.0))
    assert names(idle.offers) == ["slow", "fast", "vast"]


def test_cheapest_of_any_place():
    """Beside the list of the step's own place: the cheapest of all vendors and regions, each type once."""
    result = price(CATALOG, ADVICE, HOUR, HOME, ServerInfo())
    assert [(o.instance.name, o.region) for o in result.offers_anywhere] == [
        ("g-small", "us-central1"),
        ("small", "us-east-1"),
        ("big", "us-east-1"),
    ]
    assert all(offer.run_cost_usd == pytest.approx(offer.price_usd_per_hour) for offer in result.offers_anywhere)


def test_a_chosen_place_narrows_both_lists():
    """``vendor`` keeps to its regions; with ``region`` alone there is no second list."""
    narrowed = price(CATALOG, ADVICE, HOUR, HOME, ServerInfo(), vendor="aws")
    assert {o.instance.vendor for o in narrowed.offers_anywhere} == {"aws"}
    assert price(CATALOG, ADVICE, HOUR, HOME, ServerInfo(), region="us-east-1").offers_anywhere == ()


def test_spot_is_an_estimate_for_the_cheapest():
    """On-demand price less the usual discount, plus what interruptions cost."""
    result = price(CATALOG, ADVICE, HOUR, HOME, ServerInfo())
    assert result.spot_usd == spot_cost(0.12, 1.0) < 0.12 / 2


def test_architecture_of_the_step():
    """A step on Arm is offered Arm machines only; an unknown architecture is taken for x86_64."""
    arm = price(CATALOG, ADVICE, HOUR, CloudInfo(), ServerInfo(architecture="aarch64"))
    assert names(arm.offers) == ["arm"]
    assert [architecture_of(name) for name in (None, "", "x86_64", "amd64", "AMD64", "arm64", "riscv64")] == [
        "x86_64",
        "x86_64",
        "x86_64",
        "x86_64",
        "x86_64",
        "arm64",
        "riscv64",
    ]


def test_gpu_memory_that_was_held_is_needed():
    """VRAM held by the step narrows the GPUs on offer."""
    advice = Recommendation(cpu=1, memory_mb=1000, gpu=1)
    fits = price(CATALOG, advice, UsageSummary(duration_s=1.0, gpu_vram_max_mib=15000.0), HOME, ServerInfo())
    too_much = price(CATALOG, advice, UsageSummary(duration_s=1.0, gpu_vram_max_mib=20000.0), HOME, ServerInfo())
    assert names(fits.offers) == ["gpu"] and too_much.offers == ()


def test_asking_for_another_place():
    """``vendor`` alone at home means the home region; elsewhere all of its regions."""
    assert price(CATALOG, ADVICE, HOUR, HOME, ServerInfo(), vendor="aws").region == "eu-west-1"
    elsewhere = price(CATALOG, ADVICE, HOUR, HOME, ServerInfo(), vendor="gcp")
    assert (elsewhere.vendor, elsewhere.region, elsewhere.assumed) == ("gcp", None, False)
    assert names(elsewhere.offers) == ["g-small"] and elsewhere.run_cost_usd == pytest.approx(0.9)
    with pytest.raises(SettingError):
        price(CATALOG, ADVICE, HOUR, HOME, ServerInfo(), region="moon-1")


def test_notes_of_the_catalog_are_passed_on():
    """What the catalog says of itself reaches the report."""
    noted = catalog_of(
        {("aws", "us-east-1"): {"small": (0.1, 0)}}, machine("small"), notes=("Prices are from a cache.",)
    )
    assert price(noted, ADVICE, HOUR, HOME, ServerInfo()).note.startswith("Prices are from a cache.")


def test_empty_and_small_catalogs_do_not_raise():
    """Without the default region another is shown; without any prices there are no offers."""
    only = catalog_of({("gcp", "us-central1"): {"g-small": (0.09, 0)}}, machine("g-small", vendor="gcp"))
    assert price(only, ADVICE, HOUR, CloudInfo(), ServerInfo()).vendor == "gcp"
    empty = price(catalog_of({}), ADVICE, HOUR, CloudInfo(), ServerInfo())
    assert empty.offers == () and empty.catalog_source == "test catalog"


def test_a_previous_generation_is_not_offered_but_has_a_price():
    """m1.small is cheap, and AWS tells people to leave it; a step that runs on it still learns its cost."""
    old, new = machine("m1.small"), machine("m7a.small")
    prices = RegionPrices(names=("m1.small", "m7a.small"), usd_per_hour=(0.01, 0.02), sources=(0, 0))
    instances = {("aws", one.name): one for one in (old, new)}
    catalog = Catalog(origin="test", instances=instances, prices={("aws", "r"): prices}, sources=CATALOG.sources)
    assert names(cheapest(catalog, Need(vcpus=1, memory_mib=100))) == ["m7a.small"]
    assert catalog.find("aws", "r", "m1.small") is not None
