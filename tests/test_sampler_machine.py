"""The machine's figures: each byte counted once, counters that go back, sources that fail."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from resource_tracker.sampler.collector import MAX_FAILURES, Collector, Failures, Guard, Row
from resource_tracker.sampler.file_systems import FileSystem
from resource_tracker.sampler.machine import CpuCollector, MemoryCollector
from resource_tracker.sampler.procfs import diskstats
from resource_tracker.sampler.shared_memory import SharedMemoryCollector
from resource_tracker.sampler.space import SpaceCollector
from resource_tracker.sampler.traffic import DiskCollector, NetCollector


class Machine:
    """A /proc and a /sys of files."""

    def __init__(self, root: Path) -> None:
        self.proc, self.sys = str(root / "proc"), str(root / "sys")
        self.root = root
        (root / "proc" / "net").mkdir(parents=True)
        (root / "sys").mkdir()

    def disks(self, amounts: Mapping[str, tuple[int, int]]) -> None:
        """Sectors read and written by device."""
        lines = [f"8 0 {name} 1 2 {read} 4 5 6 {written} 8 9 10 11" for name, (read, written) in amounts.items()]
        (self.root / "proc" / "diskstats").write_text("\n".join(lines) + "\n")

    def nets(self, amounts: Mapping[str, tuple[int, int]]) -> None:
        """Bytes received and sent by interface."""
        lines = [f"{name}: {got} 0 0 0 0 0 0 0 {sent} 0 0 0 0 0 0 0" for name, (got, sent) in amounts.items()]
        (self.root / "proc" / "net" / "dev").write_text("\n".join(["Inter-|", " face |", *lines]) + "\n")

    def sysfs(self, *paths: str) -> None:
        for path in paths:
            (self.root / "sys" / path).mkdir(parents=True)

    def entry(self, path: str, text: str) -> None:
        (self.root / "sys" / path).write_text(text)

    def link(self, path: str, target: str) -> None:
        (self.root / "sys" / path).symlink_to(target)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def read(collector: Collector, interval_s: float = 1.0) -> dict[str, float]:
    row = Row()
    collector.read(row, interval_s)
    return row.system


# --- disks --------------------------------------------------------------------------------------


def moved(machine: Machine, names: list[str]) -> list[str]:
    """The devices whose bytes count, as found out by moving a different number of sectors on each."""
    machine.disks(dict.fromkeys(names, (0, 0)))
    collector = DiskCollector(machine.proc, machine.sys)
    collector.start()
    machine.disks({name: (2**index, 0) for index, name in enumerate(names)})
    sectors = int(read(collector)["disk_read_bytes"]) // 512
    return [name for index, name in enumerate(names) if sectors >> index & 1]


def test_whole_disks_only(machine: Machine) -> None:
    """Partitions, mapped devices, RAID, loops and memory disks lie on disks that are counted themselves."""
    for disk in ("sda", "nvme0n1", "vdb"):
        machine.sysfs(f"block/{disk}/device")
    machine.sysfs("block/dm-0", "block/md0", "block/loop0", "block/zram0")
    names = ["sda", "sda1", "nvme0n1", "nvme0n1p1", "vdb", "dm-0", "md0", "loop0", "zram0"]
    assert moved(machine, names) == ["sda", "nvme0n1", "vdb"]


def test_whole_disks_without_sysfs(machine: Machine) -> None:
    """Where a container hides /sys, names tell."""
    names = ["sda", "sda1", "sda12", "nvme0n1", "nvme0n1p1", "mmcblk0", "mmcblk0p2", "xvda1", "dm-0", "loop7", "ram0"]
    assert moved(machine, names) == ["sda", "nvme0n1", "mmcblk0", "xvda1"]


def test_disk_bytes_are_sectors_of_512(machine: Machine) -> None:
    """Whatever its own sector size, a disk's counters have a unit of 512 bytes."""
    machine.disks({"vda": (10, 20)})
    collector = DiskCollector(machine.proc, machine.sys)
    collector.start()
    machine.disks({"vda": (13, 24)})
    found = read(collector)
    assert (found["disk_read_bytes"], found["disk_write_bytes"]) == (3 * 512, 4 * 512)


def test_disk_that_came_and_one_that_was_replaced(machine: Machine) -> None:
    """A new disk counts from its first reading; a counter that went back is no negative number."""
    machine.disks({"vda": (1000, 0)})
    collector = DiskCollector(machine.proc, machine.sys)
    collector.start()
    machine.disks({"vda": (10, 0), "vdb": (5000, 0)})
    assert read(collector)["disk_read_bytes"] == 0
    machine.disks({"vda": (11, 0), "vdb": (5002, 0)})
    assert read(collector)["disk_read_bytes"] == 3 * 512


def test_paths_to_one_disk(machine: Machine) -> None:
    """Paths to an NVMe disk count only where the kernel does not count the disk itself (synthetic)."""
    for disk in ("nvme0n1", "nvme0c0n1", "nvme0c1n1"):
        machine.sysfs(f"block/{disk}/device")
    names = ["nvme0n1", "nvme0c0n1", "nvme0c1n1"]
    assert moved(machine, names) == ["nvme0n1"]
    machine.disks(dict.fromkeys(names, (0, 0)))
    collector = DiskCollector(machine.proc, machine.sys)
    collector.start()
    machine.disks({"nvme0n1": (0, 0), "nvme0c0n1": (3, 0), "nvme0c1n1": (4, 0)})
    assert read(collector)["disk_read_bytes"] == 7 * 512


def test_a_real_loop_device(machine: Machine, tmp_path: Path) -> None:
    """What is written to a loop device counts once: on the disk below it. Needs root."""
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 24))
    made = subprocess.run(["losetup", "-f", "--show", str(image)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"loop devices are not permitted here: {made.stderr.strip()}")
    loop = Path(made.stdout.strip())
    copy = Path(machine.proc) / "diskstats"
    try:
        before = copy.write_bytes(Path("/proc/diskstats").read_bytes()) and diskstats.parse(copy.read_bytes())
        collector = DiskCollector(machine.proc, "/sys")
        collector.start()
        with loop.open("wb") as device:
            device.write(os.urandom(1 << 24))
            os.fsync(device.fileno())
        copy.write_bytes(Path("/proc/diskstats").read_bytes())
        after = diskstats.parse(copy.read_bytes())
        grown = {name: after[name][1] - before.get(name, (0, 0))[1] for name in after}
        assert grown[loop.name] * 512 >= 1 << 24
        disks = [name for name in grown if Path(f"/sys/block/{name}/device").exists()]
        assert loop.name not in disks
        assert read(collector)["disk_write_bytes"] == sum(grown[name] for name in disks) * 512
    finally:
        subprocess.run(["losetup", "-d", str(loop)], check=True)


# --- network ------------------------------------------------------------------------------------


def received(machine: Machine, names: list[str]) -> list[str]:
    """The interfaces whose bytes count."""
    machine.nets(dict.fromkeys(names, (0, 0)))
    collector = NetCollector(machine.proc, machine.sys)
    collector.start()
    machine.nets({name: (2**index, 0) for index, name in enumerate(names)})
    total = int(read(collector)["net_recv_bytes"])
    return [name for index, name in enumerate(names) if total >> index & 1]


def test_host_of_containers(machine: Machine) -> None:
    """On a host only hardware counts: bridges and the containers' ends pass on what goes through it."""
    machine.sysfs("class/net/eth0/device", "class/net/docker0/bridge", "class/net/veth1", "class/net/wg0")
    assert received(machine, ["lo", "eth0", "docker0", "veth1", "wg0"]) == ["eth0"]


def test_inside_a_container(machine: Machine) -> None:
    """In a container its end of the pair counts; bridges and their ports do not, nor what lies above (synthetic)."""
    machine.sysfs("class/net/eth0", "class/net/br0/bridge", "class/net/c0/brport", "class/net/eth0.5/lower_eth0")
    machine.sysfs("class/net/vrf1", "class/net/wg0", "class/net/team0", "class/net/bond0/bonding", "class/net/gre1")
    machine.entry("class/net/vrf1/uevent", "DEVTYPE=vrf\nINTERFACE=vrf1\n")
    machine.entry("class/net/wg0/uevent", "DEVTYPE=wireguard\n")
    machine.entry("class/net/team0/uevent", "DEVTYPE=team\n")
    machine.entry("class/net/gre1/type", "778\n")
    names = ["lo", "eth0", "br0", "c0", "eth0.5", "vrf1", "wg0", "team0", "bond0", "gre1", "dummy0", "ifb1"]
    assert received(machine, names) == ["eth0"]


def test_pairs_within_a_container(machine: Machine) -> None:
    """A pair of which both ends are here leads nowhere; one whose other end only has the number of one here does."""
    machine.sysfs("class/net/eth0", "class/net/p0", "class/net/p1")
    for name, index, link in (("eth0", 2, 3), ("p0", 3, 4), ("p1", 4, 3)):
        machine.entry(f"class/net/{name}/ifindex", f"{index}\n")
        machine.entry(f"class/net/{name}/iflink", f"{link}\n")
    assert received(machine, ["lo", "eth0", "p0", "p1"]) == ["eth0"]


def test_network_without_sysfs(machine: Machine) -> None:
    """Where a container hides /sys, or has that of another namespace, names tell."""
    names = ["lo", "eth0", "eth0.5", "eth0:1", "docker0", "br-5f2a", "veth12ab", "tun0", "bond0", "enp3s0"]
    assert received(machine, names) == ["eth0", "enp3s0"]
    machine.sysfs("class/net/eth9/device")
    assert received(machine, ["lo", "tap0"]) == ["tap0"]


def test_hardware_below_hardware(machine: Machine) -> None:
    """Ends of virtual functions, and a switch's ports that hang on another interface, do not count (synthetic)."""
    machine.sysfs(
        "class/net/eth0/device", "class/net/pf0vf3/device", "class/net/lan1/device", "class/net/lan1/lower_eth0"
    )
    machine.entry("class/net/pf0vf3/phys_port_name", "c1pf0vf3\n")
    machine.entry("class/net/eth0/phys_port_name", "p0\n")
    assert received(machine, ["eth0", "pf0vf3", "lan1"]) == ["eth0"]


def test_bonded_hardware(machine: Machine) -> None:
    """A bond repeats its members."""
    machine.sysfs("class/net/eth0/device", "class/net/eth1/device", "class/net/bond0/bonding")
    machine.link("class/net/eth0/master", "../bond0")
    machine.link("class/net/eth1/master", "../bond0")
    assert received(machine, ["eth0", "eth1", "bond0"]) == ["eth0", "eth1"]


def test_virtual_function_below_its_master(machine: Machine) -> None:
    """Where a master of hardware shows its member's traffic, too (Azure), only the master counts."""
    machine.sysfs("class/net/eth0/device", "class/net/enP1/device")
    machine.link("class/net/enP1/master", "../eth0")
    assert received(machine, ["eth0", "enP1"]) == ["eth0"]


def test_network_is_chosen_anew(machine: Machine) -> None:
    """When an interface comes, which ones count is decided again."""
    machine.nets({"eth0": (5, 5)})
    collector = NetCollector(machine.proc, machine.sys)
    collector.start()
    machine.sysfs("class/net/eth0/device")
    machine.nets({"eth0": (7, 6), "veth0": (100, 100)})
    found = read(collector)
    machine.nets({"eth0": (8, 6), "veth0": (300, 300)})
    assert (found["net_recv_bytes"], found["net_sent_bytes"]) == (2, 1)
    assert read(collector)["net_recv_bytes"] == 1


# --- CPU, memory, space -------------------------------------------------------------------------


def test_cpu_of_the_machine(machine: Machine) -> None:
    """Cores in use are user and system time, interrupts included, over the row's length."""
    stat = Path(machine.proc) / "stat"
    stat.write_text("cpu 100 0 100 0 0 0 0 0 0 0\nctxt 1\nprocesses 50\n")
    collector = CpuCollector(machine.proc, 100)
    collector.start()
    stat.write_text("cpu 150 10 130 900 0 5 5 70 0 0\nctxt 1\nprocesses 57\n")
    found = read(collector, 2.0)
    assert (found["processes"], found["utime"], found["stime"]) == (57, 60, 40)
    assert found["cpu_usage"] == pytest.approx(0.5)


def test_a_machine_uses_no_more_cores_than_it_has(machine: Machine) -> None:
    """Six ticks may end within a row of 20 ms: that is no use of three cores where there are two; the ticks stay."""
    stat = Path(machine.proc) / "stat"
    stat.write_text("cpu 100 0 100 0\ncpu0 50 0 50 0\ncpu1 50 0 50 0\nctxt 1\nprocesses 50\n")
    collector = CpuCollector(machine.proc, 100)
    collector.start()
    stat.write_text("cpu 104 0 102 0\ncpu0 52 0 51 0\ncpu1 52 0 51 0\nctxt 1\nprocesses 50\n")
    found = read(collector, 0.02)
    assert (found["utime"] + found["stime"], found["cpu_usage"]) == (6, 2)


def test_stolen_share(machine: Machine) -> None:
    """Of the time in which CPUs had work; 0 where nothing was stolen, and where the kernel does not say."""
    stat = Path(machine.proc) / "stat"
    shares = []
    collector = CpuCollector(machine.proc, 100)
    for line in (b"100 0 100 500 9 0 0 7", b"150 0 130 600 9 0 0 27", b"190 0 130 900 9 0 0 27", b"191 0 131 950"):
        stat.write_bytes(b"cpu " + line + b"\nctxt 1\nprocesses 50\n")
        row = Row()
        collector.read(row, 1.0)
        shares.append(row.stolen_share)
    assert shares == [0.0, 0.2, 0.0, 0.0]


def test_memory_of_the_machine(machine: Machine) -> None:
    """Used is what is neither free nor cache; an old kernel's missing lines are nan, not 0."""
    path = Path(machine.proc) / "meminfo"
    lines = {"MemTotal": 1000, "MemFree": 300, "Buffers": 50, "Cached": 200, "SReclaimable": 30, "SwapTotal": 9}
    path.write_text("".join(f"{name}: {kib} kB\n" for name, kib in {**lines, "SwapFree": 4}.items()))
    found = read(MemoryCollector(machine.proc))
    assert (found["memory_used"], found["memory_cached"], found["swap_used_kib"]) == (420, 230, 5)
    assert math.isnan(found["memory_available_kib"])


def test_space_of_a_directory_that_is_deleted(tmp_path: Path) -> None:
    """The user may delete the step's directory: the root's file system stands in."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    collector = SpaceCollector([FileSystem(str(folder), "directory")], Failures())
    total = read(collector)["disk_space_total_gb"]
    folder.rmdir()
    found = read(collector)
    assert total > 0
    assert found["disk_space_used_gb"] + found["disk_space_free_gb"] == pytest.approx(found["disk_space_total_gb"])


def test_shared_memory_that_is_no_file_system_of_its_own(tmp_path: Path) -> None:
    """Where /dev/shm is a folder of another file system, or is missing, nothing is told, and nothing fails."""
    for folder in (tmp_path, tmp_path / "missing"):
        collector = SharedMemoryCollector(str(folder))
        collector.sub_sample(0.0)
        assert math.isnan(read(collector)["shm_used_kib"])


# --- what fails ---------------------------------------------------------------------------------


class Flaky(Collector):
    """Fails while told to."""

    source = "flaky"

    def __init__(self) -> None:
        self.fails = True
        self.calls = 0

    def read(self, row: Row, interval_s: float) -> None:
        self.calls += 1
        if self.fails:
            raise OSError(5, "Input/output error", "/secret/name")
        row.system["utime"] = 1.0


def test_failing_source_is_left_alone() -> None:
    """After a few failures one after the other a source is disabled; it is counted, its columns are nan."""
    flaky, failures = Flaky(), Failures()
    guard = Guard(flaky, failures)
    row = Row()
    for _ in range(MAX_FAILURES + 5):
        guard.read(row, 1.0)
    assert flaky.calls == MAX_FAILURES
    assert math.isnan(row.system["utime"])
    assert failures.news(final=True) == [("flaky", MAX_FAILURES, "Input/output error")]


def test_source_that_recovers() -> None:
    """Failures with successes between them never disable a source; each is told once, and the count at the end."""
    flaky, failures = Flaky(), Failures()
    guard = Guard(flaky, failures)
    told = []
    for turn in range(20):
        flaky.fails = turn % 2 == 0
        guard.read(Row(), 1.0)
        told += failures.news()
    assert flaky.calls == 20
    assert [count for _, count, _ in told] == [1]
    assert [count for _, count, _ in failures.news(final=True)] == [10]
    assert failures.news(final=True) == []
