"""Traffic in real network namespaces: each byte counted once. Needs root, unshare(1), ip(8) and drivers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("unshare", "nsenter", "ip")
SEND = """
import socket, sys
sent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(1000):
    sent.sendto(bytes(1000), (sys.argv[1], 9))
"""
MEASURE = """
import json, subprocess, sys
from resource_tracker.sampler.collector import Row
from resource_tracker.sampler.interfaces import Interfaces
from resource_tracker.sampler.procfs import net_dev
from resource_tracker.sampler.traffic import NetCollector

names = frozenset(net_dev.parse(open("/proc/net/dev", "rb").read()))
collector, row = NetCollector("/proc", "/sys"), Row()
collector.start()
for command in sys.argv[1:]:
    subprocess.run(command, shell=True, check=True)
collector.read(row, 1.0)
moved = row.system["net_recv_bytes"], row.system["net_sent_bytes"]
print(json.dumps([sorted(Interfaces("/sys").counted(names)), *moved]))
"""
PACKETS = 1000 * (1000 + 8 + 20 + 14)
"""Bytes of what SEND sends: UDP, IP and Ethernet add to each."""


class Namespace:
    """A network namespace with a /sys of its own, held by a process that waits."""

    def __init__(self, outer: Namespace | None = None) -> None:
        inside = [] if outer is None else outer.enter
        self.process = subprocess.Popen(
            [*inside, "unshare", "-n", "-m", "sh", "-c", "mount -t sysfs sysfs /sys && echo ready && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline() == "ready\n"
        self.enter = ["nsenter", "-t", str(self.process.pid), "-n", "-m"]

    def run(self, *command: str) -> str:
        return subprocess.run([*self.enter, *command], check=True, capture_output=True, text=True).stdout

    def ip(self, line: str) -> None:
        self.run("ip", *line.split())

    def try_ip(self, line: str) -> bool:
        """Whether this kernel has what the line asks for."""
        return subprocess.run([*self.enter, "ip", *line.split()], check=False, capture_output=True).returncode == 0

    def measured(self, *commands: str) -> tuple[list[str], float, float]:
        """The interfaces that count, and the bytes received and sent while `commands` ran."""
        found = self.run("env", f"PYTHONPATH={ROOT}", sys.executable, "-c", MEASURE, *commands)
        counted, received, sent = json.loads(found)
        return counted, received, sent

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def outside() -> Iterator[Namespace]:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing")
    space = Namespace()
    if not space.ready:
        space.close()
        pytest.skip("network namespaces are not permitted here")
    yield space
    space.close()


@pytest.fixture
def container(outside: Namespace) -> Iterator[Namespace]:
    """A namespace whose eth0 is one end of a pair; the other is outside, at 10.9.0.1."""
    space = Namespace()
    if not outside.try_ip("link add up0 type veth peer name w0"):
        space.close()
        pytest.skip("this kernel has no veth")
    outside.ip(f"link set w0 netns {space.process.pid} name eth0")
    outside.ip("addr add 10.9.0.1/24 dev up0")
    outside.ip("link set up0 up")
    for line in ("link set lo up", "addr add 10.9.0.2/24 dev eth0", "link set eth0 up"):
        space.ip(line)
    yield space
    space.close()


def send(address: str) -> str:
    return f"{sys.executable} -c '{SEND}' {address}"


def test_a_container_counts_its_end_of_the_pair(container: Namespace) -> None:
    """What is sent out of a namespace counts once, to a packet or two of the neighbour discovery; loopback does not."""
    counted, received, sent = container.measured(send("10.9.0.1"), send("127.0.0.1"))
    assert counted == ["eth0"]
    assert PACKETS <= sent <= PACKETS * 1.02
    assert received <= PACKETS * 0.7  # at most an error for each packet: nobody listens


def test_what_lies_above_or_within_a_container_does_not_count(container: Namespace) -> None:
    """Bridges, ends of inner containers, pairs within, tunnels and mirrors repeat what eth0 carries."""
    container.ip("link add docker0 type bridge")
    inner = Namespace(container)
    try:
        container.ip("link add c0 type veth peer name c1")
        container.ip(f"link set c1 netns {inner.process.pid}")
        container.ip("link set c0 master docker0")
        container.ip("link add p0 type veth peer name p1")
        tried = [
            "tuntap add tun0 mode tun",
            "link add vx0 type vxlan id 3 dev eth0 dstport 4789",
            "link add mv0 link eth0 type macvlan",
            "link add link eth0 name eth0.5 type vlan id 5",
            "link add dummy0 type dummy",
            "link add ifb9 type ifb",
        ]
        assert any([container.try_ip(line) for line in tried])
        counted, _, sent = container.measured(send("10.9.0.1"))
        assert counted == ["eth0"]
        assert PACKETS <= sent <= PACKETS * 1.02
        assert inner.measured()[0] == ["c1"]
    finally:
        inner.close()


def test_a_bridge_that_leads_out(container: Namespace) -> None:
    """Where the way out is a port of a bridge, the bridge is what counts: once, not with its port."""
    container.ip("link add br0 type bridge")
    for line in ("addr flush dev eth0", "link set eth0 master br0", "addr add 10.9.0.2/24 dev br0", "link set br0 up"):
        container.ip(line)
    counted, _, sent = container.measured(send("10.9.0.1"))
    assert counted == ["br0"]
    assert PACKETS * 0.97 <= sent <= PACKETS * 1.02


def test_a_tunnel_counts_where_there_is_nothing_else(outside: Namespace) -> None:
    """The only interface of a rootless container is a tap device."""
    outside.ip("tuntap add tap0 mode tap")
    assert outside.measured()[0] == ["tap0"]


def test_a_macvlan_is_the_way_out_of_a_container(outside: Namespace) -> None:
    """Its lower interface is not in the namespace, so it does not repeat anything."""
    inner = Namespace()
    try:
        outside.ip("link add up0 type veth peer name up1")
        if not outside.try_ip("link add mv0 link up0 type macvlan mode bridge"):
            pytest.skip("this kernel has no macvlan")
        outside.ip(f"link set mv0 netns {inner.process.pid} name eth0")
        assert inner.measured()[0] == ["eth0"]
    finally:
        inner.close()


@pytest.mark.parametrize("kind", ["bond", "team"])
def test_a_bond_repeats_its_members(container: Namespace, kind: str) -> None:
    """The members count, not the bond."""
    if not container.try_ip(f"link add top0 type {kind}"):
        pytest.skip(f"this kernel has no {kind}")
    container.ip("link set eth0 down")
    container.ip("link set eth0 master top0")
    assert container.measured()[0] == ["eth0"]


def test_a_sys_of_another_namespace_is_not_believed(container: Namespace) -> None:
    """A namespace without a /sys of its own sees that of the host: then names tell."""
    container.run("umount", "/sys")
    assert container.measured()[0] == ["eth0"]
