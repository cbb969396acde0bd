"""Plays a recorded scene (``resource-tracker record``) back under the real readers."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from resource_tracker.errors import TraceError
from resource_tracker.options import DEFAULT_OVERHEAD_BUDGET
from resource_tracker.sampler.budget import Budget
from resource_tracker.sampler.clock import Clock
from resource_tracker.sampler.collector import Failures, Row
from resource_tracker.sampler.rows import RowMaker, standard_collectors
from resource_tracker.scene import VERSION

_PATH = re.compile(r"(\d{1,3})/((?:proc|sys)/[\w./:,=@-]+)")


class Scene:
    """A scene from a file.

    Attributes
    ----------
    facts : dict
        What the machine is: ``kernel``, ``machine``, ``ticks_per_s``, ``page_bytes``, and the recorded ``pid``.
    instants : list of dict
        Content of each file, by its path.

    Raises
    ------
    TraceError
        It is no scene.
    """

    def __init__(self, path: Path) -> None:
        try:
            with tarfile.open(path, "r:gz") as archive:
                contents = {member.name: _content(archive, member) for member in archive if member.isreg()}
            self.facts = json.loads(contents.pop("scene.json"))
            seconds = [float(at) for at in self.facts["seconds"]]
        except (OSError, tarfile.TarError, EOFError, KeyError, TypeError, ValueError) as error:
            raise TraceError(f"{path} is no scene of resource-tracker record ({error})") from None
        if self.facts.get("scene") != VERSION:
            raise TraceError(f"{path} is of version {self.facts.get('scene')}, which cannot be read here")
        self.seconds = seconds
        self.instants: list[dict[str, bytes]] = [{} for _ in seconds]
        for name, data in contents.items():
            found = _PATH.fullmatch(name)
            if found is None or ".." in name.split("/") or int(found[1]) >= len(seconds):
                raise TraceError(f"{path} holds {name!r}, which does not belong in a scene")
            self.instants[int(found[1])][found[2]] = data

    def rows(self, folder: Path, failures: Failures | None = None) -> Iterator[Row]:
        """The rows that the readers make of it in an empty `folder`, the one at start first.

        Space on file systems and GPUs are those of the machine that plays: they are not in the scene.
        """
        failures = failures or Failures()
        clock = _SceneClock()
        self._lay_out(folder, 0)
        proc, sys_root, budget = str(folder / "proc"), str(folder / "sys"), Budget(DEFAULT_OVERHEAD_BUDGET)
        collectors = standard_collectors(self.facts["pid"], failures, budget=budget, proc=proc, sys_root=sys_root)
        maker = RowMaker(collectors, failures, clock)
        yield maker.first()
        for index in range(1, len(self.instants)):
            clock.now_s = self.seconds[index]
            self._lay_out(folder, index)
            maker.sub_sample()
            yield maker.row()

    def _lay_out(self, folder: Path, index: int) -> None:
        """Writes an instant's files where those of the last one are: readers hold some of them open."""
        now, before = self.instants[index], self.instants[index - 1] if index else {}
        for name in before.keys() - now.keys():
            (folder / name).write_bytes(b"")
            (folder / name).unlink()
        for name, data in now.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.name == "master" and not path.is_symlink():
                path.symlink_to(f"../{data.decode()}")
            elif path.name != "master":
                path.write_bytes(data)
        for process in (folder / "proc").glob("[0-9]*"):
            if f"proc/{process.name}/stat" not in now:
                _remove(process)


class _SceneClock(Clock):
    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return 1_700_000_000.0 + self.now_s

    def boottime(self) -> float | None:
        return self.now_s


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
