"""Synthetic cgroups of both versions around processes of a fake /proc, and real ones where root may make them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from scenes.fake_proc import FakeProc
from scenes.tasks import wait_until

REAL = Path("/sys/fs/cgroup")
V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1_MOUNTS = (
    "31 23 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 23 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


class Scene:
    """A machine below a folder: its /proc, and one cgroup for the step (pid 10), the child of a shell (pid 1)."""

    def __init__(self, root: Path, version: int, path: str = "/job") -> None:
        self.version = version
        self.root = root
        self.proc = FakeProc(root / "proc")
        self.proc.start(1, rss=8 * 1024)
        self.proc.start(10, rss=50 * 1024)
        lines = {2: f"0::{path}\n", 1: f"3:memory:{path}\n2:cpu,cpuacct:{path}\n"}
        self.put("proc/10/cgroup", lines[version])
        self.put("proc/10/mountinfo", {2: V2_MOUNT, 1: V1_MOUNTS}[version])
        self.put("proc/self/statm", "0 1000 200 0 0 0 0\n")
        self.path = path.strip("/")
        self.inside(1, 10)
        self.cpu(5.0)
        self.memory(0, 0)

    def put(self, name: str, text: str) -> None:
        """Writes a file in place: those that hold it open see the change."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text)

    def folder(self, controller: str) -> str:
        """Where the step's cgroup is: all of version 2 in one place."""
        part = "" if self.version == 2 else {"cpu": "cpu,cpuacct/", "memory": "memory/"}[controller]
        return f"sys/fs/cgroup/{part}{self.path}".rstrip("/")

    def inside(self, *pids: int) -> None:
        """Who is in it."""
        for controller in ("cpu", "memory"):
            self.put(f"{self.folder(controller)}/cgroup.procs", "".join(f"{pid}\n" for pid in pids))

    def cpu(self, seconds: float, periods: int = 0, throttled: int = 0, held_back_s: float = 0.0) -> None:
        """CPU time used in it, and what its quota did."""
        quota = f"nr_periods {periods}\nnr_throttled {throttled}\n"
        if self.version == 2:
            quota += f"throttled_usec {round(held_back_s * 1e6)}\n"
            self.put(f"{self.folder('cpu')}/cpu.stat", f"usage_usec {round(seconds * 1e6)}\nuser_usec 1\n{quota}")
        else:
            self.put(f"{self.folder('cpu')}/cpuacct.usage", f"{round(seconds * 1e9)}\n")
            self.put(f"{self.folder('cpu')}/cpu.stat", f"{quota}throttled_time {round(held_back_s * 1e9)}\n")

    def memory(self, anonymous_kib: int, shared_kib: int, kills: int = 0) -> None:
        """Memory charged to it, beside 1 GiB of file cache, and processes killed for lack of it."""
        anonymous, shared, cache = anonymous_kib * 1024, shared_kib * 1024, 1 << 30
        if self.version == 2:
            stat = f"anon {anonymous}\nfile {cache}\nkernel 7\nshmem {shared}\nfile_mapped 9\n"
            self.put(f"{self.folder('memory')}/memory.events", f"low 0\nhigh 0\nmax 3\noom 1\noom_kill {kills}\n")
        else:
            stat = f"cache {cache}\nrss {anonymous}\nrss_huge 0\nshmem {shared}\nmapped_file 9\ntotal_rss 1\n"
            self.put(f"{self.folder('memory')}/memory.oom_control", f"oom_kill_disable 0\noom_kill {kills}\n")
        self.put(f"{self.folder('memory')}/memory.stat", stat)


@contextmanager
def real_groups(*controllers: str) -> Iterator[list[Path]]:
    """A new cgroup in each of these hierarchies of this machine, empty again at the end; else the test is skipped."""
    made: list[Path] = []
    try:
        for controller in controllers:
            own = [
                path
                for number, names, path in (
                    line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()
                )
                if controller in names.split(",") or (controller == "unified" and number == "0")
            ]
            top = REAL / controller
            if not own or not (top / "cgroup.procs").exists():
                pytest.skip(f"no hierarchy {controller} of cgroups is mounted here")
            group = top / own[0].strip("/") / f"resource-tracker-test-{os.getpid()}"
            try:
                group.mkdir()
            except OSError as error:
                pytest.skip(f"no cgroup may be made here: {error}")
            made.append(group)
        yield made
    finally:
        for group in made:
            wait_until(lambda: not (group / "cgroup.procs").read_text(), "an empty cgroup")  # noqa: B023
            group.rmdir()
