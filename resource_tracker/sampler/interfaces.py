"""Which network interfaces count, so that each byte that a machine or container exchanges with others counts once.

A byte passes several interfaces: that of a container, a bridge, a bond, a tunnel, the hardware. Counted is the lowest
layer that this network namespace has. Sources: kernel ``Documentation/ABI/testing/sysfs-class-net``,
``Documentation/networking/operstates.rst``, ip-link(8), veth(4).
"""

import os

from resource_tracker.sampler.procfs.files import read_record

LOCAL = ("lo", "dummy", "ifb", "nlmon", "teql")
"""Names of interfaces that lead nowhere: loopback, and those that discard or mirror."""
UPPER_KINDS = (b"bond", b"team", b"vrf")
"""They repeat their members, which are below them, but not always linked as such."""
TUNNEL_KINDS = (b"vxlan", b"geneve", b"wireguard", b"ppp", b"gretap", b"bareudp", b"gtp")
TUNNEL_TYPES = (b"512", b"768", b"769", b"776", b"778", b"823", b"65534")
"""``ARPHRD_`` of PPP, IP in IP, IPv6 in it, SIT, GRE, GRE over IPv6, and none (tun, WireGuard): ``if_arp.h``."""
TUNNEL_NAMES = ("tun", "tap", "wg", "tailscale", "vxlan", "flannel", "cilium_vxlan", "geneve", "gre", "sit", "ip6tnl")
UPPER_NAMES = ("bond", "team", "br-", "br0", "docker", "virbr", "cni", "lxcbr", "lxdbr", "podman", "vrf")


class Interfaces:
    """The interfaces below `sys_root`, as the namespace in which it was mounted has them."""

    def __init__(self, sys_root: str) -> None:
        self._class = f"{sys_root}/class/net"

    def counted(self, names: frozenset[str]) -> list[str]:
        """Those of `names` (of ``/proc/net/dev``) that count.

        Hardware, where there is any. Else what leads out of this namespace (a veth whose other end is not here,
        a macvlan): its layers above do not count, nor do the ends of containers within on a bridge. Else the bridge
        itself: where the way out is one of its ports, that is what crosses to us. Else tunnels.
        """
        names = frozenset(name for name in names if not _leads_nowhere(name))
        if not names <= self._known():
            return _by_name(names)  # a /sys that is missing, or is that of another namespace
        hardware = [name for name in names if self._has(name, "device")]
        if hardware:
            return [name for name in hardware if self._is_lowest(name, hardware)]
        return self._ways_out(names)

    def _ways_out(self, names: frozenset[str]) -> list[str]:
        bridges, tunnels, links = [], [], []
        indexes = {self._number(name, "ifindex"): name for name in names}
        for name in names:
            if self._has(name, "bridge"):
                bridges.append(name)
            elif self._is_tunnel(name):
                tunnels.append(name)
            elif not self._is_above(name) and not self._is_pair(name, indexes):
                links.append(name)
        ports = [name for name in links if self._has(name, "brport")]
        return [name for name in links if name not in ports] or bridges or tunnels

    def _is_lowest(self, name: str, hardware: list[str]) -> bool:
        """Not where a master of hardware shows its traffic, too (Azure), nor above another (a port of a switch)."""
        below = [other for other in hardware if self._has(name, f"lower_{other}") and self._master(other) != name]
        return self._master(name) not in hardware and not below and not self._is_representor(name)

    def _is_representor(self, name: str) -> bool:
        """The switch's end of a virtual function, whose bytes pass the physical port, too: ``pf0vf3``."""
        port = self._text(name, "phys_port_name")
        return b"pf" in port and (b"vf" in port or b"sf" in port)

    def _is_above(self, name: str) -> bool:
        """Repeats another interface that is here, or (bonds and the like) its members."""
        if self._has(name, "bonding") or self._kind(name) in UPPER_KINDS:
            return True
        return any(entry.startswith("lower_") for entry in self._entries(name))

    def _is_pair(self, name: str, indexes: dict[bytes, str]) -> bool:
        """A veth whose other end is here as well: what it carries stays here."""
        link, index = self._number(name, "iflink"), self._number(name, "ifindex")
        other = indexes.get(link, name) if link else name
        return other != name and self._number(other, "iflink") == index

    def _is_tunnel(self, name: str) -> bool:
        return (
            self._has(name, "tun_flags")
            or self._kind(name) in TUNNEL_KINDS
            or self._number(name, "type") in TUNNEL_TYPES
        )

    def _kind(self, name: str) -> bytes:
        _, found, rest = self._text(name, "uevent").partition(b"DEVTYPE=")
        return rest.partition(b"\n")[0] if found else b""

    def _number(self, name: str, entry: str) -> bytes:
        return self._text(name, entry).strip()

    def _text(self, name: str, entry: str) -> bytes:
        try:
            return read_record(f"{self._class}/{name}/{entry}", 4096)
        except OSError:  # many have no phys_port_name, and say so when read
            return b""

    def _entries(self, name: str) -> list[str]:
        try:
            return os.listdir(f"{self._class}/{name}")
        except OSError:
            return []

    def _known(self) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self._class))
        except OSError:
            return frozenset()

    def _has(self, name: str, entry: str) -> bool:
        return os.path.exists(f"{self._class}/{name}/{entry}")

    def _master(self, name: str) -> str | None:
        try:
            return os.path.basename(os.readlink(f"{self._class}/{name}/master"))
        except OSError:
            return None


def _leads_nowhere(name: str) -> bool:
    return any(name.rstrip("0123456789") == word for word in LOCAL)


def _by_name(names: frozenset[str]) -> list[str]:
    """Without sysfs: what has no name of an upper layer, a container's end or a part (``eth0.5``), else tunnels."""
    tunnels = [name for name in names if name.startswith(TUNNEL_NAMES)]
    links = [
        name
        for name in names
        if name not in tunnels and not name.startswith((*UPPER_NAMES, "veth")) and "." not in name and ":" not in name
    ]
    return links or tunnels or list(names)
