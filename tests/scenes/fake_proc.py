"""A /proc of files: processes that a test starts, changes and ends, read by the real readers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
HZ = os.sysconf("SC_CLK_TCK")


Facts = dict[str, int | str]


class FakeProc:
    """Processes below `root`, all of them alive from `start` on; memory is in KiB, CPU time in ticks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.processes: dict[int, Facts] = {}
        self._clock = 1000

    @property
    def path(self) -> str:
        return str(self.root)

    def start(self, pid: int, ppid: int = 1, *, image: int = 0, env: str = "", cmdline: str = "", **facts: int) -> None:
        """A new process; `image` is equal in forks of one program, and its own number by default."""
        self._clock += 1
        self.processes[pid] = {
            "ppid": ppid,
            "image": image or 7_000_000 + pid,
            "start": self._clock,
            "env": env,
            "cmdline": cmdline,
            "state": "S",
            "name": "python",
            "threads": 1,
            **dict.fromkeys(
                ("utime", "stime", "cutime", "cstime", "rss", "shared", "read", "write", "faults", "minor"), 0
            ),
        }
        folder = self.root / str(pid)
        (folder / "task" / str(pid)).mkdir(parents=True)
        self.set(pid, **facts)

    def set(self, pid: int, **facts: int | str) -> None:
        """Changes a process; the high-water mark follows resident memory unless given."""
        process = self.processes[pid]
        process.update(facts)
        process["hwm"] = max(int(process.get("hwm", 0)), int(process["rss"]))
        self._write(pid)

    def end(self, pid: int, *, waited_for: bool = True) -> None:
        """A process ends; its parent takes over its times only if it waits for it. Its children go to process 1."""
        gone = self.processes.pop(pid)
        parent = int(gone["ppid"])
        if waited_for and parent in self.processes:
            times = {c: int(gone[t]) + int(gone[c]) for t, c in (("utime", "cutime"), ("stime", "cstime"))}
            known = self.processes[parent]
            self.set(parent, **{c: int(known[c]) + ticks for c, ticks in times.items()})
        for child, facts in list(self.processes.items()):
            if facts["ppid"] == pid:
                self.set(child, ppid=1)
        self._write_children(parent)
        # An open file of a process that ended has nothing to read any more.
        (self.root / str(pid) / "stat").write_bytes(b"")
        shutil.rmtree(self.root / str(pid))

    def _write(self, pid: int) -> None:
        facts = self.processes[pid]
        folder = self.root / str(pid)
        for name, text in _files(pid, facts).items():
            (folder / name).write_bytes(text.encode())
        self._write_children(pid)
        self._write_children(int(facts["ppid"]))
        (self.root / "loadavg").write_text(f"0.00 0.00 0.00 1/100 {max(self.processes)}\n")

    def _write_children(self, pid: int) -> None:
        folder = self.root / str(pid) / "task" / str(pid)
        if folder.exists():
            pids = [str(child) for child, facts in self.processes.items() if facts["ppid"] == pid]
            (folder / "children").write_text(" ".join(pids))


def _files(pid: int, facts: Facts) -> dict[str, str]:
    pages, shared = (int(facts[name]) // PAGE_KIB for name in ("rss", "shared"))
    private = int(facts.get("private", int(facts["rss"]) - int(facts["shared"])))
    return {
        "stat": f"{pid} ({facts['name']}) {facts['state']} {facts['ppid']} {pid} {pid} 0 -1"
        f" 0 {facts['minor']} 0 {facts['faults']} 0"
        f" {facts['utime']} {facts['stime']} {facts['cutime']} {facts['cstime']} 20 0 {facts['threads']} 0"
        f" {facts['start']} 0 {pages} 0 0 0 {facts['image']} 0 0\n",
        "statm": f"0 {pages} {shared} 0 0 0 0\n",
        "status": f"Name:\t{facts['name']}\nPid:\t{pid}\nVmHWM:\t{facts['hwm']} kB\n",
        "smaps_rollup": f"00-ff [rollup]\nRss: {facts['rss']} kB\nPss: {facts.get('pss', private)} kB\n"
        f"Private_Clean: 0 kB\nPrivate_Dirty: {private} kB\n",
        "io": f"rchar: 1\nread_bytes: {facts['read']}\nwrite_bytes: {facts['write']}\n",
        "environ": str(facts["env"]),
        "cmdline": str(facts["cmdline"]),
    }
