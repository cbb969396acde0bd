"""Live prices, against a real HTTP server on the loopback interface.

The replies are synthetic: in the form of the API's published models, with invented machines.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keeper_api import Api, row, send

from resource_tracker.catalog_model import Catalog, PriceSource, RegionPrices
from resource_tracker.errors import CatalogError
from resource_tracker.keeper import FRESH_S, MOST_ROWS, NAME, STALE_S, Keeper
from resource_tracker.keeper_reply import (
    IMPLAUSIBLE,
    OTHER_PLACE,
    listed_from,
    listed_to_plain,
    read_prices,
    region_id_in,
)
from resource_tracker.live_pricing import price_live
from resource_tracker.machines import Need
from resource_tracker.records import CloudInfo, InstanceType, NoRecommendation, Recommendation, ServerInfo, UsageSummary

HOUR = UsageSummary(duration_s=3600.0)
HOME = CloudInfo(vendor="aws", region="eu-west-1", instance_type="big")
ADVICE = Recommendation(cpu=2, memory_mb=4096)
IRELAND = ("aws", "eu-west-1")
NOON = 1_790_000_000.0  # 2026-09-21


GPU = {"gpu_count": 1, "gpu_manufacturer": "NVIDIA", "gpu_model": "T4", "gpu_memory_min": 15360}
FIRST = [row(), row(price=0.11), row("mid", 0.2, memory_amount=16384)]
OWN = [row("big", 0.8, vcpus=16, memory_amount=65536), row("bigger", 1.6, vcpus=32, memory_amount=131072)]


@pytest.fixture
def api():
    server = Api()
    server.first, server.own = FIRST, OWN
    yield server
    server.close()


@pytest.fixture
def bundled():
    """A bundled catalog with one machine, dearer than the live one."""
    machine = InstanceType(vendor="aws", name="small", vcpus=2, memory_mib=8192)
    return Catalog(
        origin="bundled catalog",
        instances={("aws", "small"): machine},
        prices={
            ("aws", region): RegionPrices(names=("small",), usd_per_hour=(0.5,), sources=(0,))
            for region in ("eu-west-1", "us-east-1")
        },
        sources=(PriceSource(name="list", date="2024-01-01"),),
    )


def keeper_for(api, **more):
    return Keeper(base_url=api.url, timeout_s=10.0, now=lambda: NOON, **more)


# --- what is asked, and what becomes of the answer --------------------------------------------------------


def test_live_prices(api, bundled):
    """Cheapest machines and own machine, with the day of the prices and their source."""
    result = price_live(ADVICE, HOUR, HOME, ServerInfo(), keeper=keeper_for(api), bundled=bundled)
    assert [offer.instance.name for offer in result.offers] == ["small", "mid", "big", "bigger"]
    assert result.offers[0].price_usd_per_hour == 0.1  # the lowest of two zones
    assert result.own.instance.name == "big" and result.run_cost_usd == pytest.approx(0.8)
    assert result.saving_usd == pytest.approx(0.7) and not result.assumed
    assert result.catalog_source == f"live prices: {NAME}" and result.catalog_date == "2026-09-21"


def test_query_has_the_units_of_the_api(api, bundled):
    """Memory in GiB though it is called GB, rounded down; region of one vendor; on demand, in dollars."""
    price_live(ADVICE, HOUR, HOME, ServerInfo(), keeper=keeper_for(api), bundled=bundled)
    path, query, headers = api.asked[0]
    assert path == "/server_prices"
    assert query == {
        "vendor_regions": "aws~eu-west-1",
        "allocation": "ondemand",
        "currency": "USD",
        "vcpus_min": "2",
        "memory_min": "3.8",  # 4096 MB are 3906 MiB
        "architecture": "x86_64",
        "order_by": "price",
        "order_dir": "asc",
        "limit": "250",
    }
    assert headers["X-Application-ID"] == "metaflow-resource-tracker"
    own = api.asked[1][1]
    assert own["partial_name_or_id"] == "big" and own["vendor_regions"] == "aws~eu-west-1" and "vcpus_min" not in own


def test_gpu_query(api):
    """Count and memory of each GPU, and no more vCPUs than the API takes."""
    keeper_for(api).catalog("aws", "eu-west-1", Need(vcpus=400, memory_mib=10, gpu_count=2, gpu_memory_mib=15000.0))
    query = api.asked[0][1]
    assert (query["vcpus_min"], query["gpu_min"], query["gpu_memory_min"]) == ("256", "2", "14.6")


def test_regions_that_the_api_numbers(api):
    """The API knows GCP's regions by number: it is asked for the number first."""

    def answer(handler, path, query):
        if path == "/regions":
            send(handler, [{"vendor_id": "gcp", "region_id": "1000", "api_reference": "us-central1", "name": "Iowa"}])
        else:
            send(handler, [row("n2", vendor="gcp", region="1000")])

    api.answer = answer
    catalog = keeper_for(api).catalog("gcp", "us-central1", Need(vcpus=1, memory_mib=1))
    assert api.asked[0][:2] == ("/regions", {"vendor": "gcp"})
    assert api.asked[1][1]["vendor_regions"] == "gcp~1000"
    assert catalog.find("gcp", "us-central1", "n2") is not None
    with pytest.raises(CatalogError, match="gcp has no region moon1"):
        keeper_for(api).catalog("gcp", "moon1", None)


def test_unknown_cloud_asks_for_the_default_region(api, bundled):
    """Outside the clouds: live prices of AWS us-east-1, labelled as assumed, no own machine."""
    result = price_live(ADVICE, HOUR, CloudInfo(), ServerInfo(), keeper=keeper_for(api), bundled=bundled)
    assert len(api.asked) == 1 and api.asked[0][1]["vendor_regions"] == "aws~us-east-1"
    assert result.assumed and result.own is None and result.offers[0].price_usd_per_hour == 0.1


def test_no_recommendation_asks_for_the_own_machine_only(api, bundled):
    """Nothing to look for: only the cost of the attempt."""
    result = price_live(NoRecommendation(reason="x"), HOUR, HOME, ServerInfo(), keeper=keeper_for(api), bundled=bundled)
    assert len(api.asked) == 1 and result.offers == () and result.run_cost_usd == pytest.approx(0.8)


def test_compressed_replies(api):
    """The API compresses what it sends."""
    api.answer = lambda handler, path, query: send(handler, FIRST, encode="gzip")
    assert keeper_for(api).catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1)).find("aws", "eu-west-1", "mid")


# --- what goes wrong --------------------------------------------------------------------------------------

WRONG = {
    "error 500": lambda h: send(h, b"oops", 500),
    "error 422": lambda h: send(h, {"detail": "no"}, 422),
    "too many requests": lambda h: send(h, {"detail": "slow down"}, 429),
    "not json": lambda h: send(h, b"<html>"),
    "an object": lambda h: send(h, {"rows": FIRST}),
    "null": lambda h: send(h, None),
    "rows of numbers": lambda h: send(h, [1, 2, 3]),
    "rows without server": lambda h: send(h, [{k: v for k, v in row().items() if k != "server"}]),
    "prices in words": lambda h: send(h, [row(price="cheap")]),
    "nested": lambda h: send(h, b"[" * 100_000),
    "not gzip": lambda h: (
        h.send_response(200),
        h.send_header("Content-Encoding", "gzip"),
        h.end_headers(),
        h.wfile.write(b"x"),
    ),
    "connection cut": lambda h: (h.send_response(200), h.send_header("Content-Length", "999"), h.end_headers()),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_replies_fall_back_on_the_bundle(api, bundled, name):
    """Whatever comes back: bundled prices, a note with the reason, and a CatalogError for who asks directly."""
    api.answer = lambda handler, path, query: WRONG[name](handler)
    with pytest.raises(CatalogError):
        keeper_for(api).catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1))
    result = price_live(ADVICE, HOUR, HOME, ServerInfo(), keeper=keeper_for(api), bundled=bundled)
    assert result.offers[0].price_usd_per_hour == 0.5 and result.catalog_date == "2024-01-01"
    assert result.note.startswith("Live prices could not be had (") and "bundled catalog are shown" in result.note


def test_server_that_hangs(api):
    """No answer: an error after the time-out, not a hang."""
    api.answer = lambda handler, path, query: api.release.wait(60)
    keeper = Keeper(base_url=api.url, timeout_s=0.2, now=lambda: NOON)
    with pytest.raises(CatalogError, match="too slow"):
        keeper.catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1))


def test_server_that_drips(api):
    """A byte now and then keeps the connection alive, but not beyond the deadline."""

    def drip(handler, path, query):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        for _ in range(100):  # then it ends, so that a client without a deadline fails otherwise
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                return
            if api.release.wait(0.05):
                return

    api.answer = drip
    keeper = Keeper(base_url=api.url, timeout_s=0.5, now=lambda: NOON)
    with pytest.raises(CatalogError, match="too slow"):
        keeper.catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1))


def drip_header(handler, api):
    """A header line that never ends, a byte now and then."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(600):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        if api.release.wait(0.05):
            return


def cut_in_the_middle(handler, api):
    """Half of a body whose length was told."""
    body = json.dumps([row(f"m{n}", 0.2) for n in range(MOST_ROWS)]).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])


def cut_in_a_chunk(handler, api):
    """Chunks without the last."""
    handler.protocol_version = "HTTP/1.1"
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(b'100\r\n[{"vendor_id"')


@pytest.mark.parametrize(
    ("fault", "said", "timeout_s"),
    [
        (lambda handler, api: api.release.wait(60), "too slow", 0.3),
        (drip_header, "too slow", 0.3),
        (cut_in_the_middle, "cut off|not JSON", 10.0),
        (cut_in_a_chunk, "cut off", 10.0),
    ],
)
def test_an_update_that_is_broken_off_leaves_everything_as_it_was(api, tmp_path, fault, said, timeout_s):
    """Silence, a header that never ends, a body that does too early: an error, nothing overwritten or left behind."""
    cache = tmp_path / "cache"
    keeper_for(api, cache=(str(cache),)).update("aws", "eu-west-1")
    before = {path: path.read_bytes() for path in cache.iterdir()}
    api.answer = lambda handler, path, query: fault(handler, api)
    keeper = Keeper(base_url=api.url, timeout_s=timeout_s, now=lambda: NOON, cache=(str(cache),))
    with pytest.raises(CatalogError, match=said):
        keeper.update("aws", "eu-west-1")
    assert {path: path.read_bytes() for path in cache.iterdir()} == before


def test_nobody_listens(api, bundled):
    """Connection refused: the bundle."""
    api.close()
    result = price_live(ADVICE, HOUR, HOME, ServerInfo(), keeper=keeper_for(api), bundled=bundled)
    assert "could not be had" in result.note and result.offers


def test_rows_of_an_unknown_form_are_counted(api, bundled):
    """One bad row does not spoil the rest, and is mentioned."""
    api.answer = lambda handler, path, query: send(handler, [*FIRST, {"vendor_id": "aws"}])
    ireland = CloudInfo(vendor="aws", region="eu-west-1")
    result = price_live(ADVICE, HOUR, ireland, ServerInfo(), keeper=keeper_for(api), bundled=bundled)
    assert [offer.instance.name for offer in result.offers] == ["small", "mid"]
    assert "Live prices were left out: 1 of an unknown form." in result.note


def test_nothing_fits(api, bundled):
    """An empty list is an answer: no offers."""
    api.answer = lambda handler, path, query: send(handler, [])
    result = price_live(ADVICE, HOUR, CloudInfo(), ServerInfo(), keeper=keeper_for(api), bundled=bundled)
    assert result.offers == () and "No machine in the catalog is enough" in result.note


# --- the cache --------------------------------------------------------------------------------------------


def at(api, seconds, cache):
    return Keeper(base_url=api.url, timeout_s=10.0, now=lambda: NOON + seconds, cache=(str(cache),))


def test_a_second_step_does_not_ask_again(api, tmp_path):
    """Within a day the cache answers, with the day of the prices."""
    need, cache = Need(vcpus=1, memory_mib=1), tmp_path / "cache"
    first = at(api, 0, cache).catalog("aws", "eu-west-1", need)
    second = at(api, FRESH_S, cache).catalog("aws", "eu-west-1", need)
    assert len(api.asked) == 1 and second.instances == first.instances and second.prices == first.prices
    assert second.sources[0].date == "2026-09-21"
    assert cache.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in cache.iterdir()] == [0o600]


def test_another_need_is_another_question(api, tmp_path):
    """What was cached for one need does not answer for another."""
    at(api, 0, tmp_path / "c").catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1))
    at(api, 0, tmp_path / "c").catalog("aws", "eu-west-1", Need(vcpus=2, memory_mib=1))
    assert len(api.asked) == 2


def test_after_a_day_it_is_asked_again(api, tmp_path):
    """Prices of yesterday are renewed."""
    need = Need(vcpus=1, memory_mib=1)
    at(api, 0, tmp_path / "c").catalog("aws", "eu-west-1", need)
    at(api, FRESH_S + 1, tmp_path / "c").catalog("aws", "eu-west-1", need)
    assert len(api.asked) == 2


def test_a_week_old_cache_is_better_than_none(api, tmp_path):
    """Where the API does not answer, the cache serves for a week, and the note says so; later it does not."""
    need = Need(vcpus=1, memory_mib=1)
    at(api, 0, tmp_path / "c").catalog("aws", "eu-west-1", need)
    api.answer = lambda handler, path, query: send(handler, b"", 503)
    stale = at(api, STALE_S, tmp_path / "c").catalog("aws", "eu-west-1", need)
    assert stale.sources[0].date == "2026-09-21" and "cached before" in stale.notes[0]
    with pytest.raises(CatalogError):
        at(api, STALE_S + 1, tmp_path / "c").catalog("aws", "eu-west-1", need)


DAMAGED = [
    *("", "{}", "[1]", '{"at": "x", "listed": []}', '{"at": 1, "listed": [{}]}', "[" * 50_000, "\0"),
    *('{"at": 1' + "0" * 400 + ', "listed": []}', '{"at": NaN, "listed": []}', '{"at": 1, "listed": 5}'),
    *('{"at": -1, "listed": []}', '{"at": 1e300, "listed": []}', '{"at": 1, "listed": [5]}'),
]


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_cache_is_asked_again(api, tmp_path, content):
    """A file that is not ours to read is no answer."""
    need, cache = Need(vcpus=1, memory_mib=1), tmp_path / "c"
    at(api, 0, cache).catalog("aws", "eu-west-1", need)
    (path,) = cache.iterdir()
    path.write_text(content)
    assert at(api, 0, cache).catalog("aws", "eu-west-1", need).instances
    assert len(api.asked) == 2


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_region_is_named(api, tmp_path, content):
    """It is not listed, its file is named to who asks for the region, and the next update writes it anew."""
    cache, need = tmp_path / "c", Need(vcpus=1, memory_mib=1)
    keeper = at(api, 0, cache)
    keeper.update("aws", "eu-west-1")
    (path,) = cache.iterdir()
    path.write_text(content)
    assert (keeper.kept(), keeper.damaged()) == ([], [str(path)])
    found = keeper.catalog("aws", "eu-west-1", need)
    assert found.instances and found.notes[-1].startswith(f"{path} is damaged and left out")
    assert keeper.catalog("aws", "us-east-1", need).notes == ()
    api.answer = lambda handler, path, query: send(handler, b"", 503)
    with pytest.raises(CatalogError, match="is damaged and left out"):
        at(api, 0, cache).catalog("aws", "eu-west-1", Need(vcpus=3, memory_mib=1))
    api.answer = api.usual
    keeper.update("aws", "eu-west-1")
    assert keeper.damaged() == [] and len(keeper.kept()) == 1


def test_cache_that_others_can_write_is_not_used(api, tmp_path):
    """A directory open to others is neither read nor written."""
    cache = tmp_path / "c"
    cache.mkdir(mode=0o777)
    cache.chmod(0o777)
    at(api, 0, cache).catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1))
    assert list(cache.iterdir()) == []


def test_cache_that_cannot_be_made(api, tmp_path):
    """No place for a cache is no reason to fail."""
    (tmp_path / "file").write_text("")
    assert at(api, 0, tmp_path / "file" / "c").catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1)).instances


# --- reading replies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"allocation": "spot"},
        {"operating_system": "Windows"},
        {"currency": "EUR"},
        {"unit": "month"},
    ],
)
def test_other_prices_are_not_taken(change):
    """Spot, Windows, other currencies and units are left out without being errors."""
    assert read_prices([{**row(), **change}, row("wanted")], *IRELAND)[0][0].instance.name == "wanted"
    assert read_prices([{**row(), **change}], *IRELAND) == ([], {})


@pytest.mark.parametrize("change", [{"vendor_id": "gcp"}, {"region_id": "us-east-1"}, {"region_id": None}])
def test_prices_of_another_place_are_not_taken(api, tmp_path, change):
    """A server that answers with another vendor or region: its rows are counted, and alone they are an error."""
    foreign = {**row("elsewhere", 0.01), **change}
    listed, left_out = read_prices([foreign, row("here")], *IRELAND)
    assert [item.instance.name for item in listed] == ["here"] and left_out == {OTHER_PLACE: 1}
    api.answer = lambda handler, path, query: send(handler, [foreign, foreign])
    keeper = keeper_for(api, cache=(str(tmp_path / "cache"),))
    with pytest.raises(CatalogError, match=r"no prices for aws eu-west-1 \(2 of another vendor or region left out"):
        keeper.update("aws", "eu-west-1")
    with pytest.raises(CatalogError, match=r"no price is usable \(2 of another vendor or region left out"):
        keeper.catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1))
    assert keeper.kept() == []


@pytest.mark.parametrize(
    "odd",
    [
        row("odd", 1e-300),
        row("odd", 0.0019),
        row("odd", 1.25),
        row("odd", 10**400),
        row("odd", 0.1, vcpus=10**400),
        row("odd", 1e9, vcpus=1e10),
        row("odd", 0.1, memory_amount=10**400),
        row("odd", 0.1, storage_size=10**400),
        row("odd", 0.1, **{**GPU, "gpu_count": 10**400}),
        row("odd", 0.1, **{**GPU, "gpu_memory_min": 10**400}),
    ],
)
def test_implausible_prices_are_not_taken(odd):
    """Prices below and above what 2 vCPUs and 8 GiB may cost, and sizes no machine has, are left out and counted."""
    listed, left_out = read_prices([odd, row("low", 0.0021), row("high", 1.23)], *IRELAND)
    assert [item.instance.name for item in listed] == ["low", "high"] and left_out == {IMPLAUSIBLE: 1}


def test_machines_are_read_whole():
    """Every property of a machine, in our units; only NVIDIA GPUs count."""
    listed, _ = read_prices(
        [
            row("gpu", 0.5, **GPU, storage_size=125, cpu_architecture="arm64"),
            row("amd", 0.5, **{**GPU, "gpu_manufacturer": "AMD"}),
            row("third", 0.5, **{**GPU, "gpu_count": 0.33}),
            row("old", 0.01, cpu_architecture="i386", cpu_allocation="Burstable"),
        ],
        *IRELAND,
    )
    gpu, amd, third, old = [row.instance for row in listed]
    assert (gpu.gpu_count, gpu.gpu_model, gpu.gpu_memory_mib) == (1, "T4", 15360)
    assert (gpu.storage_gb, gpu.architecture, gpu.burstable) == (125, "arm64", False)
    assert amd.gpu_count == third.gpu_count == 0 and amd.gpu_model is None
    assert old.architecture == "x86_64" and old.burstable


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@given(json_values, st.sampled_from(sorted(row())), json_values)
def test_any_reply_is_prices_or_an_error(reply, field, value):
    """Whatever JSON comes back, and whatever stands in one field of a row: prices, or a CatalogError."""
    for content in (
        reply,
        [reply],
        [{**row(), field: value}],
        [row(**{"gpu_count": value}), {**row(), "server": value}],
    ):
        try:
            listed, left_out = read_prices(content, *IRELAND)
        except CatalogError:
            continue
        assert all(item.price_usd_per_hour > 0 and item.instance.vcpus > 0 for item in listed)
        assert all(count > 0 for count in left_out.values())
    for content in (reply, [reply]):
        try:
            assert region_id_in(content, "gcp", "x") is None
        except CatalogError:
            continue


@given(st.floats(0.001, 0.5), st.integers(1, 448), st.one_of(st.none(), st.just("T4")))
def test_cache_round_trip(per_vcpu, vcpus, model):
    """What is cached comes back as it was."""
    (listed,), _ = read_prices([row(price=per_vcpu * vcpus, vcpus=vcpus, **(GPU if model else {}))], *IRELAND)
    assert listed_from(json.loads(json.dumps(listed_to_plain(listed)))) == listed


# --- a whole region ---------------------------------------------------------------------------------------


def test_a_whole_region_serves_every_need(api, tmp_path):
    """What ``update`` has kept answers any question of that region, without asking, until it is a day old."""
    keeper = keeper_for(api, cache=(str(tmp_path / "cache"),))
    updated = keeper.update("aws", "eu-west-1")
    assert updated.prices["aws", "eu-west-1"].names == ("small", "mid") and len(api.asked) == 1
    assert keeper.catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1), "any").prices == updated.prices
    assert len(api.asked) == 1 and keeper.kept() == [("aws", "eu-west-1", 2, NOON)]


def test_an_old_region_serves_only_where_the_api_does_not(api, tmp_path):
    """After a day the API is asked; where it fails, the region is used for a week, and the note says so."""
    cache = (str(tmp_path / "cache"),)
    keeper_for(api, cache=cache).update("aws", "eu-west-1")
    api.answer = lambda handler, path, query: send(handler, [], status=503)
    later = Keeper(base_url=api.url, timeout_s=10.0, now=lambda: NOON + FRESH_S + 1, cache=cache)
    catalog = later.catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1))
    assert catalog.prices["aws", "eu-west-1"].names == ("small", "mid") and "cached" in catalog.notes[0]
    assert len(api.asked) == 2
    too_late = Keeper(base_url=api.url, timeout_s=10.0, now=lambda: NOON + STALE_S + 1, cache=cache)
    with pytest.raises(CatalogError):
        too_late.catalog("aws", "eu-west-1", Need(vcpus=1, memory_mib=1))


def test_pages_are_read_to_the_last(api, tmp_path):
    """A full page is followed by another; of several prices of a type the lowest is kept."""
    pages = {"1": [row(f"m{n}", 1.0) for n in range(MOST_ROWS)], "2": [row("m0", 0.5), row("last", 1.2)]}
    api.answer = lambda handler, path, query: send(handler, pages[query["page"]])
    told = []
    catalog = keeper_for(api, cache=(str(tmp_path / "cache"),)).update("aws", "eu-west-1", told.append)
    listed = catalog.prices["aws", "eu-west-1"]
    assert told == [250, 251] and dict(zip(listed.names, listed.usd_per_hour, strict=True))["m0"] == 0.5


@pytest.mark.parametrize("answer", [[], [{"odd": 1}], {"detail": "no"}])
def test_a_wrong_region_is_not_kept(api, tmp_path, answer):
    """Nothing, rows of another form, or no list: an error, and the cache stays as it was."""
    keeper = keeper_for(api, cache=(str(tmp_path / "cache"),))
    keeper.update("aws", "eu-west-1")
    before = {path: path.read_bytes() for path in (tmp_path / "cache").iterdir()}
    api.answer = lambda handler, path, query: send(handler, answer)
    with pytest.raises(CatalogError):
        keeper.update("aws", "eu-west-1")
    assert {path: path.read_bytes() for path in (tmp_path / "cache").iterdir()} == before


@pytest.mark.parametrize(("count", "refused"), [(1, True), (4, True), (5, False), (20, False)])
def test_far_fewer_prices_do_not_replace_many(api, tmp_path, count, refused):
    """Fewer than half of those kept look incomplete: the old ones stay; half of them, or more, take their place."""
    keeper = keeper_for(api, cache=(str(tmp_path / "cache"),))
    api.answer = lambda handler, path, query: send(handler, [row(f"m{n}", 0.2) for n in range(10)])
    keeper.update("aws", "eu-west-1")
    api.answer = lambda handler, path, query: send(handler, [row(f"m{n}", 0.3) for n in range(count)])
    if refused:
        with pytest.raises(CatalogError, match=f"has {count} prices? of aws eu-west-1, fewer than half of the 10 kept"):
            keeper.update("aws", "eu-west-1")
    else:
        keeper.update("aws", "eu-west-1")
    assert keeper.kept() == [("aws", "eu-west-1", 10 if refused else count, NOON)]


def test_few_prices_replace_those_that_no_longer_serve(api, tmp_path):
    """After a week the kept prices serve no longer, and any reply takes their place."""
    cache = (str(tmp_path / "cache"),)
    api.answer = lambda handler, path, query: send(handler, [row(f"m{n}", 0.2) for n in range(10)])
    keeper_for(api, cache=cache).update("aws", "eu-west-1")
    api.answer = lambda handler, path, query: send(handler, [row()])
    later = Keeper(base_url=api.url, timeout_s=10.0, now=lambda: NOON + STALE_S + 1, cache=cache)
    later.update("aws", "eu-west-1")
    assert [one.prices for one in later.kept()] == [1]


def test_nowhere_to_keep_a_region(api):
    """An update that cannot be kept is an error: it would have been for nothing."""
    with pytest.raises(CatalogError, match="could not be kept"):
        keeper_for(api, cache=()).update("aws", "eu-west-1")


def test_hetzner_is_found_by_its_location():
    """Its metadata service says ``fsn1``, the API ``fsn1-dc14``, numbered 4."""
    reply = [{"vendor_id": "hcloud", "region_id": "4", "api_reference": "fsn1-dc14", "name": "fsn1-dc14"}]
    assert {region_id_in(reply, "hcloud", name) for name in ("fsn1", "fsn1-dc14", "4")} == {"4"}


def test_live_prices_of_another_place_keep_the_own_cost(api, bundled):
    """The live prices are of the place that was asked for; the own machine has its bundled price."""
    home = CloudInfo(vendor="aws", region="us-east-1", instance_type="small")
    result = price_live(
        ADVICE, HOUR, home, ServerInfo(), keeper=keeper_for(api), bundled=bundled, vendor="aws", region="eu-west-1"
    )
    assert result.run_cost_usd == pytest.approx(0.5) and result.offers[0].price_usd_per_hour == pytest.approx(0.1)
