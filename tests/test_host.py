"""The machine and its limits: synthetic scenes for every cgroup layout, and the live kernel where it lets us."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resource_tracker.host import gpus, limits, server_info
from resource_tracker.host_limits import parse_cpu_list
from resource_tracker.records import Limits

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "31 23 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 23 0:31 / /sys/fs/cgroup/cpuset rw shared:10 - cgroup cgroup rw,cpuset\n"
    "33 23 0:32 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory\n"
)
V1_UNLIMITED = "9223372036854771712\n"
GIB = 1024**3


def machine(tmp_path: Path, files: dict[str, str] | None = None) -> str:
    """Lay out a synthetic machine of 8 CPUs and 16 GiB under ``tmp_path``; ``files`` add to it or replace."""
    base = {
        "proc/meminfo": "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:   15728640 kB\n",
        "proc/loadavg": "0.10 0.20 0.30 1/200 4242\n",
        "proc/self/status": "Name:\tpython\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n",
        "proc/self/statm": "5000 1000 500 1 0 900 0\n",
        "sys/devices/system/cpu/online": "0-7\n",
    }
    for name, text in {**base, **(files or {})}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path)


def v2(own: str, files: dict[str, str]) -> dict[str, str]:
    return {
        "proc/self/cgroup": f"0::{own}\n",
        "proc/self/mountinfo": V2_MOUNT,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }


def v1(own: str, files: dict[str, str]) -> dict[str, str]:
    return {
        "proc/self/cgroup": f"6:memory:{own}\n5:cpuset:{own}\n4:cpu,cpuacct:{own}\n1:name=systemd:{own}\n",
        "proc/self/mountinfo": V1_MOUNTS,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }


def test_cgroup_v2_states_cpu_and_memory(tmp_path):
    """The own cgroup's quota and limit are found, and their files named."""
    files = v2("/job", {"job/cpu.max": "150000 100000\n", "job/memory.max": f"{2 * GIB}\n", "memory.max": "max\n"})
    assert limits(machine(tmp_path, files)) == Limits(
        cpus=1.5,
        memory_mib=2048.0,
        source="cpu: /sys/fs/cgroup/job/cpu.max, memory: /sys/fs/cgroup/job/memory.max",
        cpu_period_s=0.1,
    )


def test_nested_cgroups_lowest_wins(tmp_path):
    """A pod's limit above a container without one still holds the container."""
    files = v2(
        "/pods/pod1/container",
        {
            "pods/pod1/container/cpu.max": "400000 100000\n",
            "pods/pod1/container/memory.max": "max\n",
            "pods/pod1/cpu.max": "200000 100000\n",
            "pods/pod1/memory.max": f"{GIB}\n",
            "pods/memory.max": f"{8 * GIB}\n",
        },
    )
    found = limits(machine(tmp_path, files))
    assert (found.cpus, found.memory_mib) == (2.0, 1024.0)
    assert found.source == "cpu: /sys/fs/cgroup/pods/pod1/cpu.max, memory: /sys/fs/cgroup/pods/pod1/memory.max"


def test_cgroup_v1_states_cpu_and_memory(tmp_path):
    """Version 1 keeps quota, period and memory in files and hierarchies of their own."""
    files = v1(
        "/docker/abc",
        {
            "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "50000\n",
            "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            "memory/docker/abc/memory.limit_in_bytes": f"{512 * 1024**2}\n",
            "memory/memory.limit_in_bytes": V1_UNLIMITED,
        },
    )
    found = limits(machine(tmp_path, files))
    assert (found.cpus, found.memory_mib) == (0.5, 512.0)
    assert "docker/abc/cpu.cfs_quota_us" in found.source


def test_cgroup_v1_limit_of_a_hidden_ancestor(tmp_path):
    """``hierarchical_memory_limit`` tells of a parent outside the container's view."""
    files = v1(
        "/",
        {
            "memory/memory.limit_in_bytes": V1_UNLIMITED,
            "memory/memory.stat": f"cache 1\nhierarchical_memory_limit {3 * GIB}\ntotal_cache 1\n",
        },
    )
    found = limits(machine(tmp_path, files))
    assert found.memory_mib == 3072.0
    assert found.source == "memory: /sys/fs/cgroup/memory/memory.stat hierarchical_memory_limit"


def test_hybrid_takes_each_controller_from_where_it_is(tmp_path):
    """With memory on version 1 and the rest on version 2, both are read."""
    files = {
        "proc/self/cgroup": "3:memory:/job\n0::/job\n",
        "proc/self/mountinfo": (
            "33 23 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            "34 23 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        ),
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{GIB}\n",
        "sys/fs/cgroup/unified/job/cpu.max": "300000 100000\n",
    }
    found = limits(machine(tmp_path, files))
    assert (found.cpus, found.memory_mib) == (3.0, 1024.0)


@pytest.mark.parametrize(
    "files",
    [
        {},
        v2("/", {"cpu.max": "max 100000\n", "memory.max": "max\n", "cpuset.cpus.effective": "0-7\n"}),
        v1(
            "/job",
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
                "memory/job/memory.limit_in_bytes": V1_UNLIMITED,
                "memory/job/memory.stat": f"hierarchical_memory_limit {V1_UNLIMITED}",
                "cpuset/job/cpuset.cpus": "0-7\n",
            },
        ),
        v2("/job", {"job/cpu.max": "1600000 100000\n", "job/memory.max": f"{64 * GIB}\n"}),
    ],
    ids=["no cgroups", "v2 unlimited", "v1 unlimited", "beyond the machine"],
)
def test_no_limit_below_the_machine(tmp_path, files):
    """What allows the whole machine or more is no limit."""
    assert limits(machine(tmp_path, files)) == Limits()


def test_affinity_and_cpusets_count(tmp_path):
    """The smallest of affinity mask, cpuset and quota is what a process can use."""
    status = {"proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-2,5\n"}
    found = limits(machine(tmp_path, status))
    assert (found.cpus, found.source) == (4.0, "cpu: /proc/self/status Cpus_allowed_list")
    found = limits(machine(tmp_path, status | v2("/job", {"job/cpuset.cpus.effective": "0,2\n"})))
    assert (found.cpus, found.source) == (2.0, "cpu: /sys/fs/cgroup/job/cpuset.cpus.effective")
    found = limits(machine(tmp_path, status | v1("/job", {"cpuset/job/cpuset.effective_cpus": "3\n"})))
    assert found.cpus == 1.0


def test_container_without_cgroup_namespace(tmp_path):
    """The mount shows the container's own cgroup at its top, while ``/proc/self/cgroup`` has the host's path."""
    files = {
        "proc/self/cgroup": "6:memory:/docker/abc/inner\n",
        "proc/self/mountinfo": "33 23 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GIB}\n",
        "sys/fs/cgroup/memory/inner/memory.limit_in_bytes": f"{2 * GIB}\n",
    }
    assert limits(machine(tmp_path, files)).memory_mib == 2048.0


@pytest.mark.parametrize(
    ("top", "own"), [("/box", "/../.."), ("/", "/../.."), ("/box", "/elsewhere"), ("/box", "/boxes")]
)
def test_cgroup_outside_the_mount(tmp_path, top, own):
    """Of a cgroup that the mount does not show, its top is all that can be read; nothing is read outside of it."""
    files = {
        "proc/self/cgroup": f"0::{own}\n",
        "proc/self/mountinfo": f"30 23 0:26 {top} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
        "sys/fs/cgroup/memory.max": f"{GIB}\n",
        "sys/memory.max": "4096\n",
    }
    assert limits(machine(tmp_path, files)).memory_mib == 1024.0


POD = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-2.scope"
V1_POD = "/kubepods/burstable/pod1/2"
CONTAINERS = {
    "docker, v2": (
        "0::/\n",
        "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
        {"sys/fs/cgroup/cpu.max": "150000 100000", "sys/fs/cgroup/memory.max": str(GIB)},
    ),
    "docker, v1, without a namespace": (
        "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n",
        "31 23 0:30 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
        "33 23 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": str(GIB),
        },
    ),
    "Kubernetes, v2, systemd driver, host's namespace": (
        f"0::{POD}\n",
        f"30 23 0:26 {POD} /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
        {"sys/fs/cgroup/cpu.max": "150000 100000", "sys/fs/cgroup/memory.max": str(GIB)},
    ),
    "Kubernetes, v2, systemd driver, on the node": (
        f"0::{POD}\n",
        V2_MOUNT,
        {
            f"sys/fs/cgroup{POD}/cpu.max": "max 100000",
            f"sys/fs/cgroup{POD}/memory.max": str(2 * GIB),
            f"sys/fs/cgroup{os.path.dirname(POD)}/cpu.max": "150000 100000",
            f"sys/fs/cgroup{os.path.dirname(POD)}/memory.max": str(GIB),
        },
    ),
    "Kubernetes, v1, cgroupfs driver": (
        f"5:memory:{V1_POD}\n4:cpu,cpuacct:{V1_POD}\n",
        V1_MOUNTS,
        {
            f"sys/fs/cgroup/cpu,cpuacct{V1_POD}/cpu.cfs_quota_us": "-1",
            f"sys/fs/cgroup/cpu,cpuacct{V1_POD}/cpu.cfs_period_us": "100000",
            f"sys/fs/cgroup/cpu,cpuacct{os.path.dirname(V1_POD)}/cpu.cfs_quota_us": "150000",
            f"sys/fs/cgroup/cpu,cpuacct{os.path.dirname(V1_POD)}/cpu.cfs_period_us": "100000",
            f"sys/fs/cgroup/memory{V1_POD}/memory.limit_in_bytes": str(GIB),
        },
    ),
    "AWS Batch and ECS, v1: the task's group limits its containers": (
        "5:memory:/ecs/task/box\n4:cpu,cpuacct:/ecs/task/box\n",
        "31 23 0:30 /ecs/task/box /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
        "33 23 0:32 /ecs/task/box /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
        {
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": V1_UNLIMITED,
            "sys/fs/cgroup/memory/memory.stat": f"hierarchical_memory_limit {GIB}\n",
        },
    ),
    "mixed: version 1 controls, version 2 is empty": (
        "4:memory:/run/9132\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/job\n0::/\n",
        "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        "33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        {
            "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "75000",
            "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "50000",
            "sys/fs/cgroup/memory/run/9132/memory.limit_in_bytes": str(GIB),
            "sys/fs/cgroup/unified/cpu.stat": "usage_usec 1\n",
        },
    ),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_limits_of_containers(tmp_path, name):
    """Synthetic scenes of the usual back ends: 1.5 CPUs and 1 GiB, wherever they are stated, are what may be used."""
    own, mounts, files = CONTAINERS[name]
    root = machine(tmp_path, {"proc/self/cgroup": own, "proc/self/mountinfo": mounts, **files})
    found = limits(root)
    assert (found.cpus, found.memory_mib) == (1.5, 1024.0)
    assert found.cpu_period_s == (0.05 if "mixed" in name else 0.1)
    told = server_info(root, environ={})
    assert (told.vcpus, told.memory_mb) == (8, 16384.0)
    assert (told.usable_vcpus, told.usable_memory_mb) == (1.5, 1024.0)


def test_without_limits_all_may_be_used(tmp_path):
    """Where nothing limits a process, the machine does."""
    told = server_info(machine(tmp_path), environ={})
    assert (told.usable_vcpus, told.usable_memory_mb) == (8, 16384.0)


@pytest.mark.parametrize(
    ("files", "high", "swap"),
    [
        ({"memory.max": str(2 * GIB), "memory.high": str(GIB)}, 1024.0, None),
        ({"memory.max": str(GIB), "memory.high": str(2 * GIB)}, None, None),
        ({"memory.max": str(GIB), "memory.high": "max", "memory.swap.max": "0"}, None, 0.0),
        ({"memory.max": str(GIB), "memory.swap.max": str(GIB // 2)}, None, 512.0),
        ({"memory.max": str(GIB), "memory.swap.max": str(64 * GIB)}, None, None),
    ],
    ids=["high", "high above the limit", "no swap", "some swap", "more swap than there is"],
)
def test_softer_limits_of_version_2(tmp_path, files, high, swap):
    """Where memory becomes slow, and how much may be swapped out, are told where they bind."""
    swap_file = {"proc/meminfo": "MemTotal: 16777216 kB\nSwapTotal: 8388608 kB\n"}
    found = limits(machine(tmp_path, swap_file | v2("/job", {f"job/{name}": text for name, text in files.items()})))
    assert (found.memory_high_mib, found.swap_mib) == (high, swap)


def test_swap_of_version_1(tmp_path):
    """Version 1 limits memory and swap together: Docker's own choice is twice the memory."""
    files = v1(
        "/docker/abc",
        {
            "memory/docker/abc/memory.limit_in_bytes": str(GIB),
            "memory/docker/abc/memory.memsw.limit_in_bytes": str(2 * GIB),
            "memory/docker/abc/memory.stat": f"hierarchical_memsw_limit {3 * GIB}\n",
        },
    )
    root = machine(tmp_path, files | {"proc/meminfo": "MemTotal: 16777216 kB\nSwapTotal: 8388608 kB\n"})
    assert limits(root).swap_mib == 1024.0


def test_mount_point_with_a_blank(tmp_path):
    """The kernel's octal escapes in the mount table are undone."""
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "30 23 0:26 / /mnt/my\\040cgroup rw - cgroup2 cgroup2 rw\n",
        "mnt/my cgroup/memory.max": f"{GIB}\n",
    }
    assert limits(machine(tmp_path, files)).source == "memory: /mnt/my cgroup/memory.max"


def test_usual_places_without_a_mount_table(tmp_path):
    """Where ``mountinfo`` is hidden, the places that everybody uses are tried."""
    files = v2("/job", {"job/memory.max": f"{GIB}\n"})
    del files["proc/self/mountinfo"]
    assert limits(machine(tmp_path, files)).memory_mib == 1024.0


def test_unreadable_file_is_passed_over(tmp_path):
    """A file that cannot be read (here: a directory in its place) takes nothing from the others."""
    root = machine(tmp_path, v2("/a/b", {"a/memory.max": f"{GIB}\n"}))
    (tmp_path / "sys/fs/cgroup/a/b/memory.max").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/a/b/cpu.max").mkdir()
    assert limits(root).memory_mib == 1024.0


@pytest.mark.parametrize("garbage", ["", "\0\0", "max max", "1 0", "-5 100000", "0 100000", "9" * 10_000, "١٢ ٣"])
def test_garbage_is_passed_over(tmp_path, garbage):
    """A file that is not as documented is no limit and no error."""
    files = v2("/j", {f"j/{name}": garbage for name in ("cpu.max", "memory.max", "cpuset.cpus.effective")})
    found = limits(machine(tmp_path, files))
    assert (found.cpus, found.source) == (None, "")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_content_of_any_file_raises(tmp_path_factory, data):
    """Whatever the kernel files hold, machine and limits are told, and positive where known."""
    root = tmp_path_factory.mktemp("machine")
    machine(root, v2("/j", {}) | v1("/j", {}))
    names = [
        *("proc/self/cgroup", "proc/self/mountinfo", "proc/self/status", "proc/self/statm", "proc/meminfo"),
        *("proc/loadavg", "proc/stat", "proc/cpuinfo", "etc/os-release", "sys/devices/system/cpu/online"),
        *("sys/fs/cgroup/memory.max", "sys/fs/cgroup/cpu.max", "sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
    ]
    for name in data.draw(st.lists(st.sampled_from(names), unique=True)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data.draw(st.binary(max_size=80)))
    found = limits(str(root))
    assert found.cpus is None or found.cpus > 0
    assert found.memory_mib is None or found.memory_mib > 0
    told = server_info(str(root), environ={})
    assert told.vcpus is None or told.vcpus > 0


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 1), ("0-3", 4), ("0-3,8,10-11\n", 7), ("", None), ("3-1", None), ("a", None), ("1-", None), (",", None)],
)
def test_cpu_list(text, count):
    """The kernel's list format is counted; what is malformed is not guessed at."""
    assert parse_cpu_list(text) == count


def test_live_affinity():
    """A real process bound to one CPU may use one CPU."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine lets us use one CPU only")
    program = """
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        from resource_tracker.host import limits
        print(limits().cpus)
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert float(ran.stdout) == 1.0


def test_live_cgroup_v1_memory_limit():
    """A real process in a real version 1 cgroup with a limit is told that limit."""
    mine = [line.split(":", 2)[2] for line in Path("/proc/self/cgroup").read_text().splitlines() if ":memory:" in line]
    if not mine:
        pytest.skip("memory is not on cgroup v1 here")
    group = Path("/sys/fs/cgroup/memory") / mine[0].strip("/") / f"resource-tracker-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup may be made here: {error}")
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (group / "memory.limit_in_bytes").write_text(str(300 * 1024**2))
        (group / "cgroup.procs").write_text(str(child.pid))
        found = limits(pid=child.pid)
    finally:
        child.communicate(b"\n")
        group.rmdir()
    assert found.memory_mib == 300.0
    assert group.name in found.source


def test_live_machine_agrees_with_psutil():
    """CPUs and memory of this machine are those that psutil reports."""
    found = server_info()
    assert found.vcpus == psutil.cpu_count()
    assert found.memory_mb == pytest.approx(psutil.virtual_memory().total / 1024**2, abs=0.01)
    assert found.architecture == os.uname().machine
    assert found.allocation_reason


def test_names_of_system_and_cpu(tmp_path):
    """The distribution's own name and the CPU's model are shown."""
    files = {
        "etc/os-release": 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC 7R13\n\nprocessor\t: 1\nmodel name\t: other\n",
    }
    found = server_info(machine(tmp_path, files), environ={})
    assert (found.os, found.cpu_model) == ("Debian GNU/Linux 12 (bookworm)", "AMD EPYC 7R13")
    assert (found.vcpus, found.memory_mb) == (8, 16384.0)


def test_names_where_little_is_told(tmp_path):
    """ARM often names no CPU, minimal images have no pretty name: that is unknown, or the next best."""
    files = {
        "usr/lib/os-release": "NAME=Alpine\nVERSION_ID=3.20\n",
        "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 243.75\n",
        "sys/devices/system/cpu/online": "garbage",
        "proc/stat": "cpu  1 2 3\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n",
    }
    found = server_info(machine(tmp_path, files), environ={})
    assert (found.os, found.cpu_model, found.vcpus) == ("Alpine 3.20", None, 2)


@pytest.mark.parametrize(
    ("files", "environ", "allocation", "word"),
    [
        ({}, {}, "dedicated", "little else"),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "shared", "Kubernetes"),
        (v2("/j", {"j/cpu.max": "100000 100000"}), {}, "shared", "cpu.max"),
        ({"proc/loadavg": "2.00 1 1 3/200 9\n"}, {}, "shared", "load average of 2 in"),
        ({"proc/loadavg": "1.99 1 1 3/200 9\n"}, {}, "dedicated", "little else"),
        ({"proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n"}, {}, "shared", "50% of the machine"),
        ({".dockerenv": ""}, {}, "unknown", "/.dockerenv"),
        ({"run/.containerenv": "", "proc/loadavg": "7 1 1 3/200 9\n"}, {}, "shared", "the step, on 8 CPUs"),
    ],
    ids=["alone", "pod", "limited", "busy", "idle enough", "memory held", "container", "busy container"],
)
def test_dedicated_or_shared(tmp_path, files, environ, allocation, word):
    """Each sign of neighbours decides in turn, and the reason says which it was."""
    found = server_info(machine(tmp_path, files), environ=environ)
    assert found.allocation == allocation
    assert word in found.allocation_reason


def test_own_memory_is_not_held_against_others(tmp_path):
    """A process that itself holds half of the memory is no neighbour of its own."""
    pages = 7 * GIB // os.sysconf("SC_PAGE_SIZE")
    files = {
        "proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n",
        "proc/self/statm": f"{pages} {pages} 0 0 0 0 0\n",
    }
    assert server_info(machine(tmp_path, files), environ={}).allocation == "dedicated"


def test_nothing_told_is_unknown(tmp_path):
    """Without any of the files the answer is "unknown", not a guess and not an error."""
    found = server_info(str(tmp_path), environ={})
    assert (found.memory_mb, found.cpu_model, found.allocation) == (None, None, "unknown")


class FakeNvml:
    """The few calls of pynvml that are used, on GPUs given as (name, bytes) or an error to raise."""

    class NVMLError(Exception):
        pass

    def __init__(self, devices, fails=()):
        self.devices = devices
        self.fails = fails
        self.opened = 0

    def _check(self, call):
        if call in self.fails:
            raise self.NVMLError(call)

    def nvmlInit(self):  # noqa: N802
        self._check("init")
        self.opened += 1

    def nvmlShutdown(self):  # noqa: N802
        self.opened -= 1
        self._check("shutdown")

    def nvmlSystemGetDriverVersion(self):  # noqa: N802
        self._check("driver")
        return b"550.54.15"

    def nvmlDeviceGetCount(self):  # noqa: N802
        self._check("count")
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if isinstance(self.devices[index], Exception):
            raise self.NVMLError("GPU is lost")
        return self.devices[index]

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return handle[0]

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(total=handle[1])


def test_gpus_are_counted_and_their_memory_summed():
    """All GPUs of the machine count, with names as text whichever type the library gives."""
    nvml = FakeNvml([("NVIDIA H100 80GB HBM3", 80 * GIB), (b"Quadro T1000", 4 * GIB)])
    found = server_info(nvml=nvml)
    assert (found.gpu_count, found.gpu_names) == (2, ("NVIDIA H100 80GB HBM3", "Quadro T1000"))
    assert found.gpu_memory_mb == 84 * 1024
    assert found.gpu_driver == "550.54.15"
    assert nvml.opened == 0


def test_lost_gpu_is_left_out():
    """One GPU fallen off the bus does not take the others along."""
    nvml = FakeNvml([RuntimeError(), ("A10G", 24 * GIB)])
    assert gpus(nvml=nvml) == (("A10G",), 24 * 1024, "550.54.15")


def test_driver_without_a_version():
    """That the version is not told costs nothing else."""
    assert gpus(nvml=FakeNvml([("A10G", 24 * GIB)], fails=("driver",))) == (("A10G",), 24 * 1024, None)


def test_gpus_are_asked_for_later():
    """Where the sampler asks the driver, the task does not; what it says then is added to the machine."""
    nvml = FakeNvml([("A10G", 24 * GIB)])
    assert server_info(nvml=nvml, ask_gpus=False).gpu_count == 0


@pytest.mark.parametrize("call", ["init", "count", "shutdown"])
def test_nvml_errors_mean_no_gpus_and_no_exception(call):
    """A driver that fails costs the step nothing, and the library is left closed."""
    nvml = FakeNvml([("A10G", 24 * GIB)], fails=(call,))
    assert len(gpus(nvml=nvml).names) == (1 if call == "shutdown" else 0)
    assert nvml.opened == 0


def test_pynvml_stays_out_without_a_driver(tmp_path):
    """On a machine without NVIDIA's driver the library is not even imported."""
    program = "import sys; from resource_tracker.host import gpus; print(gpus(sys.argv[1]), 'pynvml' in sys.modules)"
    command = [sys.executable, "-c", program, machine(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "Gpus(names=(), memory_mib=0.0, driver=None) False"


def test_driver_without_devices(tmp_path):
    """With a driver's marker but no library behind it, the real pynvml fails, and that is no exception here."""
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has the real driver")
    root = machine(tmp_path, {"proc/driver/nvidia/version": "NVRM version: 550.54\n"})
    assert gpus(root) == ((), 0.0, None)
