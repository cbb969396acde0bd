"""What the GPUs of a step's attempts tell beyond their number: idle, hardly used, larger than needed, or unsizeable.

Pure. Rules, thresholds and their sources are explained in ``docs/sizing.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from resource_tracker.machines import architecture_of
from resource_tracker.needs import known
from resource_tracker.records import InstanceType, TaskSummary
from resource_tracker.units import mib_to_gb, mib_to_gib

HARDLY_USED = 0.3
"""Mean share of its time in which a GPU had work: below it, another GPU or none is worth a thought."""
BUSY = 0.6
"""Above it, the step takes about as much longer as a smaller GPU is slower."""
JAX_SHARE = (0.73, 0.77)
"""JAX reserves 75 % of a GPU's memory at its first operation, whatever it needs (jax.dev, "GPU memory allocation")."""
ALL_HELD = 0.90
"""TensorFlow reserves nearly all of it; PyTorch keeps what it once had until the memory is full."""
VRAM_HEADROOM = 1.15
"""Of a smaller model over the memory that was held: drivers and libraries take some hundred MiB for themselves."""
CLEARLY_SMALLER = 0.9
MODELS_NAMED = 2
NOT_WORTH_ASKING = 0.02
"""Use below 2 % of one GPU is next to none."""


def gpu_notes(tasks: Sequence[TaskSummary], instances: Iterable[InstanceType] = ()) -> tuple[str, ...]:
    """Sentences about the GPUs that a step used; none where it used none, or they fit.

    Parameters
    ----------
    tasks : sequence of TaskSummary
        Attempts of one step, the newest first.
    instances : iterable of InstanceType
        Machines among which to look for a smaller GPU.
    """
    used = [task for task in tasks if any(count > 0 for count in known(task.gpu_utilized_max, task.gpus_used))]
    if not used:
        return ()
    notes = (_never_used(tasks), _hardly_used(used), _memory_note(used, instances))
    return tuple(note for note in notes if note)


def vram_per_gpu_mib(task: TaskSummary) -> float | None:
    """GPU memory that an attempt held of its fullest GPU; where each was not measured, an even part of all of it."""
    fullest = next(known(task.gpu_vram_each_mib), None)
    if fullest is not None:
        return fullest or None
    count = max(known(task.gpu_utilized_max), default=0.0)
    held = max(known(task.gpu_vram_max_mib), default=0.0)
    return held / count if count and held else None


def _busy_share(task: TaskSummary) -> float | None:
    count = max(known(task.gpu_utilized_max), default=0.0)
    busy = next(known(task.gpu_usage_mean), None)
    return busy / count if count and busy is not None else None


def _never_used(tasks: Sequence[TaskSummary]) -> str | None:
    """GPUs that the step was given, and that had no work of it in any attempt that was given as many."""
    given = tasks[0].gpus_given
    alike = [task for task in tasks if task.gpus_given == given and task.gpus_used is not None]
    if not given or not alike:
        return None
    idle = given - max(task.gpus_used or 0 for task in alike)
    if idle <= 0:
        return None
    where = "in this attempt" if len(alike) == 1 else f"in any of {len(alike)} attempts"
    note = f"{idle} of {given} GPUs {'was' if idle == 1 else 'were'} never used {where}."
    held = max(task.gpus_held or 0 for task in alike) - (given - idle)
    if held > 0:
        note += f" Of {held} of them the step held memory all the same: some frameworks take what they see."
    return note


def _hardly_used(used: Sequence[TaskSummary]) -> str | None:
    shares = [share for task in used if (share := _busy_share(task)) is not None]
    most = max(shares, default=1.0)
    if most >= HARDLY_USED:
        return None
    if most < NOT_WORTH_ASKING:
        return (
            f"The GPU had work for {most * 100:.1f} % of the time: the step may be as fast without one, and runs on "
            "any machine."
        )
    return (
        f"The GPU had work for only {most * 100:.0f} % of the time: larger batches, more CPUs that feed it, or a GPU "
        "step of its own, apart from what needs none, would pay."
    )


def _memory_note(used: Sequence[TaskSummary], instances: Iterable[InstanceType]) -> str | None:
    """Whether a GPU with less memory would do, or why that cannot be told."""
    newest = used[0]
    held = max((mib for task in used if (mib := vram_per_gpu_mib(task)) is not None), default=None)
    total = next(known(newest.gpu_memory_mib), None)
    if held is None or not total:
        return None
    reserved = _reserved_by(held / total)
    if reserved:
        return (
            f"It held {_held(held)} of the GPU's {_gib(total)}: {reserved}. How much it needs cannot be told from that."
        )
    smaller = list(_smaller_models(newest, held, total, instances))
    if not smaller:
        return None
    slower = " It takes longer on a slower one." if (_busy_share(newest) or 0.0) > BUSY else ""
    return (
        f"It held at most {_held(held)} of the GPU's {_gib(total)}: a smaller one would do, such as "
        f"{' or '.join(smaller)}.{slower}"
    )


def _reserved_by(share: float) -> str | None:
    """Who may hold so much of a GPU's memory without needing it."""
    if JAX_SHARE[0] <= share <= JAX_SHARE[1]:
        return "JAX reserves three quarters of it, unless XLA_PYTHON_CLIENT_PREALLOCATE=false"
    if share >= ALL_HELD:
        return "TensorFlow reserves nearly all and PyTorch keeps what it once had"
    return None


def _smaller_models(
    task: TaskSummary, held_mib: float, total_mib: float, instances: Iterable[InstanceType]
) -> Iterator[str]:
    """The smallest models with enough memory, of the vendor that the step runs at where that is known."""
    models: dict[str, float] = {}
    for machine in instances:
        memory = machine.gpu_memory_mib
        if not machine.gpu_model or not memory or (task.vendor and machine.vendor != task.vendor):
            continue
        if task.architecture and machine.architecture != architecture_of(task.architecture):
            continue
        if held_mib * VRAM_HEADROOM <= memory <= total_mib * CLEARLY_SMALLER:
            models[machine.gpu_model] = min(memory, models.get(machine.gpu_model, memory))
    smallest = sorted(models.items(), key=lambda found: (found[1], found[0]))
    return (f"{model} ({_gib(memory)})" for model, memory in smallest[:MODELS_NAMED])


def _held(mib: float) -> str:
    """In GB, as the peak beside it is told, and in GiB, as vendors list a GPU's memory."""
    return f"{mib_to_gb(mib):.1f} GB ({_gib(mib)})"


def _gib(mib: float) -> str:
    return f"{mib_to_gib(mib):.1f} GiB"
