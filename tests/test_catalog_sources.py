"""How the bundled catalog is made: the repair of prices, cross-checks, and what is left out."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from catalog_sources import aws, azure, checks, gcp, libcloud, repairs, writer  # noqa: E402
from catalog_sources.model import Price, Source, Spec, Tally, is_same  # noqa: E402

from resource_tracker.catalog import load_bundled  # noqa: E402

OLDER = Source("older 1.0", "2024-01-01", "MIT")
LATER = Source("later 2.0", "2025-01-01", "MIT")
RECENT = Source("recent 3.0", "2026-01-01", "MIT")
SIZES = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}
REGIONS = ("us-east-1", "eu-west-1", "ap-south-1")


def spec(name, vcpus=2, vendor="aws", memory_gib=8, **more):
    return Spec(vendor, name, vcpus, memory_gib * 1024, **more)


def price(name, region, usd, source=OLDER, vendor="aws"):
    return Price(vendor, name, region, usd, source)


def true_price(size, region):
    """What a type of the invented family ``z9`` costs: linear in the size, one multiple for each region."""
    return 0.05 * SIZES[size] * {"us-east-1": 1.0, "eu-west-1": 1.1, "ap-south-1": 0.8}[region]


def readings(**wrong):
    """Two equal readings of every price of ``z9``, but for the types named in ``wrong`` as ``size_region``."""
    found = {}
    for size in SIZES:
        for region in REGIONS:
            usd = true_price(size, region)
            own = wrong.get(f"{size}_{region}".replace("-", "_"), [usd, usd])
            found[f"z9.{size}", region] = libcloud.Readings(plain=own[0], derived=list(own[1:]))
    return found


def merged(older=(), found=None, recent=()):
    tally = Tally()
    prices = aws.merge(older, readings() if found is None else found, LATER, recent, tally)
    return {(p.name, p.region): p for p in prices}, tally


# --- AWS ------------------------------------------------------------------------------------------------


def test_a_confirmed_price_takes_the_later_date():
    """An older price that a later reading repeats is as current as the later one."""
    prices, tally = merged([price("z9.large", "us-east-1", 0.1)])
    assert prices["z9.large", "us-east-1"] == price("z9.large", "us-east-1", 0.1, LATER)
    assert tally.kept["aws: two sources agree"] == 1


def test_a_dedicated_reading_does_not_replace_the_older_price():
    """A reading 6 to 10 % above is that of a dedicated machine: the older price stays, with its own date."""
    prices, _ = merged([price("z9.large", "us-east-1", 0.1)], readings(large_us_east_1=[0.11]))
    assert prices["z9.large", "us-east-1"] == price("z9.large", "us-east-1", 0.1)


def test_a_contradicted_price_is_left_out():
    """Neither the same nor dedicated: it cannot be told which is right."""
    prices, tally = merged([price("z9.large", "us-east-1", 0.1)], readings(large_us_east_1=[0.2]))
    assert ("z9.large", "us-east-1") not in prices and tally.dropped["aws: sources disagree"] == 1


def test_a_single_reading_must_fit_its_family():
    """One reading alone is taken if the family's regional multiple agrees, else not."""
    prices, tally = merged(found=readings(large_us_east_1=[0.1], xlarge_us_east_1=[0.3]))
    assert prices["z9.large", "us-east-1"].usd_per_hour == pytest.approx(0.1)
    assert ("z9.xlarge", "us-east-1") not in prices
    assert sum(count for reason, count in tally.dropped.items() if "does not fit" in reason) == 1


def test_two_dedicated_readings_are_found_out():
    """Two equal readings can both be of dedicated machines: the family gives them away."""
    prices, tally = merged(found=readings(large_us_east_1=[0.11, 0.11]))
    assert ("z9.large", "us-east-1") not in prices
    assert tally.dropped["aws: dedicated machine, by its family's measure"] == 1


def test_the_right_one_of_two_readings_is_found():
    """Where readings differ, the one that fits the family is taken, whichever that is."""
    prices, _ = merged(found=readings(large_us_east_1=[0.11, 0.1], xlarge_us_east_1=[0.2, 0.22]))
    assert prices["z9.large", "us-east-1"].usd_per_hour == pytest.approx(0.1)
    assert prices["z9.xlarge", "us-east-1"].usd_per_hour == pytest.approx(0.2)


def test_recent_prices_win_and_outdated_ones_go():
    """A recent price replaces all; where a family was repriced, older prices of other regions are left out."""
    older = [price("p5.48xlarge", "us-east-1", 98.32), price("p5.48xlarge", "us-west-2", 98.32)]
    prices, tally = merged(older, {}, [price("p5.48xlarge", "us-east-1", 55.04, RECENT)])
    assert list(prices.values()) == [price("p5.48xlarge", "us-east-1", 55.04, RECENT)]
    assert tally.dropped["aws: older than the price cut of June 2025"] == 1


def test_readings_are_repaired():
    """Zeros, local zones and unknown types go; the surcharge of a distribution is learned and taken off."""
    names = [f"z9.n{number}" for number in range(6)]
    specs = {("aws", name): spec(name) for name in names}
    known = {(name, "us-east-1"): 0.1 for name in names[:4]}
    tables = {
        "ec2_linux": {names[4]: {"us-east-1": 0.0, "us-west-2-lax-1": 0.3}, "m99.large": {"us-east-1": 1.0}},
        "ec2_rhel": {name: {"us-east-1": 0.1288} for name in names},
        "ec2_suse": {names[5]: {"us-east-1": "0.15"}},
    }
    found = libcloud.aws_readings(tables, specs, known)
    assert set(found) == {(name, "us-east-1") for name in names}
    assert found[names[4], "us-east-1"].plain is None
    assert found[names[4], "us-east-1"].derived == [pytest.approx(0.1)]
    assert found[names[5], "us-east-1"].all == [pytest.approx(0.1)]  # nothing known to learn SUSE's surcharge from


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(0.1, 0.1004, True), (0.1, 0.101, False), (10.0, 10.04, True), (0.003, 0.0036, False), (0.0388, 0.0385, True)],
)
def test_prices_that_differ_by_rounding_are_one(one, other, same):
    """Half a per cent, or a rounded surcharge within 2 %."""
    assert is_same(one, other) is same


# --- GCP ------------------------------------------------------------------------------------------------


def rates(**by_family):
    """A table of rates: family to {region: (core, GiB)}."""
    return {
        family: {
            "cpu": {"on_demand": {region: {"price": core} for region, (core, _) in by_region.items()}},
            "ram": {"on_demand": {region: {"price": gib} for region, (_, gib) in by_region.items()}},
        }
        for family, by_region in by_family.items()
    }


N1 = {"us-central1": (0.03, 0.004), "europe-west1": (0.033, 0.0044)}


def gcp_prices(table, names, recent=()):
    specs = {("gcp", name): spec(name, vcpus, "gcp", gib) for name, (vcpus, gib) in names.items()}
    return {(p.name, p.region): p for p in gcp.prices(table, specs, OLDER, recent, Tally())}


def test_gcp_types_cost_their_cores_and_memory():
    """Cores times the rate of a core, GiB times that of a GiB; shared cores as what they are billed."""
    table = rates(n1=N1, e2={"us-central1": (0.02, 0.003)})
    prices = gcp_prices(table, {"n1-standard-2": (2, 7.5), "e2-micro": (2, 1), "x9-standard-2": (2, 8)})
    assert prices["n1-standard-2", "us-central1"].usd_per_hour == pytest.approx(2 * 0.03 + 7.5 * 0.004)
    assert prices["e2-micro", "us-central1"].usd_per_hour == pytest.approx(0.25 * 0.02 + 0.003)
    assert {name for name, _ in prices} == {"n1-standard-2", "e2-micro"}


def test_gcp_rates_out_of_line_are_left_out():
    """Zero, or a region that costs a family another multiple than the reference family: not taken."""
    n2 = {"us-central1": (0.03, 0.004), "europe-west1": (0.05, 0.006), "asia-east1": (0.0, 0.0)}
    prices = gcp_prices(rates(n1=N1, n2=n2), {"n2-standard-2": (2, 8)})
    assert set(prices) == {("n2-standard-2", "us-central1")}


def test_gcp_region_confirmed_by_recent_prices():
    """A region that the table lacks gets a family's rates if its recent prices there are those of the reference."""
    names = {"n1-standard-2": (2, 7.5), "n1-standard-4": (4, 15)}
    usual = price("n1-standard-2", "us-east1", 0.09, RECENT, "gcp")
    confirmed = gcp_prices(rates(n1=N1), names, [usual])
    assert confirmed["n1-standard-4", "us-east1"].usd_per_hour == pytest.approx(0.18)
    assert confirmed["n1-standard-2", "us-east1"].source == RECENT
    dearer = price("n1-standard-2", "us-east1", 0.1, RECENT, "gcp")
    assert ("n1-standard-4", "us-east1") not in gcp_prices(rates(n1=N1), names, [dearer])


# --- Azure ----------------------------------------------------------------------------------------------


def test_azure_names_regions_and_recent_prices():
    """Lower-case keys become names; low priority, closed regions and unknown types are counted and left out."""
    tally = Tally()
    specs = {("azure", name): spec(name, vendor="azure") for name in ("Standard_D2s_v3", "Standard_D2s_v5")}
    table = {
        "standardd2sv3": {"eastus": 0.096, "germanycentral": 0.1},
        "lowpriorityd2sv3": {"eastus": 0.02},
    }
    recent = [price(n, "eastus", 0.097, RECENT, "azure") for n in ("D2s_v5", "Q9_v9")]
    prices = azure.prices(table, specs, {("azure", "eastus")}, OLDER, recent, tally)
    assert sorted((p.name, p.region, p.usd_per_hour) for p in prices) == [
        ("Standard_D2s_v3", "eastus", 0.096),
        ("Standard_D2s_v5", "eastus", 0.097),
    ]
    assert sum(tally.dropped.values()) == 3


def test_azure_gpus_are_named():
    """Specs without a maker get model and memory by their name; fractions of a GPU do not count."""
    names = ("Standard_NC4as_T4_v3", "Standard_NV6ads_A10_v5", "Standard_D2s_v3")
    specs = {("azure", name): spec(name, vendor="azure") for name in names}
    named = azure.with_gpus(specs, {("azure", "Standard_NC4as_T4_v3"): (1, None, None)})
    assert (named["azure", "Standard_NC4as_T4_v3"].gpu_model, named["azure", "Standard_NC4as_T4_v3"].gpu_count) == (
        "T4",
        1,
    )
    assert named["azure", "Standard_NV6ads_A10_v5"].gpu_count == 0


# --- specs ----------------------------------------------------------------------------------------------


def test_gpus_without_a_maker_are_told_by_their_model():
    """NVIDIA's get their usual memory where none is stated; shared, other and undisclosed ones are counted as none."""
    stated = {
        "whole": (8, "Nvidia Tesla V100", None),
        "stated": (1, "A100 80G", 81920),
        "part": (1, "A10*1/3", 8192),
        "slice": (1, "RTX 5880", 2048),
        "other": (1, "MI-308X", 196608),
        "nothing": (4, None, None),
    }
    specs = {("alicloud", name): spec(name, vendor="alicloud") for name in (*stated, "none")}
    tally = Tally()
    fixed = repairs.repaired(specs, {("alicloud", name): gpu for name, gpu in stated.items()}, tally)
    found = {name: (s.gpu_count, s.gpu_model, s.gpu_memory_mib) for (_, name), s in fixed.items() if s.gpu_count}
    assert found == {"whole": (8, "V100", 16384), "stated": (1, "A100 80G", 81920)}
    assert sum(tally.dropped.values()) == 4


def test_wrong_architectures_and_burstable_families_are_corrected():
    """Google's Arm families are listed as x86, Alibaba's burstable ones as dedicated."""
    names = {"gcp": ("c4a-standard-4", "c4-standard-4"), "alicloud": ("ecs.t6-c1m2.large", "ecs.g7.large")}
    specs = {(vendor, name): spec(name, vendor=vendor) for vendor, both in names.items() for name in both}
    fixed = repairs.repaired(specs, {}, Tally())
    assert [s.architecture for s in fixed.values()] == ["arm64", "x86_64", "x86_64", "x86_64"]
    assert [s.burstable for s in fixed.values()] == [False, False, True, False]


# --- all ------------------------------------------------------------------------------------------------


def test_implausible_prices_are_counted_and_left_out():
    """Zero, far too much, unknown types, duplicates."""
    specs = {("aws", "z9.large"): spec("z9.large")}
    tally = Tally()
    kept = checks.plausible(
        [
            price("z9.large", "us-east-1", 0.1),
            price("z9.large", "us-east-1", 0.1),
            price("z9.large", "eu-west-1", 0.0),
            price("z9.large", "ap-south-1", 50.0),
            price("q1.large", "us-east-1", 0.1),
        ],
        specs,
        tally,
    )
    assert kept == [price("z9.large", "us-east-1", 0.1)]
    assert sorted(tally.dropped.values()) == [1, 1, 2]


def test_what_is_written_is_what_is_read(tmp_path):
    """Writer and reader agree on every field, and the same input gives the same bytes."""
    specs = {
        ("aws", "z9.large"): spec("z9.large", 2.5, burstable=True, storage_gb=75.0),
        ("aws", "g9.large"): spec(
            "g9.large", gpu_count=1, gpu_model="T4", gpu_memory_mib=15360.0, architecture="arm64"
        ),
        ("aws", "unpriced"): spec("unpriced"),
        ("hcloud", "cx22"): spec("cx22", vendor="hcloud"),
    }
    prices = [price("z9.large", "us-east-1", 0.1234567), price("g9.large", "us-east-1", 1.0, LATER)]
    path = tmp_path / "catalog.json.gz"
    writer.write(path, prices, specs, "2026-01-01")
    first = path.read_bytes()
    writer.write(path, prices, specs, "2026-01-01")
    assert path.read_bytes() == first
    catalog = load_bundled(path)
    assert set(catalog.instances) == set(specs)
    assert catalog.find("aws", "us-east-1", "unpriced") is None
    assert catalog.instances["hcloud", "cx22"].vcpus == 2 and catalog.vendors() == ("aws",)
    offer, source = catalog.find("aws", "us-east-1", "g9.large")
    assert (offer.price_usd_per_hour, source.name, source.date, source.licence) == (
        1.0,
        "later 2.0",
        "2025-01-01",
        "MIT",
    )
    assert (offer.instance.gpu_count, offer.instance.gpu_model, offer.instance.gpu_memory_mib) == (1, "T4", 15360)
    assert offer.instance.architecture == "arm64"
    plain = catalog.find("aws", "us-east-1", "z9.large")[0]
    assert plain.price_usd_per_hour == 0.123457
    assert (plain.instance.vcpus, plain.instance.burstable, plain.instance.storage_gb) == (2.5, True, 75)
