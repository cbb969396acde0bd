"""``resource-tracker record``: numbers only, nothing that names anybody, and a scene that the real readers read."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.cli import main
from resource_tracker.errors import TraceError
from resource_tracker.host_limits import limits
from resource_tracker.sampler.collector import Failures
from resource_tracker.scene import Camera, packed
from resource_tracker.scene_words import FLAT, NUMBERS, STAT, STATUS, Words, lines_like
from resource_tracker.testing.scenes import Scene

RECORDED = sorted((Path(__file__).parent / "scenes" / "recorded").glob("*.tar.gz"))
SECRET = "Xsecret7"


def contents(path: Path) -> dict[str, bytes]:
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


def test_record_a_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A running process with its child is recorded; its name, arguments, environment and folder are not."""
    folder = tmp_path / SECRET
    folder.mkdir()
    code = f"import ctypes, subprocess, sys; ctypes.CDLL(None).prctl(15, b'{SECRET}', 0, 0, 0)\n"
    code += f"subprocess.Popen([sys.executable, '-c', 'input()', '{SECRET}']); print(); input()"
    environment = {**os.environ, "TOKEN": SECRET}
    command = [sys.executable, "-c", code, SECRET]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    target = tmp_path / "scene.tar.gz"
    try:
        assert main(["record", "--seconds", "1", "--pid", str(process.pid), "--output", str(target)]) == 0
    finally:
        process.communicate()
    said = capsys.readouterr().out
    assert f"{target}: " in said and "2 instants" in said and "Not recorded: names of processes" in said
    found = contents(target)
    assert sum(name.startswith("1/proc/") and name.endswith("/smaps_rollup") for name in found) == 2
    assert [name for name, data in found.items() if SECRET.encode() in data or SECRET in name] == []
    assert not any(name.endswith(("environ", "cmdline", "comm", "address", "hostname")) for name in found)
    rows = list(Scene(target).rows(tmp_path / "played"))
    assert rows[1].process["children"] == 1
    assert rows[1].process["interval_s"] >= 1


@pytest.mark.parametrize("path", RECORDED, ids=[path.name.partition(".tar")[0] for path in RECORDED])
def test_recorded_scenes(path: Path, tmp_path: Path) -> None:
    """The real readers read every scene of a real machine, and nothing in their rows is impossible."""
    failures = Failures()
    scene = Scene(path)
    first, *rows = scene.rows(tmp_path, failures)
    assert len(rows) == len(scene.seconds) - 1
    assert not [source for source, _, _ in failures.news(final=True) if source.startswith("/proc")]
    assert math.isnan(first.process["cpu_usage"])
    cpus = scene.instants[0]["proc/stat"].count(b"\ncpu")
    for row in rows:
        known = {**row.process, **row.system}
        assert all(value >= 0 for value in known.values() if value == value)
        assert row.system["cpu_usage"] <= cpus * 1.05


def test_the_scene_of_a_cgroup_v1_machine(tmp_path: Path) -> None:
    """Two children that burn CPU and a parent that writes, on a disk and a network card, as they were recorded."""
    (path,) = (path for path in RECORDED if path.name == "linux-6.18-cgroup-v1.tar.gz")
    _, *rows = Scene(path).rows(tmp_path)
    assert {row.process["children"] for row in rows} == {2}
    assert sum(row.process["utime"] for row in rows) > 100
    assert rows[-1].process["memory_peak_kib"] > 60 * 1024
    assert sum(row.system["disk_write_bytes"] for row in rows) > 1_000_000
    assert math.isnan(rows[0].system["gpu_usage"]) or rows[0].system["gpu_usage"] == 0
    assert limits(str(tmp_path)).cpus is None


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays as it is."""
    target = tmp_path / "scene.tar.gz"
    target.write_text("mine")
    assert main(["record", "--seconds", "1", "-o", str(target)]) == 2
    assert target.read_text() == "mine"
    assert "exists and is not overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", "0"], "--seconds"),
        (["--seconds", "61"], "--seconds"),
        (["--seconds", "x"], "--seconds"),
        (["--pid", "4194303"], "no such process"),
        (["--pid", "-1"], "--pid"),
    ],
)
def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    """A message of one line, and no file is left."""
    target = tmp_path / "scene.tar.gz"
    try:
        code = main(["record", *arguments, "-o", str(target)])
    except SystemExit as exit:
        code = int(str(exit.code))
    assert code == 2
    assert message in capsys.readouterr().err
    assert not target.exists()


# --- what is kept -------------------------------------------------------------------------------


def test_names_are_replaced() -> None:
    """Devices, interfaces, control groups and mounts of the user's own get words; the kernel's stay what they are."""
    words = Words()
    line = b"  8 0 %s 1 2 3 4 5 6 7 8 9 10 11\n"
    kept = words.diskstats(line % b"sda1" + line % b"md_payroll" + line % b"nvme0n1p2" + b"junk\n")
    assert [row.split()[2] for row in kept.splitlines()] == [b"sda1", b"disk0", b"nvme0n1p2"]
    net = words.net_dev(b"a\nb|\n enx001122334455: 1 2 3\n  lo: 1 2 3\ncorp-vpn: 4 5 6\nwg-office: 7 8 9\n")
    assert [row.partition(b":")[0] for row in net.split(b"\n")[2:5]] == [b"net0", b"lo", b"net1"]
    assert b"wg0: 7 8 9" in net
    group = "/kubepods.slice/kubepods-pod8f1c.slice/cri-containerd-77.scope"
    assert words.group(group) == "/kubepods.slice/group0/group1" == words.group(group)
    assert words.cgroup(b"4:memory:/user.slice/user-1000.slice\n1:name=mine:/x\n") == b"4:memory:/user.slice/group2\n"
    mount = b"36 35 98:0 /exports/ann /home/ann/big\\040data rw shared:1 - nfs4 server:/exports/ann rw,addr=10.0.0.7\n"
    assert words.mountinfo(mount) == b"36 35 98:0 / /mnt/m0 rw - nfs4 none rw\n"
    tail = b" ".join(b"%d" % n for n in range(1, 50))
    assert words.pid_stat(b"7 (my job) S " + tail).startswith(b"7 (process) S 1 2 3 4 5 6 7")


@given(data=st.binary(max_size=200))
def test_no_bytes_of_an_unknown_form_are_kept(data: bytes) -> None:
    """Whatever a file holds, only lines of known forms come through, and never more than there was."""
    for pattern in (FLAT, NUMBERS, STAT, STATUS):
        assert set(lines_like(pattern, data).split(b"\n")) <= {*data.split(b"\n"), b""}
        assert lines_like(pattern, data).isascii()
    words = Words()
    for keep in (words.pid_stat, words.diskstats, words.net_dev, words.cgroup, words.mountinfo):
        assert keep(data).isascii()


def test_a_file_that_names_the_user_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a name come through all the same, the file is not kept, and that is told."""
    monkeypatch.setenv("USER", "process")
    monkeypatch.setenv("HOME", "(process)")
    camera = Camera(os.getpid())
    assert f"proc/{os.getpid()}/stat" not in camera.instant()
    assert "it holds a name" in camera.left_out.values()


# --- playing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["0/proc/../../evil", "0/etc/passwd", "7/proc/stat", "/proc/stat"])
def test_a_scene_that_leads_elsewhere(tmp_path: Path, name: str) -> None:
    """A path that is none of a scene's is refused."""
    path = tmp_path / "scene.tar.gz"
    good = contents_of(packed([(0.0, {"proc/stat": b"cpu 1 2 3 4\n"})], 1))
    with tarfile.open(path, "w:gz") as archive:
        for member, data in {**good, name: b"x"}.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(TraceError, match="does not belong"):
        Scene(path)


def contents_of(data: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b\x08\x00" + b"x" * 40])
def test_no_scene_at_all(tmp_path: Path, data: bytes) -> None:
    """Any other file is refused with a message that names it."""
    path = tmp_path / "scene.tar.gz"
    path.write_bytes(data)
    with pytest.raises(TraceError, match="is no scene"):
        Scene(path)
