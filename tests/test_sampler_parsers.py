"""Parsers of kernel files: whatever the bytes, a reading or a ParseError; and this machine's own files are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resource_tracker.errors import ParseError
from resource_tracker.sampler.procfs import (
    children,
    cpu_cores,
    cpu_stat,
    diskstats,
    loadavg,
    meminfo,
    mountinfo,
    net_dev,
    pid_io,
    pid_stat,
    pid_statm,
    pid_status,
    pressure,
    schedstat,
    smaps_rollup,
)
from resource_tracker.sampler.procfs.files import MAX_DIGITS, KernelFile, number, read_record

Parser = Callable[[bytes], object]

REAL = {
    pid_stat: f"/proc/{os.getpid()}/stat",
    pid_statm: f"/proc/{os.getpid()}/statm",
    pid_status: f"/proc/{os.getpid()}/status",
    pid_io: f"/proc/{os.getpid()}/io",
    smaps_rollup: f"/proc/{os.getpid()}/smaps_rollup",
    children: f"/proc/{os.getpid()}/task/{os.getpid()}/children",
    meminfo: "/proc/meminfo",
    cpu_stat: "/proc/stat",
    cpu_cores: "/proc/stat",
    diskstats: "/proc/diskstats",
    net_dev: "/proc/net/dev",
    loadavg: "/proc/loadavg",
    mountinfo: f"/proc/{os.getpid()}/mountinfo",
    pressure: "/proc/pressure/cpu",
    schedstat: f"/proc/{os.getpid()}/schedstat",
}
DOCUMENTED = {
    REAL[
        pressure
    ]: b"some avg10=0.00 avg60=0.00 avg300=0.00 total=157656\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    REAL[schedstat]: b"1284523 88123 12\n",
}
"""Of files that some kernels are built without, as their documentation has them."""
PARSERS = [module.parse for module in REAL]
NAMES = [module.__name__.rpartition(".")[2] for module in REAL]

STAT = (
    b"4711 (%s) S 1 4711 4711 0 -1 4194560 100 200 3 4 50 60 7 8 20 0 2 0 90210 1000000 250 18446744073709551615 1 1 77"
)


def whole_or_damaged(parse: Parser, data: bytes) -> None:
    """The property itself: no other exception comes out."""
    try:
        parse(data)
    except ParseError as error:
        assert error.source.startswith("/proc/")


@pytest.mark.parametrize("parse", PARSERS, ids=NAMES)
@given(data=st.binary(max_size=400))
@example(data=b"")
@example(data=b"\n")
@example(data=b") (")
@example(data=b"a:\nb|\n:")
def test_any_bytes(parse: Parser, data: bytes) -> None:
    """Arbitrary bytes are read, or refused with a ParseError."""
    whole_or_damaged(parse, data)


@lru_cache
def as_it_was(path: str) -> bytes:
    """A file that changes would give another example each time that one is tried again."""
    return DOCUMENTED[path] if path in DOCUMENTED and not os.path.exists(path) else Path(path).read_bytes()


@pytest.mark.parametrize("module", REAL, ids=NAMES)
@given(data=st.data())
def test_damaged_files(module: object, data: st.DataObject) -> None:
    """A real file that is cut, or has bytes replaced, is read or refused with a ParseError."""
    whole = as_it_was(REAL[module])  # type: ignore[index]
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    at = data.draw(st.integers(0, len(cut)))
    junk = data.draw(st.binary(max_size=12) | st.sampled_from([b"-1", b"1_0", b"9" * 25, b"\xff", b" ", b"\n"]))
    whole_or_damaged(module.parse, cut[:at] + junk + cut[at + len(junk) :])  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", REAL, ids=NAMES)
def test_own_files_are_read(module: object) -> None:
    """Each parser reads this machine's file."""
    module.parse(as_it_was(REAL[module]))  # type: ignore[attr-defined,index]


@pytest.mark.parametrize("name", [b"a b", b"a b) c", b"(", b")", b"", b") S 1 2 3", b"\xff\xfe", b"x\ny"])
def test_stat_of_odd_names(name: bytes) -> None:
    """Fields are counted from the last bracket, so no name of a process can shift them."""
    stat = pid_stat.parse(STAT % name)
    assert stat.name == name
    assert (stat.state, stat.ppid, stat.utime, stat.stime) == (b"S", 1, 50, 60)
    assert (stat.child_utime, stat.child_stime, stat.major_faults, stat.child_major_faults) == (7, 8, 3, 4)
    assert (stat.threads, stat.start_time, stat.rss_pages, stat.start_stack) == (2, 90210, 250, 77)


@pytest.mark.parametrize(
    ("state", "threads", "ended"),
    [("S", 1, False), ("R", 2, False), ("Z", 1, True), ("Z", 2, False), ("X", 1, True), ("D", 1, False)],
)
def test_stat_tells_the_dead(state: str, threads: int, ended: bool) -> None:
    """A zombie is dead, but not one whose other threads still run."""
    text = STAT % b"x"
    text = text.replace(b") S ", b") %s " % state.encode()).replace(b" 20 0 2 0 ", b" 20 0 %d 0 " % threads)
    assert pid_stat.parse(text).ended is ended


@pytest.mark.parametrize("field", [b"", b"-1", b"+1", b"1_000", b" 1", b"1.0", b"\xd9\xa1", b"9" * (MAX_DIGITS + 1)])
def test_numbers_are_plain(field: bytes) -> None:
    """What int() would take beyond plain digits is refused."""
    with pytest.raises(ParseError, match="/proc/x"):
        number(field, "/proc/x")


def test_status_without_memory() -> None:
    """A kernel thread has no high-water mark: None, not 0."""
    assert pid_status.parse(b"Name:\tkthreadd\nPid:\t2\nThreads:\t1\n") is None


def test_status_name_is_no_line() -> None:
    """A process named like a line of the file does not stand in for it."""
    assert pid_status.parse(b"Name:\tVmHWM: 9 kB\nPid:\t2\nVmHWM:\t  123 kB\n") == 123


def test_rollup_private_pages() -> None:
    """Private pages are clean and dirty ones together."""
    text = b"00-ff ---p 0 00:00 0 [rollup]\nRss: 10 kB\nPss: 7 kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 4 kB\n"
    reading = smaps_rollup.parse(text)
    assert (reading.rss, reading.pss, reading.private) == (10, 7, 5)


def test_cpu_sums() -> None:
    """User time has nice in it, system time interrupts; idle, waiting and stolen time are in neither."""
    reading = cpu_stat.parse(b"cpu  1 20 300 4000 50000 6 70 8 9 10\ncpu0 1 2 3 4\nintr 5 6\nctxt 1\nprocesses 99\n")
    found = (reading.user, reading.system, reading.stolen, reading.forks)
    assert found == (21, 376, 8, 99)
    assert cpu_stat.parse(b"cpu  1 20 300 4000\nctxt 1\nprocesses 99\n").stolen == 0


def test_cores_one_by_one() -> None:
    """Busy ticks as in the line of all CPUs, and all ticks, stolen ones among them; guests are in user already."""
    text = b"cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 20 300 4000 50000 6 70 8 9 10\ncpu17 0 0 0 5 0 0 0 0\nintr 5 6 -\n"
    assert cpu_cores.parse(text) == {0: (397, 397 + 4000 + 50000 + 8), 17: (0, 5)}


@pytest.mark.parametrize(
    "line", [b"cpu0 1 2 3 4 5 6 7", b"cpu0 1 2 3 4 5 6 7 +8", b"cpux 1 2 3 4 5 6 7 8", b"cpu0 1_0"]
)
def test_cores_of_another_form(line: bytes) -> None:
    """Too few fields, no plain numbers, no number of a core: refused."""
    with pytest.raises(ParseError):
        cpu_cores.parse(b"cpu  1 2 3 4 5 6 7 8\n" + line + b"\nintr 1\n")


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0", {0}), ("0-2,8", {0, 1, 2, 8}), ("", None), ("0-x", None), ("3-", None), ("0-99999999999", None)],
)
def test_where_a_process_may_run(text: str, cpus: set[int] | None) -> None:
    """The list of its status, as ranges; ``None`` where it is not told or of another form."""
    assert pid_status.allowed_cpus(f"Name:\tx\nCpus_allowed_list:\t{text}\nMems_allowed:\t1\n".encode()) == cpus
    assert pid_status.allowed_cpus(b"Name:\tx\n") is None


def test_every_parser_is_tested() -> None:
    """Each module of a kernel file is among those that are fed with arbitrary bytes."""
    folder = Path(pid_stat.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "files"} <= set(NAMES)


@pytest.mark.parametrize("text", [b"cpu  0 0 0 0 0 0 0 0 0 0\nctxt 0\nprocesses 0\n", b"cpu 0 0 0 0\nprocesses 5\n"])
def test_cpu_time_that_is_not_counted(text: bytes) -> None:
    """A kernel that says 0 of everything, idle time too, says nothing (gVisor)."""
    with pytest.raises(ParseError, match="not counted"):
        cpu_stat.parse(text)


def test_newest_process_that_is_not_told() -> None:
    """A kernel that says 0 would look as if nothing ever began (gVisor)."""
    with pytest.raises(ParseError, match="not told"):
        loadavg.parse(b"0.00 0.00 0.00 0/0 0\n")


def test_net_alias_and_squeezed_columns() -> None:
    """A colon in the name, and no blank after it, are read."""
    text = b"Inter-| Receive | Transmit\n face |bytes |bytes\n eth0:1:10 0 0 0 0 0 0 0 20 0 0 0 0 0 0 0\n"
    assert net_dev.parse(text) == {"eth0:1": (10, 20)}


def test_long_files_are_read_whole(tmp_path: Path) -> None:
    """A file that comes in several pieces is read to its end, again and again; a single record is cut at its limit."""
    path = tmp_path / "long"
    path.write_bytes(b"x" * 200_000)
    file = KernelFile(str(path))
    assert len(file.read()) == 200_000
    path.write_bytes(b"short")
    assert file.read() == b"short"
    assert len(read_record(str(path), 3)) == 3


def test_files_of_many_records(tmp_path: Path) -> None:
    """The kernel gives a long list a page at a time: all of it is read, as an ordinary file object does."""
    path = "/proc/kallsyms"
    if not os.path.exists(path):
        pytest.skip("this kernel does not list its symbols")
    assert KernelFile(path).read() == Path(path).read_bytes()
