"""What the task leaves for whoever tells of it from outside: the publisher of its live card, and its post-mortem.

One private file in the spool's folder, written when the attempt starts. Nothing in it is a secret: credentials come
from the environment that the task was started with.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any

from resource_tracker.dataclass import dataclass
from resource_tracker.errors import ArtifactError
from resource_tracker.plain import from_plain, to_plain
from resource_tracker.records import EarlierAttempt, InputSize, Limits, Outcome, ResourceRequest, ServerInfo
from resource_tracker.sampler.publisher import LIVE, ORDER

ORDER_VERSION = 1
OF_FOLDERS = ("local", "spin")
"""Types of datastores whose root is a folder; others' are names of buckets and containers."""
_OUTCOME = "outcome"
_PATHS = ("PYTHONPATH", "METAFLOW_EXTRACTED_ROOT")
"""Variables of the environment that may hold relative paths, by which Metaflow finds its extensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt, as far as it is known when it starts.

    Parameters
    ----------
    pid, runtime_pid : int
        The task, and the process that started it.
    started_at, started_monotonic_s : float
        When measuring began, on the wall clock and on the machine's monotonic one, which all processes share.
    history_runs, prices, policy, vendor, region, create_card, live, refresh_interval_s, quiet
        The decorator's options of these names.
    datastore, datastore_root, card_root : str
        Type and (absolute) root of the datastore, root of the cards; ``None`` where they are not known or wanted.
    metadata, metadata_info : str
        Type of the metadata provider, and what it needs to know: a service's URL, a folder.
    handover_folder : str or None
        Where the runtime leaves earlier runs and the cloud.
    how_to_open : str or None
        The command that opens the card.
    python_path : tuple of str
        ``sys.path`` of the task, absolute, the flow's own folder last: nothing in it hides a library.
    environment : dict
        Variables that are not as the task got them, because paths in them were relative.
    attempt_before : EarlierAttempt or None
        What became of the attempt before, where this one knew when it started: then its log says it.
    umask : int or None
        Of the task: what is written for it has the permissions that it would have given.
    log : tuple of int or None
        Device and inode of the task's log, its standard error; ``None`` where it has none.
    """

    version: int
    pathspec: str
    attempt: int
    pid: int
    runtime_pid: int
    started_at: float
    started_monotonic_s: float
    interval_s: float
    overhead_budget: float
    artifact_name: str
    history_runs: int
    prices: str
    policy: str
    vendor: str | None
    region: str | None
    create_card: bool
    live: bool
    refresh_interval_s: float
    quiet: bool
    datastore: str
    datastore_root: str | None
    card_root: str | None
    metadata: str
    metadata_info: str | None
    handover_folder: str | None
    how_to_open: str | None
    ends_the_run: bool
    request: ResourceRequest
    limits: Limits
    server: ServerInfo
    input_size: InputSize | None
    versions: dict[str, str]
    python_path: tuple[str, ...]
    environment: dict[str, str]
    umask: int | None = None
    attempt_before: EarlierAttempt | None = None
    log: tuple[int, int] | None = None

    @property
    def flow(self) -> str:
        return self.pathspec.split("/")[0]

    @property
    def run_id(self) -> str:
        return self.pathspec.split("/")[1]

    @property
    def step(self) -> str:
        return self.pathspec.split("/")[2]

    @property
    def task_id(self) -> str:
        return self.pathspec.split("/")[3]


def write_order(spool_dir: str, order: Order) -> None:
    """Leave the order in the spool's folder, whole or not at all. Raises OSError."""
    path = f"{spool_dir}/{ORDER}"
    descriptor = os.open(f"{path}.part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(to_plain(order), file, ensure_ascii=False)
    if order.live and order.card_root is not None:  # first: once the order stands there, all is said
        os.close(os.open(f"{spool_dir}/{LIVE}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    os.replace(f"{path}.part", path)


def read_order(spool_dir: str) -> Order:
    """The order of a spool.

    Raises
    ------
    OSError
        There is none.
    ArtifactError
        It is damaged, or of another version.
    """
    with open(f"{spool_dir}/{ORDER}", encoding="utf-8", errors="surrogateescape") as file:
        text = file.read()
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ArtifactError(f"the order is no JSON: {error}") from None
    if not isinstance(found, dict) or found.get("version") != ORDER_VERSION:
        raise ArtifactError("the order is of another version")
    return from_plain(Order, found, "order")


def leave_outcome(spool_dir: str, outcome: Outcome) -> None:
    """Leave beside the order how the attempt ended, where the task knows but cannot tell. Raises OSError."""
    path = f"{spool_dir}/{_OUTCOME}"
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        json.dump(to_plain(outcome), file)
    os.replace(f"{path}.part", path)


def left_outcome(spool_dir: str) -> Outcome | None:
    """What :func:`leave_outcome` left; ``None`` where the task died without a word."""
    try:
        with open(f"{spool_dir}/{_OUTCOME}", encoding="utf-8") as file:
            return from_plain(Outcome, json.load(file), "outcome")
    except (OSError, ValueError, ArtifactError):
        return None


def absolute_python_path() -> tuple[str, ...]:
    """``sys.path`` for a process with another working directory: the flow's folder last, so that it hides nothing."""
    flow_file = getattr(sys.modules.get("__main__"), "__file__", None)
    beside = os.path.dirname(os.path.abspath(flow_file)) if flow_file else None
    entries = [os.path.abspath(entry) for entry in sys.path]
    others = [entry for entry in entries if entry != beside]
    return tuple(dict.fromkeys([*others, *(entry for entry in entries if entry == beside)]))


def absolute_environment() -> dict[str, str]:
    """Those variables of this process whose relative paths mean nothing in another working directory."""
    given = {name: os.environ[name] for name in _PATHS if os.environ.get(name)}
    return {name: os.pathsep.join(map(os.path.abspath, text.split(os.pathsep))) for name, text in given.items()}


def umask_of_task() -> int | None:
    """That of this process, read where reading does not change it; ``None`` where the kernel does not tell."""
    with (
        contextlib.suppress(OSError, ValueError),
        open("/proc/self/status", encoding="ascii", errors="replace") as file,
    ):
        for line in file:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return None


def metadata_of(provider: Any) -> tuple[str, str | None]:
    """Type of a metadata provider, and what another process needs to make one like it."""
    info = getattr(type(provider), "INFO", None)
    return str(getattr(provider, "TYPE", "")), info if isinstance(info, str) else None


def datastore_of(flow_datastore: Any) -> tuple[str, str | None]:
    """Type and root of a datastore; a folder's root is absolute."""
    root = getattr(flow_datastore, "datastore_root", None)
    if not isinstance(root, str):
        return str(flow_datastore.TYPE), None
    return str(flow_datastore.TYPE), os.path.abspath(root) if flow_datastore.TYPE in OF_FOLDERS else root
