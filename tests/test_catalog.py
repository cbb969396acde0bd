"""The bundled catalog: that it reads, what it holds, and what is said of a damaged one."""

import gzip
import subprocess
import sys
import time
import zipfile
import zlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from resource_tracker.catalog import BUNDLED, FORMAT, bundled_file, load_bundled, search
from resource_tracker.errors import CatalogError
from resource_tracker.machines import Need, cheapest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from catalog_sources.writer import Parts, compressed  # noqa: E402


@pytest.fixture(scope="module")
def catalog():
    return load_bundled()


def small_content():
    """A catalog file's content with one type at two prices."""
    return {
        "format": FORMAT,
        "built": "2026-01-01",
        "sources": [{"name": "list", "date": "2026-01-01", "licence": "MIT"}],
        "vendors": {
            "aws": {
                "types": {
                    "name": ["m5.large"],
                    "vcpus": [2],
                    "memory_mib": [8192],
                    "gpu_count": [0],
                    "gpu_model": [None],
                    "gpu_memory_mib": [None],
                    "architecture": ["x86_64"],
                    "storage_gb": [None],
                    "burstable": [0],
                },
                "regions": {
                    "us-east-1": {"type_step": [0], "usd": [0.096], "source": [0]},
                    "eu-west-1": {"type_step": [0], "usd": [0.107], "source": [0]},
                },
            }
        },
    }


def written(folder, content):
    """A file with that content: the parts in a row, the index with their places in front."""
    parts, vendors = Parts(), content.get("vendors")
    index = {**content}
    if isinstance(vendors, dict):
        index["vendors"] = {
            vendor: {
                "types": parts.add(listed["types"]),
                "regions": {region: parts.add(columns) for region, columns in listed["regions"].items()},
                "open": sorted(listed["regions"]),
            }
            for vendor, listed in vendors.items()
        }
        index["lowest"] = parts.add(content.get("lowest", {"usd": [], "vendor": [], "name": [], "region": []}))
    path = folder / "catalog.json.gz"
    path.write_bytes(compressed({**index, "checksum": zlib.crc32(parts.data)}) + parts.data)
    return path


def read_whole(path):
    """Every type and price of a catalog."""
    catalog = load_bundled(path)
    return dict(catalog.instances), dict(catalog.prices)


# --- what is bundled --------------------------------------------------------------------------------------


def test_bundled_catalog_is_small():
    """At most 0.8 MB in the package."""
    assert len(bundled_file().read_bytes()) <= 800_000


def test_bundled_catalog_loads_fast():
    """Finding a machine in one region costs at most 20 ms of CPU (measured: about 2)."""
    costs = []
    for _ in range(3):
        before = time.process_time()
        assert cheapest(load_bundled(), Need(vcpus=2, memory_mib=3000), vendor="aws", region="us-east-1")
        costs.append(time.process_time() - before)
    assert min(costs) <= 0.02


def test_reads_only_what_is_asked_for(tmp_path):
    """A region whose prices are damaged does not matter to those who look elsewhere."""
    content = small_content()
    content["vendors"]["aws"]["regions"]["eu-west-1"]["usd"] = ["cheap"]
    catalog = load_bundled(written(tmp_path, content))
    assert catalog.regions("aws") == ("eu-west-1", "us-east-1")
    assert catalog.find("aws", "us-east-1", "m5.large")[0].price_usd_per_hour == 0.096
    with pytest.raises(CatalogError, match="damaged catalog"):
        catalog.find("aws", "eu-west-1", "m5.large")


def test_the_lowest_price_of_each_type_is_kept_apart(catalog):
    """A search of all places reads one list, and finds what reading every region would."""
    need = Need(vcpus=4, memory_mib=10_000)
    for where in ({}, {"vendor": "aws"}):
        fast = cheapest(catalog, need, limit=20, **where)
        slow = cheapest(replace(catalog, lowest=None), need, limit=20, **where)
        assert fast == slow and len(fast) == 20


def test_a_damaged_list_of_lowest_prices_names_the_file(tmp_path):
    """It is read only by a search of all places."""
    content = small_content() | {"lowest": {"usd": [1.0], "vendor": [], "name": [], "region": []}}
    catalog = load_bundled(written(tmp_path, content))
    assert catalog.find("aws", "us-east-1", "m5.large") is not None
    with pytest.raises(CatalogError, match=r"catalog\.json\.gz: damaged catalog"):
        cheapest(catalog, Need(vcpus=1, memory_mib=1))


def test_open_regions_of_all_vendors_are_known(catalog):
    """Also of those without a price, for whoever asks for live prices."""
    assert {"fsn1-dc14", "nbg1-dc3"} <= set(catalog.open_regions["hcloud"]) and "eu-west-1" in catalog.open_regions[
        "aws"
    ]


def test_bundled_catalog_covers_the_clouds(catalog):
    """Hundreds of AWS types in every usual region; Azure and GCP as well."""
    assert catalog.origin == BUNDLED and set(catalog.vendors()) == {"aws", "azure", "gcp"}
    assert len({name for vendor, name in catalog.instances if vendor == "aws"}) > 800
    for region in ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1", "sa-east-1"):
        assert len(catalog.prices["aws", region].names) > 400
    for place in (("azure", "eastus"), ("azure", "westeurope"), ("gcp", "us-central1"), ("gcp", "europe-west1")):
        assert len(catalog.prices[place].names) > 100


@pytest.mark.parametrize(
    ("vendor", "region", "name", "usd"),
    [
        ("aws", "us-east-1", "m5.large", 0.096),
        ("aws", "us-east-1", "c7g.large", 0.0725),
        ("aws", "us-east-1", "g4dn.xlarge", 0.526),
        ("aws", "us-east-1", "g6.xlarge", 0.8048),
        ("aws", "us-west-2", "g5.xlarge", 1.006),
        ("aws", "us-west-2", "p3.2xlarge", 3.06),
        ("aws", "us-east-1", "p5.48xlarge", 55.04),
        ("aws", "eu-west-1", "m5.large", 0.107),
        ("aws", "me-south-1", "m5.large", 0.118),
        ("gcp", "us-central1", "n2-standard-4", 0.194236),
        ("gcp", "us-central1", "e2-medium", 0.0335),
        ("gcp", "us-east1", "c2-standard-4", 0.2088),
        ("azure", "eastus", "Standard_D2s_v3", 0.096),
        ("azure", "eastus", "Standard_D2s_v5", 0.096),
        ("azure", "westus2", "Standard_NC4as_T4_v3", 0.526),
    ],
)
def test_published_prices(catalog, vendor, region, name, usd):
    """Prices as the vendors publish them."""
    offer, source = catalog.find(vendor, region, name)
    assert offer.price_usd_per_hour == pytest.approx(usd, rel=0.002)
    assert source.name and source.date and source.licence


def test_every_price_is_plausible_and_has_a_source(catalog):
    """No zeros, no duplicates, vCPU-hours within bounds; a source with a date for each."""
    for (vendor, region), prices in catalog.prices.items():
        assert len(set(prices.names)) == len(prices.names) > 0, (vendor, region)
        for offer, source in catalog.offers(vendor, region):
            instance = offer.instance
            ceiling = 0.5 * instance.vcpus + 0.03 * instance.memory_mib / 1024 + 20 * instance.gpu_count
            assert 0.001 * instance.vcpus <= offer.price_usd_per_hour <= ceiling, (instance.name, region)
            assert len(source.date) == len("2026-01-01")
            assert instance.memory_mib > 0 and instance.architecture in ("x86_64", "arm64")
            assert (instance.gpu_count > 0) == (instance.gpu_model is not None)


@pytest.mark.parametrize("family", ["g4dn.", "g5.", "g6.", "p3.", "p4d.", "p5."])
def test_gpu_families_are_there(catalog, family):
    """The usual GPU types of AWS, with count, model and memory of each GPU."""
    found = [i for (vendor, name), i in catalog.instances.items() if vendor == "aws" and name.startswith(family)]
    assert found and all(i.gpu_count >= 1 and i.gpu_model and i.gpu_memory_mib >= 15000 for i in found)


def test_prices_within_an_aws_family_grow_with_the_size(catalog):
    """In one region a larger size of a family without GPUs never costs less: no price was mixed up."""
    for region in ("us-east-1", "eu-central-1", "ap-south-1"):
        by_family = {}
        for offer, _ in catalog.offers("aws", region):
            if not offer.instance.gpu_count:
                by_family.setdefault(offer.instance.name.split(".")[0], []).append(offer)
        for family, offers in by_family.items():
            sized = sorted(offers, key=lambda offer: (offer.instance.vcpus, offer.instance.memory_mib))
            for smaller, larger in pairwise(sized):
                assert larger.price_usd_per_hour >= 0.99 * smaller.price_usd_per_hour, (family, region)


def test_a_small_step_is_offered_a_small_machine(catalog):
    """Two cores and 3 GB in Virginia: general-purpose machines of about ten cents."""
    offers = cheapest(catalog, Need(vcpus=2, memory_mib=3000), vendor="aws", region="us-east-1")
    assert len(offers) == 5 and all(offer.price_usd_per_hour < 0.11 for offer in offers)


# --- searching ------------------------------------------------------------------------------------------


def test_search_by_name_place_and_gpu(catalog):
    """Parts of names, in either case, cheapest first."""
    offers = search(catalog, "G5.X", vendor="aws", region="us-east-1")
    assert [offer.instance.name for offer in offers] == ["g5.xlarge"]
    cheap = search(catalog, gpu_model="t4", limit=3)
    assert len(cheap) == 3 and all("T4" in offer.instance.gpu_model for offer in cheap)
    assert [o.price_usd_per_hour for o in cheap] == sorted(o.price_usd_per_hour for o in cheap)
    assert search(catalog, "no such type") == ()


# --- reading --------------------------------------------------------------------------------------------


def test_another_file_of_the_format(tmp_path):
    """A file is read wherever it lies."""
    catalog = load_bundled(written(tmp_path, small_content()))
    assert catalog.regions("aws") == ("eu-west-1", "us-east-1") and catalog.regions("gcp") == ()
    assert catalog.find("aws", "us-east-1", "m5.large")[0].price_usd_per_hour == 0.096
    assert catalog.find("aws", "us-east-1", "m5.huge") is None and catalog.find("aws", "moon", "m5.large") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not gzip",
        gzip.compress(b"not json"),
        gzip.compress(b"[]"),
        gzip.compress(b"{}"),
        gzip.compress(b"[" * 99999),
        compressed({"format": FORMAT}),
    ],
    ids=["empty", "not gzip", "not json", "list", "no format", "nested", "format alone"],
)
def test_damaged_file_is_named(tmp_path, content):
    """Whatever is wrong with the file: a CatalogError with its path."""
    path = tmp_path / "broken.json.gz"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=r"broken\.json\.gz"):
        load_bundled(path)


def test_every_truncation_is_an_error(tmp_path):
    """A file cut anywhere is never half a catalog."""
    whole = written(tmp_path, small_content()).read_bytes()
    for length in range(len(whole)):
        path = tmp_path / "cut.json.gz"
        path.write_bytes(whole[:length])
        with pytest.raises(CatalogError):
            load_bundled(path)


def test_a_changed_byte_of_a_part_is_an_error(tmp_path):
    """The checksum sees it at once, not when somebody happens to look there."""
    path = written(tmp_path, small_content())
    whole = path.read_bytes()
    path.write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    with pytest.raises(CatalogError, match="checksum"):
        load_bundled(path)


def test_missing_file_is_named(tmp_path):
    """Not there: the same error."""
    with pytest.raises(CatalogError, match="nothing-here"):
        load_bundled(tmp_path / "nothing-here")


def test_another_format_is_named(tmp_path):
    """A later version's file is refused with both numbers."""
    path = written(tmp_path, {**small_content(), "format": FORMAT + 1})
    with pytest.raises(CatalogError, match=f"format {FORMAT + 1}, this version reads {FORMAT}"):
        load_bundled(path)


def damages():
    """Ways in which the columns can be wrong."""

    def damage(change):
        content = small_content()
        change(content)
        return content

    region = ("vendors", "aws", "regions", "us-east-1")

    def at(content, *path):
        for key in path:
            content = content[key]
        return content

    return {
        "no vendors": damage(lambda c: c.pop("vendors")),
        "unknown source": damage(lambda c: at(c, *region).update(source=[7])),
        "negative source": damage(lambda c: at(c, *region).update(source=[-1])),
        "unknown type": damage(lambda c: at(c, *region).update(type_step=[7])),
        "negative type": damage(lambda c: at(c, *region).update(type_step=[-1])),
        "missing price": damage(lambda c: at(c, *region).update(usd=[])),
        "price in words": damage(lambda c: at(c, *region).update(usd=["cheap"])),
        "uneven types": damage(lambda c: at(c, "vendors", "aws", "types").update(vcpus=[])),
        "no such column": damage(lambda c: at(c, "vendors", "aws", "types").pop("vcpus")),
        "vendors in a list": damage(lambda c: c.update(vendors=[1])),
        "source of another shape": damage(lambda c: c.update(sources=[{"colour": "red"}])),
    }


@pytest.mark.parametrize("name", damages())
def test_damaged_columns_are_an_error(tmp_path, name):
    """Well-formed JSON with wrong columns is refused, at the latest when it is read."""
    with pytest.raises(CatalogError, match="damaged catalog"):
        read_whole(written(tmp_path, damages()[name]))


@pytest.mark.parametrize("span", [[0, 3], [9999, 10], [0], "here", None])
def test_a_part_that_is_not_where_the_index_says(tmp_path, span):
    """The index points past the parts, or nowhere: damaged."""
    parts = Parts()
    vendors = {"aws": {"types": parts.add(small_content()["vendors"]["aws"]["types"]), "regions": {"us-east-1": span}}}
    path = tmp_path / "catalog.json.gz"
    index = {**small_content(), "vendors": vendors, "checksum": zlib.crc32(parts.data)}
    path.write_bytes(compressed(index) + parts.data)
    with pytest.raises(CatalogError, match="damaged catalog"):
        read_whole(path)


def test_reads_from_a_zip(tmp_path):
    """In a code package that is a zip the catalog is found all the same."""
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as code:
        package = ROOT / "resource_tracker"
        for path in [*package.rglob("*.py"), package / "data" / "catalog.json.gz"]:
            code.write(path, path.relative_to(ROOT))
    program = "from resource_tracker.catalog import load_bundled; print(len(load_bundled().instances))"
    result = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(archive), "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 1000


def test_loading_imports_nothing_heavy():
    """No requests, no third-party package."""
    program = (
        "import sys; before = set(sys.modules); import resource_tracker.catalog as c; c.load_bundled(); "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('requests', 'metaflow', 'jinja2', 'numpy')))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"


# --- the documentation ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vendor", "title"),
    [
        ("aws", "AWS"),
        ("azure", "Azure"),
        ("gcp", "GCP"),
        ("alicloud", "Alibaba Cloud"),
        ("hcloud", "Hetzner"),
        ("ovh", "OVHcloud"),
        ("upcloud", "UpCloud"),
    ],
)
def test_documented_numbers_are_those_of_the_catalog(catalog, vendor, title):
    """The table in docs/pricing.md counts types, regions and prices as they are bundled."""
    types = len({name for owner, name in catalog.instances if owner == vendor})
    listed = [prices.names for (owner, _), prices in catalog.prices.items() if owner == vendor]
    priced, prices = len({name for names in listed for name in names}), sum(len(names) for names in listed)
    row = f"| {title} | {types} | {priced} | {len(catalog.regions(vendor))} | {prices} |"
    assert row in (ROOT / "docs" / "pricing.md").read_text()


def test_every_source_is_credited(catalog):
    """Each source of a price stands in the notice beside the data."""
    notice = (ROOT / "resource_tracker" / "data" / "README.md").read_text()
    for source in catalog.sources:
        assert source.name.split(" (")[0] in notice and source.date in notice and source.licence in notice
