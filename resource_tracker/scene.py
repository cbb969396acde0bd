"""A scene: the kernel files of a machine at a few instants, without anything that names it or its user.

Packed as ``scene.json`` (what the machine is, and when each instant was) and ``N/proc/...``, ``N/sys/...`` for each
instant. :mod:`resource_tracker.testing.scenes` plays one back under the real readers.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import tarfile
import time
from collections.abc import Callable, Iterator

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs.files import read_record
from resource_tracker.sampler.tree import Tree
from resource_tracker.scene_words import FLAT, NUMBERS, STAT, STATUS, Words, lines_like

VERSION = 1
MOST_BYTES = 1 << 18
"""Of one file."""
CGROUP_FILES = (
    *(f"cpu.{name}" for name in ("max", "stat", "pressure", "cfs_quota_us", "cfs_period_us")),
    *("cpuacct.usage", "cpuset.cpus", "cpuset.cpus.effective", "cpuset.effective_cpus", "pids.current", "pids.max"),
    *(f"memory.{name}" for name in ("max", "high", "current", "peak", "stat", "events", "events.local", "pressure")),
    *(
        f"memory.{name}"
        for name in ("limit_in_bytes", "usage_in_bytes", "max_usage_in_bytes", "oom_control", "failcnt")
    ),
    *("memory.swap.max", "memory.swap.current", "io.stat", "io.pressure"),
)
KINDS_OF_INTERFACE = re.compile(rb"DEVTYPE=([a-z]{2,12})\n")
PORT = re.compile(rb"(?:c\d+)?p[f]?\d+(?:[vs]f\d+)?\n?")

Files = dict[str, bytes]


class Camera:
    """Takes pictures of one process and its descendants, and of the machine.

    Attributes
    ----------
    left_out : dict of str to str
        Files that could not be read, and why.

    Raises
    ------
    OSError, ParseError
        There is no such process.
    """

    def __init__(self, pid: int, proc: str = "/proc", sys_root: str = "/sys") -> None:
        self._pid = pid
        self._proc = proc
        self._sys = sys_root
        self._tree = Tree(proc, pid)
        self._words = Words()
        self._private = _private_words()
        self.left_out: dict[str, str] = {}

    def instant(self) -> Files:
        """The files as they are now."""
        files: Files = {}
        for path, keep in self._machine():
            self._add(files, f"proc/{path}", f"{self._proc}/{path}", keep)
        self._tree.refresh()
        self._tree.read_all()
        for pid in list(self._tree.members):
            for path, keep in self._process(pid):
                self._add(files, f"proc/{path}", f"{self._proc}/{path}", keep)
        self._tree.take_gone()
        self._add(files, "proc/self/mountinfo", f"{self._proc}/{self._pid}/mountinfo", self._words.mountinfo)
        files.update(self._disks())
        files.update(self._interfaces())
        self._groups(files)
        online = "devices/system/cpu/online"
        self._add(files, f"sys/{online}", f"{self._sys}/{online}", lambda data: lines_like(FLAT, data))
        return {path: data for path, data in files.items() if not self._names_somebody(path, data)}

    def _machine(self) -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
        yield "stat", lambda data: lines_like(STAT, data)
        yield "meminfo", lambda data: lines_like(NUMBERS, data)
        yield "vmstat", lambda data: lines_like(FLAT, data)
        yield "loadavg", lambda data: data if re.fullmatch(rb"[\d./ ]+\n", data) else b""
        yield "diskstats", self._words.diskstats
        yield "net/dev", self._words.net_dev
        for name in ("cpu", "memory", "io"):
            yield f"pressure/{name}", lambda data: lines_like(FLAT, data)

    def _process(self, pid: int) -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
        yield f"{pid}/stat", self._words.pid_stat
        yield f"{pid}/statm", lambda data: data if re.fullmatch(rb"[\d ]+\n", data) else b""
        yield f"{pid}/status", lambda data: b"Name:\tprocess\n" + lines_like(STATUS, data)
        yield f"{pid}/io", lambda data: lines_like(NUMBERS, data)
        yield f"{pid}/smaps_rollup", lambda data: b"0-0 ---p 0 00:00 0 [rollup]\n" + lines_like(NUMBERS, data)
        yield f"{pid}/schedstat", lambda data: data if re.fullmatch(rb"[\d ]+\n", data) else b""
        yield f"{pid}/cgroup", self._words.cgroup
        for thread in _names(f"{self._proc}/{pid}/task"):
            yield f"{pid}/task/{thread}/children", lambda data: data if re.fullmatch(rb"[\d ]*", data) else b""

    def _add(self, files: Files, name: str, path: str, keep: Callable[[bytes], bytes]) -> None:
        try:
            data = read_file(path)
        except OSError as error:
            if error.errno is not None:
                self.left_out[re.sub(r"\d+", "N", name)] = error.strerror or str(error)
            return
        files[name] = keep(data)

    def _disks(self) -> Files:
        found: Files = {}
        for name in _names(f"{self._sys}/block"):
            word = self._words.disk(os.fsencode(name)).decode("ascii", "replace")
            kind = "device" if os.path.exists(f"{self._sys}/block/{name}/device") else "virtual"
            found[f"sys/block/{word}/{kind}"] = b""
        return found

    def _interfaces(self) -> Files:
        """What is there, numbers, and which is below which; no address."""
        found: Files = {}
        for name in _names(f"{self._sys}/class/net"):
            folder, word = f"{self._sys}/class/net/{name}", self._interface(name)
            for entry in _names(folder):
                path = f"sys/class/net/{word}/{entry}"
                if entry in ("device", "bridge", "brport", "bonding", "tun_flags"):
                    found[path] = b""
                elif entry in ("ifindex", "iflink", "type"):
                    found[path] = lines_like(FLAT, _bytes_of(f"{folder}/{entry}"))
                elif entry == "uevent" and (kind := KINDS_OF_INTERFACE.search(_bytes_of(f"{folder}/{entry}"))):
                    found[path] = kind[0]
                elif entry == "phys_port_name" and PORT.fullmatch(port := _bytes_of(f"{folder}/{entry}")):
                    found[path] = port
                elif entry.startswith("lower_"):
                    found[f"sys/class/net/{word}/lower_{self._interface(entry[6:])}"] = b""
                elif entry == "master":
                    found[path] = self._interface(os.path.basename(os.readlink(f"{folder}/master"))).encode()
        return found

    def _interface(self, name: str) -> str:
        return self._words.interface(os.fsencode(name)).decode("ascii", "replace")

    def _groups(self, files: Files) -> None:
        """The files of the process's control groups, and of those above, where the mounts show them."""
        groups = _text_of(f"{self._proc}/{self._pid}/cgroup").splitlines()
        for line in _text_of(f"{self._proc}/{self._pid}/mountinfo").splitlines():
            head, _, tail = line.partition(" - ")
            before, after = head.split(" "), tail.split(" ")
            if len(before) < 6 or len(after) < 3 or not after[0].startswith("cgroup"):
                continue
            point = before[4]
            for group in groups:
                _, names, path = [*group.split(":", 2), "", ""][:3]
                wanted = not names if after[0] == "cgroup2" else set(names.split(",")) & set(after[2].split(","))
                if wanted and point.startswith("/sys/"):
                    self._group_files(files, point, path.removeprefix(before[3].rstrip("/")))

    def _group_files(self, files: Files, point: str, path: str) -> None:
        while True:
            folder = f"{self._sys}/{point.removeprefix('/sys/')}{path.rstrip('/')}"
            word = f"sys/{self._words.mount_point(point).removeprefix('/sys/')}{self._words.group(path).rstrip('/')}"
            for name in CGROUP_FILES:
                if os.path.exists(f"{folder}/{name}"):
                    self._add(files, f"{word}/{name}", f"{folder}/{name}", lambda data: lines_like(FLAT, data))
            if path in ("", "/"):
                return
            path = path.rpartition("/")[0]

    def _names_somebody(self, path: str, data: bytes) -> bool:
        """Nothing should, after all that was replaced; what does all the same is not kept."""
        found = any(word in data or word in path.encode() for word in self._private)
        if found:
            self.left_out[re.sub(r"\d+", "N", path)] = "it holds a name"
        return found


def packed(instants: list[tuple[float, Files]], pid: int) -> bytes:
    """A scene as a compressed archive: monotonic seconds and files of each instant."""
    kernel = re.match(r"\d+\.\d+", platform.release())
    facts = {
        "scene": VERSION,
        "pid": pid,
        "kernel": kernel[0] if kernel else None,
        "machine": platform.machine(),
        "ticks_per_s": os.sysconf("SC_CLK_TCK"),
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "seconds": [round(at - instants[0][0], 6) for at, _ in instants],
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=9) as archive:
        _put(archive, "scene.json", json.dumps(facts, indent=1).encode())
        for index, (_, files) in enumerate(instants):
            for path, data in sorted(files.items()):
                _put(archive, f"{index}/{path}", data)
    return buffer.getvalue()


def record(pid: int, seconds: int, pause: Callable[[float], object] = time.sleep) -> tuple[bytes, Camera, int]:
    """An archive of one instant a second, who took it, and the number of files. Raises OSError, ParseError."""
    camera = Camera(pid)
    instants = []
    for index in range(seconds + 1):
        if index:
            pause(1.0)
        instants.append((time.monotonic(), camera.instant()))
        if f"proc/{pid}/stat" not in instants[-1][1]:
            if not index:
                raise ParseError(f"/proc/{pid}/stat", "the process is gone")
            instants.pop()
            break
    return packed(instants, pid), camera, sum(len(files) for _, files in instants)


def read_file(path: str) -> bytes:
    """A file of the kernel, up to :data:`MOST_BYTES`. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = b""
        while len(data) < MOST_BYTES and (part := os.read(fd, MOST_BYTES - len(data))):
            data += part
        return data
    finally:
        os.close(fd)


def _put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner, no date
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _bytes_of(path: str) -> bytes:
    try:
        return read_record(path, 4096)
    except OSError:
        return b""


def _text_of(path: str) -> str:
    try:
        return read_file(path).decode("utf-8", "replace")
    except OSError:
        return ""


def _private_words() -> list[bytes]:
    """Names that must not be in a scene: of the machine and the user. Short ones are words of the kernel's, too."""
    names = [platform.node(), platform.node().partition(".")[0], os.environ.get("USER", ""), os.environ.get("HOME", "")]
    return [os.fsencode(name) for name in names if len(name) > 5]
