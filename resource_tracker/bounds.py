"""What bound a step: CPU, one thread, memory, disk, network, GPU, feeding the GPU, or waiting for something else.

Pure. Each row of the frames is put down to what was busy in it; what takes half of the time is the bound. Thresholds
and their sources are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from resource_tracker.dataclass import dataclass
from resource_tracker.frame import TinyDataFrame
from resource_tracker.frame_merge import row_weights
from resource_tracker.held_back import LEAST_SWAPPED_KIB, NEAR_LIMIT, QUOTA_PERIOD_S
from resource_tracker.records import Limits, Outcome, ServerInfo, TaskSummary, UsageSummary
from resource_tracker.summary import ran_out_of_memory
from resource_tracker.units import kib_to_whole_mb, mib_to_kib

WORDS = {
    "cpu": "CPU",
    "quota": "its CPU quota",
    "crowded": "CPU, which others used part of",
    "one_thread": "one thread",
    "memory": "memory",
    "disk": "disk",
    "network": "network",
    "gpu": "GPU",
    "feeding_gpu": "feeding the GPU",
    "waiting": "waiting",
    "mixed": "no single thing",
}
"""What can bind a step, and how it is called. ``mixed``: nothing took half of the time."""

LEAST_S = 2.0
"""A shorter step spends most of its time on starting and importing."""
MOST_OF_THE_TIME = 0.5
ALL_BUSY = 0.9
"""Share of the allowed CPUs, or of the machine's, from which on there was nothing left to use."""
ONE_THREAD = (0.85, 1.15)
"""Cores in use where one thread computes and all else waits for it."""
IDLE_CORES = 0.15
WORKING_CORES = 0.8
DISK_BUSY = 50e6
"""Bytes a second: 40 % of what the usual cloud disk gives all the time."""
NETWORK_BUSY = 30e6
"""Bytes a second: what the smallest cloud machines get all the time, a third of one connection to an object store."""
HELD_BACK = 0.5
"""Share of a row in which the CPU quota was used up, or threads waited for a CPU that others had."""
MEMORY_WAIT, STORAGE_WAIT = 0.1, 0.5
"""Shares of a row in which something in the step's cgroup waited for memory (as for faults), or for storage."""
GPU_BUSY, GPU_IDLE = 0.8, 0.5
"""Share of its time in which a GPU had work: from the first on it is the bound, below the second it is starved."""
FAULTS_PER_S = 100.0
"""Page faults that wait for the disk: at about a millisecond each, a tenth of the time and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What bound a step, as a word of :data:`WORDS`, and the evidence in a sentence."""

    word: str
    evidence: str


class _Row(NamedTuple):
    """One row, or a whole attempt of which only totals are known. nan: not measured, which is never busy."""

    seconds: float
    cpu: float
    gpu: float
    disk: float
    network: float
    starved_of_memory: bool
    machine_cpu: float
    throttled: float = 0.0
    storage_wait: float = 0.0
    run_wait: float = 0.0


class _Given(NamedTuple):
    """What the step had: CPUs that it was allowed, CPUs of the machine, GPUs that it used."""

    cpus: float
    machine_cpus: float
    gpus: float


def bound_of(
    usage: UsageSummary,
    process: TinyDataFrame,
    system: TinyDataFrame,
    limits: Limits,
    server: ServerInfo,
    outcome: Outcome,
) -> Bound | None:
    """What bound an attempt; ``None`` where that cannot be told.

    It cannot for an attempt shorter than 2 s or without a measured CPU; nor that one waited, where short-lived
    processes may have been missed.
    """
    if outcome.status != "ok" and ran_out_of_memory(usage, outcome, limits):
        peak = usage.overall_memory_peak_kib
        reached = f", having reached {kib_to_whole_mb(peak):,} MB" if peak else ""
        return Bound(word="memory", evidence=f"It ran out of memory{reached}.")
    cpus = limits.cpus or server.vcpus
    if not usage.duration_s >= LEAST_S or not cpus or usage.cpu_mean_cores is None:
        return None
    given = _Given(float(cpus), float(server.vcpus or cpus), usage.gpu_utilized_max or 0.0)
    rows = list(_rows(process, system, limits)) or [_total(usage)]
    seconds: dict[str, float] = {}
    for row in rows:
        word = _word(row, given)
        seconds[word] = seconds.get(word, 0.0) + row.seconds
    whole = sum(seconds.values())
    shares = sorted(((spent / whole, word) for word, spent in seconds.items()), reverse=True) if whole > 0 else []
    if not shares or (shares[0][1] == "waiting" and usage.cpu_is_lower_bound and usage.children_max != 0):
        return None
    share, word = shares[0]
    if share < MOST_OF_THE_TIME or word in _NO_BOUND:
        return Bound(word="mixed", evidence=_mixed(shares))
    slow = word == "disk" and sum(row.disk >= DISK_BUSY for row in rows) < len(rows) * share / 2
    return Bound(word=word, evidence=_evidence("slow_disk" if slow else word, share, given))


def bound_of_step(tasks: Sequence[TaskSummary]) -> Bound | None:
    """What bound most of the time of a step's attempts; ``None`` where it is known of none.

    The evidence is that of the longest attempt which it bound, and how many others it bound.
    """
    spent: dict[str, float] = {}
    for task in tasks:
        if task.bound in WORDS and task.duration_s > 0:
            spent[task.bound] = spent.get(task.bound, 0.0) + task.duration_s
    if not spent:
        return None
    word = max(spent, key=lambda name: spent[name])
    told = [task for task in tasks if task.bound in WORDS]
    same = sum(task.bound == word for task in told)
    whole = sum(spent.values())
    evidence = f"So it was in {same} of {len(told)} attempts, {_percent(spent[word] / whole)} of their time."
    longest = max((task for task in told if task.bound == word), key=lambda task: task.duration_s)
    if longest.bound_evidence:
        evidence = longest.bound_evidence if len(told) == 1 else f"{longest.bound_evidence} {evidence}"
    return Bound(word=word, evidence=evidence)


def _word(row: _Row, given: _Given) -> str:
    """What a row is put down to: first what stops everything else, last what is left."""
    all_busy = row.cpu >= ALL_BUSY * given.cpus or row.throttled >= HELD_BACK
    moving = row.disk >= DISK_BUSY or row.network >= NETWORK_BUSY
    gpu = row.gpu / given.gpus if given.gpus else 0.0
    if row.starved_of_memory:
        return "memory"
    if gpu >= GPU_IDLE:
        return "gpu" if gpu >= GPU_BUSY else "some_gpu"
    if given.gpus and (row.cpu >= WORKING_CORES or all_busy or moving):
        return "feeding_gpu"
    if row.throttled >= HELD_BACK:
        return "quota"
    if all_busy:
        return "cpu"
    if given.cpus > 1 and ONE_THREAD[0] <= row.cpu <= ONE_THREAD[1]:
        return "one_thread"
    wanted_cpu = row.cpu > IDLE_CORES or row.run_wait >= HELD_BACK
    if row.machine_cpu >= ALL_BUSY * given.machine_cpus and wanted_cpu:
        return "crowded"
    if row.disk >= DISK_BUSY or row.storage_wait >= STORAGE_WAIT:
        return "disk"
    if row.network >= NETWORK_BUSY:
        return "network"
    return "waiting" if row.cpu <= IDLE_CORES else "some_cpu"


_NO_BOUND = ("some_cpu", "some_gpu")
"""Busy, but with room left."""


_EVIDENCE = {
    "cpu": "{cpus} busy for {share} of the time.",
    "quota": "Its quota of {quota} was used up and held it back for {share} of the time.",
    "crowded": "All CPUs of the machine were busy for {share} of the time, partly with the work of other processes.",
    "one_thread": "It kept about 1 of {count} CPUs busy for {share} of the time.",
    "memory": "Close to its limit, it waited for {share} of the time for memory to be read from disk again.",
    "disk": f"It read or wrote {DISK_BUSY / 1e6:.0f} MB/s and more for {{share}} of the time.",
    "slow_disk": "For {share} of the time it waited for storage, mostly without reading or writing much.",
    "network": f"Its machine received or sent {NETWORK_BUSY / 1e6:.0f} MB/s and more for {{share}} of the time.",
    "gpu": f"The GPU had work for {GPU_BUSY * 100:.0f} % and more of {{share}} of the time.",
    "feeding_gpu": "For {share} of the time the GPU was not half busy, while CPU, disk or network worked for it.",
    "waiting": "For {share} of the time nothing measured was busy: it slept, or waited for a lock or another service.",
}


def _evidence(word: str, share: float, given: _Given) -> str:
    cpus = "The only CPU that it was allowed was" if given.cpus == 1 else f"All {given.cpus:g} CPUs allowed were"
    quota = f"{given.cpus:g} {'CPU' if given.cpus == 1 else 'CPUs'}"
    return _EVIDENCE[word].format(cpus=cpus, count=f"{given.cpus:g}", quota=quota, share=_percent(share))


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


_PARTS = {**WORDS, "crowded": "a crowded machine", "some_cpu": "part of the CPUs", "some_gpu": "part of the GPU"}


def _mixed(shares: Sequence[tuple[float, str]]) -> str:
    parts = [f"{_PARTS[word]} for {_percent(share)}" for share, word in shares[:3] if share >= 0.1]
    return f"Of the time: {', '.join(parts)}."


def _rows(process: TinyDataFrame, system: TinyDataFrame, limits: Limits) -> Iterator[_Row]:
    """The rows of both frames side by side; where the frames are of different lengths, those of the step alone."""
    count = len(process)
    if not count or "cpu_usage" not in process:
        return
    seconds = row_weights(process)
    own = _columns(process, ("cpu_usage", "gpu_usage", "read_bytes", "write_bytes", "memory", "major_faults"), count)
    beside = system if len(system) == count else TinyDataFrame({})
    others = _columns(
        beside, ("cpu_usage", "net_recv_bytes", "net_sent_bytes", "swap_used_kib", "memory_pressure_s"), count
    )
    waits = _columns(process, ("throttled_periods", "memory_pressure_s", "io_pressure_s", "run_wait_s"), count)
    period_s = limits.cpu_period_s or QUOTA_PERIOD_S
    limit_kib = mib_to_kib(limits.memory_mib) if limits.memory_mib else float("inf")
    swapped_before = others[3][0]
    for length, *of_step, of_machine, waited in zip(
        seconds, *own, zip(*others, strict=True), zip(*waits, strict=True), strict=True
    ):
        cpu, gpu, read, written, memory, faults = of_step
        if not length > 0 or cpu != cpu:
            continue
        machine_cpu, received, sent, swapped, machine_waited_s = of_machine
        throttled, memory_waited_s, storage_waited_s, run_waited_s = waited
        pressed = memory >= NEAR_LIMIT * limit_kib or swapped - swapped_before >= LEAST_SWAPPED_KIB
        yield _Row(
            seconds=length,
            cpu=cpu,
            gpu=gpu if gpu == gpu else 0.0,
            disk=(read + written) / length,
            network=(received + sent) / length,
            starved_of_memory=memory_waited_s / length >= MEMORY_WAIT
            or (pressed and (faults / length >= FAULTS_PER_S or machine_waited_s / length >= MEMORY_WAIT)),
            machine_cpu=machine_cpu,
            throttled=throttled / length * period_s,
            storage_wait=storage_waited_s / length,
            run_wait=run_waited_s / length,
        )


def _columns(frame: TinyDataFrame, names: tuple[str, ...], count: int) -> list[Sequence[float]]:
    nothing = [float("nan")] * count
    present = set(frame.columns)
    return [frame[name] if name in present else nothing for name in names]


def _total(usage: UsageSummary) -> _Row:
    """The attempt as one row, where there were only readings at its start and end."""
    seconds = usage.duration_s
    return _Row(
        seconds=seconds,
        cpu=usage.cpu_mean_cores or 0.0,
        gpu=usage.gpu_usage_mean or 0.0,
        disk=((usage.process_read_bytes or 0.0) + (usage.process_write_bytes or 0.0)) / seconds,
        network=((usage.net_recv_bytes or 0.0) + (usage.net_sent_bytes or 0.0)) / seconds,
        starved_of_memory=False,
        machine_cpu=float("nan"),
    )
