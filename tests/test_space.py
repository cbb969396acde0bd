"""Space on the file systems that a step writes to: each once, of its kind, in real mounts where those are permitted."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from scenes.tasks import ROOT

from resource_tracker.folders import written_folders
from resource_tracker.records import FileSystemUse
from resource_tracker.report.facts import machine
from resource_tracker.sampler.collector import Row
from resource_tracker.sampler.file_systems import FileSystem, file_systems, kind_of
from resource_tracker.sampler.procfs import mountinfo
from resource_tracker.sampler.space import SpaceCollector
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
    collector = SpaceCollector([FileSystem(str(tmp_path), "directory")])
    row = Row()
    collector.read(row, 1.0)
    used, free = row.system["disk_inodes_used"], row.system["disk_inodes_free"]
    if os.statvfs(tmp_path).f_files == 0:
        assert math.isnan(used)
    else:
        assert used > 0 and used + free == os.statvfs(tmp_path).f_files


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
