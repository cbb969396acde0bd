"""The clouds we know: where each one's metadata service answers, how it is asked, and how its reply is told apart.

Nearly all of them answer at 169.254.169.254, so it is the shape of the document, or a header, that names the
vendor: a probe returns a finding only for a reply that no other vendor, and no captive portal, would give.
Names of vendors and regions are those of the price catalogs. Pages were read on 2026-11-21:

aws
    "Retrieve the instance identity document for an EC2 instance",
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/retrieve-iid.html; "Detect whether a host is an EC2
    instance", https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html (DMI).
gcp
    "Predefined metadata keys", https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys; "View and
    query VM metadata", https://cloud.google.com/compute/docs/metadata/querying-metadata.
azure
    "Azure Instance Metadata Service",
    https://learn.microsoft.com/en-us/azure/virtual-machines/instance-metadata-service.
hcloud
    "Server Metadata", https://docs.hetzner.cloud/#server-metadata; the server type is not offered. "Phasing out
    datacenters", https://docs.hetzner.cloud/changelog#2025-12-16-phasing-out-datacenters: prices go by location.
upcloud
    "Metadata service", https://upcloud.com/docs/products/cloud-servers/features/metadata-service/; the plan is not
    offered.
alicloud
    "Instance metadata", https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata; "Use instance
    identities", https://www.alibabacloud.com/help/en/ecs/user-guide/use-instance-identities.
ovh
    OpenStack "Metadata service", https://docs.openstack.org/nova/latest/user/metadata.html. What tells OVHcloud from
    any other OpenStack is its own resolver, which its instances get by default: OVHcloud guide "Changing the DNS
    servers of a Public Cloud instance" (github.com/ovh/docs, guide g1985).
oracle
    "Getting Instance Metadata", https://docs.oracle.com/en-us/iaas/Content/Compute/Tasks/gettingmetadata.htm.
DMI values of the others
    cloud-init, https://github.com/canonical/cloud-init/blob/main/tools/ds-identify.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resource_tracker.cloud_finding import UNKNOWN, Finding, known_word, word
from resource_tracker.metadata_service import Reply

LINK_LOCAL = "http://169.254.169.254"

_TOKEN = re.compile(r"[A-Za-z0-9+/=_.-]{8,512}")
_OVH_RESOLVER = "213.186.33.99"


Ask = Callable[..., "Reply | None"]
""":meth:`resource_tracker.metadata_service.Service.ask`: ``ask(path, headers=None, method="GET")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """A cloud: its name in price catalogs, its service, its probe, and the DMI values that give it away.

    ``dmi`` pairs a file of ``/sys/class/dmi/id`` with a pattern that its whole content matches.
    """

    name: str
    title: str
    base_url: str
    probe: Callable[[Ask], Finding | None]
    dmi: tuple[tuple[str, str], ...] = ()

    def plainly(self, hints: Mapping[str, str]) -> bool:
        """Tell whether the machine's DMI names this vendor."""
        return any(re.fullmatch(pattern, hints.get(field, "")) for field, pattern in self.dmi)


def _document(reply: Reply | None) -> dict[str, Any]:
    """Return the JSON object of a reply, empty where it is anything else."""
    if reply is None:
        return {}
    try:
        document = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _token(ask: Ask, header: str) -> str | None:
    """Ask for a session token (the same handshake on AWS and Alibaba Cloud); it is used at once, so one minute."""
    reply = ask("/latest/api/token", {header: "60"}, "PUT")
    return reply.body if reply and _TOKEN.fullmatch(reply.body) else None


def _aws(ask: Ask) -> Finding | None:
    token = _token(ask, "X-aws-ec2-metadata-token-ttl-seconds")
    if token is None:
        return None
    header = {"X-aws-ec2-metadata-token": token}
    document = _document(ask("/latest/dynamic/instance-identity/document", header))
    region, zone = document.get("region"), document.get("availabilityZone")
    if not isinstance(region, str) or not isinstance(zone, str) or not zone.startswith(region):
        return None
    if "accountId" not in document or "instanceId" not in document:
        return None
    life_cycle = ask("/latest/meta-data/instance-life-cycle", header)
    return Finding(
        instance_type=word(document.get("instanceType")),
        region=word(region),
        zone=known_word(zone),
        spot=life_cycle.body.strip() == "spot" if life_cycle else None,
    )


def _gcp(ask: Ask) -> Finding | None:
    flavor = {"Metadata-Flavor": "Google"}
    zone = ask("/computeMetadata/v1/instance/zone", flavor)
    if zone is None or zone.headers.get("metadata-flavor") != "Google":
        return None
    place = re.fullmatch(r"projects/[^/\s]+/zones/(([^/\s]+)-[a-z0-9])", zone.body.strip())
    if place is None:
        return None
    machine = ask("/computeMetadata/v1/instance/machine-type", flavor)  # a pod with an identity of its own may not ask
    kind = re.fullmatch(r"projects/[^/\s]+/machineTypes/([^/\s]+)", machine.body.strip()) if machine else None
    preemptible = ask("/computeMetadata/v1/instance/scheduling/preemptible", flavor)
    return Finding(
        instance_type=word(kind[1] if kind else None),
        region=word(place[2]),
        zone=known_word(place[1]),
        spot={"TRUE": True, "FALSE": False}.get(preemptible.body.strip()) if preemptible else None,
    )


def _azure(ask: Ask) -> Finding | None:
    compute = _document(ask("/metadata/instance?api-version=2021-02-01", {"Metadata": "true"})).get("compute")
    if not isinstance(compute, dict) or "azEnvironment" not in compute or "vmSize" not in compute:
        return None
    location, zone = word(compute.get("location")), compute.get("zone")
    return Finding(
        instance_type=word(compute["vmSize"]),
        region=location,
        zone=known_word(f"{location}-{zone}") if zone and location != UNKNOWN else None,
        spot={"Spot": True, "Low": True, "Regular": False}.get(str(compute.get("priority"))),
    )


def _hetzner(ask: Ask) -> Finding | None:
    reply = ask("/hetzner/v1/metadata")
    found: dict[str, str] = {}
    for line in reply.body.splitlines() if reply else ():  # YAML whose top level is all we need
        name, colon, value = line.partition(":")
        if colon and not name.startswith((" ", "-")):
            found.setdefault(name, value.strip().strip("\"'"))
    if not found.get("instance-id", "").isdecimal() or "hostname" not in found:
        return None
    location = re.fullmatch(r"([a-z]+[0-9]*)-dc[0-9]+", found.get("availability-zone", ""))  # hel1-dc2 is in hel1
    return Finding(region=word(location[1] if location else found.get("region")))


def _upcloud(ask: Ask) -> Finding | None:
    document = _document(ask("/metadata/v1.json"))
    return Finding(region=word(document.get("region"))) if document.get("cloud_name") == "upcloud" else None


def _alibaba(ask: Ask) -> Finding | None:
    token = _token(ask, "X-aliyun-ecs-metadata-token-ttl-seconds")
    if token is None:
        return None
    document = _document(ask("/latest/dynamic/instance-identity/document", {"X-aliyun-ecs-metadata-token": token}))
    if "owner-account-id" not in document or "region-id" not in document:
        return None
    zone = known_word(document.get("zone-id"))
    return Finding(instance_type=word(document.get("instance-type")), region=word(document["region-id"]), zone=zone)


def _ovh(ask: Ask) -> Finding | None:
    services = _document(ask("/openstack/latest/network_data.json")).get("services")
    if not isinstance(services, list):
        return None
    if _OVH_RESOLVER not in [service.get("address") for service in services if isinstance(service, dict)]:
        return None
    zone = _document(ask("/openstack/latest/meta_data.json")).get("availability_zone")
    flavor = ask("/latest/meta-data/instance-type")
    region = UNKNOWN if zone == "nova" else word(zone)  # "nova" is OpenStack's default, no place
    return Finding(instance_type=word(flavor.body.strip() if flavor else None), region=region)


def _oracle(ask: Ask) -> Finding | None:
    document = _document(ask("/opc/v2/instance/", {"Authorization": "Bearer Oracle"}))
    if not str(document.get("id", "")).startswith("ocid1.instance.") or "shape" not in document:
        return None
    region = document.get("canonicalRegionName", document.get("region"))
    return Finding(instance_type=word(document["shape"]), region=word(region))


VENDORS = (
    Vendor(
        name="aws",
        title="Amazon Web Services",
        base_url=LINK_LOCAL,
        probe=_aws,
        dmi=(("board_asset_tag", r"i-[0-9a-f]{8,17}"),),
    ),
    Vendor(
        name="gcp",
        title="Google Cloud",
        base_url=LINK_LOCAL,  # metadata.google.internal by number: no look-up that could hang
        probe=_gcp,
        dmi=(("product_name", r"Google Compute Engine"),),
    ),
    Vendor(
        name="azure",
        title="Microsoft Azure",
        base_url=LINK_LOCAL,
        probe=_azure,
        dmi=(("chassis_asset_tag", r"7783-7084-3265-9085-8269-3286-77"),),
    ),
    Vendor(
        name="hcloud",
        title="Hetzner Cloud",
        base_url=LINK_LOCAL,
        probe=_hetzner,
        dmi=(("sys_vendor", r"Hetzner"),),
    ),
    Vendor(name="upcloud", title="UpCloud", base_url=LINK_LOCAL, probe=_upcloud, dmi=(("sys_vendor", r"UpCloud"),)),
    Vendor(
        name="alicloud",
        title="Alibaba Cloud",
        base_url="http://100.100.100.200",
        probe=_alibaba,
        dmi=(("product_name", r"Alibaba Cloud ECS"),),
    ),
    # DMI says "OpenStack Nova" there, as on every other OpenStack.
    Vendor(name="ovh", title="OVHcloud", base_url=LINK_LOCAL, probe=_ovh),
    Vendor(
        name="oracle",
        title="Oracle Cloud Infrastructure",
        base_url=LINK_LOCAL,
        probe=_oracle,
        dmi=(("chassis_asset_tag", r"OracleCloud\.com"),),
    ),
)
DMI_FIELDS = tuple(sorted({field for vendor in VENDORS for field, _ in vendor.dmi}))
