"""``resource-tracker catalog``: real processes, and a price API on the loopback interface."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from cli_harness import Cli
from keeper_api import Api, row, send

from resource_tracker.catalog import bundled_file

GONE = "http://127.0.0.1:9"
"""Nobody answers there."""
PLACE = ("--vendor", "aws", "--region", "eu-west-1")


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture
def api():
    server = Api()
    yield server
    server.close()


def prices(count: int, **more: object) -> list[dict[str, object]]:
    """So many machines, each a little dearer than the one before."""
    return [row(f"z{number}.large", 0.1 + number / 1000, **more) for number in range(count)]


# --- show -----------------------------------------------------------------------------------------------


def test_show_tells_sources_dates_licences_and_counts(cli: Cli) -> None:
    """All vendors, also those without prices, and each source with its licence."""
    done = cli("catalog", "show")
    assert done.returncode == 0 and done.stderr == ""
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert "15,109" in lines["aws"] and "2026-09-06" in lines["aws"] and "--live has some" in lines["hcloud"]
    assert "CC BY-SA 4.0" in done.stdout and "Apache-2.0" in done.stdout and "MIT" in done.stdout


def test_show_one_machine(cli: Cli) -> None:
    """What it has, what is left for a step, and its price in each region, the cheapest first."""
    done = cli("catalog", "show", "aws", "g5.xlarge")
    assert "1 × A10G, 22.5 GiB" in done.stdout and "are left for a step" in done.stdout
    told = json.loads(cli("catalog", "show", "aws", "g5.xlarge", "--json").stdout)
    usd = [price["usd_per_hour"] for price in told["prices"]]
    assert usd == sorted(usd) and len(usd) > 5 and told["gpu_count"] == 1
    assert all(price["source"] and price["date"] for price in told["prices"])


def test_show_a_vendor(cli: Cli) -> None:
    """Its regions with the number of their prices, or those that live prices could be had for."""
    assert "us-central1" in cli("catalog", "show", "gcp").stdout
    assert "fsn1-dc14" in cli("catalog", "show", "hcloud").stdout
    told = json.loads(cli("catalog", "show", "--json").stdout)
    assert told["vendors"]["azure"]["regions"]["westeurope"]["prices"] > 100


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "asw"), "did you mean 'aws'?"),
        (("show", "aws", "m5.xlagre"), "did you mean 'm5.xlarge'? There are "),
        (("search", "--vendor", "nimbus"), "there are aws, azure, gcp"),
        (("search", "--region", "eu-west1"), "did you mean 'eu-west-1'?"),
        (("search", "--vendor", "hcloud"), "--live --region"),
        (("search", "--vendor", "hcloud", "--live"), "needs a --region: there are ash-dc1"),
        (("search", "--vcpus", "many"), "give a number above 0"),
        (("search", "--vcpus", "nan"), "give a number above 0"),
        (("search", "--limit", "0"), "give a whole number above 0"),
        (("search", "--memory", "16gigs"), "16GB, 16GiB or 16000 (MB)"),
        (("search", "--memory=-4GB"), "16GB, 16GiB or 16000 (MB)"),
        (("search", "--vcpus", "9999"), "ask for less"),
        (("search", "--gpu-model", "abacus"), "GPU models there are A10"),
        (("search", "--region", "eu-west-1", "--vcpus", "2", "--gpu-model", "T4G"), "another --arch has some"),
        (("update", "aws", "eu-west1"), "did you mean 'eu-west-1'?"),
        (("update", "nimbus", "x"), "there is no vendor 'nimbus'"),
        (("update", "aws", "eu-west-1", "--timeout", "soon"), "give a number above 0"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(cli: Cli, arguments: tuple[str, ...], told: str) -> None:
    """Exit status 2, nothing on standard output, and one line with what there is."""
    done = cli("catalog", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert told in line


def test_wrong_usage_is_answered_by_the_action(cli: Cli) -> None:
    """A misspelt option is answered with what was probably meant; no action lists the three."""
    done = cli("catalog", "search", "--vcpu", "3")
    assert done.returncode == 2 and "did you mean --vcpus?" in done.stderr
    missing = cli("catalog")
    assert missing.returncode == 2 and "ACTION" in missing.stderr
    assert "resource-tracker catalog update aws eu-west-1" in cli("catalog", "--help").stdout


# --- search ---------------------------------------------------------------------------------------------


def test_search_lists_the_cheapest_that_leave_enough(cli: Cli) -> None:
    """Ascending prices; nothing on which the system leaves too little; each has what was asked for."""
    found = json.loads(cli("catalog", "search", "--vcpus", "4", "--memory", "16GB", "--limit", "30", "--json").stdout)
    assert len(found) == 30
    assert [offer["usd_per_hour"] for offer in found] == sorted(offer["usd_per_hour"] for offer in found)
    assert all(offer["vcpus"] >= 4 and offer["memory_left_mib"] * 1.048576 >= 16000 for offer in found)
    assert not any(offer["burstable"] or offer["architecture"] != "x86_64" for offer in found)
    assert len({offer["vendor"] for offer in found}) == 3


@pytest.mark.parametrize("sizes", [("16GB", "16000", "16000MB", "16g"), ("16GiB", "16384MiB", "16Gi", "16 gib")])
def test_units_of_memory(cli: Cli, sizes: tuple[str, ...]) -> None:
    """Powers of ten and of two, as each is written; without a unit as ``@resources`` counts."""
    outputs = {cli("catalog", "search", "--memory", size, "--json").stdout for size in sizes}
    assert len(outputs) == 1 and json.loads(outputs.pop())


def test_a_size_that_was_hardly_meant(cli: Cli) -> None:
    """16 is taken as 16 MB, and that is said."""
    done = cli("catalog", "search", "--memory", "16")
    assert done.returncode == 0 and "--memory 16 is 16 MB: for gigabytes, write --memory 16GB" in done.stderr
    assert "for gigabytes" not in cli("catalog", "search", "--memory", "16000").stderr


def test_search_for_a_gpu(cli: Cli) -> None:
    """A model and memory of each GPU; one GPU is meant where only those are given."""
    done = cli("catalog", "search", "--gpu-model", "a100", "--gpu-memory", "60GiB", "--arch", "any")
    assert "1 a100 GPU of 60 GiB, any architecture" in done.stdout
    rows = [line for line in done.stdout.splitlines() if "A100" in line]
    assert rows and all("80 GiB" in line for line in rows)


def test_arm_and_burstable_are_marked(cli: Cli) -> None:
    """What is not as usual is said in the row."""
    done = cli("catalog", "search", "--arch", "arm64", "--allow-burstable", *PLACE)
    assert "Arm, burstable" in done.stdout


# --- live and update ------------------------------------------------------------------------------------


def test_live_search_asks_the_api(cli: Cli, api: Api) -> None:
    """One region, always with ``vendor_regions``, and the reply serves the next search without asking."""
    api.first = prices(3)
    arguments = ("catalog", "search", "--live", *PLACE, "--api", api.url, "--json")
    first, again = cli(*arguments), cli(*arguments)
    assert [offer["name"] for offer in json.loads(first.stdout)] == ["z0.large", "z1.large", "z2.large"]
    assert again.stdout == first.stdout and len(api.asked) == 1
    assert api.asked[0][1]["vendor_regions"] == "aws~eu-west-1"


def test_live_search_falls_back_and_says_so(cli: Cli) -> None:
    """Offline: the bundled prices, a line on standard error, and exit status 0; without bundled ones 2."""
    done = cli("catalog", "search", "--live", *PLACE, "--api", GONE)
    assert done.returncode == 0 and "live prices could not be had" in done.stderr and "bundled" in done.stdout
    other = cli("catalog", "search", "--live", "--vendor", "ovh", "--region", "GRA9", "--api", GONE)
    assert other.returncode == 2 and "could not be had" in other.stderr and other.stdout == ""


def test_update_fetches_every_page_and_serves_searches(cli: Cli, api: Api) -> None:
    """Page after page with progress, then what was kept; a live search then needs no API."""
    every = prices(600)

    def answer(handler, path, query):
        page = int(query["page"])
        send(handler, every[(page - 1) * 250 : page * 250])

    api.answer = answer
    done = cli("catalog", "update", "aws", "eu-west-1", "--api", api.url)
    assert done.returncode == 0 and done.stdout.startswith("600 prices of aws eu-west-1 kept, of 20")
    assert [line.split(": ")[1] for line in done.stderr.splitlines()[1:]] == ["250 prices", "500 prices", "600 prices"]
    assert "600 new" in done.stdout
    api.answer = lambda handler, path, query: send(handler, b"", status=503)
    found = json.loads(cli("catalog", "search", "--live", *PLACE, "--api", api.url, "--limit", "2", "--json").stdout)
    assert [offer["name"] for offer in found] == ["z0.large", "z1.large"] and len(api.asked) == 3
    assert "Live prices in your cache" in cli("catalog", "show").stdout


def test_update_offline_changes_nothing(cli: Cli, api: Api) -> None:
    """Exit status 2; what was kept before stays, and the message says so."""
    api.first = prices(3)
    assert cli("catalog", "update", "aws", "eu-west-1", "--api", api.url).returncode == 0
    kept = {path: path.read_bytes() for path in (cli.tmp / "cache").rglob("prices-*")}
    for answer in (b"<html>", {"detail": "no"}, [{"odd": 1}], [], None):
        api.answer = lambda handler, path, query, answer=answer: send(
            handler, answer, 200 if answer is not None else 500
        )
        done = cli("catalog", "update", "aws", "eu-west-1", "--api", api.url)
        assert (
            done.returncode == 2
            and "nothing was updated" in done.stderr
            and "Kept as before: 3 prices of 20" in done.stderr
        )
    assert kept == {path: path.read_bytes() for path in (cli.tmp / "cache").rglob("prices-*")} and len(kept) == 1
    never = cli("catalog", "update", "aws", "us-east-1", "--api", GONE)
    assert never.returncode == 2 and "The bundled prices remain in use" in never.stderr


def test_one_price_is_no_prices(cli: Cli, api: Api) -> None:
    """One of a thing has no plural."""
    api.first = prices(1)
    done = cli("catalog", "update", "aws", "eu-west-1", "--api", api.url)
    assert done.stdout.startswith("1 price of aws eu-west-1 kept") and done.stderr.endswith(": 1 price\n")
    gone = cli("catalog", "update", "aws", "eu-west-1", "--api", api.url, "--timeout", "0.000001")
    assert "Kept as before: 1 price of 20" in gone.stderr


@pytest.mark.parametrize("content", ["", "[1]", '{"vendor": "aws", "region": "x", "at": 1e300, "listed": []}'])
def test_a_damaged_cache_names_itself(cli: Cli, api: Api, content: str) -> None:
    """``show`` names the file and how to mend it, ``search`` asks the API instead, and an update writes it anew."""
    api.first = prices(3)
    update = ("catalog", "update", "aws", "eu-west-1", "--api", api.url)
    assert cli(*update).returncode == 0
    (path,) = (cli.tmp / "cache").rglob("prices-region-*")
    path.write_text(content)
    shown = cli("catalog", "show")
    assert shown.returncode == 0 and "Live prices in your cache" not in shown.stdout
    assert shown.stderr == (
        f"resource-tracker: {path} is damaged and left out: "
        "`resource-tracker catalog update VENDOR REGION` fetches its prices anew\n"
    )
    found = cli("catalog", "search", "--live", *PLACE, "--api", api.url, "--json")
    assert len(json.loads(found.stdout)) == 3 and f"{path} is damaged and left out" in found.stderr
    assert "catalog update aws eu-west-1" in found.stderr
    offline = cli("catalog", "search", "--live", *PLACE, "--api", api.url, "--timeout", "0.000001", "--vcpus", "2.5")
    assert offline.returncode == 0 and f"{path} is damaged" in offline.stderr and "Traceback" not in offline.stderr
    assert cli(*update).returncode == 0
    assert cli("catalog", "show").stderr == ""


def test_an_incomplete_reply_does_not_replace_what_is_kept(cli: Cli, api: Api) -> None:
    """One price where 240 are kept, or only prices of another region: exit status 2, and the old ones stay."""
    api.first = prices(240)
    update = ("catalog", "update", "aws", "eu-west-1", "--api", api.url)
    assert cli(*update).returncode == 0
    api.first = prices(1)
    few = cli(*update)
    assert few.returncode == 2 and "fewer than half of the 240 kept" in few.stderr
    api.answer = lambda handler, path, query: send(handler, prices(240, vendor="aws", region="us-east-1"))
    foreign = cli(*update)
    assert foreign.returncode == 2 and "240 of another vendor or region left out" in foreign.stderr
    assert all("Kept as before: 240 prices of 20" in done.stderr and done.stdout == "" for done in (few, foreign))


@pytest.mark.parametrize("fault", ["hangs", "drips", "cut"])
def test_an_update_ends_in_time_and_says_why(cli: Cli, api: Api, fault: str) -> None:
    """Silence, a byte now and then, half of a body: exit status 2, a line, and the cache as it was."""
    api.first = prices(3)
    update = ("catalog", "update", "aws", "eu-west-1", "--api", api.url, "--timeout")
    assert cli(*update, "60").returncode == 0
    kept = {path: path.read_bytes() for path in (cli.tmp / "cache").rglob("*") if path.is_file()}

    def answer(handler, path, query):
        body = json.dumps(prices(100)).encode()
        if fault != "hangs":
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
        if fault == "cut":
            handler.wfile.write(body[:5000])
        while fault == "drips" and not api.release.wait(0.05):
            handler.wfile.write(b" ")
        if fault == "hangs":
            api.release.wait(60)

    api.answer = answer
    done = cli(*update, "60" if fault == "cut" else "1")
    assert (done.returncode, done.stdout) == (2, "") and "nothing was updated" in done.stderr
    assert ("cut off" if fault == "cut" else "too slow") in done.stderr and "Traceback" not in done.stderr
    assert "Kept as before: 3 prices of 20" in done.stderr
    assert {path: path.read_bytes() for path in (cli.tmp / "cache").rglob("*") if path.is_file()} == kept


def test_two_updates_at_once(cli: Cli, api: Api) -> None:
    """Both end well while the other is at work; one whole file is left."""
    both_ask = threading.Barrier(2, timeout=60)

    def answer(handler, path, query):
        both_ask.wait()
        send(handler, prices(100))

    api.answer = answer
    update = ("catalog", "update", "aws", "eu-west-1", "--api", api.url)
    processes = [cli.start(*update) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    files = [path.name for path in (cli.tmp / "cache").rglob("*") if path.is_file()]
    assert len(files) == 1 and files[0].startswith("prices-region-")
    shown = cli("catalog", "show")
    assert "100" in shown.stdout.partition("Live prices in your cache")[2] and shown.stderr == ""


# --- another catalog ------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["cut", "changed", "text", "missing", "folder"])
@pytest.mark.parametrize("action", [("show",), ("search", "--vcpus", "2")])
def test_a_damaged_catalog_names_itself(cli: Cli, tmp_path: Path, damage: str, action: tuple[str, ...]) -> None:
    """Whatever is wrong with the file: exit status 2 and one line with its name."""
    whole, path = bundled_file().read_bytes(), tmp_path / "other.json.gz"
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        middle = len(whole) // 2
        changed = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
        path.write_bytes({"cut": whole[:middle], "changed": changed, "text": b"prices"}[damage])
    done = cli("catalog", *action, "--catalog", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and str(path) in done.stderr
