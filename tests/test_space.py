"""Space on the file systems that a step writes to: each once, of its kind, in real mounts where those are permitted."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scenes.tasks import ROOT

from resource_tracker.folders import written_folders
from resource_tracker.records import FileSystemUse
from resource_tracker.report.facts import machine
from resource_tracker.sampler.collector import Failures, Row
from resource_tracker.sampler.file_systems import FileSystem, file_systems, kind_of
from resource_tracker.sampler.procfs import mountinfo
from resource_tracker.sampler.space import DistantLook, SpaceCollector
from resource_tracker.testing import fake_record

MIB = 1 << 20


def in_mounts(script: str, code: str, **environment: str) -> str:
    """What Python `code` prints in a mount namespace that the shell `script` made."""
    command = ["unshare", "-m", "sh", "-ec", f'{script}\nexec "$0" -c "$1"', sys.executable, code]
    try:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError:
        pytest.skip("unshare is missing")
    if found.returncode and ("unshare" in found.stderr or "mount" in found.stderr):
        pytest.skip(f"mounts are not permitted here: {found.stderr.strip()[-200:]}")
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_real_mounts_are_told_apart(tmp_path: Path) -> None:
    """A disk, memory and a container's layer; a bind mount and a link are what they lead to. Needs root."""
    script = f"""
    cd {tmp_path}
    mkdir memory bound
    mount -t tmpfs -o size=64m none memory
    mkdir memory/lower memory/upper memory/work memory/merged "memory/a b"
    mount -t overlay -o lowerdir=memory/lower,upperdir=memory/upper,workdir=memory/work overlay memory/merged
    mount --bind . bound
    mount -t tmpfs -o size=32m none "memory/a b"
    ln -s memory/lower link
    """
    code = """
import json
from resource_tracker.sampler.file_systems import file_systems
def told(*names):
    return [(f.kind, f.type, f.roles) for f in file_systems([(n, n) for n in names])]
print(json.dumps([told(".", "bound"), told(".", "memory", "link", "memory/a b"), told("memory/merged", "memory")]))
"""
    bound, apart, layer = json.loads(in_mounts(script, code))
    assert [roles for _, _, roles in bound] == [[".", "bound"]]
    assert apart[1:] == [["memory", "tmpfs", ["memory", "link"]], ["memory", "tmpfs", ["memory/a b"]]]
    assert layer == [["overlay", "overlay", ["memory/merged", "memory"]]]


def test_temporary_files_in_memory(tmp_path: Path) -> None:
    """What a step writes to its $TMPDIR on another file system is seen, also what it deletes again. Needs root."""
    code = f"""
import json, os
from resource_tracker.tracker import SamplerProcess
s = SamplerProcess.start(pid=os.getpid(), interval_s=0.1, spool_parents=["{tmp_path}"], start_timeout_s=10)
path = os.environ["TMPDIR"] + "/scratch"
with open(path, "wb") as file:
    file.write(bytes({20 * MIB}))
s.mark("written", 10)
os.remove(path)
s.stop(10)
m = s.measurements()
s.remove()
print(json.dumps([(f.roles[0], f.kind, f.type, f.size_gb, f.used_peak_gb, f.growth_gb) for f in m.file_systems]))
"""
    folder = tmp_path / "memory"
    script = f"mkdir {folder}; mount -t tmpfs -o size=64m none {folder}; cd {tmp_path}"
    own, temporary, *_ = json.loads(in_mounts(script, code, TMPDIR=str(folder), HOME=str(tmp_path)))
    assert own[0] == "directory"
    role, kind, name, size_gb, used_gb, growth_gb = temporary
    assert (role, kind, name) == ("temporary", "memory", "tmpfs")
    assert size_gb == pytest.approx(64 * MIB / 1e9)
    assert used_gb >= growth_gb == pytest.approx(20 * MIB / 1e9, rel=0.01)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ext4", "disk"),
        ("nfs4", "network"),
        ("fuse.s3fs", "network"),
        ("fuse.fuse-overlayfs", "overlay"),
        ("fuseblk", "disk"),
        ("9p", "host"),
        ("tmpfs", "memory"),
        ("", "disk"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    """The kernel's name of the type tells."""
    assert kind_of(name) == kind


def test_mountinfo() -> None:
    """Escapes, optional fields and a root of a bind mount are read (the kernel's own example, and blanks)."""
    text = (
        rb"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" + b"\n"
        rb"37 35 0:42 / /a\040b\134c rw - fuse.s3fs s3\011fs rw" + b"\n"
    )
    first, second = mountinfo.parse(text)
    assert (first.point, first.kind, first.source) == (b"/mnt2", b"ext3", b"/dev/root")
    assert (second.point, second.kind, second.source) == (b"/a b\\c", b"fuse.s3fs", b"s3\tfs")


def test_the_last_mount_at_a_place_counts(tmp_path: Path) -> None:
    """A later mount hides an earlier one; without a table, devices alone tell file systems apart (synthetic)."""
    proc = tmp_path / "proc" / "self"
    proc.mkdir(parents=True)
    line = "1 0 8:1 / {} rw - {} source rw\n"
    (proc / "mountinfo").write_text(line.format("/", "ext4") + line.format(tmp_path, "nfs4") + line.format("/", "xfs"))
    (found,) = file_systems([("directory", str(tmp_path))], str(tmp_path / "proc"))
    assert (found.kind, found.type) == ("network", "nfs4")
    (found,) = file_systems([("directory", str(tmp_path)), ("home", str(tmp_path))], str(tmp_path / "none"))
    assert (found.kind, found.type, found.roles) == ("disk", "", ["directory", "home"])


def test_a_place_that_would_be_mounted_by_looking(tmp_path: Path) -> None:
    """An automount point is not looked at (synthetic)."""
    proc = tmp_path / "self"
    proc.mkdir()
    (proc / "mountinfo").write_text(f"1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / {tmp_path}/home rw - autofs b rw\n")
    (tmp_path / "home").mkdir()
    found = file_systems([("directory", str(tmp_path)), ("home", str(tmp_path / "home"))], str(tmp_path))
    assert [system.roles for system in found] == [["directory"]]


def test_inodes(tmp_path: Path) -> None:
    """Inodes in use grow with each file; where the file system has no table of them they are nan, not 0."""
    collector = SpaceCollector([FileSystem(str(tmp_path), "directory")], Failures())
    row = Row()
    collector.read(row, 1.0)
    used, free = row.system["disk_inodes_used"], row.system["disk_inodes_free"]
    if os.statvfs(tmp_path).f_files == 0:
        assert math.isnan(used)
    else:
        assert used > 0 and used + free == os.statvfs(tmp_path).f_files


class Server:
    """Stands in for ``os.statvfs`` of a directory whose server answers only once it is let to."""

    def __init__(self, directory: Path, *, answers: bool) -> None:
        self.directory = str(directory)
        self.may_answer = threading.Event()
        self.calls = 0
        if answers:
            self.may_answer.set()

    def __call__(self, path: str) -> os.statvfs_result:
        self.calls += 1
        self.may_answer.wait()
        return os.statvfs(self.directory)


def await_answer(look: DistantLook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asks again and again until there is an answer."""
    monkeypatch.setattr("resource_tracker.sampler.space.SILENT_AFTER_S", 3600.0)
    while look.now is None:
        look.again()


def test_a_server_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it: its figures are nan until it answers, which is told once, and it is not asked meanwhile."""
    for name in ("FIRST_ANSWER_S", "SILENT_AFTER_S", "DISTANT_EVERY_S"):
        monkeypatch.setattr(f"resource_tracker.sampler.space.{name}", 0.0)
    failures, server = Failures(), Server(tmp_path, answers=False)
    look = DistantLook(FileSystem("/nowhere", "home", "nfs4", distant=True), failures, server)
    for _ in range(5):
        look.again()
    assert math.isnan(look.take_peak()) and look.size_gb == 0.0
    assert failures.news(final=True) == [("statvfs (nfs4)", 1, "no answer")]
    assert server.calls <= 1
    server.may_answer.set()
    await_answer(look, monkeypatch)
    assert look.take_peak() > 0 and look.size_gb > 0


def test_a_server_that_falls_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was last known holds for a while, and then is no figure of the present any more; a new answer is."""
    monkeypatch.setattr("resource_tracker.sampler.space.DISTANT_EVERY_S", 0.0)
    failures, server = Failures(), Server(tmp_path, answers=True)
    look = DistantLook(FileSystem("/nowhere", "home", "nfs4", distant=True), failures, server)
    await_answer(look, monkeypatch)
    server.may_answer.clear()
    monkeypatch.setattr("resource_tracker.sampler.space.SILENT_AFTER_S", 0.0)
    calls = server.calls
    while server.calls == calls or look.now is not None:
        look.again()
    assert failures.news(final=True)[0][2] == "no answer"
    server.may_answer.set()
    await_answer(look, monkeypatch)
    assert look.take_peak() > 0


def test_servers_are_left_alone_where_there_may_be_no_thread(tmp_path: Path) -> None:
    """In the step's own process no thread is started, and nobody waits for a server either: nan (synthetic)."""
    systems = [FileSystem(str(tmp_path), "directory", "nfs4", distant=True)]
    collector, row = SpaceCollector(systems, Failures(), threads=False), Row()
    collector.read(row, 1.0)
    assert math.isnan(row.system["disk_space_used_gb"])
    assert collector.described == {"file_system_0": "network nfs4 0.000000000 directory"}


def test_no_server_is_asked_which_file_systems_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below a mount of the network nothing is opened, followed or looked at; links that lead there are (synthetic)."""
    proc = tmp_path / "proc" / "self"
    proc.mkdir(parents=True)
    lines = [f"1 0 8:1 / / rw - ext4 a rw\n2 1 0:52 / {tmp_path}/net rw - nfs4 server:/x rw\n"]
    (proc / "mountinfo").write_text("".join(lines))
    (tmp_path / "net").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "net" / "me")
    (tmp_path / "own").mkdir()

    def refuse(real: Callable[..., object]) -> Callable[..., object]:
        def asked(path: str | bytes, *arguments: object, **named: object) -> object:
            assert not os.fsdecode(path).startswith(f"{tmp_path}/net"), "a server was asked"
            return real(path, *arguments, **named)

        return asked

    for name in ("stat", "lstat", "readlink", "statvfs"):
        monkeypatch.setattr(os, name, refuse(getattr(os, name)))
    places = [("directory", f"{tmp_path}/own"), ("home", f"{tmp_path}/link/x"), ("temporary", f"{tmp_path}/net/../net")]
    own, far = file_systems(places, str(tmp_path / "proc"))
    assert (own.roles, own.distant) == (["directory"], False)
    assert (far.roles, far.kind, far.distant) == (["home", "temporary"], "network", True)


def test_a_real_mount_that_never_answers(tmp_path: Path) -> None:
    """A step whose directory for temporary files hangs has its rows, and its sampler ends. Needs root, and FUSE."""
    code = f"""
import json, os
from resource_tracker.tracker import SamplerProcess
s = SamplerProcess.start(pid=os.getpid(), interval_s=0.1, spool_parents=["{tmp_path}"], start_timeout_s=30)
marked = [s.mark("one", 30), s.mark("two", 30)]
stopped = s.stop(30)
m = s.measurements()
s.remove()
print(json.dumps([marked, stopped, len(m.process), [[f.roles, f.kind, f.used_peak_gb] for f in m.file_systems]]))
"""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("there is no FUSE")
    folder = tmp_path / "hung"
    script = f"""
    mkdir {folder}
    exec 9<>/dev/fuse
    mount -i -t fuse.hung -o fd=9,rootmode=40000,user_id=0,group_id=0 none {folder}
    cd {tmp_path}
    """
    marked, stopped, rows, systems = json.loads(in_mounts(script, code, METAFLOW_TEMPDIR=str(folder)))
    assert marked == [True, True] and stopped and rows >= 2
    assert [[roles, kind] for roles, kind, _ in systems][1:2] == [[["metaflow_temporary"], "network"]]
    assert systems[1][2] is None


def test_folders_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of the temporary folders that exists, and what is relative, from the step's directory."""
    for name in ("TEMP", "TMP", "METAFLOW_DATASTORE_SYSROOT_LOCAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setenv("TMP", str(tmp_path))
    monkeypatch.setenv("METAFLOW_TEMPDIR", "downloads")
    monkeypatch.setenv("HOME", "/home/someone")
    assert written_folders("/job") == [
        ("directory", "/job"),
        ("temporary", str(tmp_path)),
        ("metaflow_temporary", "/job/downloads"),
        ("home", "/home/someone"),
    ]


def test_the_card_names_file_systems() -> None:
    """Each with what lies on it, its kind, and how full it was."""
    system = FileSystemUse(
        roles=("temporary", "home"), kind="memory", type="tmpfs", size_gb=8.0, used_peak_gb=4.0, growth_gb=2.0
    )
    record = fake_record("short")
    record = replace(record, usage=replace(record.usage, file_systems=(system,)))
    (text,) = (fact.text.replace("\N{NO-BREAK SPACE}", " ") for fact in machine(record) if fact.label == "Disk space")
    assert text.startswith("Temporary files, home directory: tmpfs in memory, at most 4.00 GB of 8.00 GB in use (50 %)")
    assert text.endswith(", 2.00 GB more than at the start")
