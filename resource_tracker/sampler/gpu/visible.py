"""Which GPUs a program may use: what ``CUDA_VISIBLE_DEVICES`` means, as CUDA and PyTorch read it.

Source: CUDA C++ Programming Guide, "CUDA Environment Variables"; ``torch.cuda._parse_visible_devices``.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from resource_tracker.sampler.gpu.port import Gpu

VARIABLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
BY_BUS = "PCI_BUS_ID"
PREFIXES = ("GPU-", "MIG-")


def visible_gpus(text: str | None, order: str | None, gpus: "Sequence[Gpu]") -> frozenset[int] | None:
    """Places in `gpus` of those that a program may use; ``None`` where that cannot be told, or all may be.

    An entry that names none ends the list, and one that stands twice makes it empty. CUDA numbers GPUs from the
    fastest, the driver by bus: so where models differ, numbers say which only with ``CUDA_DEVICE_ORDER=PCI_BUS_ID``.
    """
    if text is None:
        return None
    entries = [entry.strip() for entry in text.split(",")]
    numbers = not entries[0].startswith(PREFIXES)
    if numbers and order != BY_BUS and len({gpu.name for gpu in gpus if gpu.key == gpu.parent}) > 1:
        return None
    found: list[set[int]] = []
    for entry in entries:
        places = _numbered(entry, gpus) if numbers else _named(entry, gpus)
        if not places:
            break
        if places in found:
            return frozenset()
        found.append(places)
    return frozenset().union(*found)


def _numbered(entry: str, gpus: "Sequence[Gpu]") -> set[int]:
    """All instances of the GPU of that number; CUDA reads as far as there are digits."""
    digits = entry[: len(entry) - len(entry.lstrip("0123456789"))]
    parents = list(dict.fromkeys(gpu.parent for gpu in gpus))
    if not digits or int(digits) >= len(parents):
        return set()
    return {place for place, gpu in enumerate(gpus) if gpu.parent == parents[int(digits)]}


def _named(entry: str, gpus: "Sequence[Gpu]") -> set[int]:
    """The one GPU or instance whose name begins so; a GPU's name stands for all its instances."""
    if entry.startswith("MIG-GPU-"):  # of drivers before 470: MIG-GPU-<of the GPU>/<GPU instance>/<compute instance>
        entry = entry.removeprefix("MIG-").partition("/")[0]
    if not entry.startswith(PREFIXES):
        return set()
    names = {gpu.key for gpu in gpus} | {gpu.parent for gpu in gpus}
    matching = [name for name in names if name.startswith(entry)]
    if len(matching) != 1:
        return set()
    return {place for place, gpu in enumerate(gpus) if matching[0] in (gpu.key, gpu.parent)}
