"""What of a kernel file goes into a scene: numbers and the kernel's own words. All else is replaced or left out.

Each function takes a file's bytes and returns what may be kept; a line of an unknown form is dropped, so what a later
kernel adds is left out until somebody has looked at it.
"""

from __future__ import annotations

import re

DISK = re.compile(
    rb"(?:[shv]d[a-z]+|xvd[a-z]+|nvme\d+(?:c\d+)?n\d+|mmcblk\d+|loop\d+|z?ram\d+|dm-\d+|md\d+|sr\d+|fd\d+|nbd\d+"
    rb"|pmem\d+|zd\d+|rbd\d+|bcache\d+|drbd\d+)(?:p?\d+)?"
)
INTERFACE = re.compile(
    rb"(eth|enp|ens|eno|wlan|docker|br-|br|veth|bond|team|tun|tap|wg|ifb|dummy|virbr|cni|flannel|vxlan|gre|sit|ip6tnl|ib)"
)
GROUP = re.compile(
    r"(?:|kubepods|docker|podman|lxc|containerd|init\.scope|(?:user|system|machine|kubepods)\.slice"
    r"|kubepods-(?:burstable|besteffort)\.slice|burstable|besteffort|ecs|batch|payload|\.\.)"
)
CONTROLLERS = frozenset(
    {"cpu", "cpuacct", "cpuset", "memory", "blkio", "pids", "devices", "freezer", "net_cls", "net_prio", "perf_event"}
    | {"hugetlb", "rdma", "misc", "name=systemd"}
)
FUSE = frozenset({f"fuse.{name}" for name in ("s3fs", "gcsfuse", "sshfs", "fuse-overlayfs", "juicefs", "lxcfs")})
"""Others may be a name of the user's."""
MOUNT_POINTS = re.compile(r"/|/proc|/sys|/dev|/dev/shm|/tmp|/var/tmp|/run|/home|/sys/fs/cgroup(?:/[a-z0-9_,=]{1,40})?")
STATUS = re.compile(rb"(?:Pid|PPid|Tgid|Threads|State|Vm\w+|Rss\w+|Cpus_allowed_list):[\t ][\w (),-]*")
NUMBERS = re.compile(rb"[\w().]*:?[\t ]+\d+(?: kB)?")
FLAT = re.compile(rb"[\w.]+ -?\d+|(?:some|full)(?: \w+=[\d.]+)+|\d+:\d+(?: \w+=\d+)+|(?:max|-?\d+)(?: \d+)?|[\d,-]+")
STAT = re.compile(rb"cpu\d*(?: +\d+)+|(?:ctxt|processes|procs_running|procs_blocked) \d+")


def lines_like(pattern: re.Pattern[bytes], data: bytes) -> bytes:
    """The lines that are wholly of this form."""
    return b"".join(line + b"\n" for line in data.split(b"\n") if pattern.fullmatch(line))


class Words:
    """Replacements of one scene: the same name is always replaced by the same word."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, bytes], bytes] = {}
        self._counts: dict[bytes, int] = {}

    def _word(self, kind: str, name: bytes, prefix: bytes) -> bytes:
        if (kind, name) not in self._names:
            count = self._counts[prefix] = self._counts.get(prefix, -1) + 1
            self._names[kind, name] = prefix + b"%d" % count
        return self._names[kind, name]

    def disk(self, name: bytes) -> bytes:
        """The kernel's own names stay: they say what is a partition of what."""
        return name if DISK.fullmatch(name) else self._word("disk", name, b"disk")

    def interface(self, name: bytes) -> bytes:
        """``eth0``, or the address of a card, or a name of the user's: only what kind it is by its name stays."""
        known = INTERFACE.match(name)
        return name if name == b"lo" else self._word("net", name, known[1] if known else b"net")

    def image(self, address: bytes) -> bytes:
        """An address that is equal in forks of one program, as a number."""
        return address if address == b"0" else b"7" + self._word("image", address, b"00")

    def group(self, path: str) -> str:
        """A path of control groups: names of users, pods and containers are replaced."""
        parts = path.split("/")
        return "/".join(
            part if GROUP.fullmatch(part) else self._word("group", part.encode(), b"group").decode() for part in parts
        )

    def mount_point(self, path: str) -> str:
        return path if MOUNT_POINTS.fullmatch(path) else "/mnt/" + self._word("mount", path.encode(), b"m").decode()

    def pid_stat(self, data: bytes) -> bytes:
        """The name is replaced; addresses, and what no reader uses, are 0."""
        head, _, rest = data.rpartition(b")")
        pid, _, _ = head.partition(b" ")
        fields = rest.split()
        if len(fields) < 26 or not pid.isdigit() or not re.fullmatch(rb"[A-Za-z]", fields[0]):
            return b""
        numbers = [field if re.fullmatch(rb"-?\d+", field) else b"0" for field in fields[1:23]]
        tail = [b"0", b"0", self.image(fields[25]), *[b"0"] * (len(fields) - 26)]
        return b" ".join([pid, b"(process)", fields[0], *numbers, *tail]) + b"\n"

    def diskstats(self, data: bytes) -> bytes:
        kept = []
        for line in data.split(b"\n"):
            fields = line.split()
            if len(fields) >= 14 and all(map(bytes.isdigit, fields[:2] + fields[3:])):
                kept.append(b" ".join([*fields[:2], self.disk(fields[2]), *fields[3:]]) + b"\n")
        return b"".join(kept)

    def net_dev(self, data: bytes) -> bytes:
        kept = [b"Inter-|   Receive |  Transmit\n", b" face |bytes |bytes\n"]
        for line in data.split(b"\n")[2:]:
            name, colon, numbers = line.rpartition(b":")
            if colon and re.fullmatch(rb"[ \d]+", numbers):
                kept.append(self.interface(name.strip()) + b":" + numbers + b"\n")
        return b"".join(kept)

    def cgroup(self, data: bytes) -> bytes:
        kept = []
        for line in data.decode("utf-8", "replace").splitlines():
            number, _, rest = line.partition(":")
            names, _, path = rest.partition(":")
            if number.isdigit() and set(names.split(",")) <= CONTROLLERS | {""}:
                kept.append(f"{number}:{names}:{self.group(path)}\n")
        return "".join(kept).encode()

    def mountinfo(self, data: bytes) -> bytes:
        """Types, devices and where they stand in relation to each other."""
        kept = []
        for line in data.decode("utf-8", "replace").splitlines():
            head, _, tail = line.partition(" - ")
            before, after = head.split(" "), tail.split(" ")
            if len(before) < 6 or len(after) < 3 or not re.fullmatch(r"[a-z0-9_.-]+", after[0]):
                continue
            if not re.fullmatch(r"\d+ \d+ \d+:\d+", " ".join(before[:3])):
                continue
            is_group = after[0].startswith("cgroup")
            kind = "fuse.other" if after[0].startswith("fuse.") and after[0] not in FUSE else after[0]
            controllers = [word for word in after[2].split(",") if is_group and word in CONTROLLERS]
            place = f"{self.group(before[3]) if is_group else '/'} {self.mount_point(before[4])}"
            kept.append(f"{' '.join(before[:3])} {place} rw - {kind} none {','.join(['rw', *controllers])}\n")
        return "".join(kept).encode()
