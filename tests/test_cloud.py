"""Cloud discovery against real HTTP servers on loopback; replies are synthetic, in the shape of the vendors' pages."""

import json
import os
import re
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker import private_dir
from resource_tracker.cloud import discover, read_hints
from resource_tracker.cloud_cache import UNKNOWN_KEPT_S, cached_discover
from resource_tracker.cloud_finding import word
from resource_tracker.cloud_vendors import VENDORS, Reply
from resource_tracker.metadata_service import BODY_AT_MOST
from resource_tracker.records import CloudInfo

LONG_S = 20.0
"""A time-out for tests in which something answers: far beyond what a loaded machine needs."""
BOOT = "3f0c7a5e-1111-4222-8333-0123456789ab"


class MetadataServer:
    """A metadata service on loopback. ``answer(method, path, headers)`` gives (status, headers, body) or None: 404."""

    def __init__(self, answer):
        self.requests = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self):
                outer.requests.append((self.command, self.path))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, more, body = answer(self.command, self.path, headers) or (404, {}, "not found")
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_PUT = handle_any  # noqa: N815

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that left is what some tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def all_at(url, vendors=VENDORS):
    """Send every vendor's probe to one local address, as nearly all share 169.254.169.254."""
    return [replace(vendor, base_url=url) for vendor in vendors]


def serve(pages):
    """Answer (method, path) with (needed headers, reply headers, body); a request without those headers is refused."""

    def answer(method, path, headers):
        page = pages.get((method, path))
        if page is None:
            return None
        needed, more, body = page
        if any(headers.get(name.lower()) != value for name, value in needed.items()):
            return 401, {}, "unauthorized"
        return 200, more, body if isinstance(body, str) else json.dumps(body)

    return answer


AWS_DOCUMENT = {
    "accountId": "123456789012",
    "architecture": "x86_64",
    "availabilityZone": "us-west-2b",
    "billingProducts": None,
    "imageId": "ami-5fb8c835",
    "instanceId": "i-1234567890abcdef0",
    "instanceType": "m5.2xlarge",
    "pendingTime": "2016-11-19T16:32:11Z",
    "privateIp": "10.158.112.84",
    "region": "us-west-2",
    "version": "2017-09-30",
}
AZURE_DOCUMENT = {
    "compute": {
        "azEnvironment": "AzurePublicCloud",
        "location": "westeurope",
        "name": "examplevmname",
        "osType": "Linux",
        "priority": "Spot",
        "vmSize": "Standard_D2s_v3",
        "zone": "1",
    },
    "network": {"interface": []},
}
HETZNER_DOCUMENT = """availability-zone: hel1-dc2
hostname: my-server
instance-id: 42
network-config:
  version: 1
public-keys:
- ssh-ed25519 AAAA region: me@example.com
public-ipv4: 1.2.3.4
region: eu-central
"""
UPCLOUD_DOCUMENT = {
    "cloud_name": "upcloud",
    "instance_id": "00bf9504-a4cb-4839-88ff-124a2c95e169",
    "hostname": "metadata.example.com",
    "platform": "servers",
    "subplatform": "metadata (http://169.254.169.254)",
    "region": "de-fra1",
}
ALIBABA_DOCUMENT = {
    "zone-id": "cn-zhangjiakou-a",
    "serial-number": "8e794d59-a809-453b-8f5a-9d0a0b29660a",
    "instance-id": "i-8vb8p62ryuejka7tcz4p",
    "region-id": "cn-zhangjiakou",
    "private-ipv4": "192.168.1.215",
    "owner-account-id": "1335926999564873",
    "mac": "00:16:3e:13:9a:81",
    "image-id": "centos_7_8_x64_20G_alibase_20200914.vhd",
    "instance-type": "ecs.s6-c1m1.small",
}
ORACLE_DOCUMENT = {
    "availabilityDomain": "EMIr:PHX-AD-1",
    "compartmentId": "ocid1.tenancy.oc1..exampleuniqueID",
    "displayName": "my-example-instance",
    "id": "ocid1.instance.oc1.phx.exampleuniqueID",
    "region": "phx",
    "canonicalRegionName": "us-phoenix-1",
    "shape": "VM.Standard.E3.Flex",
    "shapeConfig": {"ocpus": 1.0, "memoryInGBs": 8.0},
    "state": "Running",
}


def openstack(resolver, zone="nova", flavor="b3-8"):
    return {
        ("GET", "/openstack/latest/network_data.json"): (
            {},
            {},
            {"links": [], "networks": [], "services": [{"type": "dns", "address": resolver}]},
        ),
        ("GET", "/openstack/latest/meta_data.json"): ({}, {}, {"uuid": "83679162", "availability_zone": zone}),
        ("GET", "/latest/meta-data/instance-type"): ({}, {}, flavor),
    }


TOKEN = "AQAEAHtsK-1234567890=="
IDENTITY = ("GET", "/latest/dynamic/instance-identity/document")
FLAVOR = {"Metadata-Flavor": "Google"}
LIFE_CYCLE = "/latest/meta-data/instance-life-cycle"
PREEMPTIBLE = "/computeMetadata/v1/instance/scheduling/preemptible"
MACHINE_TYPE = "/computeMetadata/v1/instance/machine-type"
SERVICES = {
    "aws": {
        ("PUT", "/latest/api/token"): ({"X-aws-ec2-metadata-token-ttl-seconds": "60"}, {}, TOKEN),
        IDENTITY: ({"X-aws-ec2-metadata-token": TOKEN}, {}, AWS_DOCUMENT),
        ("GET", LIFE_CYCLE): ({"X-aws-ec2-metadata-token": TOKEN}, {}, "spot"),
    },
    "gcp": {
        ("GET", MACHINE_TYPE): (FLAVOR, FLAVOR, "projects/123456789/machineTypes/n2-standard-4"),
        ("GET", "/computeMetadata/v1/instance/zone"): (FLAVOR, FLAVOR, "projects/123456789/zones/us-central1-a"),
        ("GET", PREEMPTIBLE): (FLAVOR, FLAVOR, "FALSE"),
    },
    "azure": {("GET", "/metadata/instance?api-version=2021-02-01"): ({"Metadata": "true"}, {}, AZURE_DOCUMENT)},
    "hcloud": {("GET", "/hetzner/v1/metadata"): ({}, {}, HETZNER_DOCUMENT)},
    "upcloud": {("GET", "/metadata/v1.json"): ({}, {}, UPCLOUD_DOCUMENT)},
    "alicloud": {
        ("PUT", "/latest/api/token"): ({"X-aliyun-ecs-metadata-token-ttl-seconds": "60"}, {}, TOKEN),
        IDENTITY: ({"X-aliyun-ecs-metadata-token": TOKEN}, {}, ALIBABA_DOCUMENT),
    },
    "ovh": openstack("213.186.33.99"),
    "oracle": {("GET", "/opc/v2/instance/"): ({"Authorization": "Bearer Oracle"}, {}, ORACLE_DOCUMENT)},
}
FOUND = {
    "aws": ("m5.2xlarge", "us-west-2"),
    "gcp": ("n2-standard-4", "us-central1"),
    "azure": ("Standard_D2s_v3", "westeurope"),
    "hcloud": ("unknown", "hel1"),
    "upcloud": ("unknown", "de-fra1"),
    "alicloud": ("ecs.s6-c1m1.small", "cn-zhangjiakou"),
    "ovh": ("b3-8", "unknown"),
    "oracle": ("VM.Standard.E3.Flex", "us-phoenix-1"),
}
ZONE_AND_SPOT = {
    "aws": ("us-west-2b", True),
    "gcp": ("us-central1-a", False),
    "azure": ("westeurope-1", True),
    "alicloud": ("cn-zhangjiakou-a", None),
}


def ask(answer, *, timeout_s=LONG_S, hints=None):
    """Let all vendors' probes loose on one server; return the answer and the requests that it saw."""
    with MetadataServer(answer) as server:
        return discover(timeout_s=timeout_s, vendors=all_at(server.url), hints=hints or {}), server.requests


@pytest.mark.parametrize("name", SERVICES)
def test_each_vendor_is_told_from_the_others(name):
    """With all probes at one address, as on the real one, each service is recognised as its own vendor's."""
    found, requests = ask(serve(SERVICES[name]))
    assert (found.vendor, found.instance_type, found.region) == (name, *FOUND[name])
    assert found.discovery_time > 0
    assert len(requests) >= 1
    offered = "unknown" not in FOUND[name]
    assert (found.reason is None) == offered


@pytest.mark.parametrize("name", SERVICES)
def test_zone_and_spot(name):
    """Where a vendor tells its zone, and whether the machine may be taken away, we know; elsewhere that is unknown."""
    found, _ = ask(serve(SERVICES[name]))
    assert (found.zone, found.spot) == ZONE_AND_SPOT.get(name, (None, None))


@pytest.mark.parametrize(
    ("name", "page", "reply", "expected"),
    [
        ("aws", LIFE_CYCLE, "on-demand", False),
        ("aws", LIFE_CYCLE, None, None),
        ("gcp", PREEMPTIBLE, "TRUE", True),
        ("gcp", PREEMPTIBLE, "<html>", None),
        ("gcp", PREEMPTIBLE, None, None),
    ],
)
def test_spot_in_other_words(name, page, reply, expected):
    """A machine is on demand only where that is said; a service that is silent or odd leaves it unknown."""
    pages = dict(SERVICES[name])
    needed, more, _ = pages.pop(("GET", page))
    if reply is not None:
        pages["GET", page] = (needed, more, reply)
    found, _ = ask(serve(pages))
    assert (found.vendor, found.spot) == (name, expected)


def test_google_pod_that_may_not_ask_for_the_type():
    """Pods with an identity of their own are told the zone but not the machine's type: the place is known."""
    pages = {request: page for request, page in SERVICES["gcp"].items() if request != ("GET", MACHINE_TYPE)}
    found, _ = ask(serve(pages))
    assert (found.vendor, found.region, found.instance_type) == ("gcp", "us-central1", "unknown")
    assert "did not tell instance_type" in found.reason


def test_every_vendor_has_a_service_here():
    """No vendor of the table goes untested, and all real addresses are link-local or the one of Alibaba Cloud."""
    assert {vendor.name for vendor in VENDORS} == set(SERVICES)
    assert {vendor.base_url for vendor in VENDORS} == {"http://169.254.169.254", "http://100.100.100.200"}


def test_another_openstack_is_not_taken_for_ovh():
    """An OpenStack whose instances use another resolver is some cloud that we do not know."""
    found, _ = ask(serve(openstack("8.8.8.8")))
    assert not found.known


def test_ovh_zone_that_names_a_place():
    """OpenStack's default zone says nothing; a zone with a name is the region."""
    found, _ = ask(serve(openstack("213.186.33.99", zone="eu-west-par-a")))
    assert found.region == "eu-west-par-a"


def test_hetzner_without_a_datacenter():
    """With the datacenters phased out, the network zone is still told."""
    pages = {("GET", "/hetzner/v1/metadata"): ({}, {}, "hostname: a\ninstance-id: 1\nregion: eu-central\n")}
    found, _ = ask(serve(pages))
    assert (found.vendor, found.region) == ("hcloud", "eu-central")


LOGIN = "<!DOCTYPE html><html><title>Welcome to Hotel WiFi</title><form>region: here</form></html>"


@pytest.mark.parametrize(
    "body",
    [LOGIN, "", "{}", "[]", "null", '"upcloud"', "aAbBcCdDeEfFgG", "[" * 5000, '{"compute": 1, "services": [1]}'],
    ids=["html", "empty", "object", "array", "null", "string", "word", "deep", "odd types"],
)
def test_captive_portal_is_no_cloud(body):
    """Something that answers 200 to everything, whatever it says, is not taken for a cloud."""
    found, requests = ask(lambda *_: (200, {}, body))
    assert (found.vendor, found.instance_type, found.region) == ("unknown", "unknown", "unknown")
    assert "no metadata service" in found.reason
    assert len(requests) >= len(VENDORS)


def test_all_404():
    """A web server that knows none of the addresses is no cloud, and the answer does not wait for the time-out."""
    found, requests = ask(lambda *_: None, timeout_s=3600.0)
    assert not found.known
    assert len(requests) == len(VENDORS)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status):
    """A redirect is no answer, even where it leads to a perfect one."""
    perfect = serve(SERVICES["upcloud"])

    def answer(method, path, headers):
        if path.startswith("/elsewhere"):
            return perfect(method, path.removeprefix("/elsewhere"), headers)
        return status, {"Location": f"/elsewhere{path}"}, ""

    found, requests = ask(answer)
    assert not found.known
    assert not [path for _, path in requests if path.startswith("/elsewhere")]


@pytest.mark.parametrize("status", [201, 302, 403, 404, 500])
def test_document_with_another_status_is_refused(status):
    """A right document counts only as the answer to our question, not as the page of an error or a redirect."""
    perfect = serve(SERVICES["upcloud"])

    def answer(*request):
        page = perfect(*request)
        return page and (status, page[1], page[2])

    found, _ = ask(answer)
    assert not found.known


def test_google_without_its_header_is_refused():
    """Google's values count only with the header by which its server is known."""
    pages = {request: (needed, {}, body) for request, (needed, _, body) in SERVICES["gcp"].items()}
    found, _ = ask(serve(pages))
    assert not found.known


def test_huge_document_is_refused():
    """A right document in a reply beyond 64 KiB is not read to the end, and not believed."""
    document = json.dumps(UPCLOUD_DOCUMENT)
    for size, vendor in ((BODY_AT_MOST, "upcloud"), (BODY_AT_MOST + 1, "unknown")):
        found, _ = ask(serve({("GET", "/metadata/v1.json"): ({}, {}, document.ljust(size))}))
        assert found.vendor == vendor


def test_hostile_words_are_not_shown():
    """Of a document of the right shape, a value that is no plain word is unknown; the rest is used."""
    document = AWS_DOCUMENT | {"instanceType": "</script><img src=x onerror=alert(1)>"}
    found, _ = ask(serve(SERVICES["aws"] | {IDENTITY: ({"X-aws-ec2-metadata-token": TOKEN}, {}, document)}))
    assert (found.vendor, found.instance_type, found.region) == ("aws", "unknown", "us-west-2")
    assert "instance_type" in found.reason


@pytest.mark.parametrize("token", ["AAAAAAAAAA\r\nX-Evil: 1", "<html>Please log in</html>", "short", "A" * 513])
def test_odd_token_is_not_sent(token):
    """Something that is no token is not sent back: it could smuggle in a header, or be a login page."""
    pages = dict(SERVICES["aws"])
    pages["PUT", "/latest/api/token"] = ({}, {}, token)
    _, requests = ask(serve(pages))
    assert IDENTITY not in requests


@given(value=st.one_of(st.text(max_size=80), st.none(), st.integers(), st.binary(max_size=5)))
def test_words_are_plain(value):
    """Only letters, digits, dots, dashes and underscores ever come out."""
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", word(value))


@given(vendor=st.sampled_from(VENDORS), body=st.text(max_size=200), data=st.data())
def test_no_reply_makes_a_probe_fail(vendor, body, data):
    """Whatever a service says, a probe answers with plain words or with nothing."""
    json_body = st.recursive(
        st.one_of(st.none(), st.booleans(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["compute", "services", "cloud_name", "id", "region"]), inner, max_size=4),
        ),
    )
    body = data.draw(st.one_of(st.just(body), json_body.map(json.dumps)))
    found = vendor.probe(lambda *_: Reply(body=body, headers={"metadata-flavor": "Google"}))
    assert found is None or word(found.region) == found.region


def test_no_proxy_is_used(monkeypatch):
    """A proxy in the environment is not told of our questions: the real services must never be asked through one."""
    with MetadataServer(lambda *_: None) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        found, _ = ask(serve(SERVICES["gcp"]))
    assert found.vendor == "gcp"
    assert proxy.requests == []


def test_services_are_asked_side_by_side():
    """All eight are in conversation at one moment: the server lets nobody go before everybody is there."""
    everybody = threading.Barrier(len(VENDORS))

    def answer(*_):
        everybody.wait(timeout=LONG_S)
        return None

    found, requests = ask(answer)
    assert not everybody.broken
    assert len(requests) == len(VENDORS)
    assert not found.known


def test_hanging_services_end_with_the_time_out():
    """Services that take the connection and say nothing cost the time-out once, and the answer says so."""
    with socket.create_server(("127.0.0.1", 0), backlog=32) as silent:
        vendors = all_at(f"http://127.0.0.1:{silent.getsockname()[1]}")
        found = discover(timeout_s=0.2, vendors=vendors, hints={})
    assert found.reason == "no metadata service answered within 0.2 s"
    assert found.discovery_time >= 0.2


def test_one_answer_ends_the_wait():
    """A vendor that answers is told at once, though the other services hang."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=32) as silent,
        MetadataServer(serve(SERVICES["azure"])) as server,
    ):
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}"
        vendors = [replace(v, base_url=server.url if v.name == "azure" else hanging) for v in VENDORS]
        found = discover(timeout_s=600.0, vendors=vendors, hints={})
        assert found.vendor == "azure"
        assert wait_until(lambda: not probe_threads())


def probe_threads():
    return [thread for thread in threading.enumerate() if "_probe" in thread.name]


def wait_until(condition):
    deadline = time.monotonic() + LONG_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@contextmanager
def dripping_server():
    """A server that sends one more byte of a header every 20 ms and never ends."""
    stop = threading.Event()

    def serve_one(connection):
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not stop.wait(0.02):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    def accept(listener, threads):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=serve_one, args=(connection,))
            thread.start()
            threads.append(thread)

    threads = []
    with socket.create_server(("127.0.0.1", 0), backlog=32) as listener:
        acceptor = threading.Thread(target=accept, args=(listener, threads))
        acceptor.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()
    for thread in threads:
        thread.join()


def test_dripping_service_leaves_no_thread():
    """A service that sends a byte now and then gets no more than the time-out, and its threads end with it."""
    with dripping_server() as url:
        found = discover(timeout_s=0.3, vendors=all_at(url), hints={})
        assert not found.known
        assert wait_until(lambda: not probe_threads())


def test_no_threads_to_be_had(monkeypatch):
    """Where no thread can be started, nothing is known, and nothing fails."""

    def refuse(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert not discover(timeout_s=1.0, vendors=all_at("http://127.0.0.1:9"), hints={}).known


DMI = {
    "aws": {"board_asset_tag": "i-0af01c0123456789a"},
    "gcp": {"product_name": "Google Compute Engine"},
    "azure": {"chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77", "sys_vendor": "Microsoft Corporation"},
    "hcloud": {"sys_vendor": "Hetzner"},
    "upcloud": {"sys_vendor": "UpCloud"},
    "alicloud": {"product_name": "Alibaba Cloud ECS"},
    "oracle": {"chassis_asset_tag": "OracleCloud.com"},
}


@pytest.mark.parametrize("name", DMI)
def test_firmware_spares_the_other_services(name):
    """On a machine that is plainly of one vendor, only that vendor's service is asked."""
    found, requests = ask(serve(SERVICES[name]), hints=DMI[name])
    assert found.vendor == name
    assert set(requests) == set(SERVICES[name])


def test_firmware_alone_tells_the_vendor():
    """Behind a metadata service that refuses us (a container, a hop limit of 1) the vendor is still known."""
    found, requests = ask(lambda *_: (403, {}, ""), hints=DMI["aws"])
    assert (found.vendor, found.instance_type, found.region) == ("aws", "unknown", "unknown")
    assert "firmware names Amazon Web Services" in found.reason
    assert len(requests) == 1


@pytest.mark.parametrize("hints", [{}, {"product_name": "OpenStack Nova"}, {"sys_vendor": "QEMU"}, {"sys_vendor": ""}])
def test_firmware_that_says_nothing_hides_nothing(hints):
    """Without a plain vendor in the firmware all are asked."""
    found, _ = ask(serve(SERVICES["ovh"]), hints=hints)
    assert found.vendor == "ovh"


def test_hints_are_read_from_dmi(tmp_path):
    """The firmware's files are read where they are, and one that is missing or hidden is left out."""
    dmi = tmp_path / "sys/class/dmi/id"
    dmi.mkdir(parents=True)
    (dmi / "sys_vendor").write_text("Hetzner\n")
    (dmi / "product_name").mkdir()
    (dmi / "chassis_asset_tag").write_text("\n")
    assert read_hints(str(tmp_path)) == {"sys_vendor": "Hetzner"}
    assert read_hints(str(tmp_path / "nowhere")) == {}


@pytest.fixture
def cloud(tmp_path):
    """A cached discovery of an Azure machine with its own boot id, cache directory, clock and count of requests."""

    class Cloud:
        directory = tmp_path / "cache" / "ours"
        root = tmp_path / "machine"
        now = 1_000_000.0
        answer = staticmethod(serve(SERVICES["azure"]))

        def boot(self, boot_id):
            path = self.root / "proc/sys/kernel/random/boot_id"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(boot_id + "\n")

        def ask(self, directory=None):
            """Return what was found, and how often the vendor that answers was asked for it.

            The others are not counted: once there is an answer, nobody waits for them, and they may come in late.
            """
            before = asked()
            found = cached_discover(
                cache_dir=str(directory or self.directory),
                timeout_s=LONG_S,
                vendors=all_at(server.url),
                hints={},
                root=str(self.root),
                clock=lambda: self.now,
            )
            return found, asked() - before

        @property
        def file(self):
            return self.directory / f"cloud-{BOOT}.json"

    cloud = Cloud()
    cloud.boot(BOOT)
    with MetadataServer(lambda *request: cloud.answer(*request)) as server:

        def asked():
            return sum(path.startswith("/metadata/instance") for _, path in server.requests)

        yield cloud


def test_second_answer_makes_no_request(cloud):
    """Within one boot the services are asked once; the kept answer is the same one."""
    first, asked = cloud.ask()
    assert (first.vendor, asked > 0) == ("azure", True)
    cloud.now += 30 * 24 * 3600
    second, asked = cloud.ask()
    assert (second, asked) == (first, 0)


def test_cache_is_private(cloud):
    """Directory and file are for the user alone, and no half-written file stays."""
    cloud.ask()
    assert cloud.directory.stat().st_mode & 0o777 == 0o700
    assert cloud.file.stat().st_mode & 0o777 == 0o600
    assert list(cloud.directory.iterdir()) == [cloud.file]


def test_another_boot_asks_again(cloud):
    """A machine image with somebody's cache in it, or a home directory shared by machines, misleads nobody."""
    cloud.ask()
    cloud.boot(BOOT.replace("3f0c", "4f0c"))
    assert cloud.ask()[1] > 0


def test_unknown_is_believed_for_an_hour(cloud):
    """That nobody answered may change without a boot: it is asked again after an hour."""
    cloud.answer = lambda *_: None
    assert not cloud.ask()[0].known
    cloud.now += UNKNOWN_KEPT_S - 1
    assert cloud.ask()[1] == 0
    cloud.now += 2
    cloud.answer = serve(SERVICES["azure"])
    assert cloud.ask()[0].vendor == "azure"


def test_clock_set_back_does_not_keep_unknown_for_ever(cloud):
    """An answer from the future is not believed for longer."""
    cloud.answer = lambda *_: None
    cloud.ask()
    cloud.now -= 365 * 24 * 3600
    assert cloud.ask()[1] > 0


def test_old_files_go(cloud):
    """Files of boots long past are removed, other files are left alone."""
    cloud.directory.mkdir(parents=True, mode=0o700)
    for name in ("cloud-old.json", "somebody-elses.txt"):
        (cloud.directory / name).write_text("{}")
        os.utime(cloud.directory / name, (1.0, 1.0))
    cloud.now = 1e9
    cloud.ask()
    assert sorted(path.name for path in cloud.directory.iterdir()) == [cloud.file.name, "somebody-elses.txt"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"[" * 4000,
        b'{"at": 1' + b"0" * 3000 + b', "vendor": "aws"}',
        b'{"at": 1, "discovery_time": 1, "vendor": "<b>", "instance_type": "a", "region": "b"}',
        b'{"at": 1, "discovery_time": 1' + b"0" * 400 + b', "vendor": "a", "instance_type": "a", "region": "b"}',
        b'{"at": "x", "discovery_time": 1, "vendor": "a", "instance_type": "a", "region": "b"}',
        b'{"vendor": "aws"}' + b" " * 5000,
    ],
)
def test_damaged_cache_is_replaced(cloud, content):
    """A cache file that is not as we write it is ignored and written anew."""
    cloud.ask()
    cloud.file.write_bytes(content)
    found, asked = cloud.ask()
    assert (found.vendor, asked > 0) == ("azure", True)
    assert cloud.ask()[1] == 0


def test_symbolic_links_are_refused(cloud, tmp_path):
    """Neither a directory nor a file that points elsewhere is used: nothing is read or written through it."""
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(target)
    assert cloud.ask(link)[0].vendor == "azure"
    assert list(target.iterdir()) == []
    cloud.directory.mkdir(parents=True, mode=0o700)
    victim = tmp_path / "victim"
    planted = json.dumps({"at": 1, "discovery_time": 1, "vendor": "aws", "instance_type": "a", "region": "b"})
    victim.write_text(planted)
    cloud.file.symlink_to(victim)
    assert cloud.ask()[0].vendor == "azure"
    assert victim.read_text() == planted


def test_fifo_in_place_of_the_file_does_not_hang(cloud):
    """A named pipe where the file should be is passed over."""
    cloud.directory.mkdir(parents=True, mode=0o700)
    os.mkfifo(cloud.file)
    assert cloud.ask()[0].vendor == "azure"


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_directory_open_to_others_is_refused(cloud, mode):
    """What others could have written is not believed, and nothing is put there."""
    cloud.ask()
    cloud.directory.chmod(mode)
    cloud.file.unlink()
    assert cloud.ask()[1] > 0
    assert list(cloud.directory.iterdir()) == []


def test_directory_of_somebody_else_is_refused(cloud):
    """A directory that another user prepared in the temporary directory is not used."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    cloud.directory.mkdir(parents=True, mode=0o700)
    os.chown(cloud.directory, 12345, 12345)
    assert cloud.ask()[0].vendor == "azure"
    assert list(cloud.directory.iterdir()) == []


def test_no_place_for_a_cache(cloud, tmp_path):
    """Without a place to keep it, the answer is simply asked for each time."""
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        assert cloud.ask(directory)[0].vendor == "azure"


def test_nothing_is_kept_without_a_boot_id(cloud):
    """Without an id of the boot (no procfs, or nonsense in it) there is no cache to be wrong."""
    cloud.boot("../../../../etc/passwd")
    assert cloud.ask()[0].vendor == "azure"
    assert not cloud.directory.exists()


def test_default_places(monkeypatch, tmp_path):
    """The user's cache directory comes first, then one of the user's own among temporary files, then one in memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert list(private_dir.default_places()) == [
        str(tmp_path / "xdg/metaflow-resource-tracker"),
        str(tmp_path / f"metaflow-resource-tracker-{os.geteuid()}"),
        f"/dev/shm/metaflow-resource-tracker-{os.geteuid()}",
    ]
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/path")
    assert len(list(private_dir.default_places())) == 2


def test_only_one_place_is_used(cloud, monkeypatch, tmp_path):
    """Where the user's cache can be written, nothing is put among the temporary files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    cached_discover(timeout_s=0.01, vendors=(), hints={}, root=str(cloud.root))
    assert (tmp_path / "xdg/metaflow-resource-tracker" / cloud.file.name).exists()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_read_only_home_falls_back_to_temporary_files(cloud, monkeypatch, tmp_path):
    """Where the user's cache cannot be written, the second place keeps the answer."""
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "blocked"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = cached_discover(timeout_s=0.01, vendors=(), hints={}, root=str(cloud.root))
    assert found == CloudInfo(discovery_time=found.discovery_time, reason="no metadata service answered within 0.01 s")
    kept = list((tmp_path / f"metaflow-resource-tracker-{os.geteuid()}").iterdir())
    assert [path.name for path in kept] == [Path(cloud.file).name]
